"""Run the uv that is installed with this tool, with a configuration of the tool's own.

Two settings make uv fast on every index, also on one that sends no cache headers. A page that was fetched
in this run or in the ten minutes before it is not fetched again, and a file never is. If a candidate was
uploaded since, the resolver repeats the call with `ask_again`.

uv's standard error shows how long each step took. uv prints a line when it begins to build a source
distribution and when it has finished, and the time for getting and unpacking everything (`Prepared`, which
includes builds).
"""

from __future__ import annotations

import json
import netrc
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from bisect_asgi.backend.files import remove, write_whole
from bisect_asgi.backend.process.helper import Completed, run_helper
from bisect_asgi.backend.process.sandbox import Sandbox
from bisect_asgi.backend.process.usage import move
from bisect_asgi.backend.process.workshop import Workshop
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, NoResult, Unavailable, Unresolvable, Untestable, not_writable
from bisect_asgi.core.model import Step
from bisect_asgi.core.plan import Building
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import duration, without_credentials

# With these variables, uv reaches the network and its cache as the user's uv would. No other is passed on.
_KEPT = re.compile(
    r"(?i)^(PATH|HOME|LANG|LC_.*|TMPDIR|NETRC|SSL_CERT_(FILE|DIR)|(HTTPS?|ALL|NO)_PROXY|XDG_.*_HOME"
    r"|UV_(CACHE_DIR|INDEX_.+_(USERNAME|PASSWORD)|KEYRING_PROVIDER|SYSTEM_CERTS|NATIVE_TLS|HTTP_TIMEOUT"
    r"|INSECURE_HOST|CONCURRENT_.*|LINK_MODE)|CC|CXX|CFLAGS|LDFLAGS)$"
)
_NETWORK = re.compile(
    r"error sending request|Failed to fetch|tcp connect|dns error|timed out|HTTP status"
    r"|Received some unexpected|Missing `Content-Type`|Unsupported `Content-Type`",
    re.I,
)
_NO_ANSWER = re.compile(r"error sending request|tcp connect|dns error", re.I)
_REFUSED = re.compile(r"authentication credentials|\b(?:401|403) (?:Unauthorized|Forbidden)", re.I)
_OF_A_FILE = re.compile(r"Failed to (?:download|read|extract|unpack) |Hash mismatch", re.I)
_FETCHED = re.compile(r"Failed to fetch: (\S+)", re.I)
_FILES = (".whl", ".metadata", ".gz", ".bz2", ".zip")
_GONE = re.compile(r"HTTP status client error \((?:403|404|410|451) ", re.I)
_CUT = re.compile(
    r"request or response body error|I/O operation failed|network timeout|timed out|HTTP status"
    r"|error decoding|unexpected EOF",
    re.I,
)
# The archive itself is so: a name in it that uv refuses, or headers of an old tar.
_REJECTED = re.compile(r"extraction policy rejected|invalid tar checksum", re.I)
_WRONG = re.compile(r"Failed to extract|invalid zip|bad CRC|hash mismatch|corrupt", re.I)
_UNSOUND = re.compile(r"does not match filename|is invalid|was invalid", re.I)
_CACHED = re.compile(r"failed to read from file|stream did not contain valid UTF-8|archive-v\d", re.I)
_NO_ROOM = re.compile(r"No space left on device|os error (?:28|122)\b|Disk quota exceeded", re.I)
_KILLED = re.compile(r"signal: \d+ \(SIG(?:KILL|TERM)\)")
"""uv's words for a program of its own that something has killed."""
_OUT_OF = re.compile(r"os error (?:5|12|23|24)\b|Too many open files|Cannot allocate memory", re.I)
# What a build printed is not uv's: it may talk of anything, but hardly in these forms.
_BUILD_NO_ROOM = re.compile(r"^\s*(?:OSError|IOError): \[Errno (?:28|122)\]|error: error writing to ", re.M)
_BUILD_OUT_OF = re.compile(
    r"^\s*(?:\w*Error: \[Errno (?:5|12|23|24)\]|MemoryError\b)|virtual memory exhausted"
    r"|out of memory allocating",
    re.M,
)
_BUILD_NETWORK = re.compile(
    r"urlopen error|name resolution|Name or service not known|Connection (?:refused|reset)"
    r"|Network is unreachable"
)
_NO_SOLUTION = re.compile(r"No solution found")
# uv says the same of a page that another machine sent in place of the index.
_NO_VERSIONS = re.compile(r"there are no versions of", re.I)
_NO_BUILD = re.compile(r"Failed to (?:download and )?build `(?P<name>[^`=]+)==(?P<version>[^`]+)`")
_NO_WHEEL = re.compile(r"Failed to build `")
_OURS = re.compile(r"os error \d+|No interpreter found|Python interpreter", re.I)
_CAUSE = re.compile(r"^\s*(?:error|cause|×|├─▶|╰─▶):?\s*(?P<text>.*)$")
_RETRIES = 3
_CLEAN_S = 30
_LIMIT_S = 1200.0
"""How long one call may take: a file that comes byte by byte never reaches uv's own time-out."""
_MOST_UNDELIVERED = 3
"""After so many calls in a row for which the index has sent no whole file, it is not asked for more."""
# One date for all files in wheels, so that equal content gives equal bytes; and output in the right order.
_BUILDING = {"SOURCE_DATE_EPOCH": "1577836800", "PYTHONUNBUFFERED": "1"}
_KEEP = 'cache-control = {{ api = "max-age={age_s}", files = "max-age=365000000, immutable" }}\n'
_KEPT_FOR_S = 600


class Indexes(Struct, frozen=True, kw_only=True):
    """The user's indexes; the first has the highest priority, the last is the default."""

    urls: tuple[str, ...]
    find_links: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords, and the user names that have none and may be tokens; as they are, and unescaped."""
        found = set()
        for url in self.urls + self.find_links:
            with suppress(ValueError):  # of an address that is none
                parts = urlsplit(url)
                found.add(parts.password or parts.username or "")
        return tuple({*found, *map(unquote, found)} - {""})

    @property
    def identity(self) -> str:
        """A digest of the addresses, without credentials: what one index has, another may lack."""
        places = self.urls + self.find_links
        return codec.digest("indexes", [without_credentials(url) for url in places])


class SdistBuildFailed(BuildFailed):
    """One distribution could not be built; `name` and `version` say which."""

    def __init__(self, message: str, *, name: str = "", version: str = "", is_lasting: bool = True) -> None:
        super().__init__(message, is_lasting=is_lasting)
        self.name = name
        self.version = version


class UnsoundWheel(BuildFailed):
    """A wheel is not as it should be: as it was published, or as uv's cache has it."""


def binary() -> str:
    """Return the path of the uv that is installed with this tool.

    Raises:
        Unavailable: the installation is damaged.
    """
    import uv

    try:
        return uv.find_uv_bin()
    except FileNotFoundError as error:
        raise Unavailable(
            f"uv's program is missing: {error}", hint="install bisect-asgi again; uv comes with it"
        ) from error


def configured_indexes() -> Indexes:
    """Return the indexes of the user's configuration (files, variables, defaults), as uv reads it here.

    Raises:
        Unavailable: uv could not read its configuration.
    """
    try:
        asked = _asked()
        if asked.returncode < 0 or _KILLED.search(asked.stderr):  # as when memory is short
            asked = _asked()
    except subprocess.TimeoutExpired as error:
        raise Unavailable(
            f"uv did not say within {duration(_LIMIT_S)} which indexes it is configured for",
            hint="`uv pip compile - --emit-index-url < /dev/null` shows whether it ends",
        ) from error
    if asked.returncode != 0:
        raise Unavailable(
            f"uv cannot read its configuration: {first_cause(asked.stderr)}",
            hint="`uv pip compile - --emit-index-url < /dev/null` shows it",
        )
    found: dict[str, list[str]] = {"--index-url": [], "--extra-index-url": [], "--find-links": []}
    for line in asked.stdout.splitlines():
        option, _, value = line.strip().partition(" ")
        if option in found:
            found[option].append(value if "://" in value else str(Path(value).absolute()))
    urls = found["--extra-index-url"] + found["--index-url"]
    return Indexes(urls=tuple(urls), find_links=tuple(found["--find-links"]))


def _asked() -> subprocess.CompletedProcess[str]:
    """Have uv print the indexes of the user's configuration."""
    argv = [binary(), "pip", "compile", "-", "--quiet", "--no-header", "--python", sys.executable]
    emit = ("--emit-index-url", "--emit-find-links")
    argv += emit
    return subprocess.run(argv, input="", capture_output=True, text=True, check=False, timeout=_LIMIT_S)


class Uv:
    """Runs uv with this tool's configuration, and tells its failures apart.

    Args:
        folder: the folder of the configuration.
        indexes: see `configured_indexes`.
        builds: where uv's boxes are made, by default beside `folder`; the sandbox must not hide it.
        sandbox: confines uv where it may have to build.
        building: how long such a call may take, and how it is confined.
    """

    def __init__(
        self,
        folder: Path,
        indexes: Indexes,
        *,
        builds: Path | None = None,
        sandbox: Sandbox | None = None,
        building: Building | None = None,
    ) -> None:
        self.indexes = indexes
        self._workshop = Workshop(
            builds or folder.with_name("builds"), sandbox or Sandbox(folder), building or Building()
        )
        self._binary = binary()
        self._folder = folder
        self._begun = time.monotonic()
        self._undelivered = 0
        self._configs: dict[int, Path] = {}
        self._asking = folder / "uv-refresh.toml"
        # uv's own `--refresh` does nothing to an index that has a cache-control.
        _write(self._asking, _configuration(indexes, ""))
        kept = {name: value for name, value in os.environ.items() if _KEPT.match(name)}
        # uv itself repeats a single request once, quickly; a call that failed is repeated here.
        self._environ = {"UV_HTTP_RETRIES": "1"} | kept

    def begin(self) -> None:
        """Begin a new command, for which pages of an earlier command in this process may be too old."""
        self._begun = time.monotonic()

    @property
    def _config(self) -> Path:
        """The configuration that accepts pages of this run; it changes every ten minutes, with their age."""
        since = int(time.monotonic() - self._begun) // _KEPT_FOR_S
        if since not in self._configs:
            age_s = _KEPT_FOR_S * (since + 1)
            path = self._folder / f"uv-{age_s}.toml"
            _write(path, _configuration(self.indexes, _KEEP.format(age_s=age_s)))
            self._configs[since] = path
        return self._configs[since]

    def run(
        self,
        *arguments: str,
        token: CancelToken,
        stdin: str = "",
        ask_again: bool = False,
        keeps: Sequence[int] = (),
        writable: Sequence[Path] = (),
    ) -> str:
        """Return the standard output of `uv pip …`, repeated after network failures.

        What has to be built for it is built in a box. To install, that is tried only if there are no wheels:
        in the box uv has a cache of its own, and links no files from there.

        `ask_again`: ask the index anew, whatever uv has cached. `keeps`: see `run_helper`. `writable`: the
        folders in which it installs.

        Raises:
            Unresolvable: the requirements cannot be satisfied.
            BuildFailed: a distribution could not be built (SdistBuildFailed), or the index has lost its file.
            NoResult: after the retries, a file is not as it should be, or this machine ran out of something.
            Unavailable: the index did not answer after the retries, or the disk is full.
            Cancelled: the token was cancelled.
        """
        config, more = (self._asking, ["--refresh"]) if ask_again else (self._config, [])
        argv = ["pip", *arguments, "--no-progress", *more]
        try:
            said = self._pip(argv, config, token, stdin, keeps, writable)
        except _Undelivered as error:
            self._undelivered += 1
            if self._undelivered >= _MOST_UNDELIVERED:
                raise Unavailable(
                    f"the package index has sent none of {self._undelivered} files: {error}",
                    hint="nothing was learnt about the releases that need them; run the same command later",
                ) from error
            raise
        if arguments[0] == "install":
            self._undelivered = 0
        return said

    def _pip(
        self,
        argv: Sequence[str],
        config: Path,
        token: CancelToken,
        stdin: str,
        keeps: Sequence[int],
        writable: Sequence[Path],
    ) -> str:
        outside = partial(self._outside, config, self._environ, keeps)
        if "--only-binary" in argv:
            return self._ask(argv, outside, token, stdin)
        if "install" in argv:
            with suppress(Unresolvable):
                return self._ask([*argv, "--only-binary", ":all:"], outside, token, stdin)
        return self._ask(argv, partial(self._in_box, config, self._environ, keeps, writable), token, stdin)

    def clean(self, names: Sequence[str], token: CancelToken) -> None:
        """Remove distributions from uv's cache, because their files there are no longer what was downloaded.

        Raises:
            Unavailable: they cannot be removed.
            Cancelled: the token was cancelled.
        """
        if not names:
            return
        try:
            # It waits for each uv that uses the cache, but one of them may build for an hour.
            patient = self._environ | {"UV_LOCK_TIMEOUT": str(_CLEAN_S)}
            self._ask(["cache", "clean", *names], partial(self._outside, None, patient, ()), token)
        except (Unavailable, Untestable):
            forced = partial(self._outside, None, self._environ, ())
            self._ask(["cache", "clean", "--force", *names], forced, token)

    def build(self, project: Path, *arguments: str, token: CancelToken, writable: Sequence[Path]) -> None:
        """Build the wheel of the project in a folder, repeated after network failures.

        It is built as an installer would build it, with its `[build-system]` and without its `[tool.uv]`.

        Raises:
            BuildFailed: it could not be built; the message has the last line of the build.
            NoResult: as `run`.
            Unavailable: the index did not answer after the retries, or the disk is full.
            Cancelled: the token was cancelled.
        """
        # Not `--quiet`, which hides the output of the build.
        how = ("--wheel", "--no-sources", "--force-pep517", "--no-create-gitignore", "--no-progress")
        in_box = partial(self._in_box, self._config, self._environ | _BUILDING, (), writable)
        self._ask(["build", str(project), *how, *arguments], in_box, token)

    def _ask(self, arguments: Sequence[str], run: _Run, token: CancelToken, stdin: str = "") -> str:
        argv = [self._binary, *arguments, "--color", "never"]
        for attempt in Retrying(
            retry=retry_if_exception_type((_NetworkFault, _Passing)),
            stop=stop_after_attempt(_RETRIES),
            wait=wait_random_exponential(multiplier=0.5, max=5),
            reraise=True,
        ):
            with attempt:
                watch = UvProgress()
                try:
                    completed = run(argv, token, stdin, watch)
                except OSError as error:  # no more processes, or files
                    raise _Passing(f"uv could not be started: {error}") from error
                finally:
                    watch.charge()
                if completed.exit_code != 0:
                    raise _failure(completed)
                return completed.stdout
        raise AssertionError("each attempt returns or raises")

    def _outside(
        self,
        config: Path | None,
        environ: Mapping[str, str],
        keeps: Sequence[int],
        argv: Sequence[str],
        token: CancelToken,
        stdin: str,
        watch: UvProgress,
    ) -> Completed:
        """Run uv as the user would, where it builds nothing."""
        try:
            return run_helper(
                [*argv, *(["--config-file", str(config)] if config else [])],
                environ=environ,
                token=token,
                stdin=stdin,
                on_stderr=watch,
                keeps=keeps,
                limit_s=_LIMIT_S,
            )
        except subprocess.TimeoutExpired as error:
            raise NoResult(
                f"uv did not end within {duration(_LIMIT_S)}: the index may send too slowly"
            ) from error

    def _in_box(
        self,
        config: Path,
        environ: Mapping[str, str],
        keeps: Sequence[int],
        writable: Sequence[Path],
        argv: Sequence[str],
        token: CancelToken,
        stdin: str,
        watch: UvProgress,
    ) -> Completed:
        """Run uv where it may build."""
        try:
            return self._workshop.run(
                argv,
                config=_with_netrc(config.read_text(), self.indexes),
                environ=environ,
                token=token,
                stdin=stdin,
                on_stderr=watch,
                keeps=keeps,
                writable=writable,
            )
        except subprocess.TimeoutExpired as error:
            limit = f"{duration(self._workshop.timeout_s)} (`--build-timeout`)"
            if watch.is_building or argv[1] == "build":
                raise BuildFailed(f"it takes longer than {limit}", is_lasting=False) from error
            raise NoResult(f"uv did not end within {limit}: the index may send too slowly") from error


_Run = Callable[[Sequence[str], CancelToken, str, "UvProgress"], Completed]
"""Runs uv with its arguments, its standard input, and what takes its progress."""


class _NetworkFault(Unavailable):
    """The network or the index failed; it may answer the next time."""


class _Passing(NoResult):
    """A file did not arrive as it should be, or this machine ran out of something; both may pass."""


class _Undelivered(_Passing):
    """The index did not send a file, or not all of it."""


def _failure(completed: Completed) -> Exception:
    """Return the error for a failure of uv: exit code 1 if the request cannot be met, 2 if uv failed."""
    if completed.exit_code < 0:
        return _Passing(f"uv was killed {_RETRIES} times by {signal.Signals(-completed.exit_code).name}")
    stderr = _logs_last(_without_progress(completed.stderr))
    text, _, built = stderr.partition("[stderr]")
    cause = first_cause(stderr)
    return (
        _of_this_machine(text, built, cause)
        or (_of_a_file(text, cause) if _is_of_a_file(text) else None)
        or _of_the_index(text, cause)
        or _of_the_candidate(completed, text, built, cause)
    )


def _of_this_machine(text: str, built: str, cause: str) -> Exception | None:
    """Return the error if this machine lacks something, for uv or for a build."""
    if _NO_ROOM.search(text) or _BUILD_NO_ROOM.search(built):
        return Unavailable(f"there is no room left on the disk: {cause}", hint=_ROOM_HINT)
    if _KILLED.search(text) or _OUT_OF.search(text) or _BUILD_OUT_OF.search(built):
        return _Passing(f"this machine ran out of something: {cause}")
    return None


def _of_a_file(text: str, cause: str) -> Exception | None:
    """Return the error if the index has lost a file, or has sent it cut or wrong, or uv rejects it."""
    if _GONE.search(text):
        return BuildFailed(cause, is_lasting=False)
    found = f"a file did not arrive as it should be in {_RETRIES} attempts: {cause}"
    if _CUT.search(text):
        return _Undelivered(found)
    if _REJECTED.search(text):
        return BuildFailed(cause, is_lasting=False)
    return _Passing(found) if _WRONG.search(text) else None


def _of_the_index(text: str, cause: str) -> Exception | None:
    """Return the error if the index does not answer, or not to this user."""
    if _NETWORK.search(text):
        return _NetworkFault(
            f"the package index did not answer after {_RETRIES} attempts: {cause}",
            hint="nothing was learnt about any release that needs it; run the same command again later",
        )
    if _REFUSED.search(text):
        return Unavailable(
            f"the package index refused an answer: {cause}",
            hint="check its credentials in uv's configuration",
        )
    return None


def _is_of_a_file(text: str) -> bool:
    """Return whether one file did not arrive from an index that answers."""
    if _NO_ANSWER.search(text):
        return False
    fetched = _FETCHED.findall(text)
    return fetched[-1].endswith(_FILES) if fetched else bool(_OF_A_FILE.search(text))


def _of_the_candidate(completed: Completed, text: str, built: str, cause: str) -> Exception:
    """Return the error for a failure of uv that neither the index nor this machine explains."""
    is_lasting = not _BUILD_NETWORK.search(built)
    if build := _NO_BUILD.search(text):
        name, version = build["name"], build["version"]
        return SdistBuildFailed(cause, name=name, version=version, is_lasting=is_lasting)
    if _UNSOUND.search(text) or _CACHED.search(text):
        return UnsoundWheel(cause, is_lasting=not _CACHED.search(text))
    if _is_its_own_fault(text):
        return BuildFailed(cause, is_lasting=is_lasting)
    if completed.exit_code == 1:
        is_lasting = bool(_NO_SOLUTION.search(text)) and not _NO_VERSIONS.search(cause)
        return Unresolvable(cause, is_lasting=is_lasting)
    return Unavailable(
        f"uv failed: {cause}",
        hint="nothing was learnt; `bisect-asgi cache --clear` may help if its cache is damaged",
    )


def _without_progress(stderr: str) -> str:
    """Return uv's message without its lines of progress; the output of a build stays as it is."""
    message, mark, built = stderr.partition("[stderr]")
    return "".join(line for line in message.splitlines(keepends=True) if not is_progress(line)) + mark + built


_ROOM_HINT = "free some, or clear what is kept: `bisect-asgi cache --clear`"


def _is_its_own_fault(text: str) -> bool:
    """Return whether a project failed to build, and not because of something on this machine."""
    return bool(_NO_WHEEL.search(text)) and not _OURS.search(text)


def _logs_last(stderr: str) -> str:
    """Move the output of a project's build behind uv's message, as it is for a dependency's build."""
    log, found, message = stderr.rpartition("\nerror: Failed to build ")
    output = log.removeprefix("Building wheel...").strip()
    if not found or not output or "[stderr]" in message:
        return stderr.removeprefix("Building wheel...\n")
    return f"{found.strip()} {message.partition(f'{chr(10)}hint:')[0]}\n[stderr]\n{output}"


def first_cause(stderr: str) -> str:
    """Return the useful part of uv's message on one line: its last `cause`, else its first line.

    If a build failed, the last line of its output comes first.
    """
    message, _, built = stderr.partition("\nhint:")[0].partition("[stderr]")
    lines = _joined(message.splitlines())
    causes = [match["text"].strip() for line in lines if (match := _CAUSE.match(line)) and match["text"]]
    specific = [line for line in causes if not line.startswith("No solution found")]
    last = (specific or causes or [stderr.strip().partition("\n")[0] or "it gave no reason"])[-1]
    output = [line.strip() for line in built.splitlines() if line.strip()]
    return f"{output[-1]} ({last})" if output else last


def _joined(lines: Sequence[str]) -> list[str]:
    """Join each of uv's indented continuation lines to the line before it."""
    joined: list[str] = []
    for line in lines:
        if joined and line.startswith("      ") and line.strip():
            joined[-1] += " " + line.strip()
        else:
            joined.append(line)
    return joined


def _configuration(indexes: Indexes, keep: str) -> str:
    """Return uv's configuration in TOML, in which a JSON string is a string."""
    tables = []
    for number, url in enumerate(indexes.urls):
        tables.append(
            f'[[index]]\nname = "index-{number}"\nurl = {json.dumps(url)}\n'
            f"default = {'true' if number == len(indexes.urls) - 1 else 'false'}\n"
            f"{keep}"
        )
    links = f"find-links = {json.dumps(list(indexes.find_links))}\n"
    return links + ("\n".join(tables) if tables else "no-index = true\n")


def _with_netrc(configuration: str, indexes: Indexes) -> str:
    """Return the configuration with the user's credentials for hosts in the addresses without any.

    In a box uv finds no netrc, because the home there is an empty folder.
    """
    try:
        known = netrc.netrc(os.environ.get("NETRC"))
    except (OSError, ValueError, netrc.NetrcParseError):
        return configuration
    for url in indexes.urls:
        parts = urlsplit(url)
        found = known.authenticators(parts.hostname or "")
        if found and parts.username is None:
            user, _, password = (quote(part or "", safe="") for part in found)
            own = parts._replace(netloc=f"{user}:{password}@{parts.netloc}").geturl()
            configuration = configuration.replace(json.dumps(url), json.dumps(own))
    return configuration


def _write(path: Path, text: str) -> None:
    """Write a file that others may be reading, and that only the user may read: it may hold credentials."""
    with suppress(OSError):
        if path.read_bytes() == text.encode():
            return
    if os.path.isdir(path):  # nothing of ours
        remove(path)
    try:
        with suppress(PermissionError):
            write_whole(path, text.encode())
            return
        remove(path.parent)  # the user can make the folder anew, if not the file in it
        write_whole(path, text.encode())
    except OSError as error:
        raise not_writable("uv's configuration", path, error) from error


_PROGRESS = re.compile(
    r"^\s*(?P<word>Resolved|Prepared|Installed|Audited|Uninstalled|Building|Built|Downloading|Downloaded"
    r"|Updating|Updated|Using Python)\s+(?P<rest>\S.*)$|^ [+~-] \S+"
)
_TOOK = re.compile(r" in (?:(?P<minutes>\d+)m )?(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|µs|us|ns|s)$")
_UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}


def is_progress(line: str) -> bool:
    """Return whether a line only reports uv's progress."""
    return _PROGRESS.match(line) is not None


def took(text: str) -> float:
    """Return the seconds at the end of a line such as `9 packages in 1m 02s`, or 0."""
    match = _TOOK.search(text)
    if not match:
        return 0.0
    return 60.0 * int(match["minutes"] or 0) + float(match["number"]) * _UNITS[match["unit"]]


class UvProgress:
    """Adds up the times of one call of uv, from the lines that it prints; used by one thread."""

    def __init__(self) -> None:
        self._prepared_s = 0.0
        self._built_s = 0.0
        self._building: set[str] = set()
        self._since = 0.0

    def __call__(self, line: str) -> None:
        """Take the next line of uv's standard error."""
        match = _PROGRESS.match(line)
        if not match or not match["word"]:
            return
        match match["word"]:
            case "Prepared":
                self._prepared_s += took(match["rest"])
            case "Building":
                self._settle()
                self._building.add(match["rest"])
            case "Built":
                self._settle()
                self._building.discard(match["rest"])

    @property
    def is_building(self) -> bool:
        """Whether a build has begun and not ended."""
        return bool(self._building)

    def charge(self) -> None:
        """Charge the times to builds and downloads, after uv has ended."""
        self._settle()
        self._building.clear()
        move(self._built_s, to=Step.BUILD)
        move(self._prepared_s - self._built_s, to=Step.DOWNLOAD)

    def _settle(self) -> None:
        """Count the time since the last call if any build was going on; parallel builds count once."""
        now = time.monotonic()
        if self._building:
            self._built_s += now - self._since
        self._since = now

"""Run the uv that is installed with this tool, with a configuration of the tool's own.

The configuration has the user's indexes and network settings as they were found at the beginning
(`backend/network`). It includes credentials, so uv reads it from a pipe, and it is never on the disk.

Two settings make uv fast on every index, even if the index sends no cache headers. uv never fetches a file
again, nor a page that was fetched in this command or in the ten minutes before it. If a candidate was
uploaded since, the resolver repeats the call with `ask_again`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from bisect_asgi.backend.files import write_all
from bisect_asgi.backend.network.configured import binary
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.network.network import Network
from bisect_asgi.backend.network.uv_faults import of_uv
from bisect_asgi.backend.process.helper import Completed, run_helper
from bisect_asgi.backend.process.sandbox import Sandbox
from bisect_asgi.backend.process.workshop import BuildTimedOut, Workshop
from bisect_asgi.backend.uv_output import (
    RETRIES,
    NetworkFault,
    Passing,
    Undelivered,
    UvProgress,
    failure,
)
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, NoResult, Unavailable, Unresolvable, Untestable
from bisect_asgi.core.plan import Building
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import duration

# With these variables, uv reaches the network and its cache as the user's uv would. No other is passed on.
_KEPT = re.compile(
    r"(?i)^(PATH|HOME|LANG|LC_.*|TMPDIR|NETRC|SSL_(CERT_FILE|CERT_DIR|CLIENT_CERT)|(HTTPS?|ALL|NO)_PROXY"
    r"|XDG_.*_HOME|UV_(CACHE_DIR|CREDENTIALS_DIR|KEYRING_PROVIDER|HTTP_(CONNECT_)?TIMEOUT|CONCURRENT_.*"
    r"|LINK_MODE)|CC|CXX|CFLAGS|LDFLAGS)$"
)
_CLEAN_S = 30
_LIMIT_S = 1200.0
"""The longest time of one call: a file that comes byte by byte never reaches uv's own time-out."""
_MOST_UNDELIVERED = 3
"""After so many calls in a row for which the index has sent no whole file, it is not asked for more."""
# All files in wheels get one date, so that equal content gives equal bytes. Output is not buffered, so that
# its lines are in the right order.
_BUILDING = {"SOURCE_DATE_EPOCH": "1577836800", "PYTHONUNBUFFERED": "1"}
_KEEP = 'cache-control = {{ api = "max-age={age_s}", files = "max-age=365000000, immutable" }}\n'
_KEPT_FOR_S = 600


class CannotBeAlone(Unavailable):
    """This machine cannot keep uv from starting processes."""


class Metadata(Struct, frozen=True, kw_only=True):
    """Metadata of a distribution, so that uv need not build it."""

    name: str
    version: str
    requires_dist: tuple[str, ...] = ()
    requires_python: str | None = None
    extras: tuple[str, ...] = ()


class Uv:
    """Runs uv with this tool's configuration, and tells its failures apart.

    Args:
        folder: the directory beside which boxes are made.
        indexes: see `configured_indexes`.
        network: by default that of this machine.
        builds: where its boxes are made, by default next to `folder`; the sandbox must not hide it.
        sandbox: confines uv where it may have to build.
        building: how long such a call may take, and how it is confined.
    """

    def __init__(
        self,
        folder: Path,
        indexes: Indexes,
        *,
        network: Network | None = None,
        builds: Path | None = None,
        sandbox: Sandbox | None = None,
        building: Building | None = None,
    ) -> None:
        self.indexes = indexes
        self.network = network or Network.of_this_machine()
        self._workshop = Workshop(
            builds or folder.with_name("builds"), sandbox or Sandbox(folder), building or Building()
        )
        self._binary = binary()
        self._begun = time.monotonic()
        self._undelivered = 0
        kept = {name: value for name, value in os.environ.items() if _KEPT.match(name)}
        # uv itself repeats a failed request only once, because this tool repeats the whole call.
        self._environ = {"UV_HTTP_RETRIES": "1"} | kept

    def begin(self) -> None:
        """Begin a new command, for which pages of an earlier command in this process may be too old."""
        self._begun = time.monotonic()

    def _config(self, *, ask_again: bool = False) -> str:
        """Return uv's configuration, which accepts pages of this run unless uv is to ask the index anew."""
        since = int(time.monotonic() - self._begun) // _KEPT_FOR_S
        # Not uv's own `--refresh`, which has no effect on an index with a `cache-control` setting.
        keep = "" if ask_again else _KEEP.format(age_s=_KEPT_FOR_S * (since + 1))
        return _configuration(self.indexes, self.network, keep)

    def run(
        self,
        *arguments: str,
        token: CancelToken,
        stdin: str = "",
        ask_again: bool = False,
        keeps: Sequence[int] = (),
        writable: Sequence[Path] = (),
        known: Iterable[Metadata] = (),
        alone: bool = False,
    ) -> str:
        """Return the standard output of `uv pip …`, repeated after network failures.

        Distributions that have to be built are built in a box. When installing, uv runs in a box only if
        there are no wheels, because it has another cache there and cannot link files.

        Args:
            ask_again: ask the index anew, whatever uv has cached.
            keeps: see `run_helper`.
            writable: the directories in which it installs.
            known: metadata of distributions that uv would otherwise have to build.
            alone: build nothing, and fail if a build is necessary.

        Raises:
            Unresolvable: the requirements cannot be satisfied.
            BuildFailed: a distribution could not be built (SdistBuildFailed), or the index has lost its file.
            CannotBeAlone: `alone` was asked for, and this machine cannot keep uv from starting processes.
            NoResult: after the retries, a file is still damaged, or this machine ran out of memory or the
                like.
            Unavailable: the index did not answer after the retries, or the disk is full.
            Cancelled: the token was cancelled.
        """
        ask_again = ask_again and not self.indexes.offline
        argv = ["pip", *arguments, "--no-progress", *(["--refresh"] if ask_again else [])]
        config = self._config(ask_again=ask_again)
        extra = "".join(map(_known, known))
        try:
            if alone:
                said = self._ask(argv, partial(self._alone, config + extra), token, stdin)
            else:
                said = self._pip(argv, config, extra, token, stdin, keeps, writable)
        except Undelivered as error:
            self._undelivered += 1
            if self._undelivered >= _MOST_UNDELIVERED:
                raise Unavailable(
                    f"the package index has sent none of {self._undelivered} files: {error}",
                    hint="run the same command later",
                ) from error
            raise
        if arguments[0] == "install":
            self._undelivered = 0
        return said

    def _pip(
        self,
        argv: Sequence[str],
        config: str,
        extra: str,
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
        box = _Box(config=config + extra, environ=self._environ, keeps=keeps, writable=writable)
        return self._ask(argv, partial(self._in_box, box), token, stdin)

    @contextmanager
    def built(self, name: str, pin: str, *arguments: str, token: CancelToken) -> Iterator[Path]:
        """Build the source distribution of a pin; yield the directory that has its wheel somewhere below it.

        uv compares the file with the hash in the pin before it runs any of it. No other build uses its
        directory, its box or its cache.

        Raises: as `build`.
        """
        with self._workshop.bench() as bench:
            target, cache = bench / "target", bench / "cache"
            for folder in (target, cache):
                folder.mkdir()
            how = ("--no-deps", "--require-hashes", "--no-binary", name, "--target", str(target))
            argv = ["pip", "install", *how, "--requirements", "-", *arguments, "--no-progress"]
            box = _Box(config=self._config(), environ=self._environ, writable=(target,), cache=cache)
            self._ask(argv, partial(self._in_box, box), token, pin)
            yield cache

    def clean(self, names: Sequence[str], token: CancelToken) -> None:
        """Remove distributions from uv's cache, because their files there are no longer what was downloaded.

        Raises:
            Unavailable: they cannot be removed.
            Cancelled: the token was cancelled.
        """
        if not names:
            return
        try:
            # uv waits for all others that use the cache. The wait is limited, because one may build for an
            # hour.
            patient = self._environ | {"UV_LOCK_TIMEOUT": str(_CLEAN_S)}
            self._ask(["cache", "clean", *names], partial(self._outside, "", patient, ()), token)
        except (Unavailable, Untestable):
            forced = partial(self._outside, "", self._environ, ())
            self._ask(["cache", "clean", "--force", *names], forced, token)

    def build(
        self, project: Path, *arguments: str, token: CancelToken, writable: Sequence[Path], shared: str = ""
    ) -> None:
        """Build the wheel of the project in a directory, repeated after network failures.

        It is built as an installer would build it, with its `[build-system]` and without its `[tool.uv]`.
        Builds with the same name in `shared` use one cache of uv, so one of them can influence the others.

        Raises:
            BuildFailed: it could not be built; the message has the last line of the build.
            NoResult: as `run`.
            Unavailable: the index did not answer after the retries, or the disk is full.
            Cancelled: the token was cancelled.
        """
        # Not `--quiet`, which hides the output of the build.
        how = ("--wheel", "--no-sources", "--force-pep517", "--no-create-gitignore", "--no-progress")
        cache = self._workshop.cache(codec.digest(shared)) if shared else None
        environ = self._environ | _BUILDING
        box = _Box(config=self._config(), environ=environ, writable=writable, cache=cache)
        self._ask(["build", str(project), *how, *arguments], partial(self._in_box, box), token)

    def _ask(self, arguments: Sequence[str], run: _Run, token: CancelToken, stdin: str = "") -> str:
        argv = [self._binary, *arguments, "--color", "never"]

        def once() -> str:
            watch = UvProgress()
            try:
                completed = run(argv, token, stdin, watch)
            except OSError as error:  # this machine has no more processes or open files
                raise Passing(f"uv could not be started: {error}") from error
            finally:
                watch.charge()
            if completed.exit_code != 0:
                raise of_uv(completed.stderr, self.indexes, self.network) or failure(completed)
            return completed.stdout

        try:
            return once()
        except (NetworkFault, Passing) as error:
            first = error
        return _again(once, first)

    def _outside(
        self,
        config: str,
        environ: Mapping[str, str],
        keeps: Sequence[int],
        argv: Sequence[str],
        token: CancelToken,
        stdin: str,
        watch: UvProgress,
    ) -> Completed:
        """Run uv as the user would, where it builds nothing."""
        try:
            # A pipe instead of a file, because the configuration contains credentials.
            with _piped(config) as read:
                return run_helper(
                    [*argv, "--config-file", f"/dev/fd/{read}"],
                    environ=environ,
                    token=token,
                    stdin=stdin,
                    on_stderr=watch,
                    keeps=[*keeps, read],
                    limit_s=_LIMIT_S,
                )
        except subprocess.TimeoutExpired as error:
            raise _too_slow(duration(_LIMIT_S)) from error

    def _alone(
        self, config: str, argv: Sequence[str], token: CancelToken, stdin: str, watch: UvProgress
    ) -> Completed:
        """Run uv as the user would, but so that it can start no process."""
        try:
            return self._workshop.run_alone(
                argv,
                config=config,
                environ=self._environ,
                token=token,
                stdin=stdin,
                on_stderr=watch,
                timeout_s=_LIMIT_S,
            )
        except OSError as error:
            raise CannotBeAlone(f"uv cannot be kept from starting processes: {error}") from error
        except subprocess.TimeoutExpired as error:
            raise _too_slow(duration(_LIMIT_S)) from error

    def _in_box(
        self, box: _Box, argv: Sequence[str], token: CancelToken, stdin: str, watch: UvProgress
    ) -> Completed:
        """Run uv where it may build."""
        try:
            return self._workshop.run(
                argv,
                config=box.config,
                environ=box.environ,
                token=token,
                stdin=stdin,
                on_stderr=watch,
                keeps=box.keeps,
                writable=box.writable,
                cache=box.cache,
            )
        except subprocess.TimeoutExpired as error:
            limit = f"{duration(self._workshop.timeout_s)} (`--build-timeout`)"
            if isinstance(error, BuildTimedOut) or watch.is_building or argv[1] == "build":
                raise BuildFailed(f"it takes longer than {limit}", is_lasting=False) from error
            raise _too_slow(limit) from error


class _Box(Struct, frozen=True, kw_only=True):
    """The settings of a uv that may build; see `Workshop.run`."""

    config: str
    environ: Mapping[str, str]
    keeps: Sequence[int] = ()
    writable: Sequence[Path] = ()
    cache: Path | None = None


def _again(once: Callable[[], str], error: NetworkFault | Passing) -> str:
    """Call `once` again, as often and as late as may help, after its first call raised `error`."""
    # Imported only after a failure, because most first calls succeed.
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    raised = [error]

    def attempt() -> str:
        if raised:
            raise raised.pop()
        return once()

    return Retrying(
        retry=retry_if_exception_type((NetworkFault, Passing)),
        stop=stop_after_attempt(RETRIES),
        wait=wait_random_exponential(multiplier=0.5, max=5),
        reraise=True,
    )(attempt)


def _too_slow(limit: str) -> NoResult:
    return NoResult(f"uv did not end within {limit}: the index may send too slowly")


_Run = Callable[[Sequence[str], CancelToken, str, "UvProgress"], Completed]
"""Runs uv with its arguments, its standard input, and what takes its progress."""


def _configuration(indexes: Indexes, network: Network, keep: str) -> str:
    """Return uv's configuration."""
    proxies = network.proxies
    settings = {
        "find-links": indexes.find_links,
        "index-strategy": indexes.strategy,
        "allow-insecure-host": indexes.insecure_hosts,
        "offline": indexes.offline,
        "system-certs": network.system_certificates,
        "http-proxy": proxies.http,
        "https-proxy": proxies.https,
        "no-proxy": proxies.past,
        "no-index": not indexes.urls,
    }
    tables = [
        "[[index]]\n" + _toml(_index(indexes, number)) + (keep if url.startswith("http") else "")
        for number, url in enumerate(indexes.urls)
    ]
    return "\n".join([_toml(settings), *tables])


def _index(indexes: Indexes, number: int) -> dict[str, object]:
    """Return an index in uv's configuration."""
    traits = indexes.of(number)
    return {
        "name": f"index-{number}",
        "url": indexes.urls[number],
        "default": number == len(indexes.urls) - 1,
        "format": "flat" if traits.is_flat else "",
        "authenticate": traits.authenticate,
        "ignore-error-codes": traits.ignored,
    }


def _toml(table: Mapping[str, object]) -> str:
    """Return lines of TOML, in which JSON's strings, lists and truths are its own; without what is empty."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items() if value)


def _known(metadata: Metadata) -> str:
    """Return uv's configuration in TOML of metadata for which it builds nothing."""
    lines = [
        "[[dependency-metadata]]",
        f"name = {json.dumps(metadata.name)}",
        f"version = {json.dumps(metadata.version)}",
        f"requires-dist = {json.dumps(metadata.requires_dist)}",
        f"provides-extra = {json.dumps(metadata.extras)}",
    ]
    if metadata.requires_python:
        lines.append(f"requires-python = {json.dumps(metadata.requires_python)}")
    return "\n".join((*lines, ""))


@contextmanager
def _piped(text: str) -> Iterator[int]:
    """Yield a descriptor from which a text can be read once."""
    content = text.encode()
    read, write = os.pipe()

    def fill() -> None:
        try:
            with suppress(OSError):  # uv may end without reading it
                write_all(write, content)
        finally:
            os.close(write)  # whatever happens: uv reads until then

    # Written in a thread, because it may be larger than the buffer of a pipe.
    writer = threading.Thread(target=fill, name="configuration", daemon=True)
    try:
        writer.start()
    except BaseException:
        os.close(read)
        os.close(write)
        raise
    try:
        yield read
    finally:
        os.close(read)
        writer.join()

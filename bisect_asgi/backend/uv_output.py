"""Read uv's output: the kind of a failure, the current step, and the time of each step.

A failure is a fact about a release only if it follows from requirements or from a build. A failure of the
index, of a single file, or of this machine says nothing about the release, and may not happen the next time.

uv prints a line when it begins to build a source distribution, and one when it has finished. It also prints
the time for getting and unpacking everything (`Prepared`, which includes builds).
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Sequence

from bisect_asgi.backend.process.helper import Completed
from bisect_asgi.backend.process.usage import move
from bisect_asgi.core.errors import BuildFailed, NoResult, Unavailable, Unresolvable
from bisect_asgi.core.model import Step
from bisect_asgi.core.patterns import pattern
from bisect_asgi.core.text import hide_credentials

RETRIES = 3
"""The attempts before a transient failure counts."""
_NETWORK = pattern(
    r"error sending request|Failed to fetch|tcp connect|dns error|timed out|HTTP status"
    r"|Received some unexpected|Missing `Content-Type`|Unsupported `Content-Type`",
    re.I,
)
_NO_ANSWER = pattern(r"error sending request|tcp connect|dns error", re.I)
_REFUSED = pattern(r"authentication credentials|\b(?:401|403) (?:Unauthorized|Forbidden)", re.I)
_OF_A_FILE = pattern(r"Failed to (?:download|read|extract|unpack) |Hash mismatch", re.I)
_FETCHED = pattern(r"Failed to fetch: (\S+)", re.I)
_FILES = (".whl", ".metadata", ".gz", ".bz2", ".zip")
_GONE = pattern(r"HTTP status client error \((?:403|404|410|451) ", re.I)
_CUT = pattern(
    r"request or response body error|I/O operation failed|network timeout|timed out|HTTP status"
    r"|error decoding|unexpected EOF",
    re.I,
)
# A fault of the archive itself, so that another download does not help: a name that uv refuses, or an old
# tar's headers.
_REJECTED = pattern(r"extraction policy rejected|invalid tar checksum", re.I)
_WRONG = pattern(r"Failed to extract|invalid zip|bad CRC|hash mismatch|corrupt", re.I)
_UNSOUND = pattern(r"does not match filename|is invalid|was invalid", re.I)
_CACHED = pattern(r"failed to read from file|stream did not contain valid UTF-8|archive-v\d", re.I)
_NO_ROOM = pattern(r"No space left on device|os error (?:28|122)\b|Disk quota exceeded", re.I)
KILLED = pattern(r"signal: \d+ \(SIG(?:KILL|TERM)\)")
"""uv's words for a program of its own that something has killed."""
_OUT_OF = pattern(r"os error (?:5|12|23|24)\b|Too many open files|Cannot allocate memory", re.I)
# Another uv, such as that of a command that was killed, changes the cache at the same moment.
_RACED = pattern(r"failed to rename file from .+\(os error 2\)", re.I)
# A build may print any text, so these patterns are stricter than those for uv's own messages.
_BUILD_NO_ROOM = pattern(r"^\s*(?:OSError|IOError): \[Errno (?:28|122)\]|error: error writing to ", re.M)
_BUILD_OUT_OF = pattern(
    r"^\s*(?:\w*Error: \[Errno (?:5|12|23|24)\]|MemoryError\b)|virtual memory exhausted"
    r"|out of memory allocating",
    re.M,
)
_BUILD_NETWORK = pattern(
    r"urlopen error|name resolution|Name or service not known|Connection (?:refused|reset)"
    r"|Network is unreachable"
)
_NO_SOLUTION = pattern(r"No solution found")
# Not always a fact about a release: uv prints the same if another machine sent a page in place of the index.
_NO_VERSIONS = pattern(r"there are no versions of", re.I)
_NO_BUILD = pattern(r"Failed to (?:download and )?build `(?P<name>[^`=]+)==(?P<version>[^`]+)`")
_NO_WHEEL = pattern(r"Failed to build `")
_OURS = pattern(r"os error \d+|No interpreter found|Python interpreter", re.I)
_CAUSE = pattern(r"^\s*(?:error|cause|×|├─▶|╰─▶):?\s*(?P<text>.*)$")


class SdistBuildFailed(BuildFailed):
    """One distribution could not be built; `name` and `version` say which."""

    def __init__(self, message: str, *, name: str = "", version: str = "", is_lasting: bool = True) -> None:
        super().__init__(message, is_lasting=is_lasting)
        self.name = name
        self.version = version


class UnsoundWheel(BuildFailed):
    """A wheel is not as it should be: as it was published, or as uv's cache has it."""


class NetworkFault(Unavailable):
    """The network or the index failed; it may answer the next time."""


class Passing(NoResult):
    """A file did not arrive as it should be, or this machine ran out of something; both may pass."""


class Undelivered(Passing):
    """The index did not send a file, or not all of it."""


def failure(completed: Completed) -> Exception:
    """Return the error for a failure of uv: exit code 1 if the request cannot be met, 2 if uv failed."""
    if completed.exit_code < 0:
        return Passing(f"uv was killed {RETRIES} times by {signal.Signals(-completed.exit_code).name}")
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
    if KILLED.search(text) or _OUT_OF.search(text) or _BUILD_OUT_OF.search(built):
        return Passing(f"this machine ran out of something: {cause}")
    if _RACED.search(text):
        return Passing(f"another uv changed the cache at the same time: {cause}")
    return None


def _of_a_file(text: str, cause: str) -> Exception | None:
    """Return the error if the index has lost a file, or has sent it cut or wrong, or uv rejects it."""
    if _GONE.search(text):
        return BuildFailed(cause, is_lasting=False)
    found = f"a file did not arrive as it should be in {RETRIES} attempts: {cause}"
    if _CUT.search(text):
        return Undelivered(found)
    if _REJECTED.search(text):
        return BuildFailed(cause, is_lasting=False)
    return Passing(found) if _WRONG.search(text) else None


def _of_the_index(text: str, cause: str) -> Exception | None:
    """Return the error if the index does not answer, or not to this user."""
    if _NETWORK.search(text):
        return NetworkFault(
            f"the request to the package index failed after {RETRIES} attempts: {cause}",
            hint="run the same command again later",
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
        hint="run the same command again; if its cache may be damaged, run `bisect-asgi cache --clear` first",
    )


def _without_progress(stderr: str) -> str:
    """Return uv's message without its lines of progress; the output of a build stays as it is."""
    message, mark, built = stderr.partition("[stderr]")
    return "".join(line for line in message.splitlines(keepends=True) if not is_progress(line)) + mark + built


_ROOM_HINT = "free some, or clear the cache with `bisect-asgi cache --clear`"


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

    If a build failed, the last line of its output comes first. Passwords are removed from addresses, because
    uv prints them if it does not recognize an address.
    """
    return hide_credentials(_first_cause(stderr))


def _first_cause(stderr: str) -> str:
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


_PROGRESS = pattern(
    r"^\s*(?P<word>Resolved|Prepared|Installed|Audited|Uninstalled|Building|Built|Downloading|Downloaded"
    r"|Updating|Updated|Using Python)\s+(?P<rest>\S.*)$|^ [+~-] \S+"
)
_TOOK = pattern(r" in (?:(?P<minutes>\d+)m )?(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|µs|us|ns|s)$")
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

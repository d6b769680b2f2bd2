"""The errors that a user can do something about, each with its exit code.

Only `cli` ends the process. All other code raises one of these errors, and `cli` shows its message unchanged.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of the command, as in the table in docs/results.md."""

    FOUND = 0
    BUG = 1
    USAGE = 2
    NOT_REPRODUCED = 3
    GOOD_END_FAILS = 4
    INCONCLUSIVE = 5
    UNAVAILABLE = 6
    FAILED_ON = 7
    INTERRUPTED = 130


class TimeIsUp(KeyboardInterrupt):
    """The time limit of a search is over. Its result is what is known by then."""


class BisectError(Exception):
    """An error with a message for the user, and perhaps a hint."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        # The hint has a default, because an exception with a required keyword cannot be unpickled, and
        # trials raise these in worker processes.
        self.hint = hint


class UsageError(BisectError):
    """The input is wrong: an option, a file, a version or an interpreter."""

    exit_code = ExitCode.USAGE


class Unavailable(BisectError):
    """The index, the network, the disk or uv failed, which says nothing about any release."""


NO_ROOM = "free some disk space, make the directory writable, or set `BISECT_ASGI_CACHE_DIR` to another one"
"""The hint for a cache directory that cannot be written."""


OFFLINE = "the network is off (`--offline`)"
"""Why something that is not cached cannot be had, if the user wants it so."""
ONCE_ONLINE = "run the same command once without `--offline`, and without `UV_OFFLINE`"
"""The hint for that."""


def not_writable(what: str, place: object, error: OSError) -> Unavailable:
    """Return the error that `what` cannot be written to `place`, or to the file that the OSError names."""
    reason = error.strerror or error
    return Unavailable(f"{what} cannot be written: `{error.filename or place}` ({reason})", hint=NO_ROOM)


class Untestable(Exception):
    """The candidate has no environment.

    Args:
        message: the reason.
        is_lasting: whether the reason is a requirement or a build, so that a later try would fail as well.
        since: when an earlier command found the reason, or None if this one did.
    """

    def __init__(self, message: str, *, is_lasting: bool = True, since: datetime | None = None) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting
        self.since = since


class Unresolvable(Untestable):
    """No set of releases satisfies the requirements, so the candidate is untestable."""


class BuildFailed(Untestable):
    """A distribution has no suitable wheel and could not be built, so the candidate is untestable."""


class NoResult(Exception):
    """A file, an environment or a run is not as it should be, which shows nothing about its candidate."""


def not_asked(error: NoResult) -> Unavailable:
    """Return the error for a question that is not about one candidate, and that has no result."""
    return Unavailable(
        str(error), hint="run the same command again; `bisect-asgi doctor` checks this machine"
    )


class Lost(Exception):
    """The workers that ran a trial died at each attempt, which says nothing about the candidate."""


class Cancelled(Exception):
    """The trial was canceled, so it has no result."""

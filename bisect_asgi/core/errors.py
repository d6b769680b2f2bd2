"""What can go wrong that somebody can put right, and the exit code that each thing has.

Only the door (`cli/`) ends the process. Everything below raises one of these, once, with a message
that is shown as it is.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The command's exit codes; README shows the same table."""

    FOUND = 0
    BUG = 1
    USAGE = 2
    NOT_REPRODUCED = 3
    GOOD_END_FAILS = 4
    INCONCLUSIVE = 5
    UNAVAILABLE = 6
    INTERRUPTED = 130


class BisectError(Exception):
    """Something the user or the outside world can put right; the message is shown as it is."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint  # has a default: a required keyword would break unpickling in a pool


class UsageError(BisectError):
    """What the user asked for cannot be done as asked: an option, a file, a version, an interpreter."""

    exit_code = ExitCode.USAGE


class Unavailable(BisectError):
    """The outside world did not answer (index, network, disk, uv); nothing was learnt about any release."""


NO_ROOM = "free some room, make the folder writable, or name another one in `BISECT_ASGI_CACHE_DIR`"
"""What to do where the cache folder does not take what is to be kept."""


def not_writable(what: str, place: object, error: OSError) -> Unavailable:
    """Say that `what`, which is kept at `place` or at the one that the error names, cannot be written."""
    reason = error.strerror or error
    return Unavailable(f"{what} cannot be written: `{error.filename or place}` ({reason})", hint=NO_ROOM)


class Unresolvable(Exception):
    """No set of releases satisfies the requirements. The candidate cannot be tested."""


class BuildFailed(Exception):
    """A distribution has no wheel here and could not be built. The candidate cannot be tested."""


class Lost(Exception):
    """The worker that ran a trial died, as often as it was tried; nothing was learnt about the candidate."""


class Cancelled(Exception):
    """The trial was told to stop; it has no result."""

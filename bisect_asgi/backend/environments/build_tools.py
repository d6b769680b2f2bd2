"""Build with the tools of one time after the other, and remember which failed.

Tools of the time may not know how to be asked today (PEP 517 came in 2018), while today's may no longer build
what was written then. Between the two there mostly is one that serves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from time import monotonic

from bisect_asgi.core import codec
from bisect_asgi.core.errors import BuildFailed, Unresolvable
from bisect_asgi.core.model import Interpreter

_YEAR = timedelta(days=365.25)
_LATER_YEARS = (1, 2, 3, 5, 8)
_BUDGET_S = 45.0


class BuildTools:
    """Build tools of all times.

    Args:
        recall_failure: the reason why a build with tools up to a limit failed before, by its key.
        record_failure: keeps such a reason.
    """

    def __init__(
        self, *, recall_failure: Callable[[str], str | None], record_failure: Callable[[str, str], None]
    ) -> None:
        self._recall_failure = recall_failure
        self._record_failure = record_failure

    def build(
        self,
        what: str,
        interpreter: Interpreter,
        limits: Iterable[datetime | None],
        action: Callable[[datetime | None], None],
    ) -> datetime | None:
        """Do `action` with each limit of date in turn; return the first that served (None: no limit).

        Raises:
            BuildFailed: none did; the message is the reason of the last.
        """
        reason = ""
        started = monotonic()
        for limit in limits:
            if monotonic() - started > _BUDGET_S:
                break  # what takes so long to fail is a compiler, and other tools bring the same one
            key = codec.digest("build", what, interpreter, limit)
            if known := self._recall_failure(key):
                reason = known
                continue
            try:
                action(limit)
                return limit
            except (Unresolvable, BuildFailed) as error:
                reason = str(error)
                self._record_failure(key, reason)
        raise BuildFailed(reason)


def later(moment: datetime | None) -> list[datetime | None]:
    """The limits of date for later tools, in the order in which they are tried; None is today."""
    if moment is None:
        return [None]
    now = datetime.now(UTC)
    past = [then for years in _LATER_YEARS if (then := moment + years * _YEAR) < now]
    return [*past, None]


def stamp(moment: datetime) -> str:
    """A limit of date as uv reads it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def when(limit: datetime | None) -> str:
    """A limit of date as people read it."""
    return limit.date().isoformat() if limit else "today"

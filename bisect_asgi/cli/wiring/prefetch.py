"""Begin slow steps before they are needed, while the command waits for other programs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from bisect_asgi.backend.background import in_background
from bisect_asgi.core.events import Activity, RepeatsStarted, TrialProgressed

if TYPE_CHECKING:
    from bisect_asgi.backend.index import IndexClient
    from bisect_asgi.backend.network.indexes import Indexes
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.core.events import Event
    from bisect_asgi.core.plan import Plan

_lock = threading.Lock()
_asked: Future[Indexes] | None = None


def ask_for_indexes() -> Future[Indexes]:
    """Ask uv for the user's indexes, once for a command, without waiting for its answer."""
    global _asked
    with _lock:
        if _asked is None:
            _asked = begin_asking()
        return _asked


def begin_asking() -> Future[Indexes]:
    """Start a thread in which uv reads the indexes of the user's configuration."""
    return in_background(_ask, name="indexes")


def _ask() -> Indexes:
    from bisect_asgi.backend.network.configured import configured_indexes

    return configured_indexes()


@contextmanager
def asked_ahead(plan: Plan, places: CachePaths) -> Iterator[IndexClient | None]:
    """Start asking for the page of the package, while this command imports what it does with the answer.

    Yields:
        What asks the indexes; None if the search is over something other than releases.

    Raises:
        Unavailable: uv could not read its configuration.
    """
    from bisect_asgi.core.plan import RELEASES
    from bisect_asgi.core.plan.axis_traits import sure_ends

    if plan.over != RELEASES or not plan.project:
        yield None
        return
    from bisect_asgi.backend.index import IndexClient

    with closing(IndexClient(ask_for_indexes().result(), places.root / "index")) as client:
        client.begin(plan.project, needs_newest=sure_ends(plan) is None)
        yield client


class ImportReport:
    """A sink that imports what the report needs while the boundary is confirmed.

    Not before, because that would take processor time from the trials that the boundary waits for; and only
    once a run is on, because preparing one takes longer beside a thread that imports.
    """

    def __init__(self) -> None:
        self._is_wanted = False
        self._is_begun = False

    def __call__(self, event: Event) -> None:
        """Begin with the first run that is started after the search has found the boundary."""
        self._is_wanted |= isinstance(event, RepeatsStarted)
        is_running = isinstance(event, TrialProgressed) and event.activity is Activity.RUNNING
        if self._is_wanted and is_running and not self._is_begun:
            self._is_begun = True
            in_background(_import_report, name="report")  # the import that needs a module raises its error


def _import_report() -> None:
    from bisect_asgi.report import document, text  # noqa: F401

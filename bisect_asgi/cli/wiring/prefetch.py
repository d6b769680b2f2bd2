"""Begin slow steps before they are needed, while the command waits for other programs."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bisect_asgi.backend.network.indexes import Indexes
    from bisect_asgi.core.events import Event

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
    answer: Future[Indexes] = Future()
    threading.Thread(target=_ask, args=(answer,), name="indexes", daemon=True).start()
    return answer


def _ask(answer: Future[Indexes]) -> None:
    from bisect_asgi.backend.network.configured import configured_indexes

    try:
        answer.set_result(configured_indexes())
    except BaseException as error:
        answer.set_exception(error)


class ImportReport:
    """A sink that imports what the report needs as soon as a trial runs, which leaves this process idle."""

    def __init__(self) -> None:
        self._is_begun = False

    def __call__(self, event: Event) -> None:
        """Begin with the first trial."""
        if not self._is_begun and type(event).__name__ == "TrialStarted":
            self._is_begun = True
            threading.Thread(target=_import_report, name="report", daemon=True).start()


def _import_report() -> None:
    with suppress(Exception):  # the import that needs the module will raise the error
        from bisect_asgi.report import document, text  # noqa: F401

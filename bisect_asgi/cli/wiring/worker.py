"""What runs in a worker on another machine: its own parts put together, once for each process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import ExitStack

from bisect_asgi.backend.executors import doctor
from bisect_asgi.backend.executors import remote_trials as errands
from bisect_asgi.backend.executors.dask import calls
from bisect_asgi.backend.executors.dask.calls import Unsuitable
from bisect_asgi.backend.trials.sampling import MeasuringLock
from bisect_asgi.backend.trials.trial import Workshop, telling
from bisect_asgi.backend.uv import Indexes
from bisect_asgi.cli.wiring.local import open_workshop
from bisect_asgi.cli.wiring.paths import CachePaths
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.model import Interpreter, TrialRequest
from bisect_asgi.core.records import Struct, replace

_MOST_COMMANDS = 16


class RunOnWorker(Struct, frozen=True, kw_only=True):
    """Makes trials in a worker: `run_trial` with what belongs to the command that asks."""

    indexes: Indexes
    """Of the command: all workers look where it does."""
    command: str
    """Names the command; what was made anew or warmed up for one was not for another."""
    show_output: bool

    def __call__(self, request: TrialRequest, token: CancelToken) -> errands.RemoteResult:
        """Make a trial.

        Raises:
            Unsuitable: this machine cannot, whatever is missing: a disk's room, an index, an interpreter.
            Cancelled, UsageError: as `run_trial`.
        """
        try:
            return self._run(request, token)
        except Unavailable as error:  # another machine may be better off
            raise Unsuitable(f"cannot go on: {error}", hint=error.hint) from error

    def _run(self, request: TrialRequest, token: CancelToken) -> errands.RemoteResult:
        places = CachePaths.configured()
        progress, output = telling(
            request,
            lambda event: calls.tell(self.command, codec.event_to_json(event)),
            show_output=self.show_output,
        )
        parcel = errands.run_there(
            replace(request, parallel=1),  # a thread of a worker is room for one run
            token,
            _OPENED.workshop(places, self),
            pythons=places.root / "interpreters",
            progress=progress,
            output=output,
        )
        calls.tell(self.command, calls.LAST_WORD)
        return parcel


class HasInterpreter(Struct, frozen=True, kw_only=True):
    """Tells whether a worker has an interpreter."""

    interpreter: Interpreter

    def __call__(self) -> None:
        """Do nothing.

        Raises:
            Unsuitable: it has not.
        """
        errands.own_interpreter(self.interpreter, CachePaths.configured().root / "interpreters")


class ExamineWorker(Struct, frozen=True, kw_only=True):
    """Looks at the machine of a worker."""

    indexes: Indexes

    def __call__(self) -> doctor.Health:
        """Look; see `doctor.examine`."""
        return doctor.examine(CachePaths.folder(), self.indexes)


class _Opened:
    """The workshops of this process; they are open until it ends."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open = ExitStack()
        self._by_indexes: dict[Indexes, Workshop] = {}
        self._by_command: OrderedDict[str, Workshop] = OrderedDict()

    def workshop(self, places: CachePaths, away: RunOnWorker) -> Workshop:
        """The workshop for a command."""
        with self._guard:
            if away.command not in self._by_command:
                base = self._by_indexes.get(away.indexes)
                if base is None:
                    base = self._open.enter_context(open_workshop(places, away.indexes))
                    self._by_indexes[away.indexes] = base
                base.resolver.begin()
                own = replace(
                    base, renewed=set(), measuring_lock=MeasuringLock(path=base.measuring_lock.path)
                )
                self._by_command[away.command] = own
                if len(self._by_command) > _MOST_COMMANDS:
                    self._by_command.popitem(last=False)
            return self._by_command[away.command]


_OPENED = _Opened()

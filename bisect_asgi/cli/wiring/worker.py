"""Trials and checks in a cluster's worker, with caches of its own that each process opens once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import ExitStack

from bisect_asgi.backend.executors import doctor
from bisect_asgi.backend.executors.dask import calls
from bisect_asgi.backend.executors.dask.calls import Unsuitable
from bisect_asgi.backend.executors.remote_trials import RemoteResult, own_interpreter, run_here_for_another
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.trials import TrialRunner
from bisect_asgi.cli.wiring.local import open_trials
from bisect_asgi.cli.wiring.paths import CachePaths
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.events import Event
from bisect_asgi.core.model import Interpreter, TrialRequest
from bisect_asgi.core.plan import Building
from bisect_asgi.core.records import Struct, replace

_MOST_COMMANDS = 16


class RunOnWorker(Struct, frozen=True, kw_only=True):
    """Runs trials in a worker, with the indexes and for the events of the command that asks."""

    indexes: Indexes
    """The command's indexes, which all workers use."""
    command: str
    """Identifies the command, because fresh runs and warm-ups count for one command only."""
    show_output: bool
    building: Building

    def __call__(self, request: TrialRequest, token: CancelToken) -> RemoteResult:
        """Run a trial.

        Raises:
            Unsuitable: this machine lacks disk space, an index or an interpreter.
            Cancelled, UsageError: as `TrialRunner.run`.
        """
        request = replace(request, parallel=1)  # each thread of a worker runs one trial at a time
        try:
            places = CachePaths.configured()
            runner = _OPENED.runner(places, self)
            result = run_here_for_another(request, token, runner, pythons=places.root / "interpreters")
        except Unavailable as error:  # another machine may have what this one lacks
            raise Unsuitable(f"cannot continue: {error}", hint=error.hint) from error
        calls.send_message(self.command, calls.END_OF_MESSAGES)
        return result

    def emit(self, event: Event) -> None:
        """Send an event to the command."""
        calls.send_message(self.command, codec.event_to_json(event))


class HasInterpreter(Struct, frozen=True, kw_only=True):
    """Checks that a worker has an interpreter."""

    interpreter: Interpreter

    def __call__(self) -> None:
        """Return if the worker has the interpreter.

        Raises:
            Unsuitable: the worker does not have it.
        """
        own_interpreter(self.interpreter, CachePaths.configured().root / "interpreters")


class ExamineWorker(Struct, frozen=True, kw_only=True):
    """Examines the machine of a worker."""

    indexes: Indexes

    def __call__(self) -> doctor.Health:
        """Return what `doctor.examine` finds."""
        return doctor.examine(CachePaths.folder(), self.indexes)


class _Opened:
    """The runners of this process, one for each command; they stay open until the process ends."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open = ExitStack()
        self._by_kind: dict[tuple[Indexes, Building], TrialRunner] = {}
        self._by_command: OrderedDict[str, TrialRunner] = OrderedDict()

    def runner(self, places: CachePaths, asked: RunOnWorker) -> TrialRunner:
        """Return the runner for a command; the oldest of many commands are forgotten."""
        with self._guard:
            if asked.command not in self._by_command:
                kind = (asked.indexes, asked.building)
                base = self._by_kind.get(kind)
                if base is None:
                    base = self._open.enter_context(
                        open_trials(places, own=asked.indexes, building=asked.building)
                    )
                    self._by_kind[kind] = base
                own = base.for_command(asked.emit, show_output=asked.show_output)
                self._by_command[asked.command] = own
                if len(self._by_command) > _MOST_COMMANDS:
                    self._by_command.popitem(last=False)
            return self._by_command[asked.command]


_OPENED = _Opened()

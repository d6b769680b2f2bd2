"""Calls of the library, in the caller's thread or in one of their own."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from bisect_asgi import session
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.process.forkserver import end_fork_server
from bisect_asgi.cli.probe_files import read_plan
from bisect_asgi.cli.wiring.paths import CachePaths
from bisect_asgi.cli.wiring.prefetch import begin_asking
from bisect_asgi.cli.wiring.sessions import open_session
from bisect_asgi.core.claims import Finding
from bisect_asgi.core.errors import Unavailable, UsageError
from bisect_asgi.core.events import Event
from bisect_asgi.core.plan import Plan, named_release
from bisect_asgi.core.plan.option import Command
from bisect_asgi.core.records import replace
from bisect_asgi.core.services import Services
from bisect_asgi.library.keywords import PathText, options_of
from bisect_asgi.library.probing import Check, FunctionDecider
from bisect_asgi.library.report import Report
from bisect_asgi.report.folding import report_of
from bisect_asgi.report.log import Broadcast, EventLog
from bisect_asgi.report.projection import Projection
from bisect_asgi.session.batch import Interruptible
from bisect_asgi.session.checked import Checked, checked

T = TypeVar("T")
OnEvent = Callable[[Event], object]
_log = logging.getLogger("bisect_asgi")
_log.addHandler(logging.NullHandler())
_numbers = itertools.count(1)


class Interruptions:
    """Interrupts the session of one call from another thread, before or after it has begun."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor: Interruptible | None = None
        self._is_interrupted = False

    def around(self, executor: Executor) -> Interruptible:
        """Return an executor of the session's own in front of the one that runs its trials."""
        own = Interruptible(executor)
        with self._lock:
            self._executor = own
            if self._is_interrupted:
                own.interrupt()
        return own

    def interrupt(self) -> None:
        """End all that the session waits for."""
        with self._lock:
            self._is_interrupted = True
            if self._executor:
                self._executor.interrupt()


class _Calls:
    """The calls that are going on; with the last one ends the process that their runs were forked from."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a call."""
        with self._lock:
            self._number += 1
        try:
            yield
        finally:
            with self._lock:
                self._number -= 1
                if self._number == 0:
                    end_fork_server()


_calls = _Calls()


def bisect(
    interruptions: Interruptions,
    package: str | None,
    probe: PathText | None,
    function: Check | None,
    key: str | None,
    on_event: OnEvent | None,
    given: Mapping[str, object],
) -> Report:
    with _calls.counted():
        call = Call("run", package, probe, function, key, given)
        if call.plan.has_several_pythons:
            raise UsageError(
                f"`python={call.plan.python}` asks for several histories, and a report has one",
                hint="call `bisect` for each Python",
            )
        projection, path = Projection(), call.places.new_log(f"{next(_numbers)}-{call.plan.project}")
        with EventLog(path) as log:
            emit = Broadcast([projection, log, *([on_event] if on_event else [])])
            with call.session(emit, interruptions) as (plan, services):
                session.bisect(plan, services, emit)
        return Report(report_of(projection), path)


def check(
    interruptions: Interruptions,
    release: str,
    probe: PathText | None,
    function: Check | None,
    key: str | None,
    on_event: OnEvent | None,
    given: Mapping[str, object],
) -> Checked:
    with _calls.counted():
        package, version = named_release(release)
        call = Call("check", package, probe, function, key, given)
        emit = Broadcast([on_event] if on_event else [])
        with call.session(emit, interruptions) as (plan, services):
            choice, trial = session.check(plan, version, services, emit)
        return checked(plan, choice, trial)


def verify(
    interruptions: Interruptions,
    package: str | None,
    probe: PathText | None,
    on_event: OnEvent | None,
    given: Mapping[str, object],
) -> Finding:
    with _calls.counted():
        call = Call("verify", package, probe, None, None, given)
        if call.plan.claim is None:
            raise UsageError(
                "there is no claim to verify",
                hint="pass `fixed_in` or `broken_in`, or put one of them into the probe's table",
            )
        with EventLog(call.places.new_log(f"{next(_numbers)}-{call.plan.project}")) as log:
            emit = Broadcast([log, *([on_event] if on_event else [])])
            with call.session(emit, interruptions) as (plan, services):
                return session.verify(
                    plan, call.plan.claim, services, emit, with_cause=bool(given.get("culprit"))
                )


class Call:
    """The plan of one call, and the paths of its cache.

    Raises:
        UsageError: something that was passed is wrong.
        Unavailable: the cache directory cannot be written.
    """

    def __init__(
        self,
        command: Command,
        package: str | None,
        probe: PathText | None,
        function: Check | None,
        key: str | None,
        given: Mapping[str, object],
    ) -> None:
        self._asked: Future[Indexes] = begin_asking()
        options = replace(
            options_of(command, given), package=package, probe=None if probe is None else str(probe)
        )
        if command == "check":
            options = replace(options, jobs=1)
        self._where = options.executor
        self._decider = None
        if function is not None:
            if options.probe or options.command or options.app or options.executor:
                raise UsageError(
                    "a function is the whole probe, and runs in this process",
                    hint="drop `probe`, `command`, `app` and `executor`, or drop `check`",
                )
            self._decider = FunctionDecider(function, key=key)
        elif key is not None:
            raise UsageError(f"`key={key!r}` names no function", hint="pass `check`, or drop `key`")
        self.plan: Plan = (
            read_plan(options, decided_by=(self._decider.name, self._decider.shown))
            if self._decider
            else read_plan(options)
        )
        self.places = CachePaths.configured(_log.warning)

    @contextmanager
    def session(
        self, emit: Callable[[Event], None], interruptions: Interruptions
    ) -> Iterator[tuple[Plan, Services]]:
        """Open the services of the call; yield them with the plan."""
        with open_session(
            self.plan,
            self.places,
            emit,
            where=self._where,
            decider=self._decider,
            keeps_runs=self._decider is None or self._decider.keeps_runs,
            undone=set(self.plan.undone),
            own=self._asked.result(),
            note=_log.warning,
        ) as (plan, services):
            yield plan, replace(services, executor=interruptions.around(services.executor))


async def in_thread(call: Callable[..., T], *arguments: object) -> T:
    """Make a call in a thread of its own; if this is canceled, interrupt it and wait until it has ended."""
    interruptions, loop = Interruptions(), asyncio.get_running_loop()
    with_end = partial(_interrupted_is_cancelled, call, interruptions, *arguments)
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bisect")
    ended = loop.run_in_executor(pool, with_end)
    try:
        return await asyncio.shield(ended)
    except asyncio.CancelledError:
        interruptions.interrupt()
        while not ended.done():
            try:
                await asyncio.wait([ended])
            except asyncio.CancelledError:  # it is canceled already
                continue
        ended.exception()  # marks its exception as seen, or asyncio would log it
        raise
    finally:
        pool.shutdown(wait=False)


def _interrupted_is_cancelled(call: Callable[..., T], *arguments: object) -> T:
    """Make a call; the interrupt of its session must not end the event loop."""
    try:
        return call(*arguments)
    except KeyboardInterrupt as interrupt:
        raise Unavailable("the call was canceled") from interrupt

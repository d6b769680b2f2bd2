"""Sessions side by side: one shared executor, and one interrupt for all of them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor, wait

import pytest

from bisect_asgi.cli.process import guarded
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled
from bisect_asgi.session.batch import Interruptible, side_by_side

PATIENCE_S = 30.0


@pytest.fixture
def workers() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def hang(begun: threading.Event, token: CancelToken) -> str:
    """A trial that goes on until its token is cancelled."""
    stopped = threading.Event()
    with token.on_cancel(stopped.set):
        begun.set()
        assert stopped.wait(PATIENCE_S)
    raise Cancelled


def test_what_a_call_returns_or_raises_comes_back(workers: Executor) -> None:
    way = Interruptible(workers)

    assert way.submit(int, "3").result(PATIENCE_S) == 3
    with pytest.raises(ValueError, match="invalid literal"):
        way.submit(int, "x").result(PATIENCE_S)


def test_an_interrupt_ends_what_is_waited_for_and_stops_its_trial(workers: Executor) -> None:
    way, begun, token = Interruptible(workers), threading.Event(), CancelToken()
    waiting = way.submit(hang, begun, token)
    assert begun.wait(PATIENCE_S)

    way.interrupt()

    with pytest.raises(KeyboardInterrupt):
        waiting.result(PATIENCE_S)
    with pytest.raises(Cancelled):
        token.check()
    with pytest.raises(KeyboardInterrupt):
        way.submit(int, "3")


def test_an_interrupt_of_what_waits_for_a_worker_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    with ThreadPoolExecutor(1) as one:
        way, begun = Interruptible(one), threading.Event()
        way.submit(hang, begun, CancelToken())
        queued = way.submit(int, "3")
        assert begun.wait(PATIENCE_S)

        way.interrupt()

        with pytest.raises(KeyboardInterrupt):
            queued.result(PATIENCE_S)
    assert caplog.messages == []


def test_an_interrupt_leaves_what_was_done_and_others_alone(workers: Executor) -> None:
    way, other = Interruptible(workers), Interruptible(workers)
    done = way.submit(int, "3")
    wait([done], PATIENCE_S)

    way.interrupt()

    assert done.result() == 3
    assert other.submit(int, "4").result(PATIENCE_S) == 4


def test_what_is_cancelled_while_it_waits_for_a_worker_is_never_run() -> None:
    ran: list[str] = []
    with ThreadPoolExecutor(1) as one:
        way, begun, token = Interruptible(one), threading.Event(), CancelToken()
        way.submit(hang, begun, token)
        assert begun.wait(PATIENCE_S)
        queued = way.submit(ran.append, "queued")
        assert queued.cancel()
        token.cancel()

    assert ran == []


def test_what_the_shared_executor_gives_up_is_given_up(workers: Executor) -> None:
    class Shared(Executor):
        def submit(self, call, /, *args, **kwargs):  # type: ignore[no-untyped-def]
            given: Future[object] = Future()
            given.cancel()
            given.set_running_or_notify_cancel()
            return given

    with pytest.raises(CancelledError):
        Interruptible(Shared()).submit(int, "3").result(PATIENCE_S)


def test_so_many_sessions_as_may_run_do_and_each_result_has_its_place(workers: Executor) -> None:
    both = threading.Barrier(2, timeout=PATIENCE_S)

    def session(case: str, way: Executor) -> str:
        both.wait()
        return way.submit(str.upper, case).result(PATIENCE_S)

    results, is_interrupted = side_by_side(["a", "b", "c", "d"], session, shared=workers, at_once=2)

    assert (results, is_interrupted) == ({0: "A", 1: "B", 2: "C", 3: "D"}, False)


def test_an_interrupt_keeps_what_is_done_ends_what_runs_and_begins_nothing(workers: Executor) -> None:
    def session(case: str, way: Executor) -> str:
        if case == "quick":
            return "done"
        try:
            begun = threading.Event()
            waiting = way.submit(hang, begun, CancelToken())
            assert begun.wait(PATIENCE_S)
            signal.pthread_kill(main, signal.SIGINT)
            return str(waiting.result(PATIENCE_S))
        except KeyboardInterrupt:
            return "interrupted"

    main = threading.get_ident()
    # Without this, an interrupt that comes just before the main thread waits would not wake it.
    with guarded() as interrupts, interrupts:
        results, is_interrupted = side_by_side(["quick", "slow", "never"], session, shared=workers, at_once=1)

    assert (results, is_interrupted) == ({0: "done", 1: "interrupted"}, True)

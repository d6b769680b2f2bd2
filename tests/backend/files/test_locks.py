"""Locks hold between threads and between processes, and go with the process that held them."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bisect_asgi.backend import files
from bisect_asgi.backend.files import locked, locked_if_free
from bisect_asgi.core.errors import Cancelled, Unavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "one.lock"


def never() -> None:
    """There is nothing to wait for."""
    raise AssertionError("the lock is not free")


def give_up() -> None:
    raise Cancelled


@contextmanager
def held_by_another_process(path: Path, *, shared: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Hold the lock until the process ends, at the latest when this is left."""
    code = f"""
import sys
from pathlib import Path
from bisect_asgi.backend.files import locked
with locked(Path({str(path)!r}), waiting=sys.exit, shared={shared}):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_free_lock_is_had_at_once_and_again_afterwards(path: Path) -> None:
    for _ in range(2):
        with locked(path, waiting=never):
            pass

    assert path.exists()


def test_while_it_is_held_nobody_else_has_it(path: Path) -> None:
    with locked(path, waiting=never), locked_if_free(path) as free:
        inside = free
    with locked_if_free(path) as free:
        afterwards = free

    assert (inside, afterwards) == (False, True)


def test_a_lock_that_was_had_because_it_was_free_is_held(path: Path) -> None:
    with locked_if_free(path), pytest.raises(Cancelled), locked(path, waiting=give_up):
        pass


def test_another_process_holds_it_against_us(path: Path) -> None:
    with held_by_another_process(path), locked_if_free(path) as free:
        assert not free


def test_a_lock_goes_with_the_process_that_held_it(path: Path) -> None:
    waits = 0

    with held_by_another_process(path) as process:

        def kill() -> None:
            nonlocal waits
            waits += 1
            process.send_signal(signal.SIGKILL)

        with locked(path, waiting=kill):
            pass

    assert waits >= 1


def test_who_waits_may_give_up(path: Path) -> None:
    with held_by_another_process(path), pytest.raises(Cancelled), locked(path, waiting=give_up):
        pass


def test_who_waits_has_it_as_soon_as_it_is_free(path: Path) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def wait_for_it() -> None:
        with locked(path, waiting=waiting.set):
            order.append("second")

    with locked(path, waiting=never):
        thread = threading.Thread(target=wait_for_it)
        thread.start()
        assert waiting.wait(timeout=10)
        order.append("first")
    thread.join(timeout=10)

    assert order == ["first", "second"]


def test_several_may_share_it(path: Path) -> None:
    with held_by_another_process(path, shared=True), locked(path, waiting=never, shared=True):
        pass


@pytest.mark.parametrize(
    ("held_shared", "wanted_shared"),
    [
        pytest.param(True, False, id="alone-while-it-is-shared"),
        pytest.param(False, True, id="shared-while-somebody-is-alone"),
        pytest.param(False, False, id="alone-while-somebody-is-alone"),
    ],
)
def test_who_wants_it_alone_shares_it_with_nobody(path: Path, held_shared: bool, wanted_shared: bool) -> None:
    with (
        locked(path, waiting=never, shared=held_shared),
        pytest.raises(Cancelled),
        locked(path, waiting=give_up, shared=wanted_shared),
    ):
        pass


def test_it_is_free_again_when_what_it_was_held_for_failed(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(path, waiting=never):
        1 / 0  # noqa: B018

    with locked(path, waiting=never):
        pass


def test_programs_started_while_it_is_held_do_not_hold_it_on(path: Path) -> None:
    with locked(path, waiting=never):
        child = subprocess.Popen(
            ["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, close_fds=False
        )
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"running\n")
        assert child.stdout.readline() == b"running\n"
    with child, locked_if_free(path) as free:
        assert free


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="this system does not say who holds a lock")
def test_a_stopped_process_is_not_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_STOPPED_S", 0.0)
    with held_by_another_process(path) as holder:
        holder.send_signal(signal.SIGSTOP)
        with pytest.raises(Unavailable) as caught, locked(path, waiting=lambda: None):
            pass
        holder.send_signal(signal.SIGCONT)

    assert str(caught.value) == f"process {holder.pid} holds a lock and is stopped: `{path}`"
    assert caught.value.hint == (
        f"let it go on with `kill -CONT {holder.pid}`, or end it with `kill -KILL {holder.pid}`"
    )

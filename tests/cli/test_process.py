"""Streams that are closed, full or narrow, and signals at any moment: no traceback, and no result lost."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import machine
from support.blocking import third_run_hangs
from support.local_index import LocalIndex
from support.processes import PATIENCE_S, eventually
from support.shell import BISECT, Shell, publish

from bisect_asgi.cli.app import main
from bisect_asgi.cli.process import guarded

HEADLINE = "demo broke in 1.5 (2021-06-01), by itself"


def run_with(
    shell: Shell, prepare: Callable[[], object], *, loud: bool = False
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bisect_asgi", *BISECT, *(() if loud else ("--quiet",))],
        cwd=shell.folder,
        env=shell.environ,
        capture_output=True,
        text=True,
        preexec_fn=prepare,
        timeout=PATIENCE_S,
    )


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory, known_machine: Path) -> Iterator[Shell]:
    """A shell in which a search has ended, for tests that ask for its result once more."""
    folder = tmp_path_factory.mktemp("answered")
    machine.tell(known_machine, folder)
    with LocalIndex() as index:
        shell = Shell(index, folder)
        publish(index, "+++++---")
        assert shell.bisect("--quiet").stdout == f"{HEADLINE}\n"
        yield shell


def onto_full(number: int) -> Callable[[], object]:
    return lambda: os.dup2(os.open("/dev/full", os.O_WRONLY), number)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_standard_output_is_an_error_and_the_result_can_be_shown_again(answered: Shell) -> None:
    done = run_with(answered, onto_full(1))

    assert done.returncode == 6
    assert done.stderr.startswith(
        "error: the standard output cannot be written: No space left on device\n\nhint: "
    )
    assert HEADLINE in answered.run("report", "--full").stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("loud", [False, True])
def test_a_full_standard_error_changes_nothing(answered: Shell, loud: bool) -> None:
    done = run_with(answered, onto_full(2), loud=loud)

    assert done.returncode == 0
    assert done.stdout.startswith("demo broke in 1.5" if loud else HEADLINE)


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_closed_streams_change_nothing(answered: Shell, closed: tuple[int, ...]) -> None:
    done = run_with(answered, lambda: [os.close(number) for number in closed])

    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout == ("" if 1 in closed else f"{HEADLINE}\n")


def test_too_little_memory_is_said_by_the_exit_code_alone_if_nobody_can_read_it(answered: Shell) -> None:
    def prepare() -> None:
        os.close(2)
        resource.setrlimit(resource.RLIMIT_DATA, (2**28, 2**28))

    done = run_with(answered, prepare)

    assert (done.returncode, done.stdout) == (6, "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_narrow_encoding_gets_escapes(shell: Shell, encoding: str) -> None:
    publish(shell.index, "+-")
    shell.write("leak.py", "raise ValueError('snow \u2603')\n")

    shell.environ["PYTHONIOENCODING"] = encoding
    done = shell.run(*BISECT)

    assert "Traceback" not in done.stderr
    assert r"ValueError: snow \u2603" in done.stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_signals_that_follow_one_another_interrupt_once(shell: Shell, how: signal.Signals) -> None:
    publish(shell.index, "+++++---")
    process, _ = third_run_hangs(shell, "--confirm", "1")

    for _ in range(3):
        process.send_signal(how)
    _, stderr = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert (
        stderr.count("error: interrupted: demo 1.6 and demo 1.7 are bad\n\nhint: finished runs are cached")
        == 1
    )


class Cleaned:
    """Is interrupted while it is cleaned up, where Python drops what is raised."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


def clean_up(number: signal.Signals) -> None:
    """Wait for an interrupt that comes while an object is cleaned up."""
    Cleaned(number)
    eventually(lambda: False)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_while_python_cleans_up_is_not_lost(
    capfd: pytest.CaptureFixture[str], how: signal.Signals
) -> None:
    with guarded() as interrupts, interrupts, pytest.raises(KeyboardInterrupt):
        clean_up(how)

    assert "Traceback" not in capfd.readouterr().err


INSIDE = """
for number in (how, signal.SIGALRM, signal.SIGALRM):
    signal.raise_signal(number)
ended.append(True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("file", ["<frozen importlib._bootstrap>", threading.__file__])
def test_an_interrupt_waits_until_a_lock_is_free_that_ending_needs(how: signal.Signals, file: str) -> None:
    ended: list[bool] = []
    inside = compile(INSIDE, file, "exec")

    with guarded() as interrupts, interrupts:
        exec(inside, {"how": how, "signal": signal, "ended": ended})
        with pytest.raises(KeyboardInterrupt):
            eventually(lambda: False)

    assert ended == [True]


def test_an_interrupt_waits_until_an_import_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raises = "signal.raise_signal(signal.SIGINT)\nsignal.raise_signal(signal.SIGALRM)"
    (tmp_path / "imported_slowly.py").write_text(f"import signal\n{raises}\nended = True\n")
    monkeypatch.syspath_prepend(tmp_path)

    with guarded() as interrupts, interrupts:
        import imported_slowly  # type: ignore[import-not-found]

        with pytest.raises(KeyboardInterrupt):
            eventually(lambda: False)

    assert imported_slowly.ended


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda: os.kill(os.getpid(), signal.SIGINT), id="wakes-the-main-thread"),
        # Another thread gets it, and only notes it: what is raised is raised in the main thread, which waits.
        pytest.param(lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT), id="does-not"),
    ],
)
def test_who_waits_for_a_thread_is_interrupted(send: Callable[[], None]) -> None:
    forever = threading.Event()
    interrupt = threading.Timer(0.05, send)

    with guarded() as interrupts, interrupts:
        interrupt.start()
        with pytest.raises(KeyboardInterrupt):
            forever.wait(PATIENCE_S)

    interrupt.join()


@pytest.mark.parametrize(
    ("moment", "code", "says"),
    [
        pytest.param("set", 130, "error: interrupted", id="as-it-begins-to-interrupt"),
        pytest.param("unset", 0, "", id="as-it-ends"),
    ],
)
def test_an_interrupt_at_the_edge_of_a_command_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], moment: str, code: int, says: str
) -> None:
    def setitimer(which: int, interval_s: float, again_s: float) -> object:
        if (moment == "set") == bool(interval_s):
            monkeypatch.setattr(signal, "setitimer", kept)
            signal.raise_signal(signal.SIGINT)
        return kept(which, interval_s, again_s)

    kept, before = signal.setitimer, signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(signal, "setitimer", setitimer)
    monkeypatch.setattr(sys, "argv", ["bisect-asgi", "completion", "bash"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == code
    assert says in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


class Broken:
    """Raises while it is cleaned up."""

    def __del__(self) -> None:
        raise ValueError("in the end")


def test_what_else_is_raised_while_python_cleans_up_is_shown_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: shown.append(str(lost.exc_value)))

    with guarded() as interrupts, interrupts:
        Broken()

    assert shown == ["in the end"]
    assert sys.unraisablehook.__name__ == "<lambda>"

"""Helpers: other programs that are run for their output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from support.processes import PATIENCE_S, eventually, is_running
from support.supervised import python

from bisect_asgi.backend.process import helper
from bisect_asgi.backend.process.helper import run_helper
from bisect_asgi.backend.process.run import run_supervised
from bisect_asgi.backend.process.usage import is_alive
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled

# --- Helpers


def test_a_helper_tells_what_it_said_and_how_it_ended(tmp_path: Path) -> None:
    code = "import os, sys; print(sys.stdin.read(), os.getcwd()); print('oops', file=sys.stderr); sys.exit(3)"

    done = run_helper(python(code), environ={}, token=CancelToken(), stdin="grüße", cwd=tmp_path)

    assert (done.exit_code, done.stdout, done.stderr) == (3, f"grüße {tmp_path}\n", "oops\n")


def test_a_helper_has_exactly_the_given_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")

    done = run_helper(["/usr/bin/env"], environ={"GREETING": "hello"}, token=CancelToken())

    assert done.stdout == "GREETING=hello\n"


def test_a_helper_may_write_much_and_anything_on_both_streams() -> None:
    code = r"import os; [os.write(n, b'\xff' * 10_000) for _ in range(100) for n in (2, 1)]"

    done = run_helper(python(code), environ={}, token=CancelToken())

    assert done.stdout == done.stderr == "�" * 1_000_000


def test_a_helper_that_is_not_there_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError):
        run_helper(["/no/such/helper"], environ={}, token=CancelToken())


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import os; number = os.getpid()", id="alone"),
        pytest.param(
            "import os, time\nnumber = os.fork()\nif not number:\n    time.sleep(600); os._exit(0)",
            id="with-a-child",
        ),
    ],
)
def test_a_cancelled_helper_is_gone_with_what_it_started(tmp_path: Path, code: str) -> None:
    token, cancelled = CancelToken(), threading.Event()
    written = tmp_path / "number"

    def run() -> None:
        tell = "\nopen('number', 'w').write(str(number))\nimport time; time.sleep(600)"
        with pytest.raises(Cancelled):
            run_helper(python(code + tell), environ={}, token=token, cwd=tmp_path)
        cancelled.set()

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: written.exists() and written.read_text() != "")
    number = int(written.read_text())
    token.cancel()
    try:
        assert cancelled.wait(PATIENCE_S)
        eventually(lambda: not is_running(number))
    finally:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
        thread.join()


def test_a_process_is_alive_until_it_was_waited_for() -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as process:
        before = is_alive(process.pid)
    after = is_alive(process.pid)

    assert (before, after) == (True, False)


def test_who_is_told_lines_may_fail_and_nothing_is_held_up() -> None:
    told: list[str] = []

    def fail(line: str) -> None:
        told.append(line)
        raise ValueError(line)

    code = "import sys; [print('x' * 1000, i, file=sys.stderr) for i in range(200)]"
    done = run_helper([sys.executable, "-c", code], environ={}, token=CancelToken(), on_stderr=fail)

    assert done.exit_code == 0
    assert len(done.stderr.splitlines()) == len(told) == 200


def test_a_helper_whose_output_does_not_fit_into_memory_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Full(list[str]):
        def append(self, line: str) -> None:
            raise MemoryError

    monkeypatch.setattr(helper, "_Lines", Full)
    code = (
        f"import os, sys, time; print(os.getpid(), file=open({str(tmp_path / 'pid')!r}, 'w'), flush=True)\n"
    )
    code += "print('line', file=sys.stderr, flush=True)\ntime.sleep(120)"

    with pytest.raises(MemoryError):
        run_helper(python(code), environ={}, token=CancelToken(), on_stderr=print)

    assert not is_running(int((tmp_path / "pid").read_text()))


def test_output_is_told_in_whole_lines(tmp_path: Path) -> None:
    told: list[str] = []
    code = (
        "import os, time\n"
        "for piece in (b'it', b' says: \\xc3', b'\\xbc\\nmore\\nand', b' the rest'):\n"
        "    os.write(1, piece)\n"
        "    time.sleep(0.05)\n"
    )
    run_supervised(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        report=tmp_path,
        environ={},
        timeout_s=30.0,
        token=CancelToken(),
        on_output=told.append,
    )

    assert told[0].startswith("it says: ü\n")
    assert all(piece.endswith("\n") for piece in told[:-1])
    assert "".join(told) == "it says: ü\nmore\nand the rest"

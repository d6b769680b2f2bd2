"""Programs are run to their end, measured, and leave nothing behind, whatever they or the tool do."""

from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path

import pytest
from support.supervised import LEAVES_A_SESSION, python, supervise

from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled

# --- How a run ends


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        pytest.param("pass", 0, id="success"),
        pytest.param("raise SystemExit(1)", 1, id="failure"),
        pytest.param("raise SystemExit(125)", 125, id="git-bisect-skip"),
        pytest.param("raise SystemExit(255)", 255, id="largest"),
        pytest.param("import os; os.kill(os.getpid(), 9)", -9, id="killed"),
        pytest.param("import os; os.kill(os.getpid(), 11)", -11, id="segfault"),
        pytest.param("import os; os.kill(os.getpid(), 15)", -15, id="terminated"),
    ],
)
def test_the_exit_code_is_the_commands_own_or_its_signal_negative(
    tmp_path: Path, code: str, exit_code: int
) -> None:
    run = supervise(tmp_path, python(code))

    assert (run.exit_code, run.timed_out) == (exit_code, False)


def test_a_command_whose_time_is_over_has_no_exit_code(tmp_path: Path) -> None:
    run = supervise(
        tmp_path, python("import time; print('on my way', flush=True); time.sleep(120)"), timeout_s=0.5
    )

    assert (run.exit_code, run.timed_out) == (None, True)
    assert 0.5 <= run.wall_s < 60
    assert run.output_tail == "on my way\n"


def test_a_command_that_ends_itself_is_not_kept_waiting_for_what_it_left_running(tmp_path: Path) -> None:
    run = supervise(tmp_path, python(LEAVES_A_SESSION))

    assert run.exit_code == 0
    assert run.wall_s < 60


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        pytest.param("no-such-program", "No such file or directory: no-such-program", id="not-there"),
        pytest.param("./notes.txt", "Permission denied: ./notes.txt", id="not-executable"),
    ],
)
def test_a_command_that_cannot_be_started_is_an_os_error_that_names_it(
    tmp_path: Path, command: str, reason: str
) -> None:
    (tmp_path / "notes.txt").write_text("not a program")

    with pytest.raises(OSError, match=f"^{re.escape(reason)}$"):
        supervise(tmp_path, [command])


# --- What the command is given


def test_the_command_works_in_its_folder_under_the_number_that_is_told(tmp_path: Path) -> None:
    run = supervise(tmp_path, python("import os; print(os.getcwd(), os.getpid())"))

    assert run.output_tail == f"{tmp_path} {run.pid}\n"


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"LANG": "C"}, id="a-locale-that-python-would-rather-not-have"),
        pytest.param({"LC_ALL": "C.UTF-8", "GREETING": "grüße\nand more"}, id="some"),
    ],
)
def test_the_environment_is_exactly_what_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    program = shutil.which("env")
    assert program is not None

    run = supervise(tmp_path, [program, "-0"], environ=environ)

    assert sorted(run.output_tail.split("\0")[:-1]) == sorted(f"{k}={v}" for k, v in environ.items())


def test_variables_are_on_no_command_line_where_everybody_could_read_them(tmp_path: Path) -> None:
    code = "import os; print(os.environ['TOKEN'] in open('/proc/%d/cmdline' % os.getppid()).read())"

    run = supervise(tmp_path, python(code), environ={"LC_ALL": "C.UTF-8", "TOKEN": "hunter2"})

    assert run.output_tail == "False\n"


def test_variables_may_be_as_many_and_as_long_as_the_system_lets_them(tmp_path: Path) -> None:
    environ = {"LC_ALL": "C.UTF-8", "ONE": "x" * 100_000, "TWO": "y" * 100_000}

    run = supervise(tmp_path, python("import os; print(sum(map(len, os.environ.values())))"), environ=environ)

    assert run.output_tail == "200007\n"


def test_standard_input_is_empty(tmp_path: Path) -> None:
    run = supervise(tmp_path, python("import sys; print(repr(sys.stdin.read()))"))

    assert run.output_tail == "''\n"


def test_the_command_inherits_no_descriptor_but_the_standard_three(tmp_path: Path) -> None:
    listing = "import os; print([n for n in range(3, 256) if os.path.exists('/proc/self/fd/%d' % n)])"
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        run = supervise(tmp_path, python(listing))
    finally:
        os.close(reader)
        os.close(writer)

    assert run.output_tail == "[]\n"


def test_a_pipe_whose_reader_ends_first_is_closed_as_in_any_shell(tmp_path: Path) -> None:
    run = supervise(tmp_path, ["/bin/sh", "-c", "yes | head -n 1"])

    assert run.output_tail == "y\n"


def test_the_command_has_a_session_of_its_own_that_ctrl_c_does_not_reach(tmp_path: Path) -> None:
    run = supervise(tmp_path, python("import os; print(os.getsid(0) == os.getpid())"))

    assert run.output_tail == "True\n"


# --- The token


def test_what_was_cancelled_before_it_began_has_no_result(tmp_path: Path) -> None:
    token = CancelToken()
    token.cancel()

    with pytest.raises(Cancelled):
        supervise(tmp_path, python("import time; time.sleep(60)"), token=token)


def test_one_token_holds_everything_that_runs(tmp_path: Path) -> None:
    token, started = CancelToken(), threading.Semaphore(0)
    cancelled: list[str] = []

    def run(name: str) -> None:
        try:
            supervise(
                tmp_path,
                python("import time; print('up', flush=True); time.sleep(60)"),
                token=token,
                on_output=lambda _: started.release(),
            )
        except Cancelled:
            cancelled.append(name)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    have_started = [started.acquire(timeout=10) for _ in threads]
    token.cancel()
    for thread in threads:
        thread.join(timeout=10)

    assert have_started == [True, True]
    assert sorted(cancelled) == ["one", "two"]


def test_cancelling_after_the_end_or_twice_does_no_harm(tmp_path: Path) -> None:
    token = CancelToken()

    run = supervise(tmp_path, python("pass"), token=token)
    token.check()
    token.cancel()
    token.cancel()

    assert run.exit_code == 0
    with pytest.raises(Cancelled):
        token.check()

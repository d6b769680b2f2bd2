"""`bisect-asgi shell` and `exec` as a user meets them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.processes import eventually
from support.shell import PYTHON, Shell, publish, told
from support.terminals import type_at

ON = ("--python", PYTHON)


def environments(shell: Shell) -> dict[str, bytes]:
    """Every file of the cached environments, but for their remarks on when they were used."""
    found = (path for path in (shell.cache / "environments").rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in found if path.suffix == ".py"}


def test_exec_runs_one_command_beside_the_probe_and_ends_with_its_code(shell: Shell) -> None:
    publish(shell.index, "+-")
    shell.write("data.txt", "here")
    code = "import demo, os, sys; print(demo.version, sorted(os.listdir())); sys.exit(7)"

    done = shell.run(
        "exec", "demo==1.1", "--probe", "leak.py", "--include", "data.txt", *ON, "--", "python", "-c", code
    )

    assert (done.returncode, done.stdout) == (7, "1.1 ['data.txt', 'leak.py']\n")
    assert list((shell.cache / "runs").iterdir()) == []


def test_exec_reads_the_standard_input(shell: Shell) -> None:
    publish(shell.index, "+")

    done = subprocess.run(
        [sys.executable, "-m", "bisect_asgi", "exec", "demo==1.0", *ON, "--", "cat"],
        cwd=shell.folder,
        env=shell.environ,
        input="passed on",
        capture_output=True,
        text=True,
        check=False,
        timeout=shell.patience_s,
    )

    assert (done.returncode, done.stdout) == (0, "passed on")


def test_what_is_changed_by_hand_is_dropped(shell: Shell) -> None:
    publish(shell.index, "+")
    check = ("check", "demo==1.0", "--probe", "leak.py", *ON, "--env", "DIARY", "--sandbox", "none")
    assert shell.run(*check).returncode == 0
    before = environments(shell)
    spoil = "import demo; open(demo.__file__, 'w').write('works = False')"

    done = shell.run("exec", "demo==1.0", *ON, "--", "python", "-c", spoil)

    assert done.returncode == 0, done.stderr
    assert environments(shell) == before
    assert shell.run(*check, "--fresh").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(
            ["demo==1.0", *ON, "--", "no-such-program"], 127, "`no-such-program` cannot be started", id="127"
        ),
        pytest.param(["demo==1.0", *ON, "--", "/"], 126, "`/` cannot be started", id="126"),
        pytest.param(["demo==7", *ON, "--", "true"], 128, "there is no release `7`", id="no-such-release"),
        pytest.param(["demo", *ON, "--", "true"], 128, "names no single release", id="no-version"),
        pytest.param(["needy==1.0", *ON, "--", "true"], 125, "is untestable", id="untestable"),
    ],
)
def test_exit_codes_tell_an_error_from_the_command(
    shell: Shell, arguments: list[str], code: int, message: str
) -> None:
    publish(shell.index, "+")
    publish(shell.index, "+", project="needy", requires=["demo>=9"])

    done = shell.run("exec", *arguments)

    assert done.returncode == code
    assert message in done.stderr


def test_a_signal_that_ends_the_command_is_told_as_a_shell_does(shell: Shell) -> None:
    publish(shell.index, "+")

    done = shell.run("exec", "demo==1.0", *ON, "--", "sh", "-c", "kill -TERM $$")

    assert done.returncode == 128 + signal.SIGTERM


def test_nothing_of_an_interrupted_command_is_left(shell: Shell) -> None:
    publish(shell.index, "+")
    script = f"import os, time\nopen({str(shell.diary)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    shell.write("hangs.py", script)

    process = shell.start(
        "exec", "demo==1.0", "--probe", "hangs.py", "--sandbox", "none", *ON, "--", "python", "hangs.py"
    )
    eventually(lambda: shell.diary.exists() and shell.diary.read_text() != "")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=shell.patience_s)

    assert process.returncode == 130
    eventually(lambda: not psutil.pid_exists(int(shell.diary.read_text())))
    assert list((shell.cache / "runs").iterdir()) == []


def test_a_shell_needs_a_terminal(shell: Shell) -> None:
    done = shell.run("shell", "demo==1.0")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == told(
        "`shell` needs a terminal, and the standard input or output is none",
        "run one command: `bisect-asgi exec demo==1.0 -- CMD`",
    )


def test_a_shell_has_the_environment_first_on_its_path_and_a_terminal(shell: Shell) -> None:
    publish(shell.index, "+")
    asks = 'python -c "import demo, os; print(demo.version, os.isatty(0), os.path.basename(os.getcwd()))"\n'

    code, shown = type_at(
        shell,
        ["shell", "demo==1.0", "--probe", "leak.py", *ON],
        [("(demo==1.0) $ ", asks), ("1.0 True work", "sleep 600 &\n"), ("(demo==1.0) $ ", "exit 3\n")],
    )

    assert code == 3
    assert "the probe: python leak.py" in shown
    assert list((shell.cache / "runs").iterdir()) == []
    assert not _sleepers(shell.cache)


def _sleepers(cache: Path) -> list[psutil.Process]:
    """The processes that were started below the cache and still run."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if process.info["cmdline"] == ["sleep", "600"] and process.ppid() in (1, os.getpid()):
            found.append(process)
    return [process for process in found if str(cache) in process.cwd()]


def test_ctrl_c_is_for_what_runs_in_the_shell(shell: Shell) -> None:
    publish(shell.index, "+")

    waits = 'python -c \'import time; print("be" + "gun", flush=True); time.sleep(600)\'\n'

    code, _ = type_at(
        shell,
        ["shell", "demo==1.0", *ON],
        [("(demo==1.0) $ ", waits), ("begun", "\x03"), ("(demo==1.0) $ ", "exit 4\n")],
    )

    assert code == 4


def test_the_end_of_the_input_ends_a_shell(shell: Shell) -> None:
    publish(shell.index, "+")

    code, _ = type_at(shell, ["shell", "demo==1.0", *ON], [("(demo==1.0) $ ", "\x04")])

    assert code == 0

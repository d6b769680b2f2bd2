"""A command that is killed, interrupted, or beside another one."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest
from support.blocking import third_run_hangs
from support.processes import PATIENCE_S, eventually, is_running
from support.shell import BISECT, Shell, publish


def test_after_a_kill_in_the_middle_no_finished_run_is_repeated(shell: Shell) -> None:
    publish(shell.index, "+++++---")
    process, probe = third_run_hangs(shell, "--confirm", "1")

    process.kill()
    process.communicate(timeout=PATIENCE_S)
    finished = shell.noted("end")
    eventually(lambda: not is_running(probe))
    done = shell.bisect("--quiet", "--confirm", "1")

    assert done.stdout == "demo broke in 1.5 (2021-06-01), by itself\n"
    assert finished.total() == 2
    ended = shell.noted("end")
    # Both sides of the boundary are run twice by any one command with `--confirm 1`.
    assert {version: runs for version, runs in ended.items() if runs > 1} == {"1.4": 2, "1.5": 2}
    assert shell.noted("start").total() == ended.total() + 1  # the one that was killed


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_exits_130_and_leaves_no_process_behind(shell: Shell, how: signal.Signals) -> None:
    publish(shell.index, "+++++---")
    process, probe = third_run_hangs(shell, "--confirm", "1")
    below = psutil.Process(process.pid).children(recursive=True)
    assert probe in {child.pid for child in below}

    process.send_signal(how)
    _, stderr = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 130
    assert stderr.endswith(
        "error: interrupted: demo 1.6 and demo 1.7 are bad\n\n"
        "hint: finished runs are cached; run the same command to continue\n"
    )
    assert f"log: {next((shell.cache / 'logs').glob('*.jsonl'))}\n" in stderr
    assert "Traceback" not in stderr
    assert [child.pid for child in below if is_running(child.pid)] == []
    again = shell.bisect("--quiet", "--confirm", "1")
    assert again.stdout == "demo broke in 1.5 (2021-06-01), by itself\n"
    assert max(shell.noted("end").values()) == 2


def test_two_commands_at_once_share_what_they_observe(shell: Shell, tmp_path: Path) -> None:
    publish(shell.index, "+++++---")

    both = [shell.start(*BISECT, "--quiet", "--confirm", "1") for _ in range(2)]
    said = [process.communicate(timeout=PATIENCE_S) for process in both]

    assert said == [("demo broke in 1.5 (2021-06-01), by itself\n", "")] * 2
    counted = shell.noted("start")
    assert {version: runs for version, runs in counted.items() if runs > 1} == {"1.4": 2, "1.5": 2}

"""A bisection whose third run hangs, for tests that kill or interrupt it."""

from __future__ import annotations

import subprocess

from support.processes import eventually
from support.shell import BISECT, PROBE, Shell

BLOCKING = PROBE.replace(
    'note("end")',
    """\
lines = open(os.environ["DIARY"]).read().splitlines()
if len([line for line in lines if line.startswith("start")]) == 3:
    with open(os.environ["DIARY"], "a") as diary:
        diary.write("pid %d\\n" % os.getpid())
    import time
    time.sleep(600)  # until it is killed
note("end")""",
)


def third_run_hangs(shell: Shell, *arguments: str) -> tuple[subprocess.Popen[str], int]:
    """Start a bisection whose third run hangs; return it, and the process that hangs."""
    shell.write("leak.py", BLOCKING)
    process = shell.start(*BISECT, *arguments)
    eventually(lambda: process.poll() is not None or shell.noted("pid").total() == 1)
    assert process.poll() is None, process.communicate()
    (pid,) = shell.noted("pid")
    return process, int(pid)

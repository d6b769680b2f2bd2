"""Run a program confined, in a process of its own: as another user, and with a home and a cache to protect.

python -c 'from support.confined import main; main()' LEVEL WORLD PROGRAM [no-network]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bisect_asgi.backend.process.run import run_supervised
from bisect_asgi.backend.process.sandbox import Sandbox
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import Confinement, SandboxLevel


def main() -> None:
    """Print what the program prints, and its exit code."""
    level, world, program, *more = sys.argv[1:]
    os.environ["HOME"] = f"{world}/home"
    box = Path(world, "runs", f"{os.getuid()}-{level}")
    for name in ("work", "home", "tmp", "report"):
        (box / name).mkdir(parents=True)
    Path(world, "tool").write_text(str(os.getpid()))
    sandbox = Sandbox(Path(world, "cache"))
    asked = Confinement(level=SandboxLevel(level), network="no-network" not in more)
    run = run_supervised(
        [sys.executable, program, world],
        cwd=box / "work",
        report=box / "report",
        environ={"PATH": os.defpath, "HOME": str(box / "home"), "TMPDIR": str(box / "tmp")},
        timeout_s=90,
        token=CancelToken(),
        confine=sandbox.rules(asked, box),
    )
    print(run.output_tail, "exit code", run.exit_code)  # noqa: T201

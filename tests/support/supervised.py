"""Supervised commands, and programs that want to outlive them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bisect_asgi.backend.process.run import Run, run_supervised
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import Limits

# Starts a process in a session of its own, which would outlive it, prints that number, and goes on to END.
LEAVES_A_SESSION = """
import os, time
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.write(writer, b"%d" % os.getpid())
    time.sleep(120)
    os._exit(0)
print(os.read(reader, 20).decode(), flush=True)
"""


def python(code: str) -> list[str]:
    """The command that runs some code in a Python that starts quickly."""
    return [sys.executable, "-I", "-S", "-c", code]


def supervise(
    folder: Path,
    argv: list[str],
    *,
    environ: Mapping[str, str] | None = None,
    timeout_s: float = 90.0,
    token: CancelToken | None = None,
    limits: Limits | None = None,
    on_output: Callable[[str], None] | None = None,
    on_chunk: Callable[[bytes], None] | None = None,
    is_driver: bool = False,
    is_helper: bool = False,
) -> Run:
    """Run a command with what the tests do not care for filled in."""
    return run_supervised(
        argv,
        cwd=folder,
        report=folder,
        environ={"LC_ALL": "C.UTF-8"} if environ is None else environ,
        timeout_s=timeout_s,
        token=token or CancelToken(),
        limits=limits,
        on_output=on_output,
        on_chunk=on_chunk,
        is_driver=is_driver,
        is_helper=is_helper,
    )

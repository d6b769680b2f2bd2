"""Waiting for other processes, and asking whether they are still there."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

PATIENCE_S = 60.0
"""How long a test waits before it fails: long, because other tests keep the processors busy."""


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds.

    Raises:
        AssertionError: it did not hold in time.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Tell whether there is such a process, and it is not only waiting to be waited for."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def output(*command: str | Path) -> str:
    """What a program writes that needs no variables."""
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    return done.stdout.strip()

"""Exceptions with frames."""

from __future__ import annotations

from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import Phase, Signature

FILES = dict.fromkeys(("leak.py", "data/leak.py", "app.py"), b"")


STDLIB = "/usr/lib/python3.11"


SITE = "/cache/envs/1a/lib/python3.11/site-packages"


WORK = "/cache/runs/12-0/work"


def place(file: str, function: str = "f") -> tuple[str, int, str]:
    """One frame."""
    return file, 7, function


def raised(*frames: tuple[str, int, str], error: str = "KeyError", message: str = "'x'") -> Signature:
    """The signature of an exception with these frames below the probe's own."""
    trace = (place(f"{WORK}/leak.py", "<module>"), *frames)
    return signature.of_exception(error, message, phase=Phase.CHECK, frames=trace, probe_files=FILES)

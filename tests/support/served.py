"""Served probes: apps, the probes that drive them, and one run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psutil
import pytest

from bisect_asgi.backend import uv
from bisect_asgi.backend.environments import Environment
from bisect_asgi.backend.trials.probe_run import Output, run_probe
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import (
    Observation,
    Outcome,
    Phase,
    Probe,
    ProbeFile,
    Served,
)
from support.sandboxes import sandbox

network = pytest.mark.network


HELLO = """
def app():
    async def hello(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})

    return hello
"""


ECHO = """
import asyncio

kept = []
released = asyncio.Event()

class Kept:
    def __init__(self):
        self.data = bytearray(b"x" * 20000)

async def body_of(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body

async def app(scope, receive, send):
    path = scope["path"]
    print("asked for", path, flush=True)
    if path == "/keep":
        kept.append(Kept())
    if path == "/slow":
        await asyncio.sleep(0.05)
    if path == "/error":
        raise ValueError("no such thing")
    if path == "/waits":
        await released.wait()
    if path == "/release":
        released.set()
    answer = await body_of(receive) or path.encode()
    headers = [(b"content-length", str(len(answer)).encode()), (b"x-version", b"1")]
    status = 404 if path == "/absent" else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
    if path == "/never":
        await asyncio.Event().wait()
    if path == "/afterwards":
        await asyncio.sleep(0.05)
        raise LookupError("after the response to " + scope["query_string"].decode())
"""


PASSES = "\ndef probe(server):\n    assert server.client.get('/').text == 'hello'\n"


def install(environment: Environment, *requirements: str) -> None:
    subprocess.run(
        [uv.binary(), "pip", "install", "--quiet", "--python", environment.bin / "python", *requirements],
        check=True,
    )


def served(
    code: str,
    *,
    options: dict[str, str | int | float | bool | None] | None = None,
    timeout_s: float = 60,
    startup_s: float = 30,
) -> Probe:
    """A probe that is the script `leak.py`, with its app and its driver."""
    return Probe(
        name="leak.py",
        script="leak.py",
        command=None,
        files=(ProbeFile(name="leak.py", content=code.encode()),),
        served=Served(file="leak.py", options=options or {}, startup_s=startup_s),
        timeout_s=timeout_s,
    )


def observe(probe: Probe, environment: Environment, runs: Path, output: Output | None = None) -> Observation:
    return run_probe(probe, environment, runs, CancelToken(), output, sandbox())


def left_behind(runs: Path) -> list[list[str]]:
    """The command lines of all processes of a run below `runs`, which each run's variables name."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("BISECT_ASGI_REPORT", "").startswith(str(runs)):
                found.append(process.cmdline())
        except psutil.Error:
            continue
    return found


def shown(observation: Observation) -> tuple[Outcome, Phase, str | None]:
    sign = observation.signature
    seen = sign.shown if sign else observation.complaint or None
    return observation.outcome, observation.phase, seen

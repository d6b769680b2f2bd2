"""Hangs and time limits, and that nothing of a served run is left."""

from __future__ import annotations

import json
import re
import socket
import threading
from pathlib import Path

import psutil
import pytest
from support.sandboxes import sandbox
from support.served import PASSES, left_behind, network, observe, served, shown

from bisect_asgi.backend.environments import Environment
from bisect_asgi.backend.trials.probe_run import run_probe
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import (
    Outcome,
    Phase,
)

HANGS = """
import asyncio

async def waits_for_ever():
    await asyncio.Event().wait()

async def app(scope, receive, send):
    await waits_for_ever()
"""


def is_free(port: int) -> bool:
    """Tell whether nobody listens there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


# --- Hangs, and ends


@network
def test_a_hang_ends_by_the_connections_limit_and_shows_where_the_server_waits(
    served_by: Environment, runs: Path
) -> None:
    code = """
def probe(server):
    with server.connection(timeout_s=0.5) as connection:
        connection.send_request("GET", "/")
        connection.response()
"""
    seen = observe(served(HANGS + code, options={"lifespan": "off"}), served_by, runs)

    outcome, phase, failure = shown(seen)
    assert (outcome, phase) == (Outcome.FAILED, Phase.DRIVE)
    assert re.sub(r"\d+\)", "…)", failure or "") == (
        "TimeoutError: no response: nothing came within 0.5 s; "
        "server in wait (locks.py:…), called from leak.py:5"
    )
    assert "in waits_for_ever" in seen.stacks
    assert left_behind(runs) == []


@network
def test_the_stacks_of_a_task_reach_down_to_what_it_awaits(served_by: Environment, runs: Path) -> None:
    code = """
import asyncio, time

async def app(scope, receive, send):
    await outer()

async def outer():
    await waits_for_ever()

async def waits_for_ever():
    await asyncio.Event().wait()

def probe(server):
    connection = server.connection(timeout_s=5)
    connection.send_request("GET", "/")
    deadline = time.monotonic() + 5
    while "in waits_for_ever" not in server.stacks():  # the task is there before it has come so far
        assert time.monotonic() < deadline, server.stacks()
    connection.reset()
"""
    seen = observe(served(code, options={"lifespan": "off"}), served_by, runs)

    assert seen.outcome is Outcome.PASSED, seen.output_tail


@network
def test_a_run_that_is_out_of_time_has_the_stacks_of_the_driver_and_the_server(
    served_by: Environment, runs: Path
) -> None:
    code = """
import threading

def app():
    return Blocks()

class Blocks:
    async def __call__(self, scope, receive, send):
        blocks_the_loop()

def blocks_the_loop():
    threading.Event().wait()

def probe(server):
    server.connection().send_request("GET", "/")
    threading.Event().wait()
"""
    seen = observe(served(code, options={"lifespan": "off"}, timeout_s=4), served_by, runs)

    assert seen.outcome is Outcome.FAILED
    assert seen.signature is not None
    assert seen.signature.is_same_failure(signature.of_timeout(4))
    assert "in blocks_the_loop" in seen.stacks
    assert left_behind(runs) == []


# A server with a child in a session of its own; the probe says where both are.
TREE = """
def app():
    import subprocess, sys
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)

    async def answer(scope, receive, send):
        body = str(child.pid).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return answer

def probe(server):
    import json, threading
    child = int(server.client.get("/").text)
    print("\\nfound", json.dumps([server.pid, child, server.address[1]]), flush=True)
    """


def places(output: str) -> tuple[int, int, int]:
    """The server's process, its child and the port, as TREE's probe tells them."""
    line = next(line for line in output.splitlines() if line.startswith("found "))
    server, child, port = json.loads(line.removeprefix("found "))
    return server, child, port


@network
@pytest.mark.parametrize(
    ("end", "outcome", "timeout_s"),
    [
        pytest.param("pass", Outcome.PASSED, 60, id="success"),
        pytest.param("assert False", Outcome.FAILED, 60, id="failure"),
        pytest.param("threading.Event().wait()", Outcome.FAILED, 4, id="time-out"),
    ],
)
def test_nothing_of_a_served_run_is_left(
    served_by: Environment, runs: Path, end: str, outcome: Outcome, timeout_s: float
) -> None:
    seen = observe(served(TREE + end + "\n", timeout_s=timeout_s), served_by, runs)

    server, child, port = places(seen.output_tail)
    assert seen.outcome is outcome
    assert not psutil.pid_exists(server)
    assert not psutil.pid_exists(child)
    assert is_free(port)
    assert left_behind(runs) == []
    assert list(runs.iterdir()) == []


@network
def test_nothing_of_a_cancelled_served_run_is_left(served_by: Environment, runs: Path) -> None:
    token = CancelToken()
    written: list[str] = []

    def cancel_when_it_runs(text: str) -> None:
        written.append(text)
        # The line and its end may come in two pieces.
        if re.search(r"found.*\]\n", "".join(written)):
            threading.Thread(target=token.cancel).start()

    with pytest.raises(Cancelled):
        run_probe(
            served(TREE + "threading.Event().wait()\n"),
            served_by,
            runs,
            token,
            cancel_when_it_runs,
            sandbox(),
        )

    server, child, port = places("".join(written))
    assert not psutil.pid_exists(server)
    assert not psutil.pid_exists(child)
    assert is_free(port)
    assert left_behind(runs) == []
    assert list(runs.iterdir()) == []


@network
def test_a_server_that_ignores_the_interrupt_is_killed_and_the_probe_still_passes(
    served_by: Environment, runs: Path
) -> None:
    code = """
import signal

async def app(scope, receive, send):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""
    seen = observe(served(code + PASSES, options={"lifespan": "off"}), served_by, runs)

    assert seen.outcome is Outcome.PASSED
    assert "the server was still running 2 s after SIGINT\n" in seen.output_tail
    assert 2 <= seen.wall_s < 30
    assert left_behind(runs) == []


@network
def test_a_server_that_waits_for_an_open_request_ends_at_the_second_interrupt(
    served_by: Environment, runs: Path
) -> None:
    code = """
def probe(server):
    server.connection().send_request("GET", "/")
    while "run_asgi" not in server.stacks():
        pass
"""
    seen = observe(served(HANGS + code, options={"lifespan": "off"}), served_by, runs)

    assert seen.outcome is Outcome.PASSED, seen.output_tail
    assert "Waiting for background tasks to complete" in seen.output_tail
    assert "the server was still running" not in seen.output_tail
    assert left_behind(runs) == []

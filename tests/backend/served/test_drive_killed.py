"""Served runs that something else kills, and those that this tool kills."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from support.sandboxes import sandbox
from support.served import HELLO, PASSES, left_behind, network, served

from bisect_asgi.backend.environments import Environment
from bisect_asgi.backend.trials.probe_run import run_probe
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import Limits, Observation, Outcome, Probe
from bisect_asgi.core.records import replace

WORKERS = """
import os, signal

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % os.getpid()})

def probe(server):
    pid = int(server.client.get("/").text)
    assert pid != server.pid
"""
DIES = """
import os, signal

async def app(scope, receive, send):
    os.kill(os.getpid(), signal.{signal})
"""
MAKING = """
import os, signal

def app():
    os.kill(os.getpid(), signal.SIGKILL)
"""
STUBBORN = """
import signal

async def app(scope, receive, send):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""
KILLS = "\nimport os\ndef probe(server):\n    os.kill({pid}, 9)\n"
OFF: dict[str, str | int | float | bool | None] = {"lifespan": "off"}


class Seen(NamedTuple):
    run: Observation
    was_killed: bool


def observed(probe: Probe, environment: Environment, runs: Path) -> Seen:
    killed: list[bool] = []
    run = run_probe(
        probe, environment, runs, CancelToken(), None, sandbox(), on_killed=lambda: killed.append(True)
    )
    assert left_behind(runs) == []
    return Seen(run, bool(killed))


@network
@pytest.mark.parametrize(
    ("code", "workers", "outcome"),
    [
        pytest.param(HELLO + KILLS.format(pid="os.getpid()"), 1, Outcome.ERROR, id="driver"),
        pytest.param(
            HELLO + KILLS.format(pid="server.pid") + "    server.client.get('/')\n",
            1,
            Outcome.FAILED,
            id="server-while-it-is-driven",
        ),
        pytest.param(HELLO + KILLS.format(pid="server.pid"), 1, Outcome.PASSED, id="server-unnoticed"),
        pytest.param(DIES.format(signal="SIGKILL") + PASSES, 1, Outcome.FAILED, id="server-by-a-request"),
        pytest.param(MAKING + PASSES, 1, Outcome.FAILED, id="server-at-its-start"),
        pytest.param(MAKING + PASSES, 2, Outcome.FAILED, id="workers-at-their-start"),
        pytest.param(WORKERS + "    os.kill(pid, 9)\n", 2, Outcome.PASSED, id="worker"),
        pytest.param(WORKERS + "    os.kill(server.pid, 9)\n", 2, Outcome.PASSED, id="parent-of-the-workers"),
    ],
)
def test_a_killed_driver_server_or_worker_is_told(
    served_by: Environment, runs: Path, code: str, workers: int, outcome: Outcome
) -> None:
    seen = observed(served(code, options={**OFF, "workers": workers}), served_by, runs)

    assert seen.was_killed, seen.run.output_tail
    assert seen.run.outcome is outcome, seen.run.output_tail


@network
@pytest.mark.parametrize(
    ("probe", "outcome"),
    [
        pytest.param(served(HELLO + PASSES, options=OFF), Outcome.PASSED, id="a-server-that-ends"),
        pytest.param(served(WORKERS, options={**OFF, "workers": 2}), Outcome.PASSED, id="workers-that-end"),
        pytest.param(
            served(STUBBORN + PASSES, options=OFF), Outcome.PASSED, id="a-server-that-the-driver-kills"
        ),
        pytest.param(
            served(DIES.format(signal="SIGSEGV") + PASSES, options=OFF), Outcome.FAILED, id="a-crash"
        ),
        pytest.param(
            served(HELLO + "\ndef probe(server):\n    import time\n    time.sleep(60)\n", timeout_s=2),
            Outcome.FAILED,
            id="the-time-limit",
        ),
        pytest.param(
            replace(
                served(
                    "held = b'x' * (300 << 20)\n"
                    + HELLO
                    + "\ndef probe(server):\n    import time\n    time.sleep(60)\n"
                ),
                limits=Limits(memory_bytes=200 << 20),
            ),
            Outcome.UNTESTABLE,
            id="the-limit-of-memory",
        ),
    ],
)
def test_what_ends_or_crashes_by_itself_or_by_this_tool_was_not_killed(
    served_by: Environment, runs: Path, probe: Probe, outcome: Outcome
) -> None:
    seen = observed(probe, served_by, runs)

    assert not seen.was_killed, seen.run.output_tail
    assert seen.run.outcome is outcome, seen.run.output_tail

"""Served probes on each Python of this machine, and with several workers."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from support.builders import environment as make_environment
from support.served import HELLO, install, left_behind, network, observe, served, shown

from bisect_asgi.backend import interpreters
from bisect_asgi.backend.environments import Environment
from bisect_asgi.core.model import (
    Outcome,
    Phase,
)

# --- Every Python


@pytest.fixture(scope="session")
def pythons(interpreters_cache: Path) -> dict[str, str]:
    """The paths of this machine's interpreters by their versions."""
    found = interpreters.find_all(interpreters_cache)
    return {target.interpreter.version: target.interpreter.path for target in found}


@network
@pytest.mark.parametrize("minor", [f"3.{number}" for number in range(6, 15)])
def test_a_request_is_served_on_each_python_by_the_newest_uvicorn_for_it(
    pythons: dict[str, str], tmp_path: Path, runs: Path, minor: str
) -> None:
    paths = {version: path for version, path in pythons.items() if version.startswith(f"{minor}.")}
    if not paths:
        pytest.skip(f"no Python {minor} on this machine")
    code = """
def probe(server):
    assert server.client.get("/").text == "hello"
    assert "builtins.dict" in server.objects()
    assert "Thread MainThread:" in server.stacks()
"""
    for version, path in paths.items():
        environment = make_environment(tmp_path / version, path)
        install(environment, "uvicorn")

        seen = observe(served(HELLO + code), environment, runs)

        assert shown(seen) == (Outcome.PASSED, Phase.CHECK, None), (version, seen.output_tail)
        assert left_behind(runs) == []


@network
def test_several_workers_serve_one_socket_and_end_together(served_by: Environment, runs: Path) -> None:
    code = """
import os

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % os.getpid()})

def probe(server):
    workers = set()
    for _ in range(60):
        with server.connection() as connection:  # a new one each time, which either worker may accept
            connection.send_request("GET", "/")
            workers.add(connection.response().body)
    assert server.objects()
    return {"workers": len(workers), "parent": server.pid}
"""
    seen = observe(served(code, options={"lifespan": "off", "workers": 2}), served_by, runs)

    assert seen.outcome is Outcome.PASSED, seen.output_tail
    assert seen.metrics["workers"] == 2
    assert not psutil.pid_exists(int(seen.metrics["parent"]))
    assert left_behind(runs) == []

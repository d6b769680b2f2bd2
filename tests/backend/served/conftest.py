"""An environment with a uvicorn, and servers that run in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.builders import environment as make_environment
from support.processes import PATIENCE_S
from support.served import ECHO, install

from bisect_asgi.backend.environments import Environment
from bisect_asgi.backend.served import drive
from bisect_asgi.backend.served.request import DriveRequest
from bisect_asgi.backend.served.server import Server


@pytest.fixture(scope="session")
def served_by(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with a uvicorn of 2022."""
    found = make_environment(tmp_path_factory.mktemp("served") / "environment")
    install(found, "uvicorn==0.17.6", "h11==0.13.0")
    return found


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture(scope="module")
def server(served_by: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server without a command around it; all tests of a file ask it, in any order."""
    folder = tmp_path_factory.mktemp("server")
    app = folder / "leak.py"
    app.write_text(ECHO)
    request = DriveRequest(
        python=str(served_by.bin / "python"),
        environ={"PATH": os.defpath},
        app_file=str(app),
        app_name="app",
        probe_file=None,
        load=None,
        options={"lifespan": "off", "http": "h11"},
        startup_s=PATIENCE_S,
        report=str(folder),
    )
    with drive.serving(request, folder / "server.log") as serving:
        yield serving

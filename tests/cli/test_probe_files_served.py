"""Which probe files are served, and what is said of those that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.served import ECHO, HELLO, PASSES

from bisect_asgi.cli.probe_files import load
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import (
    ProbeFile,
    ReadyMadeLoad,
    Served,
)
from bisect_asgi.core.plan.options import Options

# --- Which probes are served


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "is_served"),
    [
        pytest.param("def app(): ...\ndef probe(server): ...", True, id="functions"),
        pytest.param(
            "async def app(scope, receive, send): ...\nasync def probe(s): ...", True, id="coroutines"
        ),
        pytest.param("class app: ...\ndef probe(server): ...", True, id="a-class"),
        pytest.param("app = make()\nprobe = check", True, id="assigned"),
        pytest.param("app: object = make()\ndef probe(server): ...", True, id="annotated"),
        pytest.param("other = app = make()\ndef probe(server): ...", True, id="assigned-to-several"),
        pytest.param("def app(): ...", False, id="app-alone"),
        pytest.param("def probe(server): ...", False, id="probe-alone"),
        pytest.param("import jinja2", False, id="neither"),
        pytest.param("", False, id="empty"),
        pytest.param("def main():\n    app = 1\n    def probe(): ...", False, id="not-at-the-top-level"),
        pytest.param("things.app = 1\ndef probe(server): ...", False, id="an-attribute-is-no-name"),
        pytest.param("app and probe", False, id="only-mentioned"),
        pytest.param("def app(:\ndef probe(server): ...", False, id="no-python"),
        pytest.param("app = 1\0\nprobe = 2", False, id="a-null-byte"),
    ],
)
def test_a_script_with_app_and_probe_is_served_and_no_other(here: Path, source: str, is_served: bool) -> None:
    (here / "leak.py").write_text(source)

    probe = load(Options(probe="leak.py", uvicorn={"http": "h11"}))

    assert probe.served == (Served(file="leak.py", options={"http": "h11"}) if is_served else None)


def test_a_file_that_is_no_text_is_not_served(here: Path) -> None:
    (here / "leak.py").write_bytes(b"\xff\xfe\x00")

    assert load(Options(probe="leak.py")).served is None


def test_a_command_is_never_served(here: Path) -> None:
    (here / "leak.py").write_text(HELLO + PASSES)

    probe = load(Options(probe="leak.py", command="python leak.py"))

    assert (probe.served, probe.script) == (None, None)


@pytest.mark.parametrize(
    ("app", "file", "name"),
    [
        pytest.param("web.py", "web.py", "app", id="a-file-alone"),
        pytest.param("web.py:application", "web.py", "application", id="with-a-name"),
        pytest.param("service/web.py:make", "web.py", "make", id="in-a-folder"),
        pytest.param("service/web.py", "web.py", "app", id="in-a-folder-without-a-name"),
    ],
)
def test_an_app_file_is_served_as_it_is_and_driven_by_a_load(
    here: Path, app: str, file: str, name: str
) -> None:
    (here / "service").mkdir()
    for path in (here / "web.py", here / "service" / "web.py"):
        path.write_text(ECHO)

    probe = load(Options(app=app, load="GET /", requests=20, concurrency=2, keep_alive=False))

    drive = ReadyMadeLoad(request="GET /", requests=20, concurrency=2, keep_alive=False)
    assert probe.served == Served(file=file, name=name, load=drive)
    assert probe.files == (ProbeFile(name=file, content=ECHO.encode()),)
    assert (probe.name, probe.script, probe.command) == (app, None, None)


def test_an_app_file_can_be_driven_by_a_probe_file(here: Path) -> None:
    (here / "web.py").write_text(ECHO)
    (here / "drive.py").write_text(PASSES)

    probe = load(Options(probe="drive.py", app="web.py"))

    assert (probe.served, probe.script) == (Served(file="web.py"), "drive.py")
    assert sorted(file.name for file in probe.files) == ["drive.py", "web.py"]


@pytest.mark.parametrize("workers", [-1, "two", 1.5])
def test_workers_are_counted(here: Path, workers: str | float) -> None:
    (here / "leak.py").write_text(HELLO + PASSES)

    with pytest.raises(UsageError) as caught:
        load(Options(probe="leak.py", uvicorn={"workers": workers}))

    assert str(caught.value) == f"`workers = {workers}` is out of range (`--uvicorn`)"
    assert caught.value.hint == "pass 1 or more"

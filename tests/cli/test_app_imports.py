"""What a command imports is what its user waits for: nothing comes in that the command does not need."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest
from support.shell import Command

ROOMS = ("backend", "session", "report")
# Those of the command line itself, and of the values that its options become.
FRAME = {"annotated_doc", "msgspec", "packaging", "shellingham", "typer", "typing_extensions"}
ALWAYS = FRAME | {"bisect_asgi"}


def imported(process: subprocess.CompletedProcess[str]) -> set[str]:
    """The modules that a command has imported, which Python wrote between the command's own lines."""
    lines = (line for line in process.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines} - {"imported package"}


def others(modules: set[str]) -> set[str]:
    """The packages among them that do not come with Python."""
    found = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    return {each for each in found if not each.startswith("_") and find_spec(each)}  # some are only tried


def rooms(modules: set[str]) -> set[str]:
    """The rooms of this package among them."""
    return {room for room in ROOMS if any(each.startswith(f"bisect_asgi.{room}.") for each in modules)}


def run(command: Command, *arguments: str) -> set[str]:
    """What a command imports that a user starts."""
    command.environ["PYTHONPROFILEIMPORTTIME"] = "1"
    process = command.start(*arguments)
    out, errors = process.communicate(timeout=command.patience_s)
    del command.environ["PYTHONPROFILEIMPORTTIME"]
    assert process.returncode == 0, errors
    return imported(subprocess.CompletedProcess(arguments, 0, out, errors))


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_the_frame_needs_no_room_but_the_command_line(command: Command, option: str) -> None:
    modules = run(command, option)

    assert "bisect_asgi.cli.app" in modules
    assert others(modules) <= ALWAYS
    assert rooms(modules) == set()


@pytest.mark.parametrize("name", ["run", "check", "suite", "verify", "locks", "releases", "report", "cache"])
def test_the_help_of_a_command_imports_no_other_command(command: Command, name: str) -> None:
    modules = run(command, name, "--help")

    assert others(modules) <= ALWAYS
    assert rooms(modules) == set()
    assert not any(each == f"bisect_asgi.cli.{other}" for each in modules for other in {"doctor", "new"})


def test_an_answer_that_is_remembered_starts_nothing_that_builds_or_measures(command: Command) -> None:
    for number in range(4):
        source = f"works = {number < 2}\nversion = '{number}.0'\n"
        command.index.add_wheel(
            "demo", f"{number}.0", uploaded=f"202{number}-01-01", modules={"demo.py": source}
        )
    asked = ("demo", "--probe", "leak.py", "--env", "DIARY", "--sandbox", "none", "--quiet")
    version = ".".join(map(str, sys.version_info[:2]))
    first = run(command, *asked, "--python", version)
    noted = command.noted("start")

    again = run(command, *asked, "--python", version)

    assert command.noted("start") == noted
    assert "python_discovery" in first
    builds = {"distlib", "filelock", "python_discovery", "virtualenv"}
    shows = {"jinja2", "markdown_it", "websockets", "uvicorn", "starlette", "distributed"}
    assert others(again) & (builds | shows) == set()
    assert not any(each.startswith("bisect_asgi.backend.served.server") for each in again)

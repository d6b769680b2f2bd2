"""What a command imports is what its user waits for: nothing comes in that the command does not need."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.pages import CachingIndex
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


def test_the_help_needs_no_room_but_the_command_line(command: Command) -> None:
    modules = run(command, "--help")

    assert "bisect_asgi.cli.app" in modules
    assert others(modules) <= ALWAYS
    assert rooms(modules) == set()


def test_the_version_needs_no_command_line(command: Command) -> None:
    modules = run(command, "--version")

    assert "bisect_asgi.__main__" in modules or "bisect_asgi" in modules
    assert others(modules) <= {"bisect_asgi"}
    assert {each for each in modules if each.startswith("bisect_asgi.")} <= {"bisect_asgi.__main__"}


def test_completion_needs_no_typer_and_no_room(command: Command) -> None:
    command.environ["BISECT_ASGI_COMPLETE"] = "1"
    modules = run(command, "run", "--pro")

    assert "bisect_asgi.core.plan.completing" in modules
    assert others(modules) <= ALWAYS - {"typer", "shellingham", "annotated_doc"} | {"platformdirs"}
    assert rooms(modules) == set()
    assert "bisect_asgi.cli.app" not in modules


@pytest.mark.parametrize("name", ["run", "check", "suite", "verify", "locks", "releases", "report", "cache"])
def test_the_help_of_a_command_imports_no_other_command(command: Command, name: str) -> None:
    modules = run(command, name, "--help")

    assert others(modules) <= ALWAYS
    assert rooms(modules) == set()
    assert not any(each == f"bisect_asgi.cli.{other}" for each in modules for other in {"doctor", "new"})


# Of what is remembered: each of these takes as long to import as an answer may take to be found.
NOT_FOR_A_REMEMBERED_ANSWER = frozenset(
    {
        *("httpx", "httpcore", "h11", "anyio", "certifi", "truststore", "mousebender", "tenacity", "asyncio"),
        *("psutil", "rich", "pygments", "virtualenv", "distlib", "filelock", "python_discovery"),
        *("urllib.request", "email.parser", "http.client", "ssl", "html.parser", "xml", "tarfile", "zipfile"),
        *("jinja2", "markdown_it", "websockets", "uvicorn", "starlette", "distributed", "dask"),
        *("configparser", "importlib.metadata", "unittest", "doctest"),
        "ctypes",
        "bisect_asgi.backend.process.supervisor",
        "bisect_asgi.backend.process.sandbox_calls",
        "bisect_asgi.backend.index.requests",
        "bisect_asgi.backend.index.pages",
        "bisect_asgi.backend.own_projects.copies",
        "bisect_asgi.backend.release_contents",
        "bisect_asgi.backend.served.server",
        "bisect_asgi.backend.executors.remote_trials",
        "bisect_asgi.session.culprit",
        "bisect_asgi.session.culprit.drill",
        "bisect_asgi.report.html",
        "bisect_asgi.report.markdown",
        "bisect_asgi.report.page",
        "bisect_asgi.report.text.full",
    }
)
# The command, with a list of all programs that it starts.
WATCHED = """\
import sys

starts = sys.argv.pop(1)


def note(event, arguments):
    if event in ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"):
        with open(starts, "a") as file:
            file.write(str(arguments[0] if arguments else event) + "\\n")


sys.addaudithook(note)
from bisect_asgi.__main__ import main

main()
"""
VERSION = ".".join(map(str, sys.version_info[:2]))
ASKED = ("demo", "--probe", "leak.py", "--env", "DIARY", "--sandbox", "none", "--quiet", "--python", VERSION)
NAMED = ("--good", "0.0", "--bad", "3.0", "--history", "none", "--deps", "latest", "--no-culprit")


@pytest.fixture
def local_index() -> Iterator[CachingIndex]:
    """An index whose pages are fresh for ten minutes."""
    with CachingIndex() as index:
        index.kept_for = "max-age=600, public"
        for number in range(4):
            source = f"works = {number < 2}\nversion = '{number}.0'\n"
            index.add_wheel("demo", f"{number}.0", uploaded=f"202{number}-01-01", modules={"demo.py": source})
        yield index


def test_an_answer_that_is_remembered_starts_nothing_that_builds_or_measures(command: Command) -> None:
    first = run(command, *ASKED)
    noted = command.noted("start")

    again = run(command, *ASKED)

    assert command.noted("start") == noted
    assert "python_discovery" in first
    builds = {"distlib", "filelock", "python_discovery", "virtualenv"}
    shows = {"jinja2", "markdown_it", "websockets", "uvicorn", "starlette", "distributed"}
    assert others(again) & (builds | shows) == set()
    assert not any(each.startswith("bisect_asgi.backend.served.server") for each in again)


def test_an_answer_that_is_remembered_imports_nothing_for_what_it_does_not_do(command: Command) -> None:
    first = run(command, *ASKED, *NAMED)
    asked = len(command.index.requests)

    again = run(command, *ASKED, *NAMED)

    assert {"httpx", "bisect_asgi.backend.index.requests"} <= first  # the names are those of modules
    assert first & {"click", "pygments"} == set()
    assert "psutil" not in first or sys.platform != "linux"
    assert len(command.index.requests) == asked
    assert again & NOT_FOR_A_REMEMBERED_ANSWER == set()


def test_an_answer_that_is_remembered_starts_no_program_but_uv(command: Command) -> None:
    command.write("leak.py", "import demo\n\nassert demo.works\n")
    run(command, *ASKED, *NAMED, "--sandbox", "auto")
    starts = command.write("starts", "")
    watched = command.write("watched.py", WATCHED)

    subprocess.run(
        [sys.executable, str(watched), str(starts), *ASKED, *NAMED, "--sandbox", "auto"],
        cwd=command.folder,
        env=command.environ,
        capture_output=True,
        check=True,
        timeout=command.patience_s,
    )

    assert [Path(line).name for line in starts.read_text().splitlines()] == ["uv"]


def test_a_release_that_is_named_is_found_however_fresh_the_cached_page_is(command: Command) -> None:
    run(command, *ASKED, *NAMED)
    command.index.add_wheel(
        "demo", "4.0", uploaded="2024-01-01", modules={"demo.py": "works = False\nversion = '4.0'\n"}
    )

    document = command.document(*ASKED[:-3], *ASKED[-2:], *NAMED[:2], "--bad", "4.0", *NAMED[4:])

    assert (document["last"], document["first"]) == ("1.0", "2.0")
    assert [row["version"] for row in document["rows"] if row["passed"] + row["failed"]][-1] == "4.0"


def test_a_new_release_is_an_end_if_none_is_named_however_fresh_the_cached_page_is(command: Command) -> None:
    run(command, *ASKED, *NAMED)
    command.index.add_wheel(
        "demo", "4.0", uploaded="2024-01-01", modules={"demo.py": "works = True\nversion = '4.0'\n"}
    )

    document = command.document(*ASKED[:-3], *ASKED[-2:], *NAMED[:2], *NAMED[4:])

    assert [row["version"] for row in document["rows"]][-1] == "4.0"

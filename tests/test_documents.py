"""What README and docs/ show can be typed: commands with options that exist, and probes that can be read."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bisect_asgi.cli.app import build
from bisect_asgi.cli.parameters import collect
from bisect_asgi.cli.probe_files import defined_names, read_plan
from bisect_asgi.cli.usage import COMMANDS
from bisect_asgi.core.plan import tables
from bisect_asgi.core.records import replace

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_ENDS = ("…", "|", ">", "&&", ";", "2>")


def blocks(kind: str) -> Iterator[Any]:
    """The blocks of a kind on all pages."""
    for page in PAGES:
        for number, match in enumerate(_BLOCK.finditer(page.read_text())):
            if match["kind"] == kind:
                yield pytest.param(match["text"], id=f"{page.stem}-{number}")


def commands() -> Iterator[Any]:
    """The words behind `bisect-asgi` in each command that is typed in a console block."""
    for block in blocks("console"):
        text = block.values[0].replace("\\\n", " ")
        for line in (line[2:] for line in text.splitlines() if line.startswith("$ ")):
            typed = re.sub(r"^(?:[A-Z_]+=(?:'[^']*'|\S+) )+", "", line)
            if typed.startswith("bisect-asgi"):
                words = shlex.split(typed, comments=True)[1:]
                end = next((at for at, word in enumerate(words) if word in _ENDS), len(words))
                yield pytest.param(words[:end], id=f"{block.id}-{' '.join(words[:3])}")


@pytest.mark.parametrize("words", list(commands()))
def test_a_command_that_is_shown_has_options_that_exist(words: list[str]) -> None:
    if not words or words[0] in ("--help", "--version", "help"):
        assert not words or words[1:] in [[], *([name] for name in COMMANDS)]
        return
    name, rest = (words[0], words[1:]) if words[0] in COMMANDS else (COMMANDS[0], words)
    command = build(name)

    context = command.make_context(name, list(rest), resilient_parsing=False)

    assert context.params.keys() == {parameter.name for parameter in command.params if parameter.expose_value}


@pytest.mark.parametrize("text", [block for block in blocks("python") if "# /// script" in block.values[0]])
def test_a_probe_that_is_shown_can_be_read(text: str) -> None:
    stated = tables.read_probe(text, name="probe.py")

    assert stated.options.package
    compile(text, "probe.py", "exec")


@pytest.mark.parametrize("text", list(blocks("python")))
def test_python_that_is_shown_compiles(text: str) -> None:
    compile(text, "block.py", "exec")


def test_something_is_shown() -> None:
    assert len(list(commands())) > 20
    assert any({"app", "probe"} <= defined_names(block.values[0]) for block in blocks("python"))


# --- What is shown is planned, too: no value is wrong, and no options conflict.

PLANNED = ("run", "check", "verify")
SCRIPTS = ("P", "app_breaks.py", "flaky.py", "import_typer.py", "repro.py", "test_app.py", "test_shop.py")
OTHERS = {
    "main.py": "async def app(scope, receive, send): ...\n",
    "requirements.txt": "httpx\n",
    "constraints.txt": "httpx<1\n",
    "pyproject.toml": (
        '[project]\nname = "shop"\nversion = "1"\ndependencies = ["starlette"]\n\n'
        '[dependency-groups]\ndev = ["pytest"]\n'
    ),
}


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder, with the probes of the repository and files like those that the pages name."""
    shutil.copytree(ROOT / "probes", tmp_path / "probes")
    for name in ("leak.py", "served.py"):
        shutil.copy(ROOT / "probes" / "leak.py", tmp_path / name)
    shutil.copy(ROOT / "probes" / "jinja2_escape.py", tmp_path / "escape.py")
    for name, text in {**dict.fromkeys(SCRIPTS, "assert True\n"), **OTHERS}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)


def planned() -> Iterator[Any]:
    """The commands that one plan is made for."""
    for shown in commands():
        (words,) = shown.values
        name = words[0] if words and words[0] in COMMANDS else COMMANDS[0]
        is_help = not words or words[0] in ("--help", "--version", "help")
        is_folder = words[1:2] == ["probes/"]
        if name in PLANNED and not is_help and not is_folder:
            yield pytest.param(name, words if name == COMMANDS[0] else words[1:], id=shown.id)


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize(("name", "words"), list(planned()))
def test_a_plan_can_be_made_of_a_command_that_is_shown(name: Any, words: list[str]) -> None:
    given = dict(build(name).make_context(name, list(words)).params)
    package = given.pop("package")
    if name == "check":  # It names one release, and plans are made of packages.
        package = package.partition("==")[0]

    plan = read_plan(replace(collect(given), package=package))

    assert plan.project or plan.over

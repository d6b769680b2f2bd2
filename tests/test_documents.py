"""What README and docs/ show can be typed: commands with options that exist, and probes that can be read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bisect_asgi.cli.app import build
from bisect_asgi.cli.probe_files import defined_names
from bisect_asgi.cli.usage import COMMANDS
from bisect_asgi.core.plan import tables

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

"""The tutorial, followed from its first command to its last: each does what the page says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from support import machine
from support.local_index import LocalIndex
from support.shell import Command

TEXT = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text("utf-8")
RELEASES = {"2.11.3": "2021-01-31", "3.0.3": "2021-11-09", "3.1.0": "2022-03-24", "3.1.6": "2025-03-05"}
REMOVED_IN = (3, 1)


@pytest.fixture
def command(local_index: LocalIndex, tmp_path: Path, known_machine: Path) -> Command:
    """The command beside the tutorial's probe, and an index with a package like the tutorial's."""
    machine.tell(known_machine, tmp_path)
    for version, uploaded in RELEASES.items():
        has_it = tuple(map(int, version.split(".")[:2])) < REMOVED_IN
        source = "from html import escape\n" if has_it else ""
        local_index.add_wheel("jinja2", version, uploaded=uploaded, modules={"jinja2.py": source})
    found = Command(local_index, tmp_path)
    (probe,) = blocks("python")
    found.write("escape.py", probe)
    return found


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def typed() -> list[list[str]]:
    """The arguments of all commands, in their order."""
    lines = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    assert all(line.startswith("bisect-asgi ") for line in lines)
    return [shlex.split(line)[1:] for line in lines]


def label_of(line: str) -> str:
    return line.partition("  ")[0]


def test_readme_begins_with_the_same_probe() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    (probe,) = blocks("python")
    assert f"`escape.py`:\n\n```python\n{probe}```" in readme


def test_each_command_of_the_tutorial_does_what_it_says(command: Command) -> None:
    passing, failing, search, *reports = [(words, command.run(*words)) for words in typed()]

    assert (passing[0][0], passing[1].returncode) == ("check", 0)
    assert (failing[0][0], failing[1].returncode) == ("check", 1)
    assert "has no attribute 'escape'" in failing[1].stdout

    (shown,) = blocks("text")
    printed = search[1].stdout
    assert printed.splitlines()[0] == shown.splitlines()[0]
    labels = [label_of(line) for line in shown.splitlines()[2:]]
    assert [label for label in map(label_of, printed.splitlines()) if label in labels] == labels

    assert [done.returncode for _, done in reports] == [0] * len(reports)
    files = [words[words.index("-o") + 1] for words, _ in reports if "-o" in words]
    assert [Path(file).suffix for file in files] == [".html", ".md"]
    for file in files:
        assert shown.splitlines()[0] in (command.folder / file).read_text("utf-8")

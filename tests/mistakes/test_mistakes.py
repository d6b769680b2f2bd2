"""The table of mistakes: each is made for real, and the command says what is wrong and what to type."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from support.shell import PYTHON, Shell, publish, told

TABLE = Path(__file__).with_name("mistakes.toml")
PAGE = Path(__file__).parents[2] / "docs" / "mistakes.md"
Row = dict[str, Any]
ROWS: list[Row] = tomllib.loads(TABLE.read_text())["row"]
PROBE = "import demo\n\nassert demo.works\n"
QUICK = ("--quiet", "--python", PYTHON, "--jobs", "1", "--history", "none")
"""What makes a search short, and leaves its result alone on the standard error."""
IMPERATIVES = (
    *("add", "choose", "copy", "correct", "drop", "import", "name", "pass", "print"),
    *("remove", "rename", "run", "set", "try", "widen", "write"),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"].replace(" ", "-"))
def test_a_mistake_is_one_message_with_what_to_type(shell: Shell, row: Row) -> None:
    publish(shell.index, "++--", requires=["dep", "dep; extra == 'full'"])
    shell.index.add_wheel("dep", "1.0", uploaded="2020-01-01")
    for name, text in {"p.py": PROBE, **row.get("files", {})}.items():
        (shell.folder / name).parent.mkdir(exist_ok=True)
        shell.write(name, text)
    for known in ("demo", "dep"):  # what was looked at before is near what is misspelled
        shell.run("releases", known)
    shell.environ |= row.get("environ", {})

    done = shell.run(*shlex.split(row["command"]), *(QUICK if row.get("trials") else ()))

    said = re.sub(r"\Abisecting .*\n", "", done.stderr)
    form = ".*".join(map(re.escape, told(row["message"], row["hint"]).split("…")))
    assert re.fullmatch(form, said), said
    assert done.returncode == row["exit"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"].replace(" ", "-"))
def test_a_hint_is_an_imperative(row: Row) -> None:
    assert row["hint"].split()[0].rstrip(":") in IMPERATIVES


def page() -> str:
    """The table for people."""
    lines = [
        "# Mistakes, and what is said of them",
        "",
        "Each row is a test that makes the mistake on a package index of its own. Beside each command is",
        "a probe `p.py`, which works on `demo` 1.0 and 1.1 and fails on 1.2 and 1.3. An error is one message",
        "on the standard error: what is wrong, an empty line, and a `hint:` with what to type. `…` stands",
        "for what depends on the machine. `check` has exit codes of its own, so that `git bisect run` stops.",
        "A result without a boundary, as of ends that are swapped, is on the standard output, too.",
        "",
    ]
    for section, rows in groupby(ROWS, key=lambda row: row["section"]):
        lines += [f"## {section}", "", "| mistake | typed behind `bisect-asgi` | exit code | error | hint |"]
        lines += ["|---|---|---|---|---|", *map(_line, rows), ""]
    return "\n".join(lines)


def _line(row: Row) -> str:
    cells = (row["name"], f"`{row['command']}`", str(row["exit"]), row["message"], row["hint"])
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def test_the_page_of_mistakes_shows_the_table() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


def _sections() -> Iterator[str]:
    yield from dict.fromkeys(row["section"] for row in ROWS)


def test_no_mistake_stands_twice() -> None:
    names = [row["name"] for row in ROWS]

    assert len(set(names)) == len(names)
    assert [section for section, _ in groupby(ROWS, key=lambda row: row["section"])] == list(_sections())


if __name__ == "__main__":
    sys.stdout.write(page())

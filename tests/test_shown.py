"""What README and docs show of a command's output is what the code prints: labels, order and lines.

`support.shown_outputs` has a run for each output that is shown. A line `…` on a page stands for any lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.shown_outputs import SHOWN

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(?P<kind>\w*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_ALL_ELSE = "…"
_LIVE = re.compile(r"^⠋ ")


def outputs(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each command that has an output, with its lines; that of a live display is ""."""
    for block in _BLOCK.finditer(page.read_text("utf-8")):
        text = block["text"].replace("\\\n", "")
        if _LIVE.match(text):
            yield "", text.splitlines()
        elif block["kind"] == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, *lines = part.splitlines()
                if any(line.strip() for line in lines):
                    yield command, lines


def key_of(page: str, command: str) -> tuple[str, str]:
    """The run of a command, among those of its page."""
    keys = [key for key in SHOWN if key[0] == page and bool(key[1]) is bool(command)]
    found = [key for key in keys if command.startswith(key[1])]
    assert len(found) == 1, f"support.shown_outputs has no run for `{command}` in {page}"
    return found[0]


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def difference(shown: Sequence[str], printed: Sequence[str]) -> str:
    """What a page shows that is not printed there, or ""."""
    shown, printed = _lines("\n".join(shown)), _lines("\n".join(printed))
    place, may_skip = 0, False
    for line in shown:
        if line == _ALL_ELSE:
            may_skip = True
            continue
        at = next((n for n in range(place, len(printed)) if printed[n] == line), None) if may_skip else place
        if at is None or at >= len(printed) or printed[at] != line:
            return f"shown: {line!r}\nprinted: {printed[place : place + 1]}"
        place, may_skip = at + 1, False
    return "" if may_skip or not any(printed[place:]) else f"not shown: {printed[place]!r}"


def every_output() -> Iterator[Any]:
    for page in PAGES:
        for command, lines in outputs(page):
            yield pytest.param(page.stem, command, lines, id=f"{page.stem}-{command[:40]}")


@pytest.mark.parametrize(("page", "command", "lines"), list(every_output()))
def test_what_a_page_shows_is_what_is_printed(page: str, command: str, lines: list[str]) -> None:
    printed = SHOWN[key_of(page, command)]()

    assert difference(lines, printed.splitlines()) == "", printed


def test_each_run_is_shown_somewhere() -> None:
    shown = {key_of(page.stem, command) for page in PAGES for command, _ in outputs(page)}

    assert shown == SHOWN.keys()


@pytest.mark.parametrize(
    ("shown", "is_printed"),
    [
        pytest.param(["a  1", "b  2", "c  3"], True, id="whole"),
        pytest.param(["a  1", "…"], True, id="its-beginning"),
        pytest.param(["…", "c  3"], True, id="its-end"),
        pytest.param(["a  1", "…", "c  3"], True, id="both"),
        pytest.param(["a  1", "b  2"], False, id="without-the-end"),
        pytest.param(["a  1", "B  2", "c  3"], False, id="another-label"),
        pytest.param(["…", "c  3", "…", "a  1"], False, id="another-order"),
        pytest.param(["a 1", "b  2", "c  3"], False, id="another-column"),
        pytest.param(["a  1", "b  2", "c  3", "d  4"], False, id="more"),
    ],
)
def test_another_form_is_found(shown: list[str], is_printed: bool) -> None:
    assert (difference(shown, ["a  1", "b  2", "c  3", ""]) == "") is is_printed

"""The live progress of several probes: those that run, each with where it is, and those that have ended."""

from __future__ import annotations

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from support.progress import BAD, GOOD, OPENING, judged

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.report.progress.console import SafeConsole
from bisect_asgi.report.progress.live_board import LiveBoard
from bisect_asgi.report.suite import SuiteRow


class Shown:
    """A live board of three probes on a terminal whose clock stands still."""

    def __init__(self, width: int = 80) -> None:
        self.now_s, self.file, self.width = 0.0, StringIO(), width
        console = SafeConsole(
            file=self.file, force_terminal=True, width=width, color_system=None, _environ={}
        )
        self.board = LiveBoard(console, total=3, clock=lambda: self.now_s)

    @property
    def status(self) -> list[str]:
        return [line.plain for line in self.board.status(self.width)]


def row(name: str, code: ExitCode = ExitCode.FOUND, answer: str = "1.3 → 1.4 (bad)") -> SuiteRow:
    return SuiteRow(probe=name, package="demo", exit_code=code, answer=answer, why="by itself")


def test_a_board_shows_where_each_probe_is() -> None:
    shown = Shown()
    shown.board.begun("leak.py")
    shown.now_s = 65.0
    shown.board.begun("hang.py")
    sink = shown.board.sink("leak.py")
    for event in [*OPENING, judged(low=0, high=9, left=8, rulings=[(0, GOOD), (9, BAD)])]:
        sink(event)

    head, *running = shown.status
    assert head.endswith(" 0 of 3 probes  1 min 5 s")
    assert running == [
        "  leak.py  search: 1.0 → 1.9, 8 releases left, roughly 4 steps  1 min 5 s",
        "  hang.py  asking the index  0 s",
    ]


@pytest.mark.parametrize(
    ("code", "mark"),
    [
        pytest.param(ExitCode.FOUND, "✓", id="found"),
        pytest.param(ExitCode.NOT_REPRODUCED, "○", id="not-reproduced"),
        pytest.param(ExitCode.UNAVAILABLE, "!", id="no-result"),
    ],
)
def test_a_probe_that_has_ended_is_a_line(code: ExitCode, mark: str) -> None:
    shown = Shown()
    shown.board.begun("leak.py")

    shown.board.ended(row("leak.py", code))

    assert shown.file.getvalue() == f"{mark} demo with leak.py: 1.3 → 1.4 (bad), by itself\n"
    assert shown.status == ["⠋ 1 of 3 probes  0 s"]


@given(st.text(max_size=60), st.text(max_size=60), st.integers(min_value=30, max_value=200))
def test_no_line_of_a_board_is_wider_than_the_terminal(name: str, answer: str, width: int) -> None:
    shown = Shown(width)
    shown.board.begun(name)
    sink = shown.board.sink(name)
    for event in OPENING:
        sink(event)

    status = shown.status
    shown.board.ended(row(name, answer=answer))

    assert all(cell_len(line) <= width for line in [*status, *shown.file.getvalue().splitlines()])

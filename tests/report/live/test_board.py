"""The pages of several probes while they run."""

from __future__ import annotations

import re

import pytest
from support.answer_reports import REPORTS
from support.documents import REGRESSION

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.events import Event
from bisect_asgi.core.records import replace
from bisect_asgi.report.folding import fold
from bisect_asgi.report.live.board import BoardPages
from bisect_asgi.report.live.pages import FIRST
from bisect_asgi.report.page.fold import page_of
from bisect_asgi.report.suite import SuiteRow, row_interrupted, row_of

NAMES = ("probes/leak.py", "probes/hang.py", "probes/leak.py")
"""Two rows may be about one probe."""


class Board:
    """A board of three probes, looked at once in a while."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pages = BoardPages([row_interrupted(name, "starlette") for name in NAMES], lambda: self.now_s)

    def begin(self, place: int, *log: Event) -> None:
        search = self.pages.begun(place)
        for event in log:
            search(event)

    def end(self, place: int) -> SuiteRow:
        row = row_of(NAMES[place], fold(REGRESSION), None)
        self.pages.ended(place, row)
        return row

    def see(self, name: str = FIRST) -> str:
        self.now_s += 60.0
        return self.pages.page(name) or ""

    def results(self) -> list[str]:
        """The results of all probes, from the table that begins the index."""
        body = self.see().partition("<tbody>")[2].partition("</tbody>")[0]
        return re.findall(r'<td class="verdict">(.*?)</td>', body)


def test_all_probes_have_a_row_before_any_has_begun() -> None:
    assert Board().results() == ["waiting"] * 3


def test_a_row_says_what_its_probe_is_at() -> None:
    board = Board()
    board.begin(1)
    board.begin(2, *REGRESSION[:-1])
    assert board.results() == ["waiting", "asking the index", "search"]
    row = board.end(1)
    assert board.results()[1] == row.answer == "0.12.0 → 0.12.1 (bad)"


def test_only_a_probe_that_has_ended_has_the_color_of_its_result() -> None:
    board = Board()
    board.begin(1)
    board.end(2)
    assert "<h1>Running 3 probes</h1>" in board.see()
    assert re.findall(r'<tr class="(\w*)">', board.see()) == ["unknown", "", "good"]
    assert "1 of 3 probes ended" in board.pages.progress(FIRST)


def test_each_probe_has_its_own_page_from_the_start() -> None:
    board = Board()
    names = ("probes-leak.html", "probes-hang.html", "probes-leak-2.html")
    assert ["<h1>probes/" in board.see(name) for name in names] == [True] * 3
    assert board.pages.page("probes-leak-3.html") is None

    board.begin(2, *REGRESSION)
    row = board.end(2)
    assert row.report is not None
    assert f"<h1>{page_of(row.report).title}</h1>" in board.see("probes-leak-2.html")
    assert '<a href="./">All probes</a>' in board.see("probes-leak-2.html")
    assert 'href="probes-leak-2.html"' in board.see()


def test_the_strip_of_the_index_has_what_runs_and_that_of_a_probe_its_own() -> None:
    board = Board()
    board.begin(0, *REGRESSION[:-1])
    board.now_s = 65.0
    assert "0 of 3 probes ended" in board.pages.progress(FIRST)
    assert "<strong>probes/leak.py</strong> search 1 min 5 s" in board.pages.progress(FIRST)
    assert "probes ended" not in board.pages.progress("probes-leak.html")
    board.end(0)
    assert "probes/leak.py" not in board.pages.progress(FIRST)


def test_what_was_cut_short_is_interrupted_at_the_end() -> None:
    board = Board()
    board.begin(0, *REGRESSION[:-1])
    board.end(1)
    board.pages.end()
    assert board.results() == ["interrupted", "0.12.0 → 0.12.1 (bad)", "interrupted"]
    assert "<h1>1 of 3 probes with a result" in board.see()
    assert "<h1>the command ended before the search did" in board.see("probes-leak.html")


def test_what_an_interrupted_probe_has_found_is_kept() -> None:
    board = Board()
    board.begin(0, *REGRESSION[:-1])
    rows = [row_interrupted(name, "starlette") for name in NAMES]
    board.pages.all_ended([replace(rows[0], answer="interrupted after 1 → 2 (bad)"), *rows[1:]])
    board.pages.end()
    assert board.results() == ["interrupted after 1 → 2 (bad)", "interrupted", "interrupted"]


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_a_report_of_any_kind_can_be_shown_on_a_board(name: str) -> None:
    pages = BoardPages([row_interrupted("leak.py", "app")], lambda: 0.0)
    pages.ended(0, row_of("leak.py", REPORTS[name], None))
    pages.end()
    assert page_of(REPORTS[name]).footer in (pages.page("leak.html") or "")


def test_a_probe_that_could_not_begin_has_its_problem_in_the_index() -> None:
    board = Board()
    row = row_interrupted(NAMES[0], "starlette")
    broken = SuiteRow(probe=row.probe, exit_code=ExitCode.USAGE, answer="not run", problem="no `package`")
    board.pages.ended(0, broken)
    assert "no `package`" in board.see() or "no <code>package</code>" in board.see()

"""The page of a report: each part says what the document says, and nothing of this machine."""

from __future__ import annotations

import pytest
from support.answer_reports import REPORTS
from support.builders import failed, passed
from support.documents import LISTED, REGRESSION, STARTED, answered, bad, finished, good, judged
from support.explained_runs import BELOW, COMPARED, WHY, explained
from support.pictures import drawn_report

from bisect_asgi.core.model import Excluded, Move
from bisect_asgi.core.records import replace
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.report.page import Fact
from bisect_asgi.report.page.fold import page_of


def with_output(text: str) -> Report:
    """Return the report of a boundary at whose bad side the probe wrote this."""
    runs = [finished(2, passed()), finished(3, replace(failed(), output_tail=text))]
    return fold([STARTED, LISTED, *runs, judged({2: good(), 3: bad()}), answered()])


def test_a_page_has_the_facts_and_the_table_of_the_report() -> None:
    page = page_of(fold(REGRESSION), probe="assert True")
    assert page.status is not None
    assert page.status.header == ("Release", "Uploaded", "Verdict", "Runs", "Time", "Details")
    assert [row[0] for row in page.status.rows][-3:] == ["0.12.0", "0.12.1", "0.13.0"]
    assert page.status.kinds[-3:] == ("good", "bad", "bad")
    assert [key for keys in page.status.keys for key in keys] == list(range(5))
    assert {fact.label for fact in page.facts} >= {"Last good", "First bad", "Affected", "Runs"}
    assert page.probe is not None
    assert (page.probe.title, page.probe.text) == ("leak.py", "assert True")


def test_neighbors_that_are_alike_are_one_row_of_the_compatibility() -> None:
    made = page_of(fold(REGRESSION)).compatibility
    assert made is not None
    assert made.header == ("Release", "Verdict", "Run")
    assert made.rows == (
        ("0.10.0 (2019-01-05) to 0.11.0 (2019-02-05)", "not run", "0 of 2"),
        ("0.12.0 (2019-03-05)", "good", "1 of 1"),
        ("0.12.1 (2019-04-05) to 0.13.0 (2019-05-05)", "bad", "2 of 2"),
    )
    assert made.kinds == ("unknown", "good", "bad")


@pytest.mark.parametrize(
    ("verdicts", "is_shown"), [("g", False), ("gB", True), ("gB" * 6, True), ("gB" * 7, False)]
)
def test_there_is_no_compatibility_of_one_stretch_or_of_too_many(verdicts: str, is_shown: bool) -> None:
    assert (page_of(drawn_report(verdicts)).compatibility is not None) is is_shown


def test_what_has_no_order_has_no_compatibility() -> None:
    report = drawn_report("gb")
    axis = replace(report.plan.axis, is_ordered=False)
    assert page_of(replace(report, plan=replace(report.plan, axis=axis))).compatibility is None


def test_both_sides_are_reproduced_with_uv_and_with_pip() -> None:
    sides = page_of(fold(REGRESSION)).reproductions
    assert [side.title for side in sides] == ["starlette 0.12.0 (good)", "starlette 0.12.1 (bad)"]
    assert [[way.label for way in side.ways] for side in sides] == [["uv", "pip"]] * 2
    assert all("starlette==0.12.1" in way.value for way in sides[1].ways)


def test_the_excerpt_is_what_the_bad_side_wrote_without_places_of_this_machine() -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "/home/me/lib/bisect_asgi/backend/served/drive.py", line 9, in call\n'
        "    return probe(server)\n"
        '  File "/home/me/.cache/bisect-asgi/runs/1-2/box/work/leak.py", line 3, in probe\n'
        "    assert False\n"
        f'  File "/home/me/.cache/environments/{"0a" * 16}/lib/python3.8/site-packages/dep.py", line 1\n'
        '  File "/home/me/.pyenv/versions/3.8.18/lib/python3.8/asyncio/base_events.py", line 616, in run\n'
        "AssertionError\n"
    )
    (excerpt,) = page_of(with_output(text)).excerpts
    assert excerpt.title == "starlette 0.12.1 fails: AssertionError: expected 200, got 500"
    assert excerpt.text == (
        "Traceback (most recent call last):\n"
        '  File "leak.py", line 3, in probe\n'
        "    assert False\n"
        '  File "site-packages/dep.py", line 1\n'
        '  File "lib/python3.8/asyncio/base_events.py", line 616, in run\n'
        "AssertionError"
    )


def test_a_cause_names_a_package_once_if_nothing_else_differs() -> None:
    own = replace(WHY, moves=(Move(name="app", old="1.0", new="2.0"),))
    assert own.old == "app 1.0"
    assert [cause.title for cause in page_of(explained(own, BELOW, COMPARED)).causes] == ["app 1.0 → app 2.0"]


def test_a_cause_leads_to_the_searches_below_it() -> None:
    page = page_of(explained(WHY, BELOW, COMPARED))
    (cause,) = page.causes
    assert cause.title.startswith("app 1.0 → app 2.0: ")
    assert cause.combinations is not None
    assert [row[0] for row in cause.combinations.rows] == [
        "app 1.0",
        "app 2.0",
        "app 1.0 with dep 4",
        "app 2.0 with dep 1",
    ]
    assert [below.title.partition(":")[0] for below in cause.below] == [
        "dep 2 → dep 3",
        "dep broke in 3 (2021-03-01) in the environment of app 1.0",
    ]


def test_what_changed_has_its_lines_changelog_and_links() -> None:
    (comparison,) = page_of(explained(WHY, BELOW, COMPARED)).comparisons
    assert comparison.title == "What changed in dep 2 → 3"
    assert "requires anyio >=3 (added)" in comparison.lines
    assert comparison.changelog == "## 3\n\nescape is gone"
    assert comparison.links == (Fact("comparison", COMPARED.comparison or ""),)


def test_packages_that_differ_come_first() -> None:
    packages = page_of(fold(REGRESSION)).packages
    assert packages is not None
    assert packages.header == ("Package", "0.12.0", "0.12.1")
    assert packages.rows == (("starlette", "0.12.0", "0.12.1"), ("uvicorn", "0.17.6", "0.17.6"))
    assert packages.kinds == ("", "unknown")


@pytest.mark.parametrize("name", REPORTS)
def test_every_shape_of_result_is_a_page(name: str) -> None:
    report = REPORTS[name]
    page = page_of(report)
    assert page.title
    assert page.footer.startswith("bisect-asgi ")
    if page.status:
        assert [key for keys in page.status.keys for key in keys] == list(range(len(report.rows)))


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_cache_with_a_blank_in_its_path_is_left_out_as_well(quote: str) -> None:
    built = f"environments/{'0a' * 16}/lib/python3.8/site-packages/dep.py"
    text = (
        f"  File {quote}/home/me/my cache/runs/1-2/box/work/leak.py{quote}, line 3, in probe\n"
        f"  File {quote}/home/me/my cache/{built}{quote}, line 1\n"
        "AssertionError\n"
    )
    (excerpt,) = page_of(with_output(text)).excerpts
    assert excerpt.text == (
        f"File {quote}leak.py{quote}, line 3, in probe\n"
        f"  File {quote}site-packages/dep.py{quote}, line 1\n"
        "AssertionError"
    )


def test_of_lines_that_differ_in_numbers_alone_the_first_ones_are_shown() -> None:
    log = "".join(f'INFO: 127.0.0.1:4{n:04} - "GET /count" 200\n' for n in range(20))
    (excerpt,) = page_of(with_output(f"started\n{log}ended 1\nended 2\nended 3\nended 4\n")).excerpts
    lines = excerpt.text.splitlines()
    assert lines[:5] == ["started", *log.splitlines()[:3], "[17 more lines like this one]"]
    assert lines[5:] == ["ended 1", "ended 2", "ended 3", "ended 4"]


def test_a_script_is_there_for_commands_alone() -> None:
    report = fold(REGRESSION)
    measured = replace(report, plan=replace(report.plan, metric="size"))
    bare = replace(measured, rows=tuple(replace(row, distributions=()) for row in measured.rows))
    assert (page_of(measured).script is None, page_of(bare).script is None) == (False, True)


@pytest.mark.parametrize(
    ("reasons", "last"),
    [
        (12, ("12.1 and 12.2", "reason 12")),
        (13, ("2 releases", "1 other reason")),
        (15, ("6 releases", "3 other reasons")),
    ],
)
def test_the_table_of_excluded_releases_counts_the_reasons_that_it_omits(
    reasons: int, last: tuple[str, str]
) -> None:
    out = [
        Excluded(version=f"{n}.{m}", uploaded=None, reason=f"reason {n}")
        for n in range(1, reasons + 1)
        for m in (1, 2)
    ]
    excluded = page_of(replace(fold(REGRESSION), excluded=tuple(out))).excluded
    assert excluded is not None
    assert excluded.rows[11] == ("12.1 and 12.2", "reason 12")
    assert excluded.rows[-1] == last
    assert len(excluded.rows) == min(reasons, 13)


def test_a_release_outside_the_range_needs_no_reason() -> None:
    reasons = ["not in `--releases >=1`", "outside `--good` and `--bad`", "requires Python >=3.9, not 3.8"]
    excluded = tuple(
        Excluded(version=f"0.{place}", uploaded=None, reason=reason) for place, reason in enumerate(reasons)
    )
    table = page_of(replace(fold(REGRESSION), excluded=excluded)).excluded
    assert table is not None
    assert table.rows == (("0.2", reasons[2]),)

"""The picture of a history: a mark for each candidate whose shape and title say how it is known."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.answer_reports import REPORTS
from support.pictures import KINDS, changes_of, drawn_report, of_class, titles

from bisect_asgi.core.records import replace
from bisect_asgi.report.picture.history import history
from bisect_asgi.report.picture.svg import render

states = st.text(alphabet="".join(KINDS), min_size=1, max_size=120)


@given(states)
def test_each_candidate_has_a_mark_with_its_state_and_each_change_a_line(text: str) -> None:
    picture = history(drawn_report(text))

    marks = [each for each in picture if each.tag == "g"]
    expected = {
        "g": "good",
        "b": "bad",
        "G": "good inferred",
        "B": "bad inferred",
        "s": "skip",
        ".": "unknown",
    }
    assert [mark.get("class") for mark in marks] == [expected[state] for state in text]
    assert len(of_class(picture, "change")) == len(list(changes_of(text)))


@given(states)
def test_names_of_candidates_do_not_overlap(text: str) -> None:
    picture = history(drawn_report(text))
    by_line: dict[str, list[tuple[float, float]]] = {}
    for each in picture.iter("text"):
        half = len(each.text or "") * 3
        by_line.setdefault(each.get("y", ""), []).append((float(each.get("x", "0")) - half, half * 2.0))
    for spans in by_line.values():
        for (x, width), (following, _) in zip(sorted(spans), sorted(spans)[1:], strict=False):
            assert x + width <= following


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("g", "demo 1.0: good"),
        ("B", "demo 1.0: bad, inferred"),
        ("s", "demo 1.0: untestable"),
        (".", "demo 1.0: not run"),
    ],
)
def test_a_mark_says_what_is_known(state: str, said: str) -> None:
    report = drawn_report(state)
    report = replace(report, plan=replace(report.plan, axis=replace(report.plan.axis, subject="demo")))
    assert titles(history(report)) == [said]


def test_marks_are_links_to_rows_if_there_are_any() -> None:
    picture = history(drawn_report("gb"), linked=True)
    links = list(picture.iter("a"))
    assert [link.get("href") for link in links] == ["#row-0", "#row-1"]
    assert [link.get("aria-label") for link in links] == titles(picture)


def test_shapes_tell_verdicts_apart_without_color() -> None:
    picture = history(drawn_report("gbs."))
    shapes = [
        ET.tostring(mark[1]).split()[0] + mark[1].get("d", "").encode()[-1:]
        for mark in picture
        if mark.tag == "g"
    ]
    radii = [mark[1].get("r") for mark in picture if mark.tag == "g" and mark[1].tag == "circle"]
    assert len(set(shapes[:3])) == 3
    assert len(set(radii)) == 2


@given(st.text(max_size=20))
def test_whatever_a_version_is_called_the_picture_is_xml(name: str) -> None:
    report = drawn_report("gb")
    rows = tuple(replace(row, version=f"{name}{place}") for place, row in enumerate(report.rows))
    assert len(ET.fromstring(render(history(replace(report, rows=rows)))).findall("g")) == 2


def test_five_hundred_releases_are_a_small_picture() -> None:
    assert len(render(history(drawn_report("gGGGG" * 50 + "bBBBB" * 50), linked=True))) < 200_000


def test_a_gap_is_shown_as_the_place_of_the_change() -> None:
    picture = history(REPORTS["gap"])

    bands = of_class(picture, "gap")
    (change,) = of_class(picture, "change")
    assert len(bands) == 2
    assert float(bands[-1].get("x", "")) + float(bands[-1].get("width", "")) == float(change.get("x1", ""))


@pytest.mark.parametrize("name", ["locks", "gap", "over-dependency"])
def test_each_of_a_few_candidates_has_its_name(name: str) -> None:
    picture = history(REPORTS[name])
    assert {each.text for each in picture.iter("text")} == {row.version for row in REPORTS[name].rows}

"""The picture of a search: a bar for each trial, from when a worker took it to its end."""

from __future__ import annotations

import pytest
from support.pictures import titles
from support.timed_logs import end, found, judged, listed, start, started

from bisect_asgi.core.model import Step
from bisect_asgi.core.records import replace
from bisect_asgi.report.folding import fold
from bisect_asgi.report.picture.course import course
from bisect_asgi.report.picture.svg import Element
from bisect_asgi.report.timings import Timings

STEPS = {Step.LINK: 0.5, Step.RUN: 1.5}
TRIALS = (start(0, 1), start(9, 1), end(0, 3, STEPS), end(9, 5, STEPS))
REPORT = fold([started(), listed(), *TRIALS, judged(0, 9), found(0, 9, 6)])


def timings() -> Timings:
    assert REPORT.timings is not None
    return REPORT.timings


def bars(picture: Element) -> list[Element]:
    return [each for each in picture if each.tag == "g"]


def test_each_trial_has_a_bar_whose_parts_are_as_long_as_they_took() -> None:
    picture = course(timings())
    assert picture is not None
    first, second = bars(picture)
    made, run = (float(part.get("width", "0")) for part in first.iter("rect"))
    assert run == pytest.approx(3 * made, rel=0.05)
    assert titles(picture) == ["1.0: 2.0 s, used", "1.9: 4.0 s, used"]
    assert len(list(second.iter("rect"))) >= 2


def test_what_was_for_nothing_is_one_bar_of_its_own_color() -> None:
    spans = tuple(replace(span, steps={}) for span in timings().spans)
    picture = course(replace(timings(), spans=spans))
    assert picture is not None
    assert [part.get("class") for bar in bars(picture) for part in bar.iter("rect")] == ["lost", "lost"]


@pytest.mark.parametrize("fields", [{"spans": ()}, {"wall_s": 0.0}])
def test_without_times_there_is_no_picture(fields: dict[str, object]) -> None:
    assert course(replace(timings(), **fields)) is None


def test_the_shortest_of_very_many_are_counted() -> None:
    spans = timings().spans[:1] * 205
    picture = course(replace(timings(), spans=spans))
    assert picture is not None
    assert len(bars(picture)) == 200
    assert "without 5 shorter ones" in (picture.get("aria-label") or "")

"""Where a run is, and how long the rest of it may take."""

from __future__ import annotations

import pytest
from support.builders import failed, passed
from support.progress import BAD, GOOD, LISTED, OPENING, PLANNED, finished, judged, staged

from bisect_asgi.core import events
from bisect_asgi.core.events import Stretch
from bisect_asgi.core.records import replace
from bisect_asgi.report.progress.stretches import Pace
from bisect_asgi.report.progress.wording import Progress

ENDS = [(0, GOOD), (9, BAD)]
SEARCHING: list[events.Event] = [*OPENING, judged(low=0, high=9, left=8, rulings=ENDS)]
REPEATS = events.RepeatsStarted(runs=((0, 2), (9, 3)))
CONFIRMING = [*SEARCHING, REPEATS, judged()]


def progress(log: list[events.Event]) -> Progress:
    found = Progress()
    for event in log:
        found.take(event)
    return found


@pytest.mark.parametrize(
    ("log", "stretch"),
    [
        pytest.param([], Stretch.ENDS, id="nothing"),
        pytest.param([*OPENING, judged(high=9, left=9, rulings=ENDS[1:])], Stretch.ENDS, id="one-end"),
        pytest.param([*OPENING, REPEATS], Stretch.ENDS, id="an-end-again"),
        pytest.param(SEARCHING, Stretch.SEARCH, id="both-ends"),
        pytest.param([*OPENING, judged(left=8, rulings=ENDS)], Stretch.SEARCH, id="all-changes"),
        pytest.param([*OPENING, judged(low=0, high=9, rulings=ENDS)], Stretch.SEARCH, id="neighbors"),
        pytest.param(CONFIRMING, Stretch.CONFIRM, id="repeats"),
        pytest.param([*CONFIRMING, judged(low=0, high=9, left=3)], Stretch.SEARCH, id="search-goes-on"),
        pytest.param([*CONFIRMING, LISTED], Stretch.ENDS, id="another-list"),
        pytest.param([*CONFIRMING, events.ObservationsReset()], Stretch.ENDS, id="run-otherwise"),
        pytest.param([*CONFIRMING, replace(LISTED, grows=True)], Stretch.CONFIRM, id="list-grows"),
        pytest.param(
            [*CONFIRMING, events.StretchStarted(stretch=Stretch.CAUSE), *staged(*SEARCHING)],
            Stretch.CAUSE,
            id="a-stage",
        ),
        pytest.param(
            [*CONFIRMING, events.StretchStarted(stretch=Stretch.HISTORY), judged(left=4), REPEATS],
            Stretch.HISTORY,
            id="history",
        ),
    ],
)
def test_the_stretch_follows_from_what_is_known(log: list[events.Event], stretch: Stretch) -> None:
    assert progress(log).stretches.current is stretch


def test_a_run_without_ends_to_find_begins_with_what_it_has_planned() -> None:
    planned = replace(PLANNED, stretches=(Stretch.SEARCH, Stretch.CONFIRM))

    assert progress([planned]).stretches.current is Stretch.SEARCH


def pace(*log: events.Event) -> Pace:
    found = Pace()
    for event in log:
        found.take(event)
    return found


@pytest.mark.parametrize(
    ("log", "left", "steps"),
    [
        pytest.param([], 12, "roughly 4 steps", id="no-trial-yet"),
        pytest.param([], 1, "roughly 1 step", id="one"),
        pytest.param([finished(3, passed())], 12, "roughly 4 steps, 7 s", id="median-of-one"),
        pytest.param([finished(3, passed(), remembered=1)], 12, "roughly 4 steps", id="cached"),
    ],
)
def test_steps_are_estimated_by_the_median_trial(log: list[events.Event], left: int, steps: str) -> None:
    assert pace(*log).steps(left) == steps


@pytest.mark.parametrize(
    ("log", "repeats"),
    [
        pytest.param([], "", id="none"),
        pytest.param([REPEATS], "0 of 5 runs", id="begun"),
        pytest.param([REPEATS, finished(0, passed(), passed())], "2 of 5 runs, roughly 1 s", id="under-way"),
        pytest.param([REPEATS, finished(4, failed())], "0 of 5 runs, roughly 2 s", id="another-candidate"),
        pytest.param([REPEATS, judged(left=3)], "", id="search-goes-on"),
        pytest.param([events.RepeatsStarted(runs=((0, 1),)), finished(0, passed())], "1 of 1 run", id="done"),
    ],
)
def test_repeats_are_counted(log: list[events.Event], repeats: str) -> None:
    assert pace(*log).repeats == repeats

"""Whatever happens in a run, no line of the live display is wider than the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from support.builders import ASSERTION, failed, passed, untestable
from support.example_events import EVENTS
from support.progress import (
    BAD,
    BELIEVED,
    DIFFERENT,
    EXPLAINED,
    GOOD,
    LISTED,
    OPENING,
    SKIPPED,
    Screen,
    inside,
)
from support.progress import finished as trial_of

from bisect_asgi.core import events
from bisect_asgi.core.records import replace

KEYS = st.integers(min_value=0, max_value=9)
TEXTS = st.text(st.characters() | st.sampled_from("日本語 \n\t\x1b\u202e"), max_size=50)


@st.composite
def listings(draw: st.DrawFn) -> events.Event:
    labels = draw(st.lists(TEXTS, min_size=10, max_size=10))
    listed = tuple(
        replace(candidate, version=label) for candidate, label in zip(LISTED.candidates, labels, strict=True)
    )
    return replace(LISTED, candidates=listed)


@st.composite
def trials(draw: st.DrawFn) -> events.Event:
    seen = replace(ASSERTION, shown=draw(TEXTS))
    run = draw(st.sampled_from([passed(), failed(seen), untestable()]))
    found = trial_of(draw(KEYS), run, remembered=draw(st.integers(min_value=0, max_value=1)))
    return replace(found, trial=replace(found.trial, label=draw(TEXTS)))


@st.composite
def verdicts(draw: st.DrawFn) -> events.Event:
    rulings = draw(st.dictionaries(KEYS, st.sampled_from([GOOD, BAD, SKIPPED, DIFFERENT])))
    low = draw(st.none() | KEYS)
    return events.RulingsChanged(
        rulings=tuple(sorted(rulings.items(), key=lambda item: item[0])),
        new_is=None,
        reference=(replace(ASSERTION, shown=draw(TEXTS)),),
        low=low,
        high=draw(st.none() | KEYS.filter(lambda key: low is None or key > low)) if low != 9 else None,
        left=draw(st.integers(min_value=0, max_value=9)),
    )


HAPPENINGS = st.one_of(
    listings(),
    trials(),
    verdicts(),
    st.builds(events.TrialStarted, key=KEYS),
    st.builds(events.TrialProgressed, key=KEYS, activity=st.sampled_from(events.Activity)),
    st.builds(events.TrialCancelled, key=KEYS),
    st.builds(events.Note, text=TEXTS),
    st.builds(events.StretchStarted, stretch=st.sampled_from(events.Stretch)),
    st.builds(
        events.RepeatsStarted,
        runs=st.lists(st.tuples(KEYS, st.integers(min_value=1, max_value=400)), max_size=3).map(tuple),
    ),
    st.just(events.ObservationsReset()),
    st.sampled_from([BELIEVED, EXPLAINED]),
)


@given(st.lists(HAPPENINGS, max_size=30), st.integers(min_value=30, max_value=200))
def test_no_line_is_wider_than_the_terminal(log: list[events.Event], width: int) -> None:
    screen = Screen(width)

    for event in [*OPENING, *log]:
        screen.now_s += 3725.0
        screen.take([event])
        assert all(cell_len(line) <= width for line in screen.status)

    lines = screen.file.getvalue().splitlines()
    assert all(cell_len(line) <= width for line in lines)
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("width", [40, 80, 120, 200])
@pytest.mark.parametrize("log", [EVENTS, inside()], ids=["every-kind", "a-stage"])
def test_events_of_all_kinds_fit(log: list[events.Event], width: int) -> None:
    screen = Screen(width)

    screen.take(log)

    assert all(cell_len(line) <= width for line in [*screen.file.getvalue().splitlines(), *screen.status])

"""What an event makes void, and that events taken in one by one come to what their log comes to."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import failed, passed
from support.random_logs import (
    BAD,
    BELIEF,
    COMPARED,
    CONFIRMED,
    ENDS,
    EXPLAINED,
    FINISHED,
    GOOD,
    HAPPENS,
    LEVELS,
    NOTE,
    SEARCHED,
    STARTED,
    VOID,
    dated,
    listed,
    ruled,
    tried,
)

from bisect_asgi.core import events
from bisect_asgi.core.events import Activity
from bisect_asgi.core.records import replace
from bisect_asgi.report.folding import fold, report_of
from bisect_asgi.report.log import EventLog, read
from bisect_asgi.report.progress.console import SafeConsole
from bisect_asgi.report.progress.terminal import TerminalSink
from bisect_asgi.report.projection import Knowledge, Projection, SearchRecord, project

reproducible = settings(derandomize=True, deadline=None, max_examples=100)

OBSERVED = [
    tried(1, passed()),
    tried(2, failed()),
    ruled((1, GOOD), (2, BAD), low=1, high=2),
    BELIEF,
    CONFIRMED,
    ENDS,
    LEVELS,
]
VOIDING = [
    pytest.param(events.ObservationsReset(), id="observed-otherwise"),
    pytest.param(listed("2"), id="another-list"),
    pytest.param(listed(), id="the-same-list-again"),
]
WHAT_IS_KNOWN = tuple(name for name in Knowledge.__struct_fields__ if name not in ("listed", "generation"))


def run_of(*log: events.Event) -> SearchRecord:
    return project([STARTED, listed(), *log]).run


# --- What is void, and what is not


@pytest.mark.parametrize("name", WHAT_IS_KNOWN)
@pytest.mark.parametrize("event", VOIDING)
def test_all_that_is_known_of_candidates_becomes_void(event: events.Event, name: str) -> None:
    known = run_of(*OBSERVED).known
    assert getattr(known, name) not in (None, {}, set()), "nothing was there to become void"

    assert getattr(run_of(*OBSERVED, event).known, name) == getattr(run_of().known, name)


@pytest.mark.parametrize("event", VOIDING)
def test_what_says_how_the_run_came_about_or_follows_its_last_observation_is_never_void(
    event: events.Event,
) -> None:
    record = run_of(NOTE, *OBSERVED, EXPLAINED, COMPARED, event, FINISHED)

    assert (record.started, record.notes) == (STARTED, [NOTE.text])
    assert (record.explained, record.compared, record.finished) == ([EXPLAINED], [COMPARED], FINISHED)


def test_a_list_that_grows_makes_nothing_void() -> None:
    before, after = run_of(*OBSERVED).known, run_of(*OBSERVED, listed(size=7, grows=True)).known

    assert len(after.listed.candidates) == 7
    assert [getattr(after, name) for name in WHAT_IS_KNOWN] == [
        getattr(before, name) for name in WHAT_IS_KNOWN
    ]


def test_candidates_that_are_observed_otherwise_stay_listed() -> None:
    assert run_of(*OBSERVED, events.ObservationsReset()).known.listed == listed()


def test_what_is_void_in_one_search_leaves_the_others_alone() -> None:
    stage = [events.StageEvent(stage=1, event=event) for event in (STARTED, listed("2"), *OBSERVED)]
    void = events.StageEvent(stage=1, event=events.ObservationsReset())

    projection = project([STARTED, listed(), *OBSERVED, *stage, void])

    assert projection.run.known.rulings == {1: GOOD, 2: BAD}
    assert projection.searches[1].known.rulings == {}
    assert projection.searches[1].known.label(1) == "2.1"


def test_a_limit_that_was_found_is_the_plans_until_it_is_void_and_never_replaces_the_users() -> None:
    assert [run_of(*log).plan.limit for log in ([], [ENDS], [ENDS, listed("2")])] == ["", "above 5 B", ""]  # type: ignore[union-attr]
    given = project([replace(STARTED, limit="above 3 B"), listed(), ENDS]).run.plan
    assert given is not None
    assert given.limit == "above 3 B"


# --- Work


def test_work_is_read_with_the_list_that_it_was_asked_for() -> None:
    first, second = events.TrialStarted(key=1, at_s=101.0), events.TrialStarted(key=1, at_s=103.0)

    projection = project(
        [STARTED, listed("1"), first, tried(1, passed(), 102.0), listed("2"), second, ruled(low=0, high=1)]
    )

    assert [work.known.label(work.key) for work in projection.works] == ["1.1", "2.1"]
    assert [work.known.sides for work in projection.works] == [set(), {0, 1}]


def test_only_what_is_under_way_is_running() -> None:
    started = [events.TrialStarted(key=key) for key in range(4)]
    late = events.TrialProgressed(key=1, activity=Activity.RUNNING)  # it did not know yet
    busy = events.TrialProgressed(key=3, activity=Activity.BUILDING)

    record = run_of(*started, tried(0, passed()), events.TrialCancelled(key=1), late, busy)

    assert {key: work.activity for key, work in record.running.items()} == {2: None, 3: Activity.BUILDING}


# --- Whatever happens, in whatever order


def knowledge(projection: Projection) -> list[object]:
    return [getattr(projection.run.known, name) for name in WHAT_IS_KNOWN]


@reproducible
@given(HAPPENS, VOID, st.lists(SEARCHED, max_size=15))
def test_what_is_known_is_what_was_said_since_it_last_became_void(
    before: list[events.Event], void: events.Event, after: list[events.Event]
) -> None:
    whole = project([STARTED, listed(), *before, void, *after])
    fresh = project([STARTED, whole.run.known.listed, *after])

    assert knowledge(whole) == knowledge(fresh)


@reproducible
@given(HAPPENS, HAPPENS)
def test_events_that_are_shown_as_they_come_make_the_report_that_their_log_makes(
    happened: list[events.Event], inside: list[events.Event]
) -> None:
    staged = [events.StageEvent(stage=1, event=event) for event in (STARTED, listed("3"), *inside)]
    log = [STARTED, listed(), *dated(happened, 101), *dated(staged, 201), FINISHED]
    live = Projection()
    screen = TerminalSink(SafeConsole(file=StringIO(), width=100))

    for event in log:
        live(event)
        screen(event)
        SafeConsole(file=StringIO(), width=100).print(screen)
        report_of(live)

    assert report_of(live) == fold(read_back(log))


def read_back(log: Sequence[events.Event]) -> list[events.Event]:
    """The events that the log's file has, which leaves out what is only for watching."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        with EventLog(path) as written:
            for event in log:
                written(event)
        return list(read(path))

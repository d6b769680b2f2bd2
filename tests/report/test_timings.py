"""Where the time of a run went: what hand-written logs with dates come to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import MIX_WORDS, RELEASE_WORDS
from support.timed_logs import (
    SEARCH,
    VERSIONS,
    cancel,
    end,
    found,
    judged,
    listed,
    prepare,
    prepared,
    start,
    started,
)

from bisect_asgi.core import events
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.model import Step
from bisect_asgi.core.records import replace
from bisect_asgi.report.projection import project
from bisect_asgi.report.spans import Fate, Span
from bisect_asgi.report.timings import Timings, critical_path, measure


def measure_log(log: Sequence[events.Event]) -> Timings | None:
    return measure(project(log))


def timed(*log: events.Event, jobs: int = 2, metric: str | None = None) -> Timings:
    measured = measure_log([started(jobs=jobs, metric=metric), listed(), *log])
    assert measured is not None
    return measured


def only(timings: Timings, key: int) -> Span:
    (span,) = (span for span in timings.spans if span.key == key)
    return span


def test_the_wall_time_is_the_critical_path_with_what_is_before_between_and_after() -> None:
    timings = timed(*SEARCH)

    assert [span.key for span in timings.spans if span.is_critical] == [9, 3, 4]
    assert (timings.wall_s, timings.head_s, timings.own_s, timings.tail_s) == (7, 1, 0, 1)


def test_what_lies_between_the_trials_of_the_path_is_the_tools_own() -> None:
    timings = timed(start(0, 1), end(0, 2), start(9, 2.5), end(9, 4), found(0, 9, 4))

    assert timings.own_s == 0.5


def test_a_trial_is_ahead_while_another_one_could_make_it_irrelevant() -> None:
    timings = timed(*SEARCH)

    assert {span.key: span.needed_s for span in timings.spans if span.is_ahead} == {6: 5, 5: 6}


def test_what_was_used_won_its_head_start_and_what_was_cancelled_cost_a_worker() -> None:
    ahead = timed(*SEARCH).speculation

    assert (ahead.count, ahead.used, ahead.cancelled) == (2, 1, 1)
    # 6 ran from 3 to 4, all of it before 3 was back at 5; 5 was run for a second in vain.
    assert (ahead.won_s, ahead.cost_s) == (1, 1)


def test_of_what_goes_on_after_it_is_needed_only_the_head_start_was_won() -> None:
    ahead = timed(
        *(judged(0, 9), start(3, 0), start(6, 0.5), end(3, 2), judged(3, 9), end(6, 4), judged(3, 6)),
        found(3, 6, 4, skipped=(4, 5)),
    ).speculation

    assert (ahead.used, ahead.won_s) == (1, 1.5)


def test_what_another_result_implied_by_the_time_it_came_back_told_nothing() -> None:
    timings = timed(
        *(judged(0, 9), start(3, 0), start(6, 0), end(3, 2), end(6, 2), judged(6, 9)), found(6, 9, 2)
    )

    assert {span.key: span.fate for span in timings.spans} == {3: Fate.UNUSED, 6: Fate.USED}
    assert timings.speculation.count == 1


def test_an_untestable_candidate_is_a_detour_unless_the_answer_has_it_in_its_gap() -> None:
    log = (judged(0, 9), start(4, 0), end(4, 1), judged(0, 9), start(5, 1), end(5, 2), judged(0, 5))

    beside = timed(*log, found(0, 5, 2))
    within = timed(*log, found(0, 5, 2, skipped=(4,)))

    assert (only(beside, 4).fate, only(within, 4).fate) == (Fate.UNUSED, Fate.USED)


def test_repetitions_and_spot_checks_are_needed_whatever_comes_back() -> None:
    timings = timed(
        *(judged(0, 9), start(4, 0), end(4, 1), judged(0, 4), start(3, 1), end(3, 2), judged(3, 4)),
        *(start(3, 2), start(4, 2), judged(), end(3, 3), end(4, 3), judged()),
        *(start(7, 3), start(8, 3), end(7, 4), end(8, 4), found(3, 4, 4)),
    )

    assert not any(span.is_ahead for span in timings.spans)
    assert {span.fate for span in timings.spans} == {Fate.USED}


@pytest.mark.parametrize(
    ("axis", "more", "shortest"),
    [
        pytest.param(MIX_WORDS, (), None, id="mixes"),
        pytest.param(RELEASE_WORDS, (), 1, id="all-changes"),
        pytest.param(
            RELEASE_WORDS,
            (events.LevelsFound(metric="wall", unit="s", levels=(), penalty=1.0),),
            None,
            id="levels",
        ),
    ],
)
def test_a_search_without_a_bracket_needs_all_that_it_asks(
    axis: AxisWords, more: tuple[events.Event, ...], shortest: int | None
) -> None:
    trials = (judged(0, 9), start(3, 0), start(6, 0), end(3, 1), end(6, 1), judged(6, 9))

    timings = measure_log([started(axis=axis), listed(), *trials, *more, found(6, 9, 1, shortest=shortest)])

    assert timings is not None
    assert [(span.is_ahead, span.fate) for span in timings.spans] == [(False, Fate.USED)] * 2


def test_what_is_asked_for_while_all_workers_are_busy_waits_for_the_first_that_is_free() -> None:
    timings = timed(
        *(start(0, 0), start(1, 0), start(2, 0), start(3, 0), start(4, 0)),
        *(end(1, 1), end(0, 3), end(2, 4), cancel(3, 3.5), cancel(4, 3.5)),
    )

    assert {span.key: span.begun_s for span in timings.spans} == {0: 0, 1: 0, 2: 1, 3: 3, 4: 3.5}
    assert only(timings, 4).took_s == 0


def test_it_is_known_for_how_long_how_many_were_under_way() -> None:
    timings = timed(*SEARCH)

    assert timings.in_parallel == (2, 2, 3)
    assert (timings.busy_s, timings.idle_s) == (8, 6)
    assert timings.mean_parallel == pytest.approx(8 / 7)


def test_steps_are_summed_for_all_for_the_reason_and_for_the_path() -> None:
    steps = {Step.RESOLVE: 0.25, Step.RUN: 0.5}
    inner = [started(axis=MIX_WORDS), listed(), start(2, 2), end(2, 3, steps), found(0, 9, 1)]

    timings = timed(
        *(start(0, 0), start(9, 0), end(0, 1, steps), end(9, 2, {Step.RUN: 2.0})),
        *(events.StageEvent(stage=1, event=event) for event in inner),
        found(0, 9, 3),
    )

    assert timings.steps == {"resolve": 0.5, "run": 3.0, "other": 0.5}
    assert timings.steps_of_culprit == {"resolve": 0.25, "run": 0.5, "other": 0.25}
    assert timings.steps_of_path == {"resolve": 0.25, "run": 2.5, "other": 0.25}


def test_of_a_trial_without_steps_its_run_is_known_and_of_a_cancelled_one_nothing() -> None:
    timings = timed(start(0, 0), start(4, 0), end(0, 1), cancel(4, 2))

    assert timings.steps == {"run": 0.25, "other": 0.75, "cancelled": 2}


def test_an_environment_built_ahead_wins_what_was_done_before_its_trial_began() -> None:
    timings = timed(
        *(start(0, 0), prepare(4, 0), prepare(7, 1), prepare(2, 1), prepared(7, 2)),
        *(end(0, 3), start(4, 3), prepared(4, 4), prepared(2, 3, is_cancelled=True), end(4, 5), judged(0, 4)),
        found(0, 4, 5),
    )

    ahead = timings.preparation
    assert (ahead.count, ahead.used, ahead.cancelled) == (3, 1, 1)
    assert ahead.won_s == 3
    assert ahead.cost_s == 3  # 7, which nobody came for, and 2
    assert not any(span.is_critical for span in timings.spans if span.is_preparation)


# The lower bound.


def test_the_bound_is_the_head_and_the_work_that_counts_by_the_workers() -> None:
    timings = timed(*SEARCH)

    # 0: 1 s, 9: 2 s, 6: 1 s, 3: 2 s, 4: 1 s; not 5, which was cancelled.
    assert timings.lower_bound.work_s == 7
    assert timings.lower_bound.seconds == 1 + 7 / 2
    assert timings.ratio == pytest.approx(7 / 4.5)


def test_who_knows_the_answer_need_not_look_elsewhere() -> None:
    oracle = timed(*SEARCH).oracle

    assert oracle.work_s == 6  # not 6 either


def test_all_of_one_candidate_is_a_chain() -> None:
    timings = timed(
        *(
            prepare(4, 0),
            prepared(4, 1),
            start(4, 1),
            end(4, 3),
            start(4, 3),
            start(0, 3),
            end(0, 4),
            end(4, 6),
        ),
        jobs=4,
    )

    assert timings.lower_bound.chain_s == timings.lower_bound.seconds == 6


def test_where_more_is_under_way_than_there_are_workers_each_counts_for_its_share() -> None:
    log = (*(start(key, 0) for key in range(4)), end(0, 4), end(1, 4), end(2, 4), cancel(3, 4))

    told = measure_log([started(jobs=2, most_jobs=4), listed(), *log])

    assert told is not None
    assert {span.begun_s for span in told.spans} == {0}
    assert (told.lower_bound.work_s, told.lower_bound.share_s) == (12, 3)
    assert told.idle_s == 0


def test_to_wait_for_another_trial_is_no_work() -> None:
    timings = timed(start(4, 0), end(4, 4, {Step.WAIT: 3.0, Step.RUN: 1.0}))

    assert timings.lower_bound.work_s == 1


def test_measured_runs_of_one_host_are_made_one_after_the_other() -> None:
    runs = {Step.RUN: 2.0}
    log = (
        start(1, 0),
        start(2, 0),
        end(1, 2, runs, "a"),
        end(2, 3, runs, "a"),
        start(3, 3),
        end(3, 5, runs, "b"),
    )

    measured, plain = timed(*log, jobs=4, metric="wall"), timed(*log, jobs=4)

    assert (measured.lower_bound.measuring_s, measured.lower_bound.seconds) == (4, 4)
    assert (plain.lower_bound.measuring_s, plain.lower_bound.seconds) == (0, 3)


@st.composite
def logs(draw: st.DrawFn) -> list[events.Event]:
    """Any order of trials that a search with some workers could have."""
    # A trial takes as long as its run at least, a quarter of a second.
    moments = draw(st.lists(st.integers(1, 8), min_size=1, max_size=24))
    jobs = draw(st.integers(1, 4))
    log: list[events.Event] = [
        started(jobs=jobs, most_jobs=draw(st.sampled_from([None, 2 * jobs]))),
        listed(),
    ]
    flights: list[int] = []
    now_s = 0.0
    for passes in moments:
        now_s += passes / 4
        if flights and draw(st.booleans()):
            key = flights.pop(draw(st.integers(0, len(flights) - 1)))
            log.append(draw(st.sampled_from([end(key, now_s), cancel(key, now_s)])))
            sides = draw(st.tuples(st.integers(0, 9), st.integers(0, 9)))
            log.append(judged(min(sides), max(sides)))
        elif free := sorted(set(range(10)) - set(flights)):
            flights.append(draw(st.sampled_from(free)))
            log.append(start(flights[-1], now_s))
    return [*log, found(0, 9, now_s)]


@given(logs())
def test_no_bound_exceeds_the_wall_time_and_the_parts_make_the_whole(log: list[events.Event]) -> None:
    timings = measure_log(log)

    assert timings is not None
    assert timings.oracle.seconds <= timings.lower_bound.seconds <= timings.wall_s + 1e-9
    path = [span for span in timings.spans if span.is_critical]
    assert all(one.ended_s <= other.begun_s for one, other in pairwise(path))
    assert sum(timings.in_parallel) == pytest.approx(timings.wall_s)
    assert len(timings.in_parallel) <= 2 * timings.workers + 1
    if path:
        whole = timings.head_s + timings.own_s + timings.tail_s + sum(span.took_s for span in path)
        assert whole == pytest.approx(timings.wall_s)


def test_of_trials_that_took_no_time_none_comes_before_itself() -> None:
    in_parallel = Span(stage=0, key=1, label="", asked_s=2, begun_s=2, ended_s=2, fate=Fate.USED)

    assert critical_path([in_parallel, replace(in_parallel, key=2)]) == (0, 1)


# Logs that say less.


def test_a_log_that_was_cut_off_ends_with_what_was_last_seen() -> None:
    timings = timed(start(0, 0), end(0, 1), start(9, 1), prepare(4, 1), start(5, 3))

    assert timings.wall_s == 3
    assert (only(timings, 9).fate, only(timings, 9).took_s) == (Fate.CANCELLED, 2)


def test_what_was_remembered_is_no_work() -> None:
    timings = timed(end(0, 0), end(9, 0), judged(0, 9), found(0, 9, 0.5))

    assert (timings.spans, timings.lower_bound.seconds, timings.wall_s) == ((), 0.5, 0.5)


def test_ends_that_nobody_began_are_passed_over() -> None:
    assert timed(cancel(3, 1), prepared(3, 1), found(None, None, 1)).spans == ()


def test_a_question_that_is_asked_anew_finds_its_candidates_unknown() -> None:
    timings = timed(
        *(
            judged(0, 9),
            start(4, 0),
            end(4, 1),
            events.ObservationsReset(),
            start(3, 1),
            start(4, 1),
            end(3, 2),
        ),
        *(end(4, 2), judged(3, 4), found(3, 4, 2)),
    )

    assert [span.is_ahead for span in timings.spans if span.key == 4] == [False, True]


def test_candidates_that_are_added_leave_what_is_known_of_the_others() -> None:
    added = replace(listed((*VERSIONS, "2.0")), grows=True)

    timings = timed(
        judged(0, 9), start(8, 0), end(8, 1), added, start(8, 1), start(10, 1), cancel(10, 2), end(8, 2)
    )

    assert [span.label for span in timings.spans] == ["1.8", "1.8", "2.0"]
    assert not any(span.is_ahead for span in timings.spans)


def test_a_log_of_mixes_may_have_candidates_that_are_not_listed_yet() -> None:
    told = measure_log([started(), start(3, 0), start(12, 0), cancel(12, 1)])

    assert told is not None
    assert [span.label for span in told.spans] == ["3", "12"]


@pytest.mark.parametrize(
    "log",
    [
        pytest.param([], id="empty"),
        pytest.param([replace(started(), at_s=None), listed()], id="no-dates"),
        pytest.param([listed()], id="no-run"),
    ],
)
def test_without_dates_nothing_is_told(log: list[events.Event]) -> None:
    assert measure_log(log) is None

"""The engine: trials until the search has its result, and everything that happens said as events."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext

import pytest
from support.builders import ASSERTION, IMPORT_ERROR, broken, failed, passed, probe, untestable
from support.engines import Lab, broke_at, request_for, rulings_of, trial
from support.processes import eventually

from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.judge.judge import Expectation, Judgement
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.metrics.criteria import Criteria
from bisect_asgi.core.model import (
    BuiltEnvironment,
    Candidate,
    Observation,
    Outcome,
    SamplingMode,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import Bisection, Boundary, NoBoundary, Open, StopReason
from bisect_asgi.core.tally import Tally

PATIENCE_S = 20.0


@pytest.mark.parametrize("jobs", [1, 2, 4])
@pytest.mark.parametrize("first_bad", [1, 2, 7, 19])
def test_the_boundary_is_found_and_no_candidate_is_asked_twice(
    executor: Executor, jobs: int, first_bad: int
) -> None:
    lab = Lab(20, broke_at(first_bad), executor=executor, jobs=jobs)

    with executor:
        state = lab.search()

    assert state == Boundary(low=first_bad - 1, high=first_bad)
    assert len(set(lab.asked)) == len(lab.asked)
    assert {first_bad - 1, first_bad} <= set(lab.asked)  # run, not inferred


def test_a_fix_is_found_by_the_same_search() -> None:
    lab = Lab(20, lambda key: failed() if key < 13 else passed())

    assert lab.search() == Boundary(low=12, high=13)
    assert lab.engine.judgement().new_is is Outcome.PASSED


def test_both_ends_are_looked_at_before_anything_between() -> None:
    lab = Lab(20, broke_at(7), expectation=Expectation(good=0, bad=19), jobs=2)

    lab.search()

    assert set(lab.asked[:2]) == {0, 19}


def test_without_skips_one_worker_needs_no_more_than_the_bound() -> None:
    lab = Lab(100, broke_at(37), expectation=Expectation(good=0, bad=99))

    lab.search()

    assert len(lab.asked) <= 2 + 7  # 2 + ceil(log2(99))


def test_a_request_carries_all_that_a_worker_needs() -> None:
    lab = Lab(2, broke_at(1), fresh=True)

    lab.search()

    assert {(r.key, r.label, r.probe, r.known_runs, r.runs, r.fresh) for r in lab.requests} == {
        (0, "1.0", probe(), 0, 1, True),
        (1, "1.1", probe(), 0, 1, True),
    }


def test_every_step_is_told_as_an_event() -> None:
    lab = Lab(2, broke_at(1))

    lab.search()

    told = [type(event).__name__ for event in lab.events]
    assert told.count("TrialStarted") == told.count("TrialFinished") == 2
    last = lab.events[-1]
    assert isinstance(last, events.RulingsChanged)
    assert (last.low, last.high, last.left, last.new_is) == (0, 1, 0, Outcome.FAILED)
    assert sorted(rulings_of(lab.events)) == [0, 1]


def test_an_event_has_only_the_rulings_that_changed() -> None:
    lab = Lab(40, lambda key: broken() if key == 20 else broke_at(31)(key), expectation=Expectation(good=0))

    lab.search()

    told = [event for event in lab.events if isinstance(event, events.RulingsChanged)]
    assert [key for event in told for key, _ in event.rulings] == [key for key in lab.asked if key != 20]
    assert not any(event.withdrawn for event in told)
    assert rulings_of(lab.events) == lab.engine.judgement().rulings


def test_a_ruling_that_does_not_hold_any_more_is_withdrawn() -> None:
    lab = Lab(3, broke_at(1))
    lab.engine.repeat([0, 1, 2], 2)
    before = len(lab.events)

    # The middle one is now to be placed by its runs, of which there are too few.
    noise = Noise(
        new_is=Outcome.FAILED, old=Tally(passed=2), new=Tally(failed=2), low=0, high=2, confidence=0.999
    )
    lab.engine.judge_by(lab.engine.spec, noise)
    lab.engine.emit_rulings()

    (event,) = lab.events[before:]
    assert isinstance(event, events.RulingsChanged)
    assert (event.rulings, event.withdrawn) == ((), (1,))
    assert rulings_of(lab.events) == lab.engine.judgement().rulings
    assert lab.engine.judgement().rulings.keys() == {0, 2}


def test_what_is_left_counts_the_releases_between_that_nothing_is_known_of() -> None:
    lab = Lab(10, broke_at(5), expectation=Expectation(good=0, bad=9))

    lab.search()

    lefts = [(e.low, e.high, e.left) for e in lab.events if isinstance(e, events.RulingsChanged)]
    assert lefts[0] == (None, None, 10)
    assert (0, 9, 8) in lefts
    assert lefts[-1] == (4, 5, 0)


def test_untestable_candidates_next_to_the_boundary_are_a_gap() -> None:
    lab = Lab(9, lambda key: untestable() if key in (4, 5) else broke_at(4)(key))

    assert lab.search() == Boundary(low=3, high=6, skipped=(4, 5))


def test_different_failures_are_no_part_of_the_bug() -> None:
    lab = Lab(9, lambda key: failed(IMPORT_ERROR) if key < 3 else passed() if key < 6 else failed(ASSERTION))

    assert lab.search() == Boundary(low=5, high=6)


def test_any_failure_counts_when_the_user_says_so() -> None:
    lab = Lab(
        9,
        lambda key: passed() if key < 3 else failed(IMPORT_ERROR) if key < 6 else failed(ASSERTION),
        criteria=Criteria(any_failure=True),
    )

    assert lab.search() == Boundary(low=2, high=3)


def test_the_search_stops_when_both_ends_agree() -> None:
    lab = Lab(9, lambda _: passed())

    assert lab.search() == NoBoundary(reason=StopReason.ALL_NEW)


def test_a_broken_candidate_is_gone_round_and_reported() -> None:
    lab = Lab(
        9, lambda key: broken() if key == 4 else broke_at(6)(key), expectation=Expectation(good=0, bad=8)
    )

    assert lab.search() == Boundary(low=5, high=6)
    assert lab.engine.errors == {4: broken()}
    assert 4 not in lab.engine.observed
    assert lab.asked.count(4) == 2  # a fault may pass


def test_a_broken_candidate_that_the_answer_depends_on_leaves_the_search_open() -> None:
    lab = Lab(
        9, lambda key: broken() if key == 4 else broke_at(5)(key), expectation=Expectation(good=0, bad=8)
    )

    assert lab.search() == Open(low=3, high=5)
    assert lab.asked.count(4) == 2
    assert 4 not in lab.engine.judgement().rulings


class Passing:
    """Faults of the machine, each of which passes."""

    def __init__(self, *keys: int) -> None:
        self.left = Counter(keys)

    def __call__(self, key: int) -> Observation:
        if self.left[key]:
            self.left[key] -= 1
            return broken()
        return broke_at(6)(key)


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("keys", [(4,), (0, 8), (5, 6), tuple(range(9))], ids=str)
def test_a_fault_that_passes_changes_no_result(keys: tuple[int, ...], jobs: int) -> None:
    lab = Lab(9, Passing(*keys), jobs=jobs, expectation=Expectation(good=0, bad=8))

    assert lab.search() == Boundary(low=5, high=6)
    assert lab.engine.errors == {}
    assert all(lab.asked.count(key) == 1 + (key in keys) for key in lab.engine.observed)


def test_each_trial_of_a_candidate_is_made_once_more() -> None:
    faults = Passing(3)
    lab = Lab(5, faults)
    lab.engine.repeat([3], 1)
    faults.left[3] = 1

    lab.engine.repeat([3], 2)

    assert len(lab.engine.observed[3]) == 3
    assert lab.engine.errors == {}
    faults.left[3] = 2
    lab.engine.repeat([3], 1)
    assert lab.engine.errors.keys() == {3}


def test_a_broken_newest_release_is_no_verdict_about_which_end_is_good() -> None:
    lab = Lab(5, lambda key: broken() if key == 4 else passed())

    assert isinstance(lab.search(), Open)
    assert lab.engine.judgement().new_is is None


def test_the_search_ends_as_soon_as_the_caller_says_that_it_is_over() -> None:
    lab = Lab(100, lambda _: failed(), expectation=Expectation(good=0, bad=99), jobs=1)

    lab.engine.search(lab.told, is_over=lambda judgement: 0 in judgement.rulings)

    assert set(lab.asked) <= {0, 99}


def test_what_is_recalled_is_not_run_again() -> None:
    lab = Lab(20, broke_at(7))

    lab.engine.recall(lambda request: trial(request, lab.history(request.key)))
    state = lab.search()

    assert state == Boundary(low=6, high=7)
    assert lab.asked == []
    finished = [event.trial.key for event in lab.events if isinstance(event, events.TrialFinished)]
    assert finished == list(range(20))


def test_what_is_recalled_in_part_saves_the_runs_that_it_can() -> None:
    lab = Lab(20, broke_at(7))
    known = {0, 6, 19}

    lab.engine.recall(lambda r: trial(r, lab.history(r.key)) if r.key in known else None)
    state = lab.search()

    assert state == Boundary(low=6, high=7)
    assert known.isdisjoint(lab.asked)
    assert 7 in lab.asked


def test_repeating_asks_for_further_runs_of_the_same_candidates() -> None:
    lab = Lab(5, broke_at(2))
    lab.search()
    lab.requests.clear()

    lab.engine.repeat([1, 2], 3)

    assert [(r.key, r.known_runs, r.runs) for r in lab.requests] == [(1, 1, 3), (2, 1, 3)]
    assert lab.engine.observed[1] == (passed(),) * 4
    assert lab.engine.observed[2] == (failed(),) * 4


def test_what_further_runs_show_changes_the_ruling() -> None:
    lab = Lab(5, broke_at(2))
    lab.search()
    lab.history = lambda _: failed()

    lab.engine.repeat([1], 1)

    ruling = lab.engine.judgement().rulings[1]
    assert (ruling.passed, ruling.failed, ruling.is_flaky) == (1, 1, True)


# --- More candidates, and what is known from elsewhere


def test_a_candidate_that_is_added_is_run_behind_the_others() -> None:
    lab = Lab(2, lambda key: failed() if key in (1, 2) else passed())
    lab.search()

    key = lab.engine.add(Candidate(label="a mix", spec=lab.requests[0].spec))
    lab.engine.repeat([key], 2)

    assert key == 2
    assert [(r.label, r.runs) for r in lab.requests if r.key == key] == [("a mix", 2)]
    assert lab.engine.judgement().rulings[key].failed == 2


def test_what_another_engine_knows_is_taken_in_and_not_run() -> None:
    first = Lab(4, broke_at(2))
    first.search()
    first.engine.repeat([1], 1)
    second = Lab(4, broke_at(2))

    for place, key in enumerate((1, 2)):
        second.engine.seed(place + 1, first.engine.known(key))
    second.search()

    assert {1, 2} & set(second.asked) == set()
    assert len(second.engine.observed[1]) == 2
    (seeded,) = (e.trial for e in second.events if isinstance(e, events.TrialFinished) and e.trial.key == 1)
    assert (seeded.label, seeded.remembered) == ("1.1", 2)


def test_what_is_known_of_a_candidate_has_its_environment() -> None:
    built = BuiltEnvironment(digest="d", distributions=(), step="made up")

    def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
        return replace(trial(request, passed()), environment=built)

    lab = Lab(2, broke_at(1), run_trial=run_trial)
    lab.engine.repeat([0], 1)

    assert lab.engine.known(0).environment == built
    assert lab.engine.environments == {0: built}


def test_requests_say_which_search_of_the_run_they_are_for() -> None:
    lab = Lab(3, broke_at(1), stage=4)

    lab.search()

    assert {request.stage for request in lab.requests} == {4}


def test_each_candidate_is_run_as_often_as_it_is_wanted() -> None:
    lab = Lab(4, broke_at(2))

    lab.engine.repeat_each({0: 1, 3: 4})
    lab.engine.repeat_each({0: 2})
    lab.engine.repeat_each({})

    assert {key: len(runs) for key, runs in lab.engine.observed.items()} == {0: 3, 3: 4}
    asked = [(request.key, request.known_runs, request.runs) for request in lab.requests]
    assert asked == [(0, 0, 1), (3, 0, 4), (0, 1, 2)]


@pytest.mark.parametrize("jobs", [1, 2, 3, 9])
def test_no_more_candidates_are_run_again_at_a_time_than_there_are_jobs(jobs: int) -> None:
    lab = Lab(8, broke_at(5), jobs=jobs)

    lab.engine.repeat(range(7), 2)

    going, most = 0, 0
    for event in lab.events:
        going += isinstance(event, events.TrialStarted) - isinstance(event, events.TrialFinished)
        most = max(most, going)
    assert most == min(jobs, 7)
    assert [request.key for request in lab.requests] == list(range(7))


@pytest.mark.parametrize(
    ("most", "parallel"),
    [
        pytest.param(2, [1, 1, 1], id="fewer-than-candidates"),
        pytest.param(4, [1, 2, 1], id="half-as-many-as-there-are-runs"),
        pytest.param(8, [3, 4, 1], id="as-many-as-there-are-runs"),
        pytest.param(80, [3, 4, 1], id="more-than-there-are-runs"),
    ],
)
def test_runs_of_a_candidate_go_side_by_side_where_there_is_room_for_all(
    most: int, parallel: list[int]
) -> None:
    lab = Lab(5, broke_at(3), jobs=most)

    lab.engine.repeat_each({2: 3, 3: 4, 0: 1})

    assert [request.parallel for request in lab.requests] == parallel


@pytest.mark.parametrize(
    ("jobs", "runs", "widened"),
    [
        pytest.param(2, {0: 1, 3: 3}, [1], id="the-place-of-the-one-that-is-done"),
        pytest.param(4, {0: 3, 3: 3}, [1], id="no-more-than-there-are-runs"),
        pytest.param(1, {0: 1, 3: 3}, [], id="one-place"),
        pytest.param(2, {0: 1, 1: 1, 3: 1}, [], id="one-run"),
    ],
)
def test_the_last_candidate_to_be_run_again_gets_the_places_of_those_that_are_done(
    jobs: int, runs: dict[int, int], widened: list[int]
) -> None:
    got: list[int] = []
    others = threading.Semaphore(0)

    def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
        last = request.key == 3
        with token.on_widened(got.append) if last else nullcontext():
            for _ in range(len(runs) - 1 if last and jobs > 1 else 0):
                assert others.acquire(timeout=PATIENCE_S)
            if last and widened:
                eventually(lambda: got)
        others.release()
        return trial(request, passed())

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        lab = Lab(4, broke_at(9), executor=pool, jobs=jobs, run_trial=run_trial)
        lab.engine.repeat_each(runs)

    assert got == widened


def test_runs_that_were_made_are_counted_and_kept_in_their_order() -> None:
    shown = {0: passed("a"), 1: passed("b")}
    lab = Lab(2, lambda key: shown[key])
    remembered = replace(trial(request_for(lab, 1), passed("old")), remembered=1)
    lab.engine.recall(lambda request: remembered if request.key == 1 else None)

    lab.engine.repeat_each({1: 1})
    lab.engine.repeat_each({0: 2})

    assert [run.output_tail for run in lab.engine.observed[1]] == ["old", "b"]
    assert lab.engine.made == 3
    assert [run.output_tail for run in lab.engine.taken] == ["b", "a", "a"]


def test_the_cost_of_a_run_is_what_others_took_and_a_build_where_none_was_made() -> None:
    def timed(request: TrialRequest, _: CancelToken) -> Trial:
        seen = tuple(passed() for _ in range(request.runs))
        seconds = {0: 2.0, 1: 4.0}[request.key]
        return Trial(
            key=request.key,
            label=request.label,
            observations=seen,
            build_s=10.0 * seconds,
            run_s=seconds * request.runs,
        )

    lab = Lab(3, broke_at(2), run_trial=timed)
    assert lab.engine.seconds(2) == 2.0  # nothing is known yet: a second for each

    lab.engine.repeat_each({0: 1, 1: 5})

    assert lab.engine.seconds(0) == lab.engine.seconds(1) == pytest.approx(3.0)
    assert lab.engine.seconds(2) == pytest.approx(3.0 + 30.0)


def test_candidates_that_are_run_in_another_way_lose_their_observations_and_the_log_says_so() -> None:
    lab = Lab(4, broke_at(2))
    lab.engine.repeat_each({0: 1, 3: 1})
    measuring = SamplingMode(reference=lab.engine.spec.candidates[0].spec)

    lab.engine.start_anew(replace(lab.engine.spec, sampling=measuring))
    lab.engine.repeat_each({0: 2})

    assert lab.engine.observed.keys() == {0}
    assert len(lab.engine.observed[0]) == 2
    last = lab.requests[-1]
    assert (last.known_runs, last.sampling) == (0, measuring)
    (place,) = (n for n, event in enumerate(lab.events) if isinstance(event, events.ObservationsReset))
    assert not next(event for event in lab.events[place:] if isinstance(event, events.RulingsChanged)).rulings
    # What runs took was learnt all the same.
    assert lab.engine.made == 4


def test_warm_ups_alone_say_nothing() -> None:
    lab = Lab(2, lambda _: replace(failed(), is_warm_up=True))

    lab.engine.repeat_each({0: 1, 1: 1})

    assert lab.engine.judgement() == Judgement()


# --- What a candidate is expected to take


def timed(request: TrialRequest, build_s: float, run_s: float) -> Trial:
    return replace(trial(request, broke_at(7)(request.key)), build_s=build_s, run_s=run_s)


def test_before_anything_was_built_sdists_are_taken_to_last_longer_and_what_is_there_nothing() -> None:
    lab = Lab(9, broke_at(7), needs_build={4})
    lab.engine.recall(lambda _: None, lambda request: request.key == 5)

    kept, wheels, sdist = (lab.engine.seconds(key) for key in (5, 3, 4))

    assert kept < wheels < sdist


def test_candidates_are_expected_to_take_what_others_like_them_took() -> None:
    def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
        return timed(request, build_s=30.0 if request.key == 8 else 2.0, run_s=4.0)

    lab = Lab(9, broke_at(7), needs_build={4, 8}, run_trial=run_trial)

    lab.engine.repeat([0, 8], 1)

    assert lab.engine.seconds(3) == pytest.approx(2.0 + 4.0)
    assert lab.engine.seconds(4) == pytest.approx(30.0 + 4.0)
    assert lab.engine.seconds(0) == pytest.approx(4.0)


def test_what_was_there_says_nothing_of_how_long_building_takes() -> None:
    lab = Lab(9, broke_at(7), run_trial=lambda request, _: timed(request, build_s=0.0, run_s=4.0))
    before = lab.engine.seconds(3)
    lab.engine.recall(lambda _: None, lambda request: request.key == 0)

    lab.engine.repeat([0], 1)

    assert lab.engine.seconds(3) == pytest.approx(before - 1.0 + 4.0)


def test_a_search_prefers_what_is_there_where_that_tells_nearly_as_much() -> None:
    lab = Lab(101, broke_at(90), expectation=Expectation(good=0, bad=100))
    lab.engine.recall(lambda _: None, lambda request: request.key in (0, 100, 44))

    lab.engine.search(
        lambda verdicts: Bisection.replay(101, verdicts, verify=(0, 100), seconds=lab.engine.seconds)
    )

    assert lab.asked[2] == 44

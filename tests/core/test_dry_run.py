"""What a search is going to do: how many runs at most, and the lines about it."""

from __future__ import annotations

import pytest
from support.builders import day

from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.dry_run import (
    DryRun,
    PlannedCandidate,
    estimate,
    lines,
    runs_to_confirm,
    runs_to_find,
    runs_to_judge,
)
from bisect_asgi.core.model import Excluded, Verdict
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import Bisection, Open

CANDIDATES = tuple(
    PlannedCandidate(version=f"1.{place}", uploaded=day(f"2021-01-0{place + 1}"), cached_runs=0)
    for place in range(4)
)
PLAN = DryRun(
    package="demo",
    probe="leak.py",
    python="3.8.18",
    python_reason="can install 4 of 4 releases",
    candidates=CANDIDATES,
    excluded=(),
    notes=(),
    search_runs=4,
    confirm_runs=6,
    later=("cause", "history"),
    median_run_s=None,
    estimated_s=None,
)


HEAD = (
    "Python      3.8.18: can install 4 of 4 releases",
    "Candidates  4 releases: 1.0 (2021-01-01) to 1.3 (2021-01-04)",
)
UNKNOWN = "Time        unknown: no run of this probe is cached"


def runs_taken(size: int, first_new: int, *, gallops: bool) -> int:
    """Count the runs of a search for the change at `first_new`."""
    verdicts: dict[int, Verdict] = {}
    named = () if gallops else (0, size - 1)
    while isinstance((search := Bisection.replay(size, verdicts, gallop=gallops, verify=named)).state, Open):
        (key,) = search.ask(1)
        verdicts[key] = Verdict.NEW if key >= first_new else Verdict.OLD
    return len(verdicts)


@pytest.mark.parametrize("gallops", [False, True], ids=["named-ends", "gallop"])
def test_no_search_for_one_change_takes_more_runs_than_are_said(gallops: bool) -> None:
    for size in range(2, 70):
        most = max(runs_taken(size, place, gallops=gallops) for place in range(1, size))
        assert most <= runs_to_find(size, gallops=gallops)
        assert gallops or most == runs_to_find(size, gallops=False)


@pytest.mark.parametrize("size", [2, 3, 10, 100])
def test_a_claim_takes_its_own_releases_both_ends_and_what_lies_between(size: int) -> None:
    for place in range(1, size):
        few = runs_to_judge(size, place, shortest=size)

        assert runs_to_judge(size, place, shortest=1) == (place, size - place)  # no state may be missed
        assert few == (len({0, place - 1}), len({place, size - 1}))


def test_a_claim_takes_more_runs_if_shorter_states_must_not_be_missed() -> None:
    few, many = (sum(runs_to_judge(100, 50, shortest=shortest)) for shortest in (50, 10))

    assert few < many < 100


def test_one_candidate_takes_one_run() -> None:
    assert runs_to_find(1, gallops=True) == 1


@pytest.mark.parametrize(("older", "newer"), [(1, 1), (2, 5), (6, 6), (1, 12)])
@pytest.mark.parametrize("at_once", [0, 2])
def test_a_boundary_is_confirmed_as_often_as_is_asked(older: int, newer: int, at_once: int) -> None:
    sure, surer = (
        runs_to_confirm(older, newer, confidence=confidence, at_once=at_once) for confidence in (0.9, 0.999)
    )

    assert 2 * at_once <= sure < surer < 40


def test_a_claim_may_need_no_more_than_what_is_run_in_any_case() -> None:
    assert runs_to_confirm(2, 2, confidence=0.5, at_once=9) == 18


def test_the_time_is_that_of_the_median_run() -> None:
    assert estimate(10, [1.0, 2.0, 9.0]) == (2.0, 20.0)
    assert estimate(10, []) == (None, None)


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        pytest.param(
            PLAN,
            [*HEAD, "Runs        up to 4 to search, 6 to confirm; more for cause and history", UNKNOWN],
            id="nothing-cached",
        ),
        pytest.param(
            replace(
                PLAN,
                python=None,
                candidates=(replace(CANDIDATES[0], uploaded=None), replace(CANDIDATES[1], cached_runs=1)),
                median_run_s=2.0,
                estimated_s=20.0,
                notes=("2 entries were passed over",),
            ),
            [
                "Candidates  2 releases: 1.0 to 1.1 (2021-01-02)",
                "Cached      1 run of 1 release",
                "Runs        up to 4 to search, 6 to confirm; more for cause and history",
                "Time        up to 20 s without builds; the median cached run took 2.0 s",
                "Note        2 entries were passed over",
            ],
            id="cached",
        ),
        pytest.param(
            replace(PLAN, further_pythons=("3.9.18", "3.6.15")),
            [
                HEAD[0],
                "            then 3.9.18 and 3.6.15, if nothing changes on it",
                *HEAD[1:],
                "Runs        up to 4 to search, 6 to confirm; more for cause and history",
                UNKNOWN,
            ],
            id="further-pythons",
        ),
        pytest.param(
            replace(PLAN, later=("history",), beyond=("2.0", "2.7")),
            [
                *HEAD,
                "Runs        up to 4 to search, 6 to confirm; more for history",
                "History     may run releases beyond the range, 2.0 to 2.7",
                UNKNOWN,
            ],
            id="beyond-the-range",
        ),
        pytest.param(
            replace(PLAN, later=("history",), beyond=("2.0", "2.0")),
            [
                *HEAD,
                "Runs        up to 4 to search, 6 to confirm; more for history",
                "History     may run releases beyond the range, 2.0",
                UNKNOWN,
            ],
            id="one-beyond-the-range",
        ),
        pytest.param(
            replace(PLAN, claim="fixed in 1.2", later=()),
            [*HEAD, "Claim       fixed in 1.2", "Runs        about 4 to judge it, 6 to confirm", UNKNOWN],
            id="a-claim",
        ),
    ],
)
def test_a_plan_is_labels_and_values(plan: DryRun, told: list[str]) -> None:
    assert list(lines(plan, AxisWords(), 80)) == told


def test_excluded_releases_are_counted_by_reason_and_few_reasons_are_named() -> None:
    reasons = [f"reason {number}" for number in range(7) for _ in range(8 - number)]
    excluded = tuple(Excluded(version="1", uploaded=None, reason=reason) for reason in reasons)

    told = list(lines(replace(PLAN, excluded=excluded), AxisWords(), 80))[2:9]

    assert told[:2] == ["Excluded    35 releases", "                8  reason 0"]
    assert told[-1] == "                5  for 2 other reasons"


def test_few_reasons_are_all_named() -> None:
    excluded = (Excluded(version="1", uploaded=None, reason="yanked"),)
    told = list(lines(replace(PLAN, excluded=excluded), AxisWords(), 80))
    assert told[2:4] == ["Excluded    1 release", "                1  yanked"]
    assert not any("other reason" in line for line in told)


@pytest.mark.parametrize("width", [60, 80])
def test_lines_are_broken_at_the_width(width: int) -> None:
    plan = replace(PLAN, python_reason="it can install all of them " * 9)

    assert all(len(line) <= width for line in lines(plan, AxisWords(), width))

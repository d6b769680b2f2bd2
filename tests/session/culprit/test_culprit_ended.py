"""What ends an explanation early, and what an earlier one spares."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from statistics import median

import pytest
from support.builders import (
    a_plan,
    broken,
    failed,
    passed,
    untestable,
)
from support.explanations import (
    GARAGE,
    Lab,
    Shows,
    fails_if,
    has,
    numbered,
    sets,
    shown,
)
from support.services import Installed, MadeUpIndex

from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.metrics.criteria import Criteria, ThresholdSearch
from bisect_asgi.core.model import (
    CulpritKind,
    Observation,
    SamplingMode,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.plan import Budget
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.affected import ReleaseState

# --- What ends it early


@pytest.mark.parametrize(
    "over", [pytest.param("mixes", id="between-mixes"), pytest.param("engine", id="along-a-dependency")]
)
def test_an_interrupt_while_it_is_explained_keeps_the_boundary(over: str) -> None:
    lab = Lab(GARAGE, fails_if({"engine": "5"}))

    with pytest.raises(KeyboardInterrupt):
        lab.bisect(a_plan(), run_trial=_failing_in(lab, over, KeyboardInterrupt()))

    last = lab.events[-1]
    assert isinstance(last, events.RunFinished)
    assert last.kind is ResultKind.INTERRUPTED
    assert (lab.report.last, lab.report.first) == ("2", "3")


def _failing_in(lab: Lab, over: str, error: BaseException) -> Callable[[TrialRequest, CancelToken], Trial]:
    """Trials that go wrong from the second one of the first search over that axis on."""

    def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
        begun = [
            event.event.over
            for event in lab.events
            if isinstance(event, events.StageEvent) and isinstance(event.event, events.RunStarted)
        ]
        is_there = begun and begun[-1] == over
        if is_there and any(earlier.stage == request.stage for earlier in lab.requests):
            raise error
        return lab.run_trial(request, token)

    return run_trial


def test_a_world_that_goes_away_while_it_is_explained_leaves_the_boundary_and_the_reason() -> None:
    lab = Lab(GARAGE, fails_if({"engine": "5"}))

    finished = lab.bisect(
        a_plan(), run_trial=_failing_in(lab, "mixes", Unavailable("the index does not answer"))
    )

    assert finished.kind is ResultKind.FOUND
    assert (lab.report.last, lab.report.first) == ("2", "3")
    (only,) = lab.explained
    assert (only.kind, only.sets) == (CulpritKind.UNCLEAR, ())
    assert only.problem == "the index does not answer"
    assert "the index does not answer" in shown(lab.report)


def test_a_world_that_goes_away_further_down_leaves_what_was_shown_above() -> None:
    lab = Lab(GARAGE, fails_if({"engine": "5"}))

    finished = lab.bisect(
        a_plan(), run_trial=_failing_in(lab, "engine", Unavailable("the index does not answer"))
    )

    assert finished.kind is ResultKind.FOUND
    (only,) = lab.explained
    assert (only.problem, sets(only)) == ("", [["engine 2 → 7"]])
    stage = lab.stage("engine")
    assert (stage.kind, stage.headline) == (ResultKind.UNAVAILABLE, "the index does not answer")
    assert "the index does not answer" in shown(lab.report)
    assert lab.report.headline == (
        "app broke in 3 (2020-02-01), because it requires engine >=6 and installs 7"
    )


def test_mixes_that_are_on_neither_side_tell_nothing() -> None:
    def shows(installed: Installed, run: int) -> Observation:
        if not has(installed, app="3") and has(installed, engine="5"):
            return passed() if run % 2 else failed()
        return failed() if has(installed, app="3") else passed()

    lab = Lab(GARAGE, shows)

    finished = lab.bisect(a_plan())

    assert finished.kind is ResultKind.FOUND
    assert (
        lab.explained[0].problem
        == "40 runs did not show whether app 2 with the dependencies of app 3 is good or bad"
    )
    assert lab.report.headline == "app broke in 3 (2020-02-01)"


def test_a_mix_that_failed_once_by_chance_is_run_until_its_side_is_clear() -> None:
    def shows(installed: Installed, run: int) -> Observation:
        is_by_chance = not has(installed, app="3") and has(installed, engine="5") and run == 0
        return failed() if is_by_chance or has(installed, app="3") else passed()

    lab = Lab(GARAGE, shows)

    finished = lab.bisect(a_plan())

    assert finished.kind is ResultKind.FOUND
    assert lab.explained[0].kind is CulpritKind.PACKAGE
    assert sets(lab.explained[0]) == [["app 2 → 3"]]


def test_without_the_wish_to_know_nothing_is_tried_and_nothing_told() -> None:
    lab = Lab(GARAGE, fails_if({"engine": "5"}))

    finished = lab.bisect(a_plan(culprit=False))

    assert finished.kind is ResultKind.FOUND
    assert lab.explained == []
    assert {request.stage for request in lab.requests} == {0}
    assert lab.report.stages == ()


def test_a_gap_of_untestable_releases_is_not_explained() -> None:
    apps = {"app==1": "engine<3", "app==2": "nothing", "app==3": "engine>=6"}
    lab = Lab(MadeUpIndex({**apps, "nothing==1": "", **numbered("engine", range(1, 8))}), _untestable_in_2)

    finished = lab.bisect(a_plan())

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert lab.explained == []


def _untestable_in_2(installed: Installed, _: int) -> Observation:
    if installed["app"] == "2":
        return untestable()
    return failed() if has(installed, engine="5") else passed()


# --- Again


def test_what_was_run_once_is_not_run_again() -> None:
    first = Lab(GARAGE, fails_if({"engine": "5"}))
    first.bisect(a_plan())
    seen: dict[str, int] = {}
    for request in first.requests:
        seen[first.trial(request).environment.digest] = request.known_runs + request.runs  # type: ignore[union-attr]
    again = Lab(GARAGE, fails_if({"engine": "5"}))

    def recall(request: TrialRequest) -> Trial | None:
        environment = again.trial(request).environment
        runs = seen.get(environment.digest, 0) if environment else 0
        return replace(again.trial(replace(request, runs=runs)), remembered=runs) if runs else None

    again.bisect(a_plan(), recall=recall)

    assert again.requests == []
    assert again.explained == first.explained
    assert again.report.headline == first.report.headline


def test_what_decides_is_run_once_more_and_nothing_else_is() -> None:
    lab = Lab(GARAGE, fails_if({"engine": "5"}))

    lab.bisect(a_plan(confirm=2))

    runs: dict[str, int] = {}
    stage = lab.stage("mixes").stage
    for request in lab.requests:
        if request.stage == stage:
            runs[request.label] = runs.get(request.label, 0) + request.runs
    # The cross-check, the culprit by itself, and everything but the culprit.
    decisive = {"app 3 with the dependencies of app 2", "app 2 with the dependencies of app 3"}
    decisive |= {"app 2 with engine 7"}
    assert {label for label, count in runs.items() if count == 3} >= decisive
    assert set(runs.values()) <= {1, 3}


@pytest.mark.parametrize("first_broken", [0, 1], ids=["at-once", "when-it-is-confirmed"])
def test_a_mix_of_which_nothing_was_learnt_is_not_said_to_be_untestable(first_broken: int) -> None:
    def shows(installed: Installed, run: int) -> Observation:
        is_mix = has(installed, engine="5") != has(installed, app="3")
        if is_mix and run >= first_broken:
            return broken()
        return failed() if has(installed, engine="5") else passed()

    lab = Lab(GARAGE, shows)

    finished = lab.bisect(a_plan())

    assert finished.kind is ResultKind.FOUND
    (only,) = lab.explained
    assert (only.kind, only.sets) == (CulpritKind.UNCLEAR, ())
    assert "no space left on device" in only.problem


# Probes that are flaky, or measured.


def by_chance(rate_old: float, rate_new: float, seed: int) -> Shows:
    """Fail with another probability where engine is 5 or newer."""

    def shows(installed: Installed, run: int) -> Observation:
        chance = Random(f"{seed} {sorted(installed.items())} {run}").random()
        rate = rate_new if has(installed, engine="5") else rate_old
        return failed() if chance < rate else passed()

    return shows


@pytest.mark.simulation
@pytest.mark.parametrize(("old", "new"), [(0.0, 0.7), (0.05, 0.9)])
def test_what_carries_the_change_of_a_flaky_probe_is_found(old: float, new: float) -> None:
    right = 0
    for seed in range(20):
        lab = Lab(GARAGE, by_chance(old, new, seed))
        lab.bisect(a_plan(budget=Budget(runs=100)))
        right += bool(lab.explained) and sets(lab.explained[-1]) == [["engine 4 → 5"]]

    assert right >= 17


def weighing(seed: int, *, unit: str, noise: float = 0.03) -> Shows:
    """Half as much again of a metric where engine is 5 or newer."""

    def shows(installed: Installed, run: int) -> Observation:
        random = Random(f"{seed} {sorted(installed.items())} {run}")
        level = 1.5 if has(installed, engine="5") else 1.0
        return replace(
            passed(), metrics={"size": level * (1 + random.gauss(0, noise))}, units={"size": unit}, wall_s=1.0
        )

    return shows


class Balance(Lab):
    """A lab that measures a reference beside each sample, where it is asked to."""

    def trial(self, request: TrialRequest) -> Trial:
        trial = super().trial(request)
        spec = request.sampling.reference if request.sampling else None
        if spec is None or trial.environment is None:
            return trial
        installed = {each.name: each.version for each in self.index.resolve(spec)}
        place = request.known_runs + len(self.requests) * 1000
        beside = self.shows(installed, place).metrics
        return replace(
            trial, observations=tuple(replace(run, reference_metrics=beside) for run in trial.observations)
        )


@pytest.mark.simulation
@pytest.mark.parametrize("unit", ["B", "s"], ids=["memory", "time"])
def test_what_carries_the_change_of_a_metric_is_found(unit: str) -> None:
    right = 0
    for seed in range(10):
        lab = Balance(GARAGE, weighing(seed, unit=unit))
        lab.bisect(
            a_plan(
                criteria=Criteria(threshold_search=ThresholdSearch(metric="size")), sampling=SamplingMode()
            )
        )
        right += bool(lab.explained) and sets(lab.explained[-1]) == [["engine 4 → 5"]]

    assert right >= 9


@pytest.mark.parametrize("unit", ["B", "s"], ids=["memory", "time"])
def test_limit_and_reference_are_those_of_the_first_search(unit: str) -> None:
    lab = Balance(GARAGE, weighing(0, unit=unit))

    lab.bisect(
        a_plan(criteria=Criteria(threshold_search=ThresholdSearch(metric="size")), sampling=SamplingMode())
    )

    inside = [request for request in lab.requests if request.stage > 0]
    assert inside
    references = {request.sampling.reference for request in inside if request.sampling}
    if unit == "B":
        assert references == {None}
    else:
        assert [ref.requirements for ref in references if ref] == [("app==1",)]
    # One limit for all: no stage samples its own ends.
    sampled = [event for event in map(events.unstaged, lab.events) if isinstance(event, events.EndsSampled)]
    assert len(sampled) == 1
    # Runs on one side of it are on that side in every stage.
    for stage in lab.report.stages:
        for row in stage.rows:
            if row.verdict in ("good", "bad") and row.how is ReleaseState.RUN:
                assert (median(row.samples) > (sampled[0].above or 0.0)) is (row.verdict == "bad")

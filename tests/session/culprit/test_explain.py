"""What carries a change, in a world whose environments are computed; the probe looks at what is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import StringIO
from random import Random
from statistics import median
from typing import Any

import pytest
from packaging.version import Version
from rich.console import Console
from support.builders import (
    ASSERTION,
    IMPORT_ERROR,
    TYPE_ERROR,
    a_plan,
    broken,
    failed,
    passed,
    untestable,
)
from support.services import FakeTrials, Installed, MadeUpIndex, fake_services

from bisect_asgi.core import codec, events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unavailable, Unresolvable
from bisect_asgi.core.events import Explained, ResultKind
from bisect_asgi.core.metrics.criteria import Criteria, LimitSearch
from bisect_asgi.core.model import (
    BuiltEnvironment,
    CulpritKind,
    Observation,
    SamplingMode,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.plan.plan import LOCKS, Budget, LockText, Plan
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.core.services import RunTrial
from bisect_asgi.report import document as json_report
from bisect_asgi.report import text as text_report
from bisect_asgi.report.document import Report, fold
from bisect_asgi.session import bisect as session

Shows = Callable[[Installed, int], Observation]
"""What the probe shows in an environment, in its first, second, … run."""


class TooManyTrials(Exception):
    """It goes round in circles."""


class Lab:
    """A made-up index, trials in what it resolves to, and what was asked and told."""

    def __init__(self, index: MadeUpIndex, shows: Shows) -> None:
        self.index = index
        self.shows = shows
        self.requests: list[TrialRequest] = []
        self.events: list[events.Event] = []
        self.remembered: dict[str, Trial] = {}

    def run_trial(self, request: TrialRequest, token: CancelToken) -> Trial:
        self.requests.append(request)
        if len(self.requests) > 300:
            raise TooManyTrials
        return self.trial(request)

    def trial(self, request: TrialRequest) -> Trial:
        try:
            distributions = self.index.resolve(request.spec)
        except Unresolvable:
            return Trial(key=request.key, label=request.label, observations=(untestable(),))
        installed = {each.name: each.version for each in distributions}
        runs = range(request.known_runs, request.known_runs + request.runs)
        return Trial(
            key=request.key,
            label=request.label,
            observations=tuple(self.shows(installed, run) for run in runs),
            environment=BuiltEnvironment(
                digest=" ".join(map(str, distributions)), distributions=distributions, step="made up"
            ),
        )

    def bisect(
        self,
        plan: Plan,
        *,
        run_trial: RunTrial | None = None,
        recall: Callable[[TrialRequest], Trial | None] = lambda _: None,
    ) -> events.RunFinished:
        """Run the session and return its last event; whatever came of it can be reported."""
        trials = FakeTrials(run_trial or self.run_trial, recall=recall, requirements=self.index.requirements)
        try:
            session.bisect(plan, fake_services(index=self.index, trials=trials), self.events.append)
        finally:
            assert shown(self.report)
        last = self.events[-1]
        assert isinstance(last, events.RunFinished)
        return last

    @property
    def report(self) -> Report:
        """The report of the log, which is the same when the log comes from a file."""
        report = fold(self.events)
        assert fold(codec.event_from_json(codec.event_to_json(event)) for event in self.events) == report
        assert codec.from_json(json_report.render(report), Report) == report
        return report

    @property
    def explained(self) -> list[Explained]:
        return [event for event in self.events if isinstance(event, Explained)]

    def stage(self, over: str) -> Report:
        """The search over that axis inside the run."""
        (found,) = (stage for stage in self.report.stages if stage.plan.over == over)
        return found

    @property
    def mixed(self) -> list[str]:
        """What ran in any search inside the run, each once."""
        return list(dict.fromkeys(request.label for request in self.requests if request.stage > 0))


def shown(report: Report) -> str:
    out = StringIO()
    text_report.render(report, Console(file=out, width=200))
    return out.getvalue()


def lock_plan(old: str, new: str, **fields: Any) -> Plan:
    """A plan that compares two lock files with these pins."""
    texts = (LockText(name=name, text="\n".join(pins.split())) for name, pins in (("old", old), ("new", new)))
    return a_plan(project="", over=LOCKS, locks=tuple(texts), **fields)


def has(installed: Installed, **least: str) -> bool:
    """Tell whether all of these are installed, at that version or a newer one."""
    return all(name in installed and _at(installed, name) >= Version(least[name]) for name in least)


def _at(installed: Installed, name: str) -> Version:
    return Version(installed[name])


def fails_if(*alternatives: dict[str, str]) -> Shows:
    """Fail in environments that have all of any alternative."""
    return lambda installed, _: failed() if any(has(installed, **each) for each in alternatives) else passed()


def sets(explained: Explained) -> list[list[str]]:
    """Each set as its moves."""
    return [[str(move) for move in each.moved] for each in explained.sets]


def names(explained: Explained) -> set[frozenset[str]]:
    return {frozenset(move.name for move in each.moved) for each in explained.sets}


def numbered(name: str, versions: Iterable[int]) -> dict[str, str]:
    return {f"{name}=={number}": "" for number in versions}


APPS = {
    "app==1": "engine<3 tyres<2",
    "app==2": "engine<3 tyres<2",
    "app==3": "engine>=6 tyres<3",
    "app==4": "engine>=6 tyres<3",
}
"""The boundary of most tests is from 2 to 3: there, engine goes from 2 to 7 and tyres from 1 to 2."""
GARAGE = MadeUpIndex({**APPS, **numbered("engine", range(1, 8)), **numbered("tyres", range(1, 4))})


# --- What carries it


def test_a_dependency_that_carries_the_change_is_named_with_the_release_of_it_that_does() -> None:
    lab = Lab(GARAGE, fails_if({"engine": "5"}))

    finished = lab.bisect(a_plan())

    assert finished.kind is ResultKind.FOUND
    first, below = lab.explained
    assert (first.package, first.old, first.new) == ("app", "app 2", "app 3")
    assert first.kind is CulpritKind.DEPENDENCY
    assert sets(first) == [["engine 2 → 7"]]
    pulled_in = lab.stage("engine")
    assert [row.version for row in pulled_in.rows] == ["2", "3", "4", "5", "6", "7"]
    assert (pulled_in.last, pulled_in.first) == ("4", "5")
    assert (below.package, below.old, below.new) == ("engine", "engine 4", "engine 5")
    assert (below.kind, sets(below)) == (CulpritKind.PACKAGE, [["engine 4 → 5"]])
    assert lab.report.headline == (
        "app 3 is the first bad release, because it requires engine >=6, which brings 7; "
        "engine 5 is the first bad release of engine"
    )


def test_everything_else_stays_while_a_dependencys_releases_are_searched() -> None:
    lab = Lab(GARAGE, fails_if({"engine": "5"}))

    lab.bisect(a_plan())

    pulled_in = [row for row in lab.stage("engine").rows if row.distributions]
    assert len(pulled_in) >= 3
    others = [{d.name: d.version for d in row.distributions if d.name != "engine"} for row in pulled_in]
    assert others == [{"app": "2", "tyres": "1"}] * len(pulled_in)


def test_the_ends_of_a_dependencys_releases_are_not_run_again() -> None:
    lab = Lab(GARAGE, fails_if({"engine": "5"}))

    lab.bisect(a_plan())

    stage = lab.stage("engine").stage
    assert {request.label for request in lab.requests if request.stage == stage} & {"2", "7"} == set()


@pytest.mark.parametrize(
    ("requirement", "required"),
    [
        pytest.param("engine>=6", ">=6", id="does-not-admit-the-older-one"),
        pytest.param("engine==7", "==7", id="is-a-pin"),
        pytest.param("engine", "", id="leaves-a-choice"),
    ],
)
def test_it_is_told_what_the_package_requires_of_what_carries_the_change(
    requirement: str, required: str
) -> None:
    apps = {"app==1": "engine<3", "app==2": requirement}
    lab = Lab(MadeUpIndex({**apps, **numbered("engine", range(1, 8))}), fails_if({"engine": "5"}))

    lab.bisect(a_plan())

    (shown_set,) = lab.explained[0].sets
    assert shown_set.required == required


def test_what_another_dependency_brought_is_named_itself() -> None:
    index = MadeUpIndex(
        {
            "app==1": "engine<2",
            "app==2": "engine>=2",
            "engine==1": "pump<2",
            "engine==2": "pump<4",
            "engine==3": "pump>=4",
            **numbered("pump", range(1, 6)),
        }
    )
    lab = Lab(index, fails_if({"pump": "3"}))

    lab.bisect(a_plan())

    first, below = lab.explained
    assert sets(first) == [["pump 1 → 5"]]  # and not engine, which asks for it
    assert (below.package, sets(below)) == ("pump", [["pump 2 → 3"]])


def test_what_a_release_of_the_dependency_brought_is_found_below_it() -> None:
    index = MadeUpIndex(
        {
            "app==1": "engine<2",
            "app==2": "engine>=2",
            "engine==1": "valve<2",
            "engine==2": "valve<2",
            "engine==3": "valve<2",
            "engine==4": "valve>=2 seal",
            "engine==5": "valve>=2",
            **numbered("valve", (1, 2)),
            "seal==1": "",
        }
    )
    lab = Lab(index, fails_if({"engine": "4", "valve": "1"}))

    lab.bisect(a_plan())

    pulled_in = lab.stage("engine")
    assert (pulled_in.last, pulled_in.first) == ("3", "4")
    below = lab.explained[-1]
    assert "seal 1 (added)" in map(str, below.moves)  # engine 4 has it, and neither side of app has
    assert (below.kind, sets(below)) == (CulpritKind.PACKAGE, [["engine 3 → 4"]])


def test_the_package_itself_is_named_although_its_dependencies_moved() -> None:
    lab = Lab(GARAGE, fails_if({"app": "3"}))

    lab.bisect(a_plan())

    (only,) = lab.explained
    assert (only.kind, sets(only)) == (CulpritKind.PACKAGE, [["app 2 → 3"]])
    assert {str(move) for move in only.moves} == {"app 2 → 3", "engine 2 → 7", "tyres 1 → 2"}
    assert lab.report.headline == "app 3 is the first bad release, by itself"


def test_where_nothing_but_the_package_moved_nothing_is_tried() -> None:
    lab = Lab(GARAGE, fails_if({"app": "2"}))

    lab.bisect(a_plan())

    (only,) = lab.explained
    assert (only.kind, sets(only), only.tried_in) == (CulpritKind.PACKAGE, [["app 1 → 2"]], None)
    assert {request.stage for request in lab.requests} == {0}


def test_a_package_and_a_dependency_that_carry_it_only_together() -> None:
    lab = Lab(GARAGE, fails_if({"app": "3", "engine": "5"}))

    lab.bisect(a_plan())

    first, below = lab.explained
    assert (first.kind, sets(first)) == (CulpritKind.TOGETHER, [["app 2 → 3", "engine 2 → 7"]])
    pulled_in = lab.stage("engine")
    assert (pulled_in.last, pulled_in.first) == ("4", "5")
    assert {d.name: d.version for d in pulled_in.rows[2].distributions}[
        "app"
    ] == "3"  # it stays as it has to be
    assert sets(below) == [["engine 4 → 5"]]


def test_a_package_and_a_dependency_each_of_which_carries_it_alone() -> None:
    lab = Lab(GARAGE, fails_if({"app": "3"}, {"engine": "5"}))

    lab.bisect(a_plan())

    first = lab.explained[0]
    assert first.kind is CulpritKind.EITHER
    assert names(first) == {frozenset({"app"}), frozenset({"engine"})}
    assert first.is_all


def test_two_dependencies_each_of_which_carries_it_alone() -> None:
    lab = Lab(GARAGE, fails_if({"tyres": "2"}, {"engine": "5"}))

    lab.bisect(a_plan())

    assert lab.explained[0].kind is CulpritKind.EITHER
    assert names(lab.explained[0]) == {frozenset({"tyres"}), frozenset({"engine"})}
    assert lab.explained[0].is_all


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_two_dependencies_carry_it_alone_although_the_package_does_not_run_with_one_of_them_as_before(
    jobs: int,
) -> None:
    def shows(installed: Installed, _: int) -> Observation:
        if has(installed, app="3") and not has(installed, engine="5"):
            return failed(IMPORT_ERROR)
        return failed() if has(installed, engine="5") or has(installed, tyres="2") else passed()

    lab = Lab(GARAGE, shows)

    lab.bisect(a_plan(jobs=jobs))

    first = lab.explained[0]
    assert names(first) == {frozenset({"engine"}), frozenset({"tyres"})}
    assert not first.is_all
    assert "because of engine 7 and tyres 2, each alone" in lab.report.headline
    tried = next(stage for stage in lab.report.stages if stage.stage == first.tried_in)
    decisive = [tried.rows[key] for key in first.decisive]
    assert {row.version: row.verdict for row in decisive}["app 2 with tyres 2"] == "bad"


def test_the_package_by_itself_and_dependencies_together_are_told_apart() -> None:
    lab = Lab(GARAGE, fails_if({"app": "3"}, {"engine": "5", "tyres": "2"}))

    lab.bisect(a_plan())

    assert names(lab.explained[0]) == {frozenset({"app"}), frozenset({"engine", "tyres"})}
    assert lab.report.headline.startswith(
        "app 3 is the first bad release, by itself; also because of engine 7 and tyres 2 together"
    )


def test_a_dependency_that_is_new_and_required_at_any_version_is_not_said_to_be_required_at_one() -> None:
    made_up = MadeUpIndex({"app==1": "", "app==2": "engine", **numbered("engine", range(1, 4))})
    lab = Lab(made_up, fails_if({"engine": "3"}))

    lab.bisect(a_plan())

    assert lab.report.headline == "app 2 is the first bad release, because it brings engine 3"


def test_a_fix_is_explained_as_a_regression_is() -> None:
    lab = Lab(GARAGE, lambda installed, _: passed() if has(installed, engine="5") else failed())

    finished = lab.bisect(a_plan())

    assert finished.kind is ResultKind.FOUND
    first, below = lab.explained
    assert (first.kind, sets(first)) == (CulpritKind.DEPENDENCY, [["engine 2 → 7"]])
    assert (below.old, below.new) == ("engine 4", "engine 5")
    assert lab.report.headline.startswith(
        "app 3 is the first good release, because it requires engine >=6, which brings 7"
    )


# --- What cannot run


def test_a_package_that_does_not_run_with_the_old_dependency_leaves_no_doubt_where_the_other_mix_fails() -> (
    None
):
    def shows(installed: Installed, _: int) -> Observation:
        if has(installed, app="3") and not has(installed, engine="5"):
            return failed(IMPORT_ERROR)
        return failed() if has(installed, engine="5") else passed()

    lab = Lab(GARAGE, shows)

    lab.bisect(a_plan())

    assert (lab.explained[0].kind, sets(lab.explained[0])) == (CulpritKind.DEPENDENCY, [["engine 2 → 7"]])


def test_what_runs_only_together_is_not_said_to_carry_the_change_by_itself() -> None:
    def shows(installed: Installed, _: int) -> Observation:
        if has(installed, app="3") != has(installed, engine="5"):
            return failed(IMPORT_ERROR)
        return failed() if has(installed, app="3") else passed()

    lab = Lab(GARAGE, shows)

    finished = lab.bisect(a_plan())

    (only,) = lab.explained
    assert finished.kind is ResultKind.FOUND
    assert only.kind is CulpritKind.UNCLEAR
    assert names(only) == {frozenset({"app", "engine"})}
    assert only.sets[0].doubtful == ("app", "engine")


def added() -> MadeUpIndex:
    """The newer app brings an engine that brings a pump."""
    return MadeUpIndex(
        {
            "app==1": "engine<2",
            "app==2": "engine>=2",
            "engine==1": "",
            "engine==2": "pump",
            "pump==1": "",
        }
    )


def test_what_came_along_and_carries_nothing_is_said_to_be_needed() -> None:
    def shows(installed: Installed, _: int) -> Observation:
        if has(installed, engine="2") and "pump" not in installed:
            return failed(IMPORT_ERROR)
        return failed() if has(installed, engine="2") else passed()

    lab = Lab(added(), shows)

    lab.bisect(a_plan())

    first = lab.explained[0]
    assert (first.kind, sets(first)) == (CulpritKind.DEPENDENCY, [["engine 1 → 2"]])
    assert [str(move) for move in first.sets[0].pulled_in] == ["pump 1 (added)"]


@pytest.mark.parametrize("engine_runs_alone", [True, False], ids=["engine-runs-alone", "engine-needs-it"])
def test_what_came_along_and_carries_the_change_is_the_culprit(engine_runs_alone: bool) -> None:
    def shows(installed: Installed, _: int) -> Observation:
        if "pump" in installed:
            return failed()
        return passed() if engine_runs_alone or not has(installed, engine="2") else failed(IMPORT_ERROR)

    lab = Lab(added(), shows)

    lab.bisect(a_plan())

    first = lab.explained[0]
    assert (first.kind, sets(first)) == (CulpritKind.DEPENDENCY, [["pump 1 (added)"]])


def test_the_absence_of_what_was_dropped_can_carry_the_change() -> None:
    index = MadeUpIndex({"app==1": "pump", "app==2": "tyres", "pump==1": "", "tyres==1": ""})
    lab = Lab(index, lambda installed, _: passed() if "pump" in installed else failed())

    lab.bisect(a_plan())

    first = lab.explained[0]
    assert (first.kind, sets(first)) == (CulpritKind.DEPENDENCY, [["pump 1 (removed)"]])


# --- Two lock files


LOCKED = MadeUpIndex(
    {**numbered("alpha", (1, 2)), **numbered("beta", (1, 2)), **numbered("gamma", (1, 2)), "delta==1": ""}
)
OLD, NEW = "alpha==1 beta==1 gamma==1", "alpha==2 beta==2 gamma==2 delta==1"


def test_the_upgrade_that_breaks_a_probe_is_found_between_two_locks() -> None:
    lab = Lab(LOCKED, fails_if({"beta": "2"}))

    finished = lab.bisect(lock_plan(OLD, NEW))

    assert finished.kind is ResultKind.FOUND
    first = lab.explained[0]
    assert (first.package, first.kind, sets(first)) == (None, CulpritKind.DEPENDENCY, [["beta 1 → 2"]])
    assert lab.report.headline.startswith("new is bad, because of beta 2")


def test_two_upgrades_with_different_failures_are_both_found() -> None:
    def shows(installed: Installed, _: int) -> Observation:
        if has(installed, alpha="2"):
            return failed(ASSERTION)
        return failed(TYPE_ERROR) if has(installed, gamma="2") else passed()

    lab = Lab(LOCKED, shows)

    lab.bisect(lock_plan(OLD, NEW))

    told = [each for each in lab.explained if each.package is None]
    assert [(each.is_further, sets(each)) for each in told] == [
        (False, [["alpha 1 → 2"]]),
        (True, [["gamma 1 → 2"]]),
    ]
    assert [each.kind for each in told] == [CulpritKind.DEPENDENCY] * 2


def test_two_upgrades_with_the_same_failure_each_carry_it_alone() -> None:
    lab = Lab(LOCKED, fails_if({"alpha": "2"}, {"gamma": "2"}))

    lab.bisect(lock_plan(OLD, NEW))

    first = lab.explained[0]
    assert first.kind is CulpritKind.EITHER
    assert names(first) == {frozenset({"alpha"}), frozenset({"gamma"})}


def test_upgrades_that_break_it_only_together_are_one_set() -> None:
    lab = Lab(LOCKED, fails_if({"alpha": "2", "delta": "1"}))

    lab.bisect(lock_plan(OLD, NEW))

    first = lab.explained[0]
    assert (first.kind, names(first)) == (CulpritKind.TOGETHER, {frozenset({"alpha", "delta"})})


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
        "app 3 is the first bad release, because it requires engine >=6, which brings 7"
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
        == "40 runs did not tell whether app 2 with the dependencies of app 3 is good or bad"
    )
    assert lab.report.headline == "app 3 is the first bad release"


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


@pytest.mark.parametrize("unit", ["B", "s"], ids=["memory", "time"])
def test_what_carries_the_change_of_a_metric_is_found(unit: str) -> None:
    right = 0
    for seed in range(10):
        lab = Balance(GARAGE, weighing(seed, unit=unit))
        lab.bisect(
            a_plan(criteria=Criteria(limit_search=LimitSearch(metric="size")), sampling=SamplingMode())
        )
        right += bool(lab.explained) and sets(lab.explained[-1]) == [["engine 4 → 5"]]

    assert right >= 9


@pytest.mark.parametrize("unit", ["B", "s"], ids=["memory", "time"])
def test_limit_and_reference_are_those_of_the_first_search(unit: str) -> None:
    lab = Balance(GARAGE, weighing(0, unit=unit))

    lab.bisect(a_plan(criteria=Criteria(limit_search=LimitSearch(metric="size")), sampling=SamplingMode()))

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

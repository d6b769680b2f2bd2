"""What carries a change, in a world whose environments are computed; the probe looks at what is installed."""

from __future__ import annotations

from typing import Any

import pytest
from support.builders import (
    ASSERTION,
    IMPORT_ERROR,
    TYPE_ERROR,
    a_plan,
    failed,
    passed,
)
from support.explanations import (
    GARAGE,
    Lab,
    fails_if,
    has,
    numbered,
    sets,
)
from support.services import Installed, MadeUpIndex

from bisect_asgi.core.events import Explained, ResultKind
from bisect_asgi.core.model import (
    CulpritKind,
    Observation,
)
from bisect_asgi.core.plan import LOCKS, LockText, Plan


def lock_plan(old: str, new: str, **fields: Any) -> Plan:
    """A plan that compares two lock files with these pins."""
    texts = (LockText(name=name, text="\n".join(pins.split())) for name, pins in (("old", old), ("new", new)))
    return a_plan(project="", over=LOCKS, locks=tuple(texts), **fields)


def names(explained: Explained) -> set[frozenset[str]]:
    return {frozenset(move.name for move in each.moved) for each in explained.sets}


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
        "app broke in 3 (2020-02-01), because it requires engine >=6 and installs 7; "
        "engine broke in 5 (2020-02-01)"
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
    assert lab.report.headline == "app broke in 3 (2020-02-01), by itself"


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
        "app broke in 3 (2020-02-01), by itself; also because of engine 7 and tyres 2 together"
    )


def test_a_dependency_that_is_new_and_required_at_any_version_is_not_said_to_be_required_at_one() -> None:
    made_up = MadeUpIndex({"app==1": "", "app==2": "engine", **numbered("engine", range(1, 4))})
    lab = Lab(made_up, fails_if({"engine": "3"}))

    lab.bisect(a_plan())

    assert lab.report.headline == "app broke in 2 (2020-02-01), because it installs engine 3"


def test_a_fix_is_explained_as_a_regression_is() -> None:
    lab = Lab(GARAGE, lambda installed, _: passed() if has(installed, engine="5") else failed())

    finished = lab.bisect(a_plan())

    assert finished.kind is ResultKind.FOUND
    first, below = lab.explained
    assert (first.kind, sets(first)) == (CulpritKind.DEPENDENCY, [["engine 2 → 7"]])
    assert (below.old, below.new) == ("engine 4", "engine 5")
    assert lab.report.headline.startswith(
        "app was fixed in 3 (2020-02-01), because it requires engine >=6 and installs 7"
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

"""The axis of interpreters: those of this machine, with the same package on each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from support.builders import a_plan, day, release, target
from support.services import FakeIndex, FakeInterpreters, MadeUpIndex, fake_services

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan import AS_OF_RELEASE_GRACE, PYTHON, DependencyPolicy, Plan, PolicyKind
from bisect_asgi.core.releases.installable import TargetPython
from bisect_asgi.session.axes import pythons
from bisect_asgi.session.axes.base import SearchSpace

INDEX = MadeUpIndex({"app==1": "", "helper==1": ""}, {"app==1": "2021-01-10", "helper==1": "2021-03-10"})
FOUND = tuple(map(target, ("3.12.1", "3.8.20", "3.10.13", "3.9.1", "3.9.10")))
ALL = ["3.8.20", "3.9.1", "3.9.10", "3.10.13", "3.12.1"]


def python_plan(**fields: Any) -> Plan:
    return a_plan(**{"over": PYTHON, "pinned": SpecifierSet("==1"), **fields})


def prepare(plan: Plan, found: Sequence[TargetPython] = FOUND, index: FakeIndex = INDEX) -> SearchSpace:
    services = fake_services(index=index, interpreters=FakeInterpreters(*found))
    return pythons.AXIS.prepare(plan, services)


def test_interpreters_are_in_the_order_of_their_versions_as_numbers() -> None:
    assert list(prepare(python_plan()).labels) == ALL


def test_each_candidate_runs_on_the_interpreter_that_it_is_called_by() -> None:
    candidates = prepare(python_plan()).candidates

    assert [candidate.spec.interpreter.version for candidate in candidates] == ALL
    assert {candidate.spec.interpreter.path for candidate in candidates} == {
        u.interpreter.path for u in FOUND
    }


def test_there_is_no_one_interpreter_of_the_run() -> None:
    assert prepare(python_plan()).choice is None


def test_the_package_and_what_is_held_are_the_same_on_each() -> None:
    candidates = prepare(python_plan(held=("helper==1",), extras=("all",), overrides=("x==1",))).candidates

    assert {candidate.spec.requirements for candidate in candidates} == {("app[all]==1", "helper==1")}
    assert {candidate.spec.overrides for candidate in candidates} == {("x==1",)}
    assert {candidate.spec.held for candidate in candidates} == {("helper==1",)}


@pytest.mark.parametrize(
    ("good", "bad", "labels"),
    [
        pytest.param("3.9", "3.12", ["3.9.10", "3.10.13", "3.12.1"], id="newest-of-a-minor-version"),
        pytest.param("3.9.1", "3.10", ["3.9.1", "3.9.10", "3.10.13"], id="one-patch-release"),
        pytest.param("3.12", "3.9", ["3.9.10", "3.10.13", "3.12.1"], id="turned-round"),
        pytest.param("3.10", None, ["3.10.13", "3.12.1"], id="good-alone-looks-forward"),
        pytest.param(None, "3.9.1", ["3.8.20", "3.9.1"], id="bad-alone-looks-back"),
    ],
)
def test_the_ends_are_versions_in_any_length(good: str | None, bad: str | None, labels: list[str]) -> None:
    space = prepare(python_plan(good=good, bad=bad))

    assert list(space.labels) == labels
    for wish, place in ((good, space.expectation.good), (bad, space.expectation.bad)):
        assert (wish is None) == (place is None)
        assert wish is None or place is None or f"{space.labels[place]}.".startswith(f"{wish}.")


def test_the_probes_own_requirement_leaves_interpreters_out() -> None:
    space = prepare(python_plan(requires_python=SpecifierSet(">=3.9,<3.12")))

    assert list(space.labels) == ["3.9.1", "3.9.10", "3.10.13"]


@pytest.mark.parametrize(
    ("policy", "limit"),
    [
        pytest.param(DependencyPolicy(), day("2021-03-10") + AS_OF_RELEASE_GRACE, id="as-of-what-is-pinned"),
        pytest.param(DependencyPolicy(kind=PolicyKind.LATEST), None, id="latest"),
        pytest.param(
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=day("2021-06-01")),
            day("2021-06-01"),
            id="as-of-a-day",
        ),
    ],
)
def test_the_dependency_policy_sets_one_limit_for_all(
    policy: DependencyPolicy, limit: datetime | None
) -> None:
    space = prepare(python_plan(policy=policy, held=("helper==1",)))

    assert {candidate.spec.exclude_newer for candidate in space.candidates} == {limit}
    assert {
        exclude_newer_package.name for exclude_newer_package in space.candidates[0].spec.exclude_newer_package
    } == {"app", "helper"}


# --- What cannot be asked


@pytest.mark.parametrize(
    ("plan", "found", "message", "hint"),
    [
        pytest.param(
            python_plan(good="3.1"),
            FOUND,
            "there is no Python `3.1` on this machine (`--good`)",
            "pass one of 3.8.20, 3.9.1, 3.9.10, 3.10.13 and 3.12.1",
            id="a-version-is-no-beginning-of-another",
        ),
        pytest.param(
            python_plan(bad="3.13"),
            FOUND[:2],
            "there is no Python `3.13` on this machine (`--bad`)",
            "pass one of 3.8.20 and 3.12.1",
            id="bad-end-is-not-there",
        ),
        pytest.param(
            python_plan(),
            FOUND[:1],
            "there is only one Python to run: 3.12.1",
            "widen `--good` and `--bad`; `uv python install` gets further ones",
            id="only-one",
        ),
        pytest.param(
            python_plan(good="3.12"),
            FOUND,
            "there is only one Python to run: 3.12.1",
            "widen `--good` and `--bad`; `uv python install` gets further ones",
            id="only-one-from-the-good-end-on",
        ),
        pytest.param(
            python_plan(requires_python=SpecifierSet(">=3.13")),
            FOUND,
            "no Python on this machine satisfies the probe's `requires-python`: `>=3.13`",
            "run `bisect-asgi releases`, which shows the Python that each release requires",
            id="none-for-the-probe",
        ),
    ],
)
def test_what_cannot_be_asked_is_told_with_what_there_is(
    plan: Plan, found: Sequence[TargetPython], message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(plan, found)

    assert str(caught.value) == message
    assert caught.value.hint == hint


def test_a_policy_by_date_needs_the_date_of_the_package() -> None:
    undated = FakeIndex([release("1", project="app")])

    with pytest.raises(UsageError, match="no upload time for app 1") as caught:
        prepare(python_plan(policy=DependencyPolicy()), index=undated)

    assert caught.value.hint


def test_a_release_that_does_not_exist_is_told_before_anything_is_built() -> None:
    with pytest.raises(UsageError, match=r"app.*9") as caught:
        prepare(python_plan(pinned=SpecifierSet("==9")))

    assert caught.value.hint


@pytest.mark.parametrize(
    ("versions", "offered", "notes"),
    [
        pytest.param(("3.8.1", "3.9.1"), ("3.7.1",), (), id="none-is-lacking"),
        pytest.param(
            ("3.8.1", "3.12.1"),
            ("3.9.5", "3.11.2"),
            (
                (
                    "this machine has no Python 3.9, 3.10 and 3.11, where the change may be: "
                    "`uv python install 3.9 3.11` gets them"
                ),
            ),
            id="some-can-be-had",
        ),
        pytest.param(
            ("3.8.1", "3.10.1"),
            ("3.9.5",),
            ("this machine has no Python 3.9, where the change may be: `uv python install 3.9` gets it",),
            id="one-can-be-had",
        ),
        pytest.param(
            ("3.8.1", "3.10.1"),
            (),
            ("this machine has no Python 3.9, where the change may be",),
            id="it-cannot-be-had",
        ),
    ],
)
def test_versions_between_the_ends_that_are_not_there_are_named(
    versions: tuple[str, ...], offered: tuple[str, ...], notes: tuple[str, ...]
) -> None:
    interpreters = FakeInterpreters(*map(target, versions), downloadable=tuple(map(target, offered)))

    space = pythons.AXIS.prepare(python_plan(), fake_services(index=INDEX, interpreters=interpreters))

    assert space.notes == notes


def test_versions_that_the_probe_excludes_are_not_lacking() -> None:
    plan = python_plan(requires_python=SpecifierSet("!=3.9.*"))

    assert prepare(plan, tuple(map(target, ("3.8.1", "3.10.1")))).notes == ()


# --- A history on each of several Pythons


def each(plan: Plan, found: Sequence[TargetPython] = FOUND) -> list[tuple[str, str | None]]:
    """The versions, and what the plan of each names."""
    return [(version, own.python) for version, own in pythons.each_python(plan, FakeInterpreters(*found))]


def test_each_python_that_is_named_has_a_plan_the_oldest_first() -> None:
    assert each(a_plan(python="3.10,3.8")) == [("3.8.20", "3.8"), ("3.10.13", "3.10")]


def test_names_of_one_python_are_one_plan() -> None:
    assert each(a_plan(python="3.8,/opt/python-3.8.20/bin/python")) == [
        ("3.8.20", "/opt/python-3.8.20/bin/python")
    ]


def test_all_pythons_are_one_for_each_minor_version_that_the_probe_admits() -> None:
    plan = a_plan(python="all", requires_python=SpecifierSet(">=3.9"))

    assert each(plan) == [(version, version) for version in ("3.9.10", "3.10.13", "3.12.1")]


def test_no_python_that_the_probe_admits_is_told() -> None:
    with pytest.raises(UsageError, match="no Python on this machine satisfies the probe's `requires-python`"):
        each(a_plan(python="all", requires_python=SpecifierSet(">=3.13")))

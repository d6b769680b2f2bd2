"""The axis of a dependency's releases, while the package stays at one release."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from support.builders import a_plan, day, release, target, wheel
from support.services import FakeIndex, FakeInterpreters, MadeUpIndex, fake_services

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Distribution
from bisect_asgi.core.plan import AS_OF_RELEASE_GRACE, DEPENDENCY, DependencyPolicy, Plan, PolicyKind
from bisect_asgi.session.axes import dependency
from bisect_asgi.session.axes.base import SearchSpace

DAYS = {
    "app==5": "2021-03-01",
    "engine==1": "2021-01-01",
    "engine==2": "2021-02-01",
    "engine==3b1": "2021-02-20",
    "engine==3": "2021-04-01",
    "engine==10": "2021-05-01",
    "helper==7": "2021-03-10",
}
REQUIRES = {"app==5": "engine>=2,<4 helper"}
MADE_UP = MadeUpIndex({pin: REQUIRES.get(pin, "") for pin in DAYS}, DAYS)


def over_engine(**fields: Any) -> Plan:
    return a_plan(**{"over": DEPENDENCY, "dependency": "engine", "pinned": SpecifierSet("==5"), **fields})


def prepare(plan: Plan, **ports: Any) -> SearchSpace:
    return dependency.AXIS.prepare(plan, fake_services(**{"index": MADE_UP, **ports}))


def test_candidates_are_the_dependencys_releases() -> None:
    space = prepare(over_engine())

    assert space.labels == ("1", "2", "3", "10")
    assert [candidate.uploaded for candidate in space.candidates] == [
        day(DAYS[f"engine=={label}"]) for label in space.labels
    ]


def test_each_environment_has_that_release_and_the_package_whatever_that_says_of_it() -> None:
    # app 5 admits engine 2 and 3 only.
    for candidate in prepare(over_engine()).candidates:
        installed = {str(each) for each in MADE_UP.resolve(candidate.spec)}

        assert {"app==5", f"engine=={candidate.label}"} <= installed
        assert candidate.spec.must_install == Distribution(name="engine", version=candidate.label)


def test_the_package_is_held_with_its_extras_and_beside_what_the_user_holds() -> None:
    space = prepare(over_engine(extras=("all",), held=("helper==7",), overrides=("x==1",)))

    for candidate in space.candidates:
        assert candidate.spec.held == ("app[all]==5", "helper==7")
        assert set(candidate.spec.held) < set(candidate.spec.requirements)
        assert candidate.spec.overrides == (f"engine=={candidate.label}", "x==1")
        assert {
            exclude_newer_package.name for exclude_newer_package in candidate.spec.exclude_newer_package
        } == {"engine", "app", "helper"}


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        pytest.param({"good": "2", "bad": "3"}, ("2", "3"), id="both-ends"),
        pytest.param({"good": "10", "bad": "2"}, ("2", "3", "10"), id="turned-round"),
        pytest.param({"bad": "3"}, ("1", "2", "3"), id="bad-alone"),
        pytest.param({"releases": SpecifierSet("<10")}, ("1", "2", "3"), id="limited"),
        pytest.param({"pre": True}, ("1", "2", "3b1", "3", "10"), id="pre-releases"),
        pytest.param({"good": "3b1"}, ("3b1", "3", "10"), id="named-pre-release"),
    ],
)
def test_the_usual_switches_say_which_releases(fields: dict[str, Any], labels: tuple[str, ...]) -> None:
    assert prepare(over_engine(**fields)).labels == labels


def test_what_is_left_out_is_told() -> None:
    assert [out.version for out in prepare(over_engine()).excluded] == ["3b1"]


@pytest.mark.parametrize(("good", "gallops"), [(None, True), ("1", False)])
def test_without_a_good_end_the_search_goes_back_from_the_newest(good: str | None, gallops: bool) -> None:
    assert prepare(over_engine(good=good)).gallop is gallops


GRACE = AS_OF_RELEASE_GRACE


@pytest.mark.parametrize(
    ("policy", "limits"),
    [
        pytest.param(
            DependencyPolicy(),
            [day("2021-03-01") + GRACE] * 2 + [day("2021-04-01") + GRACE, day("2021-05-01") + GRACE],
            id="as-of-release-and-never-before-the-package",
        ),
        pytest.param(DependencyPolicy(kind=PolicyKind.LATEST), [None] * 4, id="latest"),
        pytest.param(
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=day("2021-06-01")),
            [day("2021-06-01")] * 4,
            id="as-of-a-day",
        ),
    ],
)
def test_the_dependency_policy_sets_the_limit(
    policy: DependencyPolicy, limits: list[datetime | None]
) -> None:
    space = prepare(over_engine(policy=policy))

    assert [candidate.spec.exclude_newer for candidate in space.candidates] == limits


def test_the_interpreter_also_installs_the_package() -> None:
    releases = [
        release("5", wheel(requires_python=">=3.10"), uploaded="2021-03-01", project="app"),
        release("1", uploaded="2021-01-01", project="engine"),
        release("2", uploaded="2021-02-01", project="engine"),
    ]

    space = prepare(
        over_engine(),
        index=FakeIndex(releases),
        interpreters=FakeInterpreters(target("3.8.20"), target("3.12.1")),
    )

    assert {candidate.spec.interpreter.version for candidate in space.candidates} == {"3.12.1"}


# --- What cannot be asked


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        pytest.param(over_engine(good="4"), "there is no release `4` of engine (`--good`)", id="no-such-end"),
        pytest.param(
            over_engine(dependency="kite"), "there is no package `kite` on the index", id="no-such-dependency"
        ),
        pytest.param(
            over_engine(good="10"), "there is only one release of `engine` to search", id="one-left"
        ),
    ],
)
def test_what_cannot_be_asked_is_told_with_a_way_out(plan: Plan, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(plan)

    assert str(caught.value).startswith(message)
    assert caught.value.hint


@pytest.mark.parametrize("undated", ["app", "engine"])
def test_a_policy_by_date_needs_the_dates_of_both(undated: str) -> None:
    releases = [
        release(version, uploaded=None if name == undated else "2021-01-01", project=name)
        for name, version in (("app", "5"), ("engine", "1"), ("engine", "2"))
    ]

    with pytest.raises(UsageError, match=f"no upload time for {undated} ") as caught:
        prepare(over_engine(policy=DependencyPolicy()), index=FakeIndex(releases))

    assert caught.value.hint


def test_a_held_release_that_does_not_exist_is_told_before_anything_is_built() -> None:
    with pytest.raises(UsageError, match=r"app.*9") as caught:
        prepare(over_engine(pinned=SpecifierSet("==9")))

    assert caught.value.hint

"""Options become a plan, or a message that says what is wrong with them."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from packaging.specifiers import SpecifierSet
from support.builders import make_plan, probe

from bisect_asgi.core.metrics.criteria import Criteria, Threshold, ThresholdSearch
from bisect_asgi.core.model import SamplingMode, Served
from bisect_asgi.core.plan import (
    COMMITS,
    DATE,
    DEPENDENCY,
    PYTHON,
    RELEASES,
    Budget,
    Claim,
    DependencyPolicy,
    Plan,
    PolicyKind,
)
from bisect_asgi.core.plan.axis_traits import AxisTraits
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.parsing import parse_package, parse_project
from bisect_asgi.core.plan.planning import parse_policy
from bisect_asgi.core.plan.tables import ProbeMetadata
from bisect_asgi.core.records import replace


def test_what_the_user_does_not_say_has_a_default() -> None:
    plan = make_plan(Options(package="fastapi"), probe(), ProbeMetadata())

    assert plan == Plan(
        project="fastapi",
        extras=(),
        probe=probe(),
        probe_path="",
        good=None,
        bad=None,
        releases=SpecifierSet(),
        pre=False,
        yanked=False,
        by_upload=False,
        held=(),
        policy=DependencyPolicy(kind=PolicyKind.AS_OF_RELEASE),
        python=None,
        requires_python=SpecifierSet(),
        criteria=Criteria(any_failure=False, match=None),
        jobs=len(os.sched_getaffinity(0)),
        most_jobs=5 * len(os.sched_getaffinity(0)),
        confirm=None,
        confidence=0.99,
        budget=Budget(runs=400, seconds=None),
        sampling=None,
        fresh=False,
        term_old="good",
        term_new="bad",
    )


def test_everything_that_the_user_says_is_in_the_plan() -> None:
    options = Options(
        package="Fast_API[standard,all]",
        good="0.69",
        bad="0.70.0",
        releases=">=0.60,<0.110",
        pre=True,
        yanked=True,
        order="upload",
        with_=("uvicorn==0.17.6",),
        deps="latest",
        python="3.8",
        match="exhausted",
        jobs=1,
        confirm=0,
        confidence=0.95,
        budget="1 h",
        fresh=True,
        term_old="fast",
        term_new="slow",
    )

    plan = make_plan(options, probe(), ProbeMetadata(requires_python=">=3.8"), probe_path="probes/leak.py")

    assert plan == Plan(
        project="fast-api",
        extras=("all", "standard"),
        probe=probe(),
        probe_path="probes/leak.py",
        good="0.69",
        bad="0.70.0",
        releases=SpecifierSet(">=0.60,<0.110"),
        pre=True,
        yanked=True,
        by_upload=True,
        held=("uvicorn==0.17.6",),
        policy=DependencyPolicy(kind=PolicyKind.LATEST),
        python="3.8",
        requires_python=SpecifierSet(">=3.8"),
        criteria=Criteria(match="exhausted"),
        jobs=1,
        confirm=0,
        confidence=0.95,
        budget=Budget(runs=None, seconds=3600.0),
        fresh=True,
        term_old="fast",
        term_new="slow",
    )


@pytest.mark.parametrize(
    ("python", "planned", "has_several"),
    [
        pytest.param(None, None, False, id="none"),
        pytest.param("3.8", "3.8", False, id="one"),
        pytest.param("/opt/python3.8", "/opt/python3.8", False, id="path"),
        pytest.param("3.8, 3.10 ,3.8", "3.8,3.10", True, id="several"),
        pytest.param("3.8,3.8", "3.8", False, id="one-twice"),
        pytest.param("all", "all", True, id="all"),
    ],
)
def test_a_plan_may_name_several_pythons(python: str | None, planned: str | None, has_several: bool) -> None:
    plan = make_plan(Options(package="fastapi", python=python), probe(), ProbeMetadata())

    assert (plan.python, plan.has_several_pythons) == (planned, has_several)


def test_what_is_measured_says_how_runs_are_made() -> None:
    plan = make_plan(Options(package="fastapi", metric="wall", bad_above="15%"), probe(), ProbeMetadata())

    assert plan.criteria == Criteria(threshold_search=ThresholdSearch(metric="wall", above=0.15))
    assert plan.sampling == SamplingMode(needs_warm_up=True)


def test_an_order_by_version_is_not_one_by_upload() -> None:
    plan = make_plan(Options(package="fastapi", order="version"), probe(), ProbeMetadata())

    assert not plan.by_upload


@pytest.mark.parametrize(
    ("package", "requirement"),
    [
        pytest.param("fastapi", "fastapi==0.69.0", id="plain"),
        pytest.param("FastAPI[standard, all]", "fastapi[all,standard]==0.69.0", id="extras"),
    ],
)
def test_a_candidate_is_written_as_a_requirement(package: str, requirement: str) -> None:
    plan = make_plan(Options(package=package), probe(), ProbeMetadata())

    assert plan.requirement("0.69.0") == requirement


@pytest.mark.parametrize(
    ("said", "of_probe", "held"),
    [
        pytest.param((), ("anyio<4", "h11"), ("anyio<4", "h11"), id="the-probes"),
        pytest.param(("uvicorn==0.17.6",), (), ("uvicorn==0.17.6",), id="the-command-lines"),
        pytest.param(
            ("uvicorn==0.17.6",),
            ("Uvicorn>=0.20", "h11"),
            ("h11", "uvicorn==0.17.6"),
            id="the-command-line-replaces-the-probes",
        ),
        pytest.param((), ("FastAPI>=0.60", "h11"), ("h11",), id="the-package-itself-moves"),
    ],
)
def test_requirements_are_held_as_the_command_line_or_else_the_probe_says(
    said: tuple[str, ...], of_probe: tuple[str, ...], held: tuple[str, ...]
) -> None:
    plan = make_plan(Options(package="fastapi", with_=said), probe(), ProbeMetadata(dependencies=of_probe))

    assert plan.held == held


def test_a_package_can_be_named_with_one_release() -> None:
    requirement = parse_package("fastapi[all]==0.69.0")

    assert (requirement.name, requirement.extras, str(requirement.specifier)) == (
        "fastapi",
        {"all"},
        "==0.69.0",
    )


END_OF_DAY = datetime(2022, 1, 10, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "policy", "shown"),
    [
        pytest.param(
            "as-of-release",
            DependencyPolicy(kind=PolicyKind.AS_OF_RELEASE),
            "as-of-release",
            id="as-of-release",
        ),
        pytest.param("latest", DependencyPolicy(kind=PolicyKind.LATEST), "latest", id="latest"),
        pytest.param(
            "as-of 2022-01-10",
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=END_OF_DAY),
            "as-of 2022-01-10",
            id="as-of-a-day",
        ),
        pytest.param(
            "as-of 2022-01-10T12:00",
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=datetime(2022, 1, 10, 12, tzinfo=UTC)),
            "as-of 2022-01-10T12:00",
            id="as-of-a-time-of-day",
        ),
        pytest.param(
            "as-of 2022-01-10 12:00:30+02:00",
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=datetime(2022, 1, 10, 10, 0, 30, tzinfo=UTC)),
            "as-of 2022-01-10T10:00:30",
            id="as-of-a-time-elsewhere",
        ),
        pytest.param(
            "  as-of   2022-01-10 ",
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=END_OF_DAY),
            "as-of 2022-01-10",
            id="blanks",
        ),
        pytest.param(
            "as-of 9999-12-31",
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
            "as-of 9999-12-31",
            id="the-last-day",
        ),
    ],
)
def test_a_policy_is_read_and_shown_in_the_same_words(
    text: str, policy: DependencyPolicy, shown: str
) -> None:
    parsed = parse_policy(text)

    assert parsed == policy
    assert str(parsed) == shown


@pytest.mark.parametrize("text", ["Flask_SQLAlchemy", "flask.sqlalchemy", "flask-sqlalchemy[async]==3.1"])
def test_a_project_is_named_in_any_spelling(text: str) -> None:
    assert parse_project(text) == "flask-sqlalchemy"


ONE = "fastapi[all]==0.69.0"


@pytest.mark.parametrize(
    ("options", "over", "pinned", "base"),
    [
        pytest.param(Options(package="fastapi"), RELEASES, "", "fastapi", id="releases"),
        pytest.param(Options(package="fastapi", over="releases"), RELEASES, "", "fastapi", id="as-said"),
        pytest.param(Options(package="fastapi", over="commits"), COMMITS, "", "fastapi", id="commits"),
        pytest.param(Options(package="fastapi", over="date"), DATE, "", "fastapi", id="date"),
        pytest.param(
            Options(package="fastapi>=0.60", over="date"), DATE, ">=0.60", "fastapi>=0.60", id="date-in-range"
        ),
        pytest.param(Options(package=ONE, over="python"), PYTHON, "==0.69.0", ONE, id="python"),
        pytest.param(Options(package=ONE, over="Starlette"), DEPENDENCY, "==0.69.0", ONE, id="a-dependency"),
    ],
)
def test_what_moves_is_named_and_the_package_is_held_unless_it_moves(
    options: Options, over: str, pinned: str, base: str
) -> None:
    plan = make_plan(options, probe(), ProbeMetadata())

    assert (plan.over, plan.pinned, plan.base) == (over, SpecifierSet(pinned), base)
    assert plan.dependency == ("starlette" if over == DEPENDENCY else "")


@pytest.mark.parametrize(
    ("package", "dependencies", "base"),
    [
        pytest.param("fastapi", ("h11", "Fast-API", "FastAPI==0.69.0"), "fastapi==0.69.0", id="the-probes"),
        pytest.param(
            "fastapi==0.70.0", ("fastapi==0.69.0",), "fastapi==0.70.0", id="the-command-line-wins-over-it"
        ),
    ],
)
def test_a_probe_can_name_the_release_to_hold_while_something_else_moves(
    package: str, dependencies: tuple[str, ...], base: str
) -> None:
    metadata = ProbeMetadata(dependencies=dependencies)

    plan = make_plan(Options(package=package, over="starlette"), probe(), metadata)

    assert plan.base == base


def test_a_release_that_the_probe_names_is_no_limit_to_releases_that_move() -> None:
    plan = make_plan(Options(package="fastapi"), probe(), ProbeMetadata(dependencies=("fastapi==0.69.0",)))

    assert (plan.pinned, plan.releases, plan.held) == (SpecifierSet(), SpecifierSet(), ())


def test_one_identical_version_can_be_held() -> None:
    plan = make_plan(Options(package="fastapi", with_=("uvicorn===0.17.6",)), probe(), ProbeMetadata())

    assert plan.held == ("uvicorn===0.17.6",)


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        pytest.param(Options(package="fastapi"), None, id="none"),
        pytest.param(
            Options(package="fastapi", metric="growth", bad_above=8e6),
            Threshold(metric="growth", above=8e6),
            id="above",
        ),
        pytest.param(
            Options(package="fastapi", bad_below=0.0), Threshold(metric="value", below=0.0), id="below-nought"
        ),
    ],
)
def test_what_is_measured_has_one_limit(options: Options, limit: Threshold | None) -> None:
    assert make_plan(options, probe(), ProbeMetadata()).criteria.threshold == limit


@pytest.mark.parametrize(
    ("options", "claim"),
    [
        pytest.param(Options(package="fastapi"), None, id="none"),
        pytest.param(
            Options(package="fastapi", fixed_in="v0.70", source="notes"),
            Claim(version="0.70", fixed=True, source="notes"),
            id="fixed",
        ),
        pytest.param(
            Options(package="fastapi", broken_in="0.69"),
            Claim(version="0.69", fixed=False, source=""),
            id="broken",
        ),
    ],
)
def test_a_claim_is_about_one_version(options: Options, claim: Claim | None) -> None:
    assert make_plan(options, probe(), ProbeMetadata()).claim == claim


def test_a_served_app_has_a_server_held_beside_it() -> None:
    served = replace(probe(), served=Served(file="leak.py"))

    plan = make_plan(Options(package="fastapi"), served, ProbeMetadata())

    assert plan.held == ("uvicorn",)


def test_what_moves_is_not_held_although_the_probe_requires_it() -> None:
    metadata = ProbeMetadata(dependencies=("starlette<1", "fastapi==0.69.0", "h11"))

    plan = make_plan(Options(package="fastapi", over="starlette"), probe(), metadata)

    assert plan.held == ("h11",)


def test_a_server_that_moves_is_not_held() -> None:
    served = replace(probe(), served=Served(file="leak.py"))

    plan = make_plan(Options(package="fastapi==0.69.0", over="uvicorn"), served, ProbeMetadata())

    assert plan.held == ()


@pytest.mark.parametrize(
    ("over", "good", "bad", "ends"),
    [
        pytest.param("releases", "v0.69", "0.70.0", ("0.69", "0.70.0"), id="releases"),
        pytest.param("starlette", "0.14.2", "0.15.0RC1", ("0.14.2", "0.15.0rc1"), id="a-dependency"),
        pytest.param("python", "3.8", None, ("3.8", None), id="pythons"),
        pytest.param("commits", "v0.69^", "HEAD", ("v0.69^", "HEAD"), id="commits-as-git-takes-them"),
        pytest.param("date", None, "2022-01-10", (None, "2022-01-10T23:59:59+00:00"), id="a-day"),
        pytest.param("date", "2022-01-10T12:00", None, ("2022-01-10T12:00:00+00:00", None), id="a-moment"),
    ],
)
def test_the_ends_are_in_the_words_of_what_moves(
    over: str, good: str | None, bad: str | None, ends: tuple[str | None, str | None]
) -> None:
    package = ONE if over == "starlette" else "fastapi"

    plan = make_plan(Options(package=package, over=over, good=good, bad=bad), probe(), ProbeMetadata())

    assert (plan.good, plan.bad) == ends


@pytest.mark.parametrize(
    ("options", "repository", "first_parent", "drill"),
    [
        pytest.param(Options(package="fastapi"), None, True, False, id="not-said"),
        pytest.param(
            Options(package="fastapi", over="commits", repo="../fastapi", first_parent=True),
            "../fastapi",
            True,
            False,
            id="commits",
        ),
        pytest.param(
            Options(package="fastapi", over="commits", first_parent=False),
            None,
            False,
            False,
            id="every-commit",
        ),
        pytest.param(
            Options(package="fastapi", repo="https://example.org/fastapi.git", drill=True),
            "https://example.org/fastapi.git",
            True,
            True,
            id="drill",
        ),
    ],
)
def test_where_the_commits_are_and_which_count(
    options: Options, repository: str | None, first_parent: bool, drill: bool
) -> None:
    plan = make_plan(options, probe(), ProbeMetadata())

    assert (plan.repository, plan.first_parent, plan.drill) == (repository, first_parent, drill)


@pytest.mark.parametrize(
    ("said", "wanted"), [(None, True), (True, True), (False, False)], ids=["not-said", "yes", "no"]
)
def test_the_culprit_is_looked_for_unless_the_user_says_no(said: bool | None, wanted: bool) -> None:
    plan = make_plan(Options(package="fastapi", culprit=said), probe(), ProbeMetadata())

    assert plan.culprit is wanted


def test_overrides_are_in_the_plan_and_in_the_options_of_a_check() -> None:
    options = Options(package="fastapi", override=("anyio<4", "typing-extensions >= 4"), with_=("h11==0.9",))

    plan = make_plan(options, probe(), ProbeMetadata(), probe_path="leak.py")

    assert plan.overrides == ("anyio<4", "typing-extensions>=4")
    assert plan.check_options() == (
        *("--probe", "leak.py", "--with", "h11==0.9"),
        *("--override", "'anyio<4'", "--override", "'typing-extensions>=4'"),
    )


def test_two_ends_that_are_both_the_latest_release_are_the_same() -> None:
    assert AxisTraits().is_same_end("latest", "latest")
    assert not AxisTraits().is_same_end("latest", "1.0")

"""The axis of commits, with real git on small repositories."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from packaging.version import InvalidVersion, Version
from support.builders import a_plan, day, release, target, wheel
from support.local_repository import BARE_CONFIGURATION, BEGINNING, LocalRepository
from support.services import FakeIndex, FakeInterpreters, FakeRepositories, fake_services

from bisect_asgi.backend.repository import Repository
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Release
from bisect_asgi.core.plan import AS_OF_RELEASE_GRACE, COMMITS, DependencyPolicy, Plan, PolicyKind
from bisect_asgi.core.services import Services
from bisect_asgi.session.axes import commits
from bisect_asgi.session.axes.base import SearchSpace

RELEASES = (
    release("1.0", wheel(requires_python="<3.9"), uploaded="2021-01-01", project="app"),
    release("2.0", wheel(requires_python="<3.11"), uploaded="2021-02-01", project="app"),
    release("3.0", wheel(requires_python=">=3.12"), uploaded="2023-12-01", project="app"),
    release("7", uploaded="2021-03-01", project="helper"),
)
PYTHONS = tuple(map(target, ("3.8.20", "3.10.2", "3.12.1")))


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRepository:
    for name, value in BARE_CONFIGURATION.items():
        monkeypatch.setenv(name, value)
    return LocalRepository(tmp_path / "work")


@pytest.fixture
def line(local: LocalRepository) -> LocalRepository:
    """Five commits; the second is 1.0, the fourth 2.0."""
    for subject, *tags in (["zero"], ["one", "v1.0"], ["two"], ["three", "app-2.0", "odd"], ["four"]):
        local.commit(subject, *tags)
    return local


def commit_plan(local: LocalRepository, good: str | None, bad: str | None = None, **fields: Any) -> Plan:
    return a_plan(over=COMMITS, repository=str(local.folder), good=good, bad=bad, **fields)


def git_services(releases: tuple[Release, ...] = RELEASES) -> Services:
    return fake_services(
        index=FakeIndex(releases),
        interpreters=FakeInterpreters(*PYTHONS),
        repositories=FakeRepositories(
            lambda where: Repository.open(where, Path(where).parent / "cache", CancelToken())
        ),
    )


def prepare(plan: Plan, releases: tuple[Release, ...] = RELEASES) -> SearchSpace:
    return commits.AXIS.prepare(plan, git_services(releases))


def subjects(space: SearchSpace) -> list[str]:
    return [label.split(" ", 1)[1] for label in space.labels]


# --- What is shown of the commit at the boundary


def test_the_commit_at_the_boundary_is_shown(line: LocalRepository) -> None:
    candidate = prepare(commit_plan(line, "1.0", "2.0")).candidates[1]

    shown = commits.AXIS.shown(candidate, git_services())

    assert shown is not None
    assert (shown.sha[:10], shown.subject) == (candidate.label[:10], "two")


def test_a_repository_that_is_gone_leaves_the_boundary_as_it_is(line: LocalRepository) -> None:
    candidate = prepare(commit_plan(line, "1.0", "2.0")).candidates[1]
    line.folder.rename(line.folder.with_name("elsewhere"))

    assert commits.AXIS.shown(candidate, git_services()) is None


# --- Which commits


@pytest.mark.parametrize(
    ("good", "bad", "found"),
    [
        pytest.param("1.0", "2.0", ["one", "two", "three"], id="versions"),
        pytest.param("1", "2.0.0", ["one", "two", "three"], id="versions-in-other-spellings"),
        pytest.param("v1.0", "odd", ["one", "two", "three"], id="tags"),
        pytest.param("1.0", "HEAD", ["one", "two", "three", "four"], id="a-ref"),
        pytest.param("1.0", "HEAD~2", ["one", "two"], id="an-expression-of-gits"),
        pytest.param("1.0", "main", ["one", "two", "three", "four"], id="a-branch"),
        pytest.param("1.0", None, ["one", "two", "three", "four"], id="no-bad-end-is-the-head"),
    ],
)
def test_ends_are_releases_or_what_git_understands(
    line: LocalRepository, good: str, bad: str | None, found: list[str]
) -> None:
    assert subjects(prepare(commit_plan(line, good, bad))) == found


def test_an_end_may_be_the_id_of_a_commit(line: LocalRepository) -> None:
    whole = line.git("rev-parse", "HEAD~1")

    assert subjects(prepare(commit_plan(line, "1.0", whole))) == ["one", "two", "three"]


def test_a_candidate_is_built_from_the_commit_that_its_label_names(line: LocalRepository) -> None:
    shas = line.git("log", "--reverse", "--format=%H", "v1.0~..odd").splitlines()

    candidates = prepare(commit_plan(line, "1.0", "2.0")).candidates

    built = [candidate.spec.commit for candidate in candidates]
    assert [commit.sha for commit in built if commit] == shas
    assert [commit.project for commit in built if commit] == ["app"] * 3
    assert [candidate.label[:10] for candidate in candidates] == [sha[:10] for sha in shas]
    assert [candidate.uploaded for candidate in candidates] == [
        BEGINNING + timedelta(days=n) for n in (1, 2, 3)
    ]


def test_the_package_is_asked_for_by_name_and_no_release_of_it(line: LocalRepository) -> None:
    plan = commit_plan(line, "1.0", "2.0", extras=("all",), held=("helper==7",), overrides=("x==1",))

    specs = [candidate.spec for candidate in prepare(plan).candidates]

    assert {spec.requirements for spec in specs} == {("app[all]", "helper==7")}
    assert {spec.overrides for spec in specs} == {("x==1",)}
    assert {spec.held for spec in specs} == {("helper==7",)}
    assert {spec.held_exclude_newer for spec in specs} == {day("2021-03-01") + AS_OF_RELEASE_GRACE}
    assert {exclude_newer_package.name for exclude_newer_package in specs[0].exclude_newer_package} == {
        "helper"
    }


@pytest.mark.parametrize(
    ("policy", "days"),
    [
        pytest.param(DependencyPolicy(), [1, 2, 3], id="as-of-release-is-as-of-the-commit"),
        pytest.param(DependencyPolicy(kind=PolicyKind.LATEST), [], id="latest"),
    ],
)
def test_the_dependency_policy_goes_by_when_the_commit_was_made(
    line: LocalRepository, policy: DependencyPolicy, days: list[int]
) -> None:
    candidates = prepare(commit_plan(line, "1.0", "2.0", policy=policy)).candidates

    limits = [candidate.spec.exclude_newer for candidate in candidates]
    expected = [BEGINNING + timedelta(days=n) + AS_OF_RELEASE_GRACE for n in days]
    assert limits == (expected or [None] * 3)


def test_what_was_merged_counts_as_one_with_its_merge(local: LocalRepository) -> None:
    local.commit("one", "v1.0")
    local.git("switch", "--quiet", "--create", "topic")
    local.commit("topic one")
    local.commit("topic two")
    local.git("switch", "--quiet", "main")
    local.commit("two")
    local.merge("topic", "merge topic")
    local.commit("three", "v2.0")

    assert subjects(prepare(commit_plan(local, "1.0", "2.0"))) == ["one", "two", "merge topic", "three"]


def test_an_end_on_a_branch_of_its_own_is_said_to_be_one(local: LocalRepository) -> None:
    local.commit("zero")
    local.git("switch", "--quiet", "--create", "release-1")
    local.commit("release one", "v1.0")
    local.git("switch", "--quiet", "main")
    local.commit("one")
    local.commit("two", "v2.0")

    space = prepare(commit_plan(local, "1.0", "2.0"))

    assert subjects(space) == ["zero", "one", "two"]
    (note,) = space.notes
    assert "`v1.0`" in note


def test_without_branches_there_is_nothing_to_note(line: LocalRepository) -> None:
    assert prepare(commit_plan(line, "1.0", "2.0")).notes == ()


# --- Which end is which


def test_the_good_end_comes_first_where_it_is_older(line: LocalRepository) -> None:
    space = prepare(commit_plan(line, "1.0", "2.0"))

    assert (space.expectation.good, space.expectation.bad) == (0, 2)


def test_the_order_of_commits_is_historys_whichever_end_is_good(line: LocalRepository) -> None:
    space = prepare(commit_plan(line, "2.0", "1.0"))

    assert subjects(space) == ["one", "two", "three"]
    assert (space.expectation.good, space.expectation.bad) == (2, 0)


def test_the_head_is_not_said_to_be_bad_where_nobody_said_so(line: LocalRepository) -> None:
    space = prepare(commit_plan(line, "1.0"))

    assert (space.expectation.good, space.expectation.bad) == (0, None)


def test_clocks_that_went_wrong_do_not_change_which_end_is_older(local: LocalRepository) -> None:
    local.commit("one", "v1.0")
    local.now -= timedelta(days=300)
    local.commit("two")
    local.commit("three", "v2.0")

    space = prepare(commit_plan(local, "1.0", "2.0"))

    assert subjects(space) == ["one", "two", "three"]
    assert (space.expectation.good, space.expectation.bad) == (0, 2)


def test_an_abbreviated_id_that_looks_like_a_version_is_a_commit_all_the_same(local: LocalRepository) -> None:
    # About one abbreviation of seven digits in eleven is a version, such as `1234567` or `12a3456`.
    short = next(
        sha[:7] for number in range(200) if _is_version((sha := local.commit(f"number {number}"))[:7])
    )
    local.commit("the last one")

    space = prepare(commit_plan(local, short, "HEAD"))

    assert subjects(space)[-1] == "the last one"
    assert space.labels[0].startswith(short)


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


# --- The interpreter


def test_the_interpreter_suits_the_releases_at_the_ends(line: LocalRepository) -> None:
    space = prepare(commit_plan(line, "1.0", "2.0"))

    assert space.choice is not None
    # 2.0 is installed by 3.8 and 3.10, and 1.0 by 3.8 alone; 3.0 is not between them.
    assert space.choice.interpreter.version == "3.8.20"
    assert {candidate.spec.interpreter for candidate in space.candidates} == {space.choice.interpreter}


def test_where_no_end_is_a_release_the_interpreter_suits_the_newest_ones(line: LocalRepository) -> None:
    space = prepare(commit_plan(line, "HEAD~3", "HEAD"), RELEASES[2:])

    assert space.choice is not None
    assert space.choice.interpreter.version == "3.12.1"


# --- What cannot be asked


@pytest.mark.parametrize(
    ("good", "bad", "value"),
    [
        pytest.param("1.5", "2.0", "1.5 (`--good`)", id="a-release-without-a-tag"),
        pytest.param("1.0", "3.0", "3.0 (`--bad`)", id="a-bad-release-without-a-tag"),
        pytest.param("1.0", "nowhere", "`nowhere`", id="no-such-ref"),
        pytest.param("1.0", "v1.0", "`1.0` and `v1.0` are the same commit", id="the-same-commit"),
    ],
)
def test_ends_that_are_not_there_are_told_with_a_way_out(
    line: LocalRepository, good: str, bad: str, value: str
) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(commit_plan(line, good, bad))

    assert value in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("plan", "missing"),
    [
        pytest.param(a_plan(over=COMMITS, good="1.0"), "`--repo PATH|URL`", id="no-repository"),
        pytest.param(a_plan(over=COMMITS, repository="."), "`--good`", id="no-good-end"),
    ],
)
def test_what_is_missing_is_told_with_the_whole_command(plan: Plan, missing: str) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(plan)

    assert str(caught.value) == f"`--over commits` needs {missing}"
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("`bisect-asgi app --over commits --repo PATH --good VERSION")


def test_two_lines_of_history_without_a_common_commit_are_told_apart(line: LocalRepository) -> None:
    line.git("switch", "--quiet", "--orphan", "other")
    line.commit("another beginning", "v3.0")

    with pytest.raises(UsageError, match="share no history") as caught:
        prepare(commit_plan(line, "1.0", "3.0"))

    assert caught.value.hint

"""What every axis promises: ordered candidates, one thing that moves, named ends, errors that help."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from support.builders import a_plan, failed, passed, target, untestable
from support.local_repository import BARE_CONFIGURATION, LocalRepository
from support.services import FakeInterpreters, FakeRepositories, FakeTrials, MadeUpIndex, fake_services, never

from bisect_asgi import session
from bisect_asgi.backend.repository import Repository
from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import EnvironmentSpec, Observation, Trial, TrialRequest
from bisect_asgi.core.plan import (
    COMMITS,
    DATE,
    DEPENDENCY,
    LOCKS,
    PYTHON,
    RELEASES,
    DependencyPolicy,
    LockText,
    Plan,
    PolicyKind,
)
from bisect_asgi.core.records import fields, replace
from bisect_asgi.core.services import RunTrial, Services
from bisect_asgi.session.axes import AXES, axis_of
from bisect_asgi.session.axes.base import SearchSpace

DAYS = {
    "app==1": "2021-01-10",
    "app==2": "2021-02-10",
    "app==10": "2021-03-10",
    "engine==1": "2021-01-05",
    "engine==2": "2021-02-20",
    "engine==9": "2021-03-20",
    "engine==10": "2021-04-20",
}
INDEX = MadeUpIndex({pin: "engine" if pin.startswith("app") else "" for pin in DAYS}, DAYS)
PYTHONS = tuple(map(target, ("3.12.1", "3.8.20", "3.10.13")))


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one axis makes of a plan that names the older end as good and the newer one as bad."""

    plan: Plan
    labels: tuple[str, ...]
    """Of all candidates, the oldest first."""
    moves: frozenset[str]
    """The field of the spec that varies, and what says the same thing again."""
    refused: Plan
    """A plan that cannot be served."""
    value: str
    """What the error says of that plan."""


def of_releases(_: Path) -> Line:
    plan = a_plan(good="1", bad="10")
    return Line(
        plan=plan,
        labels=("1", "2", "10"),
        moves=frozenset({"requirements", "must_install"}),
        refused=replace(plan, good="7"),
        value="`7`",
    )


def of_a_dependency(_: Path) -> Line:
    plan = a_plan(over=DEPENDENCY, dependency="engine", pinned=SpecifierSet("==2"), good="1", bad="10")
    return Line(
        plan=plan,
        labels=("1", "2", "9", "10"),
        moves=frozenset({"requirements", "overrides", "must_install"}),
        refused=replace(plan, bad="11"),
        value="`11`",
    )


def of_dates(_: Path) -> Line:
    ends = {"good": "2021-02-15T23:59:59+00:00", "bad": "2021-04-30T23:59:59+00:00"}
    plan = a_plan(over=DATE, pinned=SpecifierSet("==2"), **ends)
    return Line(
        plan=plan,
        labels=(
            "2021-02-15",
            "2021-02-20 00:00:01 engine 2",
            "2021-03-20 00:00:01 engine 9",
            "2021-04-20 00:00:01 engine 10",
        ),
        moves=frozenset({"exclude_newer"}),
        refused=replace(plan, bad="2999-01-01T00:00:00+00:00"),
        value="2999-01-01",
    )


def of_pythons(_: Path) -> Line:
    plan = a_plan(over=PYTHON, pinned=SpecifierSet("==2"), good="3.8", bad="3.12")
    return Line(
        plan=plan,
        labels=("3.8.20", "3.10.13", "3.12.1"),
        moves=frozenset({"interpreter"}),
        refused=replace(plan, good="3.7"),
        value="`3.7`",
    )


def of_locks(_: Path) -> Line:
    old, new = LockText(name="a.txt", text="app==1\nengine==2"), LockText(name="b.txt", text="app==10")
    plan = a_plan(project="", over=LOCKS, locks=(old, new))
    return Line(
        plan=plan,
        labels=("a.txt", "b.txt"),
        moves=frozenset({"requirements", "overrides", "exclude_newer_package"}),
        refused=replace(plan, locks=(old, replace(old, name="c.txt"))),
        value="`c.txt`",
    )


def of_commits(folder: Path) -> Line:
    local = LocalRepository(folder / "work")
    shas = [local.commit(subject, *tags) for subject, tags in (("one", ["v1"]), ("two", ()), ("one", ["v2"]))]
    plan = a_plan(over=COMMITS, repository=str(local.folder), good="1", bad="2")
    return Line(
        plan=plan,
        labels=tuple(
            f"{sha[:10]} {subject}" for sha, subject in zip(shas, ("one", "two", "one"), strict=True)
        ),
        moves=frozenset({"commit"}),
        refused=replace(plan, good="1.5"),
        value="1.5",
    )


LINES = {
    RELEASES: of_releases,
    DEPENDENCY: of_a_dependency,
    DATE: of_dates,
    PYTHON: of_pythons,
    LOCKS: of_locks,
    COMMITS: of_commits,
}


@pytest.fixture(params=LINES, ids=str)
def line(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    for name, value in BARE_CONFIGURATION.items():
        monkeypatch.setenv(name, value)
    return LINES[request.param](tmp_path)


def services(run: RunTrial = never) -> Services:
    return fake_services(
        index=INDEX,
        interpreters=FakeInterpreters(*PYTHONS),
        repositories=FakeRepositories(
            lambda where: Repository.open(where, Path(where).parent / "cache", CancelToken())
        ),
        trials=FakeTrials(run, resolve=INDEX.resolve),
    )


def prepare(plan: Plan) -> SearchSpace:
    return axis_of(plan).prepare(plan, services())


def turned_round(plan: Plan) -> Plan:
    return replace(plan, good=plan.bad, bad=plan.good)


def test_every_axis_is_held_to_its_promises() -> None:
    assert AXES.keys() == LINES.keys()


def test_candidates_are_ordered_oldest_first(line: Line) -> None:
    assert prepare(line.plan).labels == line.labels


def test_labels_are_unique(line: Line) -> None:
    labels = prepare(line.plan).labels

    assert len(set(labels)) == len(labels)


def test_one_field_of_the_spec_varies(line: Line) -> None:
    specs = [candidate.spec for candidate in prepare(line.plan).candidates]

    varying = {
        field.name for field in fields(EnvironmentSpec) if len({getattr(s, field.name) for s in specs}) > 1
    }

    assert varying == line.moves
    assert len(set(specs)) == len(specs)


def test_the_same_plan_gives_the_same_candidates(line: Line) -> None:
    assert prepare(line.plan) == prepare(line.plan)


def test_the_ends_are_what_the_user_says_of_them(line: Line) -> None:
    space = prepare(line.plan)

    assert (space.expectation.good, space.expectation.bad) == (0, len(line.labels) - 1)


@pytest.mark.parametrize(
    "line", sorted(LINES.keys() - {LOCKS}), indirect=True
)  # their order says which is good
def test_the_good_end_may_be_the_newer_one(line: Line) -> None:
    space = prepare(turned_round(line.plan))

    assert space.labels == line.labels
    assert (space.expectation.good, space.expectation.bad) == (len(line.labels) - 1, 0)


def test_the_named_ends_are_verified_before_anything_else(line: Line) -> None:
    asked: list[str] = []
    told: list[events.Event] = []

    def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
        asked.append(request.label)
        seen = failed() if request.label == line.labels[-1] else passed()
        return Trial(key=request.key, label=request.label, observations=(seen,) * request.runs)

    kind = session.bisect(line.plan, services(run_trial), told.append)

    assert set(asked[:2]) == {line.labels[0], line.labels[-1]}
    assert kind is ResultKind.FOUND
    assert isinstance(told[-1], events.RunFinished)
    assert told[-1].boundary is not None
    assert told[-1].boundary.high == len(line.labels) - 1


def test_an_end_that_is_not_what_the_user_says_is_no_boundary(line: Line) -> None:
    def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
        return Trial(key=request.key, label=request.label, observations=(failed(),) * request.runs)

    told: list[events.Event] = []

    kind = session.bisect(line.plan, services(run_trial), told.append)

    assert kind is ResultKind.GOOD_END_FAILS
    assert isinstance(told[-1], events.RunFinished)
    assert line.labels[0] in told[-1].message


def test_a_plan_that_cannot_be_served_is_an_error_with_its_value_and_a_way_out(line: Line) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(line.refused)

    assert line.value in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("plan", "subject", "noun", "context"),
    [
        pytest.param(a_plan(), "app", "release", "", id="releases"),
        pytest.param(
            a_plan(over=DEPENDENCY, dependency="engine", pinned=SpecifierSet("==2")),
            "engine",
            "release",
            "with app==2",
            id="dependency",
        ),
        pytest.param(a_plan(over=DATE, pinned=SpecifierSet("==2")), "", "upload", "with app==2", id="date"),
        pytest.param(
            a_plan(over=PYTHON, pinned=SpecifierSet("==2"), extras=("all",)),
            "Python",
            "interpreter",
            "with app[all]==2",
            id="python",
        ),
        pytest.param(a_plan(over=COMMITS), "app", "commit", "", id="commits"),
        pytest.param(a_plan(over=LOCKS, project=""), "", "lock", "", id="locks"),
    ],
)
def test_candidates_are_spoken_of_in_the_words_of_their_axis(
    plan: Plan, subject: str, noun: str, context: str
) -> None:
    words = axis_of(plan).words_of(plan)

    assert (words.subject, words.noun, words.context) == (subject, noun, context)


LATER_HINT = "pass another `--bad`, `--python` or `--deps`"
LOCKS_HINT = "pass the lock file that works first, or another `--python`"
HINTS = {
    RELEASES: (
        "pass another release with `--good`, or drop `--good` to search backward",
        LATER_HINT,
        "pass another release with `--bad`, another `--python`, or another `--deps`",
    ),
    DATE: (
        "pass another upload with `--good`, or drop `--good` to search backward",
        "pass another `--bad` or `--python`",
        "pass another upload with `--bad`, or another `--python`",
    ),
    PYTHON: (
        "pass another interpreter with `--good`, or drop `--good` to search backward",
        "pass another `--bad` or `--deps`",
        "pass another interpreter with `--bad`, or another `--deps`",
    ),
    COMMITS: (
        "pass another commit with `--good`",
        LATER_HINT,
        "pass another commit with `--bad`, another `--python`, or another `--deps`",
    ),
    LOCKS: (
        LOCKS_HINT,
        LOCKS_HINT,
        "pass another `--python`, or add with `--with` what the lock files lack",
    ),
}
HINTS[DEPENDENCY] = HINTS[RELEASES]


def hint_where(line: Line, good: Observation, bad: Observation) -> str | None:
    """Bisect with one observation for the good end, and another one for all others; return the hint."""
    told: list[events.Event] = []

    def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
        seen = good if request.label == line.labels[0] else bad
        return Trial(key=request.key, label=request.label, observations=(seen,) * request.runs)

    session.bisect(line.plan, services(run_trial), told.append)
    assert isinstance(told[-1], events.RunFinished)
    return told[-1].hint


def test_the_hint_about_a_wrong_end_names_only_what_the_axis_takes(line: Line) -> None:
    hints = (
        hint_where(line, failed(), failed()),
        hint_where(line, passed(), passed()),
        hint_where(line, passed(), untestable()),
    )

    assert hints == HINTS[line.plan.over]


AS_OF_RELEASE = DependencyPolicy()
AS_OF = DependencyPolicy(kind=PolicyKind.AS_OF, moment=datetime(2022, 1, 10, 23, 59, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("plan", "others"),
    [
        pytest.param(a_plan(), ("latest dependencies",), id="latest"),
        pytest.param(a_plan(policy=AS_OF), ("dependencies as of 2022-01-10",), id="as-of"),
        pytest.param(
            a_plan(policy=AS_OF_RELEASE, held=("h11==0.9", "anyio")),
            ("dependencies as of each release's upload", "held: h11==0.9", "required everywhere: anyio"),
            id="releases",
        ),
        pytest.param(
            a_plan(over=COMMITS, policy=AS_OF_RELEASE), ("dependencies as of each commit",), id="commits"
        ),
        pytest.param(
            a_plan(over=PYTHON, policy=AS_OF_RELEASE, pinned=SpecifierSet("==2")),
            ("dependencies as of the package's upload",),
            id="python",
        ),
        pytest.param(
            a_plan(over=PYTHON, policy=AS_OF_RELEASE), ("latest dependencies",), id="python-of-any-release"
        ),
        pytest.param(
            a_plan(over=DATE, held=("h11<1", "anyio")), ("required everywhere: h11<1 and anyio",), id="date"
        ),
        pytest.param(a_plan(over=LOCKS, project="", held=("h11",)), (), id="locks"),
    ],
)
def test_reports_tell_which_versions_the_other_packages_have(plan: Plan, others: tuple[str, ...]) -> None:
    assert axis_of(plan).words_of(plan).others == others


def test_only_an_axis_that_looks_at_projects_can_look_at_more() -> None:
    plan = a_plan()

    assert prepare(plan).projects is None
    with pytest.raises(NotImplementedError):
        axis_of(plan).widen(plan, services(), frozenset({"engine"}))

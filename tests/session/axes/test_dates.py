"""The axis of dates: the moments at which something was uploaded that the environment has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from support.builders import a_plan, day, failed, file, passed, release, target, wheel
from support.services import FakeIndex, FakeInterpreters, FakeTrials, MadeUpIndex, fake_services

from bisect_asgi import session
from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unavailable, Unresolvable, UsageError
from bisect_asgi.core.model import (
    BuiltEnvironment,
    Distribution,
    EnvironmentSpec,
    Release,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.plan import AS_OF_RELEASE_GRACE, DATE, Plan
from bisect_asgi.core.records import replace
from bisect_asgi.report.folding import fold
from bisect_asgi.session.axes import dates
from bisect_asgi.session.axes.base import SearchSpace

reproducible = settings(derandomize=True, deadline=None, max_examples=60)

DAYS = {
    "app==1": "2021-01-10",
    "app==2": "2021-03-15",
    "engine==1": "2021-01-05",
    "engine==2": "2021-03-01",
    "engine==3": "2021-05-01",
    "valve==1": "2021-01-01",
    "valve==2": "2021-04-01",
    "valve==3": "2021-06-01",
    "kite==1": "2021-01-01",
    "kite==2": "2021-04-15",
}
REQUIRES = {"app==1": "engine", "app==2": "engine", "engine==2": "valve"}
MADE_UP = MadeUpIndex({pin: REQUIRES.get(pin, "") for pin in DAYS}, DAYS)


def end_of(text: str) -> str:
    """A day as a plan has it: its last second."""
    return (day(text) + timedelta(days=1, seconds=-1)).isoformat()


def date_plan(good: str | None = "2021-02-01", bad: str | None = "2021-07-01", **fields: Any) -> Plan:
    ends = {"good": good and end_of(good), "bad": bad and end_of(bad)}
    return a_plan(**{"over": DATE, "pinned": SpecifierSet("==1"), **ends, **fields})


Resolve = Callable[[EnvironmentSpec], Sequence[Distribution]]


def prepare(plan: Plan, index: FakeIndex = MADE_UP, resolve: Resolve = MADE_UP.resolve) -> SearchSpace:
    return dates.AXIS.prepare(plan, fake_services(index=index, trials=FakeTrials(resolve=resolve)))


def uploads(space: SearchSpace) -> list[str]:
    """What was uploaded, after the moment that begins the range."""
    return [label.split(" ", 2)[2] for label in space.labels[1:]]


def test_candidates_are_the_uploads_of_what_the_environment_has_at_any_time() -> None:
    # valve is there while engine 2 is the newest; nothing ever requires kite.
    assert uploads(prepare(date_plan())) == ["engine 2", "valve 2", "engine 3", "valve 3"]


def test_the_first_candidate_is_the_older_end_itself() -> None:
    first = prepare(date_plan()).candidates[0]

    assert first.label == "2021-02-01"
    assert first.spec.exclude_newer == datetime.fromisoformat(end_of("2021-02-01"))


def test_a_candidate_has_what_its_label_says_and_the_one_before_has_not() -> None:
    space = prepare(date_plan(bad="2021-05-31"))
    installed = [{str(d) for d in MADE_UP.resolve(candidate.spec)} for candidate in space.candidates]

    said = [what.replace(" ", "==") for what in uploads(space)]

    assert said == ["engine==2", "valve==2", "engine==3"]
    for before, after, pin in zip(installed, installed[1:], said, strict=False):
        assert pin in after - before


def test_what_cannot_be_resolved_as_of_a_moment_is_not_resolved_as_of_today() -> None:
    assert all(candidate.spec.is_date_binding for candidate in prepare(date_plan()).candidates)


def test_the_package_stays_although_it_was_released_again() -> None:
    space = prepare(date_plan())

    assert {candidate.spec.requirements for candidate in space.candidates} == {("app==1",)}
    assert not any("app 2" in label for label in space.labels)


def test_a_package_that_is_not_pinned_moves_with_time() -> None:
    space = prepare(date_plan(pinned=SpecifierSet()))

    assert "app 2" in uploads(space)


def test_what_the_user_holds_beside_the_package_stays_too() -> None:
    space = prepare(date_plan(held=("engine==2",)))

    assert uploads(space) == ["valve 2", "valve 3"]
    assert all(candidate.spec.held == ("engine==2",) for candidate in space.candidates)
    assert {
        exclude_newer_package.name for exclude_newer_package in space.candidates[0].spec.exclude_newer_package
    } == {"app", "engine"}


@pytest.mark.parametrize(
    ("good", "bad", "labels"),
    [
        pytest.param("2021-02-28", "2021-03-31", ["engine 2"], id="between-both"),
        pytest.param("2021-03-31", "2021-04-30", ["valve 2"], id="another-stretch"),
        pytest.param("2021-02-28", "2021-03-01", ["engine 2"], id="uploaded-on-the-last-day"),
    ],
)
def test_only_uploads_between_the_ends_are_looked_at(good: str, bad: str, labels: list[str]) -> None:
    assert uploads(prepare(date_plan(good, bad))) == labels


def test_an_upload_at_the_very_moment_of_the_older_end_is_in_it_and_one_at_the_newer_end_is_looked_at() -> (
    None
):
    plan = replace(date_plan(), good=day("2021-03-01").isoformat(), bad=day("2021-05-01").isoformat())

    assert uploads(prepare(plan)) == ["valve 2", "engine 3"]


def test_an_end_before_the_other_is_the_older_one_whatever_the_user_says_of_it() -> None:
    space = prepare(date_plan("2021-07-01", "2021-02-01"))

    last = len(space.candidates) - 1
    assert (space.expectation.good, space.expectation.bad) == (last, 0)
    assert space.labels == prepare(date_plan()).labels


def test_without_a_good_day_the_range_begins_where_the_package_could_be_installed() -> None:
    space = prepare(date_plan(None))

    assert space.candidates[0].spec.exclude_newer == day("2021-01-10") + AS_OF_RELEASE_GRACE
    assert space.expectation.good is None
    assert space.expectation.bad == len(space.candidates) - 1
    assert space.gallop


def test_without_a_bad_day_the_range_ends_now() -> None:
    soon = (datetime.now(UTC) + timedelta(hours=3)).replace(tzinfo=None).isoformat()
    future = [*MADE_UP.listed, release("4", uploaded=soon, project="engine")]

    space = prepare(date_plan(bad=None), index=FakeIndex(future))

    assert uploads(space)[-1] == "engine 3"
    assert (space.expectation.good, space.expectation.bad) == (0, None)
    assert not space.gallop


# --- When a release is there


def test_a_release_is_there_once_the_interpreter_has_a_wheel_of_it() -> None:
    late = Release(
        project="engine",
        version="4",
        uploaded=day("2021-05-10"),
        files=(
            replace(file("engine-4.tar.gz"), uploaded=day("2021-05-10")),
            replace(wheel(tag="cp312-cp312-any"), uploaded=day("2021-05-11")),
            replace(wheel(), uploaded=day("2021-05-12")),
        ),
    )

    space = prepare(date_plan(), index=FakeIndex([*MADE_UP.listed, late]))

    assert "2021-05-12 00:00:01 engine 4" in space.labels


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        pytest.param({}, [], id="left-out"),
        pytest.param({"pre": True}, ["engine 4b1"], id="pre"),
        pytest.param({"yanked": True}, ["engine 4"], id="yanked"),
    ],
)
def test_pre_releases_and_yanked_ones_are_left_out_unless_they_are_asked_for(
    fields: dict[str, bool], labels: list[str]
) -> None:
    moment = day("2021-05-20")
    yanked = replace(wheel(), yanked="loses data", uploaded=moment)
    more = [
        release("4b1", uploaded="2021-05-15", project="engine"),
        Release(project="engine", version="4", uploaded=moment, files=(yanked,)),
    ]

    space = prepare(date_plan(**fields), index=FakeIndex([*MADE_UP.listed, *more]))

    assert [label for label in uploads(space) if label.startswith("engine 4")] == labels


def test_what_the_interpreter_cannot_install_is_no_candidate() -> None:
    newer = release(
        "4", replace(wheel(requires_python=">=3.12"), uploaded=day("2021-05-15")), project="engine"
    )

    space = prepare(date_plan(), index=FakeIndex([*MADE_UP.listed, newer]))

    assert "engine 4" not in uploads(space)


def test_the_limit_includes_an_upload_within_a_second() -> None:
    moment = day("2021-05-10").replace(microsecond=700_000)
    exact = release("4", replace(wheel(), uploaded=moment), project="engine")
    made_up = FakeIndex([*MADE_UP.listed, exact])

    space = prepare(date_plan(), index=made_up)

    (limit,) = (c.spec.exclude_newer for c in space.candidates if c.label.endswith("engine 4"))
    assert limit is not None
    assert limit.microsecond == 0  # uv's limit is in whole seconds
    assert moment < limit


def test_a_moment_at_which_nothing_can_be_resolved_is_passed_over() -> None:
    def resolve(spec: EnvironmentSpec) -> tuple[Distribution, ...]:
        if spec.exclude_newer and spec.exclude_newer < day("2021-04-20"):
            raise Unresolvable("the requirements conflict")
        return MADE_UP.resolve(spec)

    assert uploads(prepare(date_plan(), resolve=resolve)) == ["engine 2", "engine 3"]


def test_what_the_user_overrides_is_so_at_every_moment() -> None:
    space = prepare(date_plan(overrides=("engine==2",)))

    assert all(candidate.spec.overrides == ("engine==2",) for candidate in space.candidates)


# --- What cannot be asked


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        pytest.param(
            date_plan(bad="2999-01-01"), "`--bad 2999-01-01` is in the future", id="newer-end-in-the-future"
        ),
        pytest.param(
            date_plan(good="2999-01-01"), "`--good 2999-01-01` is in the future", id="good-end-in-the-future"
        ),
        pytest.param(
            date_plan(None, pinned=SpecifierSet()), "`app` gives no day to begin at", id="nowhere-to-begin"
        ),
        pytest.param(
            date_plan(pinned=SpecifierSet("==9")),
            "no release of `app` satisfies `app==9`",
            id="no-such-release",
        ),
        pytest.param(
            date_plan("2021-02-01", "2021-02-02"),
            "nothing that `app==1` needs was uploaded between 2021-02-01 and 2021-02-02",
            id="nothing-happened",
        ),
    ],
)
def test_what_cannot_be_asked_is_told_with_a_way_out(plan: Plan, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(plan)

    assert str(caught.value) == message
    assert caught.value.hint


def test_an_index_that_does_not_answer_is_not_a_quiet_day() -> None:
    def down(_: str) -> Sequence[Release]:
        raise Unavailable("the index did not answer")

    with pytest.raises(Unavailable):
        prepare(date_plan(), index=FakeIndex(down))


# --- The whole run


class Run:
    """A bisection over dates whose probe fails in environments with any of these pins."""

    def __init__(self, *bad: str) -> None:
        self.bad = set(bad)
        self.asked: list[str] = []
        self.events: list[events.Event] = []

    def run_trial(self, request: TrialRequest, token: CancelToken) -> Trial:
        self.asked.append(request.label)
        found = MADE_UP.resolve(request.spec)
        seen = failed() if self.bad & set(map(str, found)) else passed()
        environment = BuiltEnvironment(digest=str(found), distributions=found, step="made up")
        return Trial(
            key=request.key, label=request.label, observations=(seen,) * request.runs, environment=environment
        )

    def bisect(self, plan: Plan) -> tuple[str | None, str | None]:
        trials = FakeTrials(self.run_trial, resolve=MADE_UP.resolve)
        session.bisect(plan, fake_services(index=MADE_UP, trials=trials), self.events.append)
        report = fold(self.events)
        return report.last, report.first

    @property
    def lists(self) -> list[set[str]]:
        return [
            {candidate.version for candidate in event.candidates}
            for event in self.events
            if isinstance(event, events.CandidatesListed)
        ]


def test_the_upload_at_which_the_answer_changes_is_found() -> None:
    run = Run("engine==3")

    last, first = run.bisect(date_plan(bad="2021-05-31"))

    assert (last, first) == ("2021-04-01 00:00:01 valve 2", "2021-05-01 00:00:01 engine 3")
    assert len(run.lists) == 1


def test_what_only_a_run_shows_to_be_there_is_looked_at_as_well() -> None:
    # At the moments that are looked at first, years apart, there is no valve; engine 2 has it for two months.
    run = Run("valve==2", "engine==3")

    _, first = run.bisect(replace(date_plan(), bad=end_of("2025-12-31")))

    assert first == "2021-04-01 00:00:01 valve 2"
    before, after = run.lists
    assert before < after
    assert {label.rsplit(" ", 2)[-2] for label in after - before} == {"valve"}


MOMENTS = st.lists(st.integers(min_value=1, max_value=180), min_size=1, max_size=8, unique=True)


def test_the_interpreter_is_the_one_that_gets_the_newest_of_both_moments() -> None:
    asked: list[tuple[str, datetime | None]] = []

    def wheels(spec: EnvironmentSpec) -> list[Distribution]:
        asked.append((spec.interpreter.short, spec.exclude_newer))
        return [Distribution(name="engine", version="1" if spec.interpreter.short == "3.9" else "2")]

    services = fake_services(
        index=MADE_UP,
        interpreters=FakeInterpreters(target("3.8.20"), target("3.9.18"), target("3.10.13")),
        trials=FakeTrials(resolve=MADE_UP.resolve, wheels=wheels),
    )

    plan = date_plan()
    space = dates.AXIS.prepare(plan, services)

    assert space.choice is not None
    assert space.choice.interpreter.short == "3.8"
    ends = [datetime.fromisoformat(end) for end in (plan.good, plan.bad) if end]
    assert set(asked) == {(python, end) for python in ("3.8", "3.9") for end in ends}


@reproducible
@given(MOMENTS)
def test_moments_are_in_order_however_versions_are(days_after: list[int]) -> None:
    begun = day("2021-02-01")
    dated = [
        release(f"{version}", uploaded=(begun + timedelta(days=days)).date().isoformat(), project="engine")
        for version, days in enumerate(days_after, start=10)
    ]
    releases = [release("1", uploaded="2021-01-01", project="app"), *dated]

    space = prepare(
        replace(date_plan(bad="2021-09-01"), good=begun.isoformat()),
        index=FakeIndex(releases),
        resolve=lambda _: (Distribution(name="engine", version="10"),),
    )

    limits = [candidate.spec.exclude_newer for candidate in space.candidates]
    assert limits == sorted(limits, key=lambda limit: limit or begun)
    assert len(limits) == len(days_after) + 1

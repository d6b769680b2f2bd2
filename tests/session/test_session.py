"""One bisection from the plan to the answer, in a world whose index, interpreters and trials are made up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from packaging.version import Version
from support.builders import (
    ALL,
    ASSERTION,
    AUTO,
    IMPORT_ERROR,
    broken,
    failed,
    passed,
    release,
    untestable,
)
from support.sessions import (
    TWELVE,
    FakeWorld,
    a_plan,
    always,
    broke_in,
    fixed_in,
)

from bisect_asgi import session
from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unavailable, UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import (
    Confinement,
    Observation,
    Outcome,
    Phase,
    Release,
    SandboxLevel,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.records import replace
from bisect_asgi.session.axes import releases as release_axis


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(a_plan(), id="neither-end"),
        pytest.param(a_plan(good="0.2"), id="good-alone"),
        pytest.param(a_plan(bad="0.11"), id="bad-alone"),
        pytest.param(a_plan(good="0.1", bad="0.12"), id="both-ends"),
        pytest.param(a_plan(good="0.6", bad="0.7"), id="ends-are-neighbours"),
        pytest.param(a_plan(within=">=0.4,<0.10"), id="limited-range"),
    ],
)
def test_a_regression_is_found(plan: Plan) -> None:
    fake = FakeWorld(broke_in("0.7"))

    finished = fake.bisect(plan)

    assert finished.kind is ResultKind.FOUND
    assert fake.boundary() == ("0.6", "0.7")


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(a_plan(), id="neither-end"),
        pytest.param(a_plan(good="0.12", bad="0.1"), id="good-newer-than-bad"),
        pytest.param(a_plan(good="0.7", bad="0.6"), id="ends-are-neighbours"),
    ],
)
def test_a_fix_is_found(plan: Plan) -> None:
    fake = FakeWorld(fixed_in("0.7"))

    finished = fake.bisect(plan)

    assert finished.kind is ResultKind.FOUND
    assert fake.boundary() == ("0.6", "0.7")
    judged = [event for event in fake.events if isinstance(event, events.RulingsChanged)][-1]
    assert judged.new_is is Outcome.PASSED


@pytest.mark.parametrize(
    ("plan", "listed"),
    [
        pytest.param(a_plan(good="0.3", bad="0.9"), ["0.3", "0.9"], id="both"),
        pytest.param(a_plan(good="0.9", bad="0.3"), ["0.3", "0.9"], id="both-turned-round"),
        pytest.param(a_plan(good="0.3"), ["0.3", "0.12"], id="good-alone-looks-forward"),
        pytest.param(a_plan(bad="0.9"), ["0.1", "0.9"], id="bad-alone-looks-back"),
        pytest.param(a_plan(within=">0.2,<=0.8"), ["0.3", "0.8"], id="specifiers"),
    ],
)
def test_the_range_lies_between_what_the_user_named(plan: Plan, listed: list[str]) -> None:
    fake = FakeWorld(broke_in("0.7"))

    space = release_axis.AXIS.prepare(plan, fake.services())

    labels = [candidate.label for candidate in space.candidates]
    assert [labels[0], labels[-1]] == listed


def test_without_ends_a_recent_change_is_found_without_looking_at_old_releases() -> None:
    fake = FakeWorld(broke_in("0.12"))

    fake.bisect(a_plan())

    assert set(fake.runs) == {"0.11", "0.12"}


def test_a_history_that_is_not_monotonic_beside_the_boundary_is_mapped() -> None:
    # Broken in 0.3, mended in 0.5, broken again from 0.8 on; the middle of the inferred stretch is looked at.
    bad = {Version(f"0.{minor}") for minor in (3, 4, 8, 9, 10, 11, 12)}
    fake = FakeWorld(lambda version, _: failed() if version in bad else passed())

    fake.bisect(a_plan(good="0.1", bad="0.12", history=AUTO))

    finished = fake.events[-1]
    assert isinstance(finished, events.RunFinished)
    places = [(change.low, change.high) for change in finished.changes]
    assert places == [(1, 2), (3, 4), (6, 7)]


def test_all_changes_are_found_where_one_was_hidden_in_a_single_release() -> None:
    fake = FakeWorld(lambda version, _: failed() if version == Version("0.5") else passed())

    fake.bisect(a_plan(history=ALL))

    finished = fake.events[-1]
    assert isinstance(finished, events.RunFinished)
    assert [(change.low, change.high) for change in finished.changes] == [(3, 4), (4, 5)]
    assert finished.shortest == 1


def test_both_sides_of_the_boundary_are_run_once_more_and_no_others() -> None:
    fake = FakeWorld(broke_in("0.7"))

    fake.bisect(a_plan(good="0.1", bad="0.12"))

    assert {label for label, runs in fake.runs.items() if runs > 1} == {"0.6", "0.7"}
    assert fake.runs["0.6"] == fake.runs["0.7"] == 2


@pytest.mark.parametrize("confirm", [0, 4])
def test_the_user_says_how_often_both_sides_are_confirmed(confirm: int) -> None:
    fake = FakeWorld(broke_in("0.7"))

    fake.bisect(a_plan(confirm=confirm))

    assert fake.runs["0.6"] == fake.runs["0.7"] == 1 + confirm


def test_both_ends_are_verified_before_anything_else() -> None:
    fake = FakeWorld(broke_in("0.7"))

    fake.bisect(a_plan(good="0.1", bad="0.12"))

    assert {request.label for request in fake.requests[:2]} == {"0.1", "0.12"}


# How often an end that is not what it should be is run: a run takes no time in this world.
END_RUNS = [pytest.param(0, "1 of 1 run", id="no-confirmation"), (1, "2 of 2 runs"), (None, "6 of 6 runs")]


@pytest.mark.parametrize(("confirm", "runs"), END_RUNS)
def test_a_good_end_that_fails_again_and_again_stops_the_search(confirm: int | None, runs: str) -> None:
    fake = FakeWorld(broke_in("0.1"))

    finished = fake.bisect(a_plan(good="0.2", bad="0.12", confirm=confirm))

    assert finished.kind is ResultKind.GOOD_END_FAILS
    assert finished.message == (
        f"the good end fails: `leak.py` failed on fastapi 0.2 ({runs}): AssertionError: expected 200, got 500"
    )
    assert set(fake.runs) <= {"0.2", "0.12"}


@pytest.mark.parametrize(("confirm", "runs"), END_RUNS)
def test_a_bad_end_that_passes_again_and_again_stops_the_search(confirm: int | None, runs: str) -> None:
    fake = FakeWorld(broke_in("0.12"))

    finished = fake.bisect(a_plan(good="0.2", bad="0.9", confirm=confirm))

    assert finished.kind is ResultKind.NOT_REPRODUCED
    assert finished.message == f"the bad end passes: `leak.py` succeeded on fastapi 0.9 ({runs})"
    assert set(fake.runs) <= {"0.2", "0.9"}


@pytest.mark.parametrize(
    ("shown", "does"),
    [pytest.param(passed(), "passes", id="passes"), pytest.param(failed(), "fails", id="fails")],
)
def test_a_probe_that_answers_the_same_everywhere_is_not_reproduced(shown: Observation, does: str) -> None:
    fake = FakeWorld(always(shown))

    finished = fake.bisect(a_plan())

    assert finished.kind is ResultKind.NOT_REPRODUCED
    assert finished.message == (
        f"`leak.py` {does} on every release of fastapi that was run, from 0.1 to 0.12"
    )
    assert finished.boundary is None


def test_untestable_releases_at_the_boundary_make_the_answer_inconclusive() -> None:
    def behaviour(version: Version, _: int) -> Observation:
        if version in (Version("0.6"), Version("0.7")):
            return untestable()
        return failed() if version > Version("0.7") else passed()

    fake = FakeWorld(behaviour)

    finished = fake.bisect(a_plan())

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert fake.boundary() == ("0.5", "0.8")
    assert [fake.listed[key] for key in finished.boundary.skipped] == ["0.6", "0.7"]


def test_a_boundary_that_does_not_hold_when_it_is_run_again_is_not_the_answer() -> None:
    def behaviour(version: Version, run: int) -> Observation:
        if version == Version("0.7"):
            return failed() if run == 0 else passed()
        return broke_in("0.8")(version, run)

    fake = FakeWorld(behaviour)

    finished = fake.bisect(a_plan())

    assert finished.kind is ResultKind.FOUND
    assert fake.boundary() == ("0.7", "0.8")
    believed = [event for event in fake.events if isinstance(event, events.BeliefUpdated)][-1]
    assert fake.listed[believed.high] == "0.8"
    assert believed.probability >= believed.confidence == 0.99


def test_old_releases_that_fail_for_another_reason_are_no_part_of_the_bug() -> None:
    def behaviour(version: Version, _: int) -> Observation:
        if version < Version("0.5"):
            return failed(IMPORT_ERROR)
        return failed(ASSERTION) if version >= Version("0.9") else passed()

    fake = FakeWorld(behaviour)

    finished = fake.bisect(a_plan())

    assert finished.kind is ResultKind.FOUND
    assert fake.boundary() == ("0.8", "0.9")


def test_releases_beside_the_boundary_are_run_to_see_whether_it_is_the_only_change() -> None:
    fake = FakeWorld(broke_in("0.7"))

    finished = fake.bisect(a_plan(history=AUTO))

    assert {"0.5", "0.8"} <= set(fake.runs)
    assert finished.kind is ResultKind.FOUND
    assert fake.boundary() == ("0.6", "0.7")


class TooManyTrials(Exception):
    """The session goes round in circles."""


def test_a_confirmation_that_cannot_be_made_ends_the_run_as_unavailable() -> None:
    fake = FakeWorld(lambda version, run: broken() if run else broke_in("0.7")(version, run))

    def at_most_fifty(request: TrialRequest, token: CancelToken) -> Trial:
        if len(fake.requests) > 50:
            raise TooManyTrials
        return fake.run_trial(request, token)

    kind = session.bisect(a_plan(), fake.services(run_trial=at_most_fifty), fake.events.append)

    assert kind is ResultKind.UNAVAILABLE
    assert "no space left on device" in fake.finished.message


def test_a_broken_release_between_both_sides_leaves_the_answer_open() -> None:
    def behaviour(version: Version, run: int) -> Observation:
        return broken() if version == Version("0.7") else broke_in("0.8")(version, run)

    fake = FakeWorld(behaviour)

    finished = fake.bisect(a_plan(good="0.1", bad="0.12"))

    assert finished.kind is ResultKind.UNAVAILABLE
    assert finished.message == "no result for fastapi 0.7: no space left on device"


@pytest.mark.parametrize(
    ("level", "phase", "hint"),
    [
        pytest.param(
            SandboxLevel.NONE, Phase.CHECK, "pass `--sandbox auto`: ", id="the-probe-may-have-done-it"
        ),
        pytest.param(
            SandboxLevel.NONE, Phase.INSTALL, "run the same command again; ", id="a-build-has-no-probe"
        ),
        pytest.param(
            SandboxLevel.AUTO, Phase.CHECK, "run the same command again; ", id="a-sandbox-was-there"
        ),
    ],
)
def test_a_run_that_ends_its_supervisor_without_a_sandbox_needs_one(
    level: SandboxLevel, phase: Phase, hint: str
) -> None:
    lost = broken(signature.of_environment(phase, "its supervisor was killed or stopped"))
    fake, plan = FakeWorld(lambda version, run: lost), a_plan(good="0.1", bad="0.12")

    probe = replace(plan.probe, confinement=Confinement(level=level))
    finished = fake.bisect(replace(plan, probe=probe))

    assert finished.kind is ResultKind.UNAVAILABLE
    assert (finished.hint or "").startswith(hint)


def test_what_the_store_has_is_not_run_again() -> None:
    fake = FakeWorld(broke_in("0.7"), remembered=[item.version for item in TWELVE])

    fake.bisect(a_plan(confirm=0))

    assert fake.boundary() == ("0.6", "0.7")
    assert fake.requests == []


def test_named_ends_are_verified_whatever_the_store_knows_of_the_releases_between() -> None:
    def behaviour(version: Version, run: int) -> Observation:
        return failed() if version == Version("0.1") else broke_in("0.7")(version, run)

    fake = FakeWorld(behaviour, remembered=["0.6", "0.7"])

    finished = fake.bisect(a_plan(good="0.1", bad="0.12"))

    assert {"0.1", "0.12"} & set(fake.runs)
    assert finished.kind is ResultKind.GOOD_END_FAILS


def test_a_fresh_run_does_not_ask_the_store() -> None:
    fake = FakeWorld(broke_in("0.7"), remembered=[item.version for item in TWELVE])

    fake.bisect(a_plan(fresh=True))

    assert fake.runs["0.6"] == fake.runs["0.7"] == 2
    assert all(request.fresh for request in fake.requests)


def test_the_first_event_is_the_plan_and_the_last_the_answer() -> None:
    fake = FakeWorld(broke_in("0.7"))

    held = (release("0.17.6", project="uvicorn"),)
    plan = a_plan(good="0.1", bad="0.12", held=("uvicorn==0.17.6",), within="<1")
    session.bisect(
        plan,
        fake.services(releases_of=lambda project: fake.releases if project == "fastapi" else held),
        fake.events.append,
    )

    first = fake.events[0]
    assert isinstance(first, events.RunStarted)
    assert (first.project, first.requirement, first.probe) == (
        "fastapi",
        "fastapi=={version}",
        "probes/leak.py",
    )
    assert (first.good, first.bad, first.releases) == ("0.1", "0.12", "<1")
    assert (first.dependencies, first.held, first.order) == ("as-of-release", ("uvicorn==0.17.6",), "version")
    opening = [events.StretchesPlanned, events.InterpreterChosen, events.CandidatesListed]
    assert [type(event) for event in fake.events[1:4]] == opening


LACKS_ANYIO = signature.of_exception(
    "ModuleNotFoundError",
    "No module named 'anyio'",
    phase=Phase.IMPORT,
    frames=(("leak.py", 1, "<module>"),),
    probe_files={"leak.py": b"import anyio"},
)


def test_many_workers_whose_first_results_all_lack_a_module_wait_for_the_good_end() -> None:
    """The module comes with the newest release alone, which is the last to be built."""
    fake = FakeWorld(lambda version, _: passed() if version == Version("0.12") else failed(LACKS_ANYIO))
    others = threading.Event()

    def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
        if request.label == "0.12":
            assert others.wait(30)
        return fake.run_trial(request, token)

    def emit(event: events.Event) -> None:
        fake.events.append(event)
        ruled = [each.rulings for each in fake.events if isinstance(each, events.RulingsChanged)]
        if sum(map(len, ruled)) >= 2:
            others.set()

    with ThreadPoolExecutor(8) as pool:
        services = replace(fake.services(run_trial), executor=pool)
        plan = replace(a_plan(good="0.12", bad="0.1"), jobs=8, most_jobs=8)
        kind = session.bisect(plan, services, emit)

    assert kind is ResultKind.FOUND
    assert fake.boundary() == ("0.11", "0.12")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Unavailable("the package index did not answer", hint="later"), id="unavailable"),
        pytest.param(UsageError("there is no package `fastapi` on the index"), id="usage"),
    ],
)
def test_an_error_of_the_world_is_the_last_event_and_is_raised(error: Exception) -> None:
    def releases_of(_: str) -> Sequence[Release]:
        raise error

    fake = FakeWorld(broke_in("0.7"))

    with pytest.raises(type(error)):
        session.bisect(a_plan(), fake.services(releases_of=releases_of), fake.events.append)

    assert fake.finished.message == str(error)
    assert fake.finished.kind is not ResultKind.FOUND


def test_an_interrupt_is_the_last_event_and_is_raised() -> None:
    def interrupted(_: TrialRequest, __: CancelToken) -> Trial:
        raise KeyboardInterrupt

    fake = FakeWorld(broke_in("0.7"))

    with pytest.raises(KeyboardInterrupt):
        session.bisect(a_plan(), fake.services(run_trial=interrupted), fake.events.append)

    assert fake.finished.kind is ResultKind.INTERRUPTED

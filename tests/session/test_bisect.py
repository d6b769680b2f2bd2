"""One bisection from the plan to the answer, in a world whose index, interpreters and trials are made up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from support.builders import (
    ALL,
    ASSERTION,
    AUTO,
    IMPORT_ERROR,
    NONE,
    broken,
    day,
    failed,
    passed,
    probe,
    release,
    target,
    untestable,
    wheel,
)
from support.services import FakeIndex, FakeInterpreters, FakeTrials, fake_services

from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.claims import ClaimVerdict
from bisect_asgi.core.errors import Cancelled, Unavailable, UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Observation, Outcome, Release, Trial, TrialRequest
from bisect_asgi.core.plan.plan import Claim, DependencyPolicy, History, Plan, PolicyKind
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases import TargetPython
from bisect_asgi.core.search.confirmation import wanted_runs
from bisect_asgi.core.services import RunTrial, Services
from bisect_asgi.core.tally import Tally
from bisect_asgi.session import bisect as session
from bisect_asgi.session.axes import releases as release_axis

Behaviour = Callable[[Version, int], Observation]
"""What the probe shows on a release, in its first, second, … run."""

AS_OF_RELEASE = DependencyPolicy()
LATEST = DependencyPolicy(kind=PolicyKind.LATEST)
# Younger releases than Python 3.8, so that it suits them all.
TWELVE = tuple(release(f"0.{minor}", uploaded=f"2021-{minor:02}-01") for minor in range(1, 13))


class FakeWorld:
    """An index, a machine and its trials; keeps what was asked and what was told."""

    def __init__(
        self,
        behaviour: Behaviour,
        releases: Iterable[Release] = TWELVE,
        *,
        interpreters: Sequence[TargetPython] = (target("3.8.20"),),
        downloadable: Sequence[TargetPython] = (),
        remembered: Sequence[str] = (),
    ) -> None:
        self.behaviour = behaviour
        self.releases = tuple(releases)
        self.interpreters = tuple(interpreters)
        self.downloadable = tuple(downloadable)
        self.remembered = remembered
        self.requests: list[TrialRequest] = []
        self.events: list[events.Event] = []

    def run_trial(self, request: TrialRequest, token: CancelToken) -> Trial:
        self.requests.append(request)
        return self._trial(request)

    def recall(self, request: TrialRequest) -> Trial | None:
        return self._trial(request) if request.label in self.remembered else None

    def _trial(self, request: TrialRequest) -> Trial:
        version = Version(request.label)
        places = range(request.known_runs, request.known_runs + request.runs)
        seen = tuple(self.behaviour(version, place) for place in places)
        return Trial(key=request.key, label=request.label, observations=seen)

    def services(
        self, run_trial: RunTrial | None = None, releases_of: Callable[[str], Sequence[Release]] | None = None
    ) -> Services:
        """What a session needs of it; a test may put in something else."""
        return fake_services(
            index=FakeIndex(releases_of or (lambda project: self.releases if project == "fastapi" else ())),
            interpreters=FakeInterpreters(*self.interpreters, downloadable=self.downloadable),
            trials=FakeTrials(run_trial or self.run_trial, recall=self.recall),
        )

    def bisect(self, plan: Plan) -> events.RunFinished:
        """Run the session and return its last event."""
        kind = session.bisect(plan, self.services(), self.events.append)
        assert self.finished.kind is kind
        return self.finished

    @property
    def finished(self) -> events.RunFinished:
        last = self.events[-1]
        assert isinstance(last, events.RunFinished)
        return last

    @property
    def runs(self) -> Counter[str]:
        """How often the probe ran on each release."""
        counted: Counter[str] = Counter()
        for request in self.requests:
            counted[request.label] += request.runs
        return counted

    @property
    def listed(self) -> list[str]:
        (event,) = (event for event in self.events if isinstance(event, events.CandidatesListed))
        return [candidate.version for candidate in event.candidates]

    @property
    def chosen(self) -> events.InterpreterChosen:
        (event,) = (event for event in self.events if isinstance(event, events.InterpreterChosen))
        return event

    def boundary(self) -> tuple[str, str]:
        """The versions on both sides of what was found."""
        found = self.finished.boundary
        assert found is not None
        return self.listed[found.low], self.listed[found.high]


def a_plan(
    *,
    good: str | None = None,
    bad: str | None = None,
    policy: DependencyPolicy = AS_OF_RELEASE,
    held: tuple[str, ...] = (),
    python: str | None = None,
    requires_python: str = "",
    within: str = "",
    pre: bool = False,
    yanked: bool = False,
    by_upload: bool = False,
    confirm: int | None = 1,
    history: History = NONE,
    fresh: bool = False,
) -> Plan:
    """A plan for fastapi, with one job, that looks at nothing beside what the search asks for."""
    return Plan(
        project="fastapi",
        extras=(),
        probe=probe(),
        probe_path="probes/leak.py",
        good=good,
        bad=bad,
        policy=policy,
        held=held,
        python=python,
        requires_python=SpecifierSet(requires_python),
        releases=SpecifierSet(within),
        pre=pre,
        yanked=yanked,
        by_upload=by_upload,
        confirm=confirm,
        history=history,
        fresh=fresh,
    )


def broke_in(version: str) -> Behaviour:
    return lambda seen, _: failed() if seen >= Version(version) else passed()


def fixed_in(version: str) -> Behaviour:
    return lambda seen, _: passed() if seen >= Version(version) else failed()


def always(observation: Observation) -> Behaviour:
    return lambda _, __: observation


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
        f"`leak.py` {does} on every release of fastapi that was tested, from 0.1 to 0.12"
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
    assert finished.message == "nothing was learnt about fastapi 0.7: no space left on device"


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

    fake.bisect(a_plan(good="0.1", bad="0.12", held=("uvicorn==0.17.6",), within="<1"))

    first = fake.events[0]
    assert isinstance(first, events.RunStarted)
    assert (first.project, first.requirement, first.probe) == (
        "fastapi",
        "fastapi=={version}",
        "probes/leak.py",
    )
    assert (first.good, first.bad, first.releases) == ("0.1", "0.12", "<1")
    assert (first.dependencies, first.held, first.order) == ("as-of-release", ("uvicorn==0.17.6",), "version")
    assert [type(event) for event in fake.events[1:3]] == [events.InterpreterChosen, events.CandidatesListed]


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


# The interpreter.


def test_the_users_interpreter_is_taken_without_question() -> None:
    fake = FakeWorld(broke_in("0.7"), interpreters=[target("3.8.20"), target("3.12.1")])

    fake.bisect(a_plan(python="3.12"))

    assert (fake.chosen.interpreter.version, fake.chosen.reason) == ("3.12.1", "`--python 3.12`")
    assert {request.spec.interpreter.version for request in fake.requests} == {"3.12.1"}


def test_the_interpreter_that_suits_the_whole_range_is_taken_and_the_reason_told() -> None:
    old = [release(f"0.{n}", wheel(requires_python="<3.9"), uploaded=f"2021-0{n}-01") for n in range(1, 9)]
    new = [release("1.0", uploaded="2021-11-01")]
    fake = FakeWorld(
        broke_in("0.7"), [*old, *new], interpreters=[target("3.12.1"), target("3.8.20"), target("3.10.2")]
    )

    fake.bisect(a_plan())

    assert fake.chosen.interpreter.version == "3.8.20"
    assert fake.chosen.reason == "it installs 9 of 9 releases"


def test_an_interpreter_younger_than_the_releases_is_not_preferred() -> None:
    fake = FakeWorld(broke_in("0.7"), interpreters=[target("3.8.20"), target("3.12.1")])

    fake.bisect(a_plan())

    assert fake.chosen.interpreter.version == "3.8.20"


def test_the_reason_tells_how_many_releases_are_older_than_the_interpreter() -> None:
    fake = FakeWorld(broke_in("0.7"), interpreters=[target("3.12.1")])

    fake.bisect(a_plan())

    assert fake.chosen.reason == "it installs 12 of 12 releases, 12 of them older than it"


def test_the_probes_own_requirement_limits_the_choice_and_is_told() -> None:
    fake = FakeWorld(broke_in("0.7"), interpreters=[target("3.8.20"), target("3.12.1")])

    fake.bisect(a_plan(requires_python=">=3.10"))

    assert fake.chosen.interpreter.version == "3.12.1"
    assert fake.chosen.reason == (
        "the probe requires >=3.10; it installs 12 of 12 releases, 12 of them older than it"
    )


@pytest.mark.parametrize(
    ("downloadable", "hint"),
    [
        pytest.param([], "`bisect-asgi releases` shows which Python each release requires", id="none-to-get"),
        pytest.param(
            [target("3.14.0")], "uv can get one that does: `uv python install 3.14`", id="uv-has-one"
        ),
    ],
)
def test_no_interpreter_for_the_probe_is_an_error_with_a_way_out(
    downloadable: list[TargetPython], hint: str
) -> None:
    fake = FakeWorld(broke_in("0.7"), downloadable=downloadable)

    with pytest.raises(UsageError) as caught:
        fake.bisect(a_plan(requires_python=">=3.13"))

    assert str(caught.value) == (
        "no Python on this machine satisfies the probe's `requires-python`: `>=3.13`"
    )
    assert caught.value.hint == hint


def test_no_interpreter_for_the_named_ends_is_an_error_that_names_them() -> None:
    releases = [
        release("1.0", wheel(requires_python="<3.7"), uploaded="2021-01-01"),
        release("2.0", wheel(requires_python=">=3.10"), uploaded="2021-02-01"),
    ]
    fake = FakeWorld(broke_in("2.0"), releases)

    with pytest.raises(UsageError) as caught:
        fake.bisect(a_plan(good="1.0", bad="2.0"))

    assert str(caught.value) == "no Python on this machine can install fastapi 1.0 and fastapi 2.0"


def test_named_ends_decide_where_one_interpreter_cannot_install_all() -> None:
    old = [release(f"0.{n}", wheel(requires_python="<3.9"), uploaded=f"2021-0{n}-01") for n in range(1, 9)]
    new = [release("1.0", wheel(requires_python=">=3.9"), uploaded="2022-11-01")]
    new += [release("1.1", wheel(requires_python=">=3.9"), uploaded="2022-12-01")]
    fake = FakeWorld(broke_in("1.1"), [*old, *new], interpreters=[target("3.8.20"), target("3.9.18")])

    fake.bisect(a_plan(good="1.0", bad="1.1"))

    assert fake.chosen.interpreter.version == "3.9.18"
    assert fake.boundary() == ("1.0", "1.1")


# Candidates and what surrounds them.


SPECIAL = (
    release("0.1", uploaded="2021-01-01"),
    release("0.2", replace(wheel(), yanked="loses data"), uploaded="2021-02-01"),
    release("0.3b1", uploaded="2021-03-01"),
    release("0.4", uploaded="2021-04-01"),
)


@pytest.mark.parametrize(
    ("plan", "listed"),
    [
        pytest.param(a_plan(), ["0.1", "0.4"], id="left-out-by-default"),
        pytest.param(a_plan(yanked=True), ["0.1", "0.2", "0.4"], id="yanked-asked-for"),
        pytest.param(a_plan(pre=True), ["0.1", "0.3b1", "0.4"], id="pre-releases-asked-for"),
        pytest.param(a_plan(good="0.2", bad="0.4"), ["0.2", "0.4"], id="yanked-end"),
        pytest.param(a_plan(good="0.1", bad="0.3b1"), ["0.1", "0.3b1"], id="pre-release-end"),
    ],
)
def test_yanked_and_pre_releases_come_in_when_they_are_asked_for_or_named(
    plan: Plan, listed: list[str]
) -> None:
    fake = FakeWorld(broke_in(listed[-1]), SPECIAL)

    finished = fake.bisect(plan)

    assert finished.kind is ResultKind.FOUND
    assert fake.listed == listed


def test_releases_that_are_left_out_are_told_with_reasons() -> None:
    fake = FakeWorld(broke_in("0.4"), SPECIAL)

    fake.bisect(a_plan())

    (listed,) = (event for event in fake.events if isinstance(event, events.CandidatesListed))
    assert {out.version: out.reason for out in listed.excluded} == {
        "0.2": "yanked: loses data (`--yanked` brings it in)",
        "0.3b1": "pre-release (`--pre` brings it in)",
    }


def test_the_order_of_upload_is_the_users_choice() -> None:
    releases = [
        release("1.0", uploaded="2021-01-01"),
        release("2.0", uploaded="2021-02-01"),
        release("1.1", uploaded="2021-03-01"),
    ]
    shown = {"1.0": passed(), "2.0": passed(), "1.1": failed()}
    fake = FakeWorld(lambda version, _: shown[str(version)], releases)

    fake.bisect(a_plan(by_upload=True))

    assert fake.listed == ["1.0", "2.0", "1.1"]
    assert fake.boundary() == ("2.0", "1.1")


@pytest.mark.parametrize(
    ("policy", "limits"),
    [
        pytest.param(
            DependencyPolicy(),
            [day("2021-01-01") + timedelta(days=1), day("2021-02-01") + timedelta(days=1)],
            id="as-of-release-is-the-day-after-its-upload",
        ),
        pytest.param(LATEST, [None, None], id="latest-has-no-limit"),
        pytest.param(
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=day("2020-05-05")),
            [day("2020-05-05"), day("2020-05-05")],
            id="as-of-a-day-is-one-for-all",
        ),
    ],
)
def test_the_dependency_policy_sets_the_limit_of_every_candidate(
    policy: DependencyPolicy, limits: list[object]
) -> None:
    fake = FakeWorld(broke_in("0.2"), TWELVE[:2])

    space = release_axis.AXIS.prepare(a_plan(policy=policy), fake.services())

    assert [candidate.spec.exclude_newer for candidate in space.candidates] == limits


UNDATED = tuple(release(f"0.{minor}") for minor in range(1, 5))


def test_an_index_without_dates_serves_the_latest_policy() -> None:
    fake = FakeWorld(broke_in("0.3"), UNDATED)

    finished = fake.bisect(a_plan(policy=LATEST))

    assert finished.kind is ResultKind.FOUND
    assert fake.boundary() == ("0.2", "0.3")


def test_an_index_without_dates_cannot_serve_a_policy_by_date_and_says_so() -> None:
    fake = FakeWorld(broke_in("0.3"), UNDATED)

    with pytest.raises(UsageError) as caught:
        fake.bisect(a_plan())

    assert str(caught.value) == (
        "the index gives no upload time for fastapi 0.1, and `--deps as-of-release` needs one"
    )
    assert caught.value.hint == "use `--deps latest`, or an index that gives them (JSON pages, PEP 700)"
    assert fake.finished.kind is ResultKind.NOT_ASKED
    assert fake.requests == []


@pytest.mark.parametrize(
    ("releases", "plan", "message"),
    [
        pytest.param([], a_plan(), "there is no release of `fastapi` to look at", id="no-release-at-all"),
        pytest.param(
            TWELVE[:1], a_plan(), "there is only one release of `fastapi` to look at", id="one-release"
        ),
        pytest.param(
            TWELVE[:3],
            a_plan(within=">=5"),
            "there is no release of `fastapi` to look at; left out: not in `--releases >=5`",
            id="none-in-range",
        ),
        pytest.param(
            SPECIAL[:3],
            a_plan(),
            "there is only one release of `fastapi` to look at; left out: "
            "pre-release (`--pre` brings it in); yanked: loses data (`--yanked` brings it in)",
            id="the-others-are-left-out",
        ),
        pytest.param(
            TWELVE,
            a_plan(good="0.12"),
            "there is only one release of `fastapi` to look at",
            id="good-end-is-the-newest",
        ),
    ],
)
def test_too_few_releases_are_an_error_that_says_why(
    releases: Sequence[Release], plan: Plan, message: str
) -> None:
    fake = FakeWorld(broke_in("0.7"), releases)

    with pytest.raises(UsageError) as caught:
        fake.bisect(plan)

    assert str(caught.value) == message
    assert caught.value.hint is not None


def test_an_end_that_does_not_exist_is_answered_with_the_nearest_ones() -> None:
    fake = FakeWorld(broke_in("0.7"))

    with pytest.raises(UsageError) as caught:
        fake.bisect(a_plan(good="0.4.5"))

    assert str(caught.value) == "there is no release `0.4.5` (`--good`)"
    assert caught.value.hint == "the nearest ones: `0.4` and `0.5`"


@pytest.mark.parametrize(
    ("shown", "outcome"),
    [
        pytest.param(passed(), Outcome.PASSED, id="passes"),
        pytest.param(failed(), Outcome.FAILED, id="fails"),
        pytest.param(untestable(), Outcome.UNTESTABLE, id="untestable"),
    ],
)
def test_one_release_is_checked_by_the_same_rules(shown: Observation, outcome: Outcome) -> None:
    fake = FakeWorld(always(shown))

    choice, trial = session.check(a_plan(), "0.5", fake.services())

    ruling = session.rule_on(a_plan(), trial)
    assert choice.interpreter.version == "3.8.20"
    assert ruling is not None
    assert ruling.outcome is outcome
    assert [request.label for request in fake.requests] == ["0.5"]


def test_a_broken_check_has_no_ruling() -> None:
    fake = FakeWorld(always(broken()))

    _, trial = session.check(a_plan(), "0.5", fake.services())

    assert session.rule_on(a_plan(), trial) is None


@pytest.mark.parametrize(
    "version", ["0.2", "0.3b1", "0.3.b1"], ids=["yanked", "pre-release", "other-spelling"]
)
def test_a_release_that_is_named_is_checked_whatever_it_is(version: str) -> None:
    fake = FakeWorld(always(passed()), SPECIAL)

    session.check(a_plan(), version, fake.services())

    assert [Version(request.label) for request in fake.requests] == [Version(version)]


def test_the_release_to_check_has_to_exist() -> None:
    with pytest.raises(UsageError) as caught:
        session.check(a_plan(), "9", FakeWorld(always(passed())).services())

    assert caught.value.hint == "the nearest ones: `0.12`"


# A claim.


@pytest.mark.parametrize(
    ("behaviour", "claim", "verdict"),
    [
        pytest.param(broke_in("0.7"), Claim(version="0.7", fixed=False), ClaimVerdict.CONFIRMED, id="true"),
        pytest.param(fixed_in("0.7"), Claim(version="0.7.0", fixed=True), ClaimVerdict.CONFIRMED, id="a-fix"),
        pytest.param(broke_in("0.9"), Claim(version="0.7", fixed=False), ClaimVerdict.REFUTED, id="untrue"),
        pytest.param(
            always(passed()), Claim(version="0.7", fixed=False), ClaimVerdict.CANNOT_TELL, id="shows-nowhere"
        ),
        pytest.param(
            lambda version, run: untestable() if version == Version("0.6") else broke_in("0.7")(version, run),
            Claim(version="0.7", fixed=False),
            ClaimVerdict.CANNOT_TELL,
            id="the-one-before-is-untestable",
        ),
    ],
)
def test_a_claim_is_held_against_the_releases(
    behaviour: Behaviour, claim: Claim, verdict: ClaimVerdict
) -> None:
    fake = FakeWorld(behaviour)

    finding = session.verify(a_plan(good="0.2", bad="0.3"), claim, fake.services(), fake.events.append)

    assert finding.verdict is verdict
    assert finding.claim == claim
    # Its own two are run once more, and the ends of the plan do not limit where it is looked.
    assert fake.runs["0.6"] == fake.runs["0.7"] == 2
    assert {"0.1", "0.12"} <= set(fake.runs)
    assert fake.finished is fake.events[-1]


def test_a_claim_of_a_yanked_release_brings_it_in() -> None:
    fake = FakeWorld(broke_in("0.2"), SPECIAL)

    finding = session.verify(a_plan(), Claim(version="0.2", fixed=False), fake.services(), fake.events.append)

    assert finding.verdict is ClaimVerdict.CONFIRMED
    assert fake.listed == ["0.1", "0.2", "0.4"]


def test_a_claim_of_the_oldest_release_cannot_be_held_against_anything() -> None:
    fake = FakeWorld(broke_in("0.7"))

    with pytest.raises(UsageError) as caught:
        session.verify(a_plan(), Claim(version="0.1", fixed=False), fake.services(), fake.events.append)

    assert "`--broken-in 0.1`" in str(caught.value)
    assert caught.value.hint
    assert fake.finished.kind is ResultKind.NOT_ASKED


def test_an_interrupted_check_stops_its_trial() -> None:
    tokens: list[CancelToken] = []

    def interrupted(_: TrialRequest, token: CancelToken) -> Trial:
        tokens.append(token)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.check(a_plan(), "0.5", FakeWorld(always(passed())).services(run_trial=interrupted))

    with pytest.raises(Cancelled):
        tokens[0].check()


@pytest.mark.parametrize(
    ("behaviour", "version", "verdict"),
    [
        pytest.param(broke_in("0.7"), "0.7", ClaimVerdict.CONFIRMED, id="true"),
        pytest.param(broke_in("0.12"), "0.12", ClaimVerdict.CONFIRMED, id="of-the-newest"),
        pytest.param(broke_in("0.9"), "0.7", ClaimVerdict.REFUTED, id="untrue"),
    ],
)
def test_a_claim_is_confirmed_as_surely_as_a_boundary_is(
    behaviour: Behaviour, version: str, verdict: ClaimVerdict
) -> None:
    fake = FakeWorld(behaviour)

    finding = session.verify(
        a_plan(confirm=None), Claim(version=version, fixed=False), fake.services(), fake.events.append
    )

    assert finding.verdict is verdict
    place = fake.listed.index(version)
    tallies = {
        key: Tally(passed=runs)
        if behaviour(Version(label), 0).outcome is Outcome.PASSED
        else Tally(failed=runs)
        for key, label in enumerate(fake.listed)
        if (runs := fake.runs[label])
    }
    if verdict is ClaimVerdict.CONFIRMED:
        assert wanted_runs(tallies, place - 1, place) == (0, 0)
    else:
        assert fake.runs[fake.listed[place]] == fake.runs[fake.listed[place - 1]] == 6


def test_how_sure_it_is_is_told_once_and_behind_every_run() -> None:
    fake = FakeWorld(broke_in("0.7"))

    fake.bisect(a_plan(confirm=None))

    told = [n for n, event in enumerate(fake.events) if isinstance(event, events.Confirmed)]
    ran = [n for n, event in enumerate(fake.events) if isinstance(event, events.TrialFinished)]
    assert len(told) == 1
    assert ran[-1] < told[0] < len(fake.events) - 1


def test_a_history_that_changes_more_than_once_is_not_told_to_be_sure() -> None:
    fake = FakeWorld(
        lambda version, _: (
            failed() if version in SpecifierSet(">=0.9") or version == Version("0.6") else passed()
        )
    )

    finished = fake.bisect(a_plan(confirm=None, history=AUTO))

    assert len(finished.changes) == 3
    assert not any(isinstance(event, events.Confirmed) for event in fake.events)


def test_a_claim_of_a_release_that_could_not_be_asked_cannot_be_told() -> None:
    fake = FakeWorld(
        lambda version, run: broken() if version == Version("0.7") else broke_in("0.7")(version, run)
    )

    finding = session.verify(
        a_plan(confirm=None), Claim(version="0.7", fixed=False), fake.services(), fake.events.append
    )

    assert finding.verdict is ClaimVerdict.CANNOT_TELL
    assert fake.finished.kind is ResultKind.UNAVAILABLE
    assert fake.finished.message.startswith("nothing was learnt about fastapi 0.7: ")

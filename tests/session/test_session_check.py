"""One release is checked, and a claim is held against the releases."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from support.builders import (
    AUTO,
    broken,
    failed,
    passed,
    target,
    untestable,
)
from support.sessions import (
    SPECIAL,
    Behaviour,
    FakeWorld,
    a_plan,
    always,
    broke_in,
    fixed_in,
)

from bisect_asgi import session
from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.claims import ClaimVerdict
from bisect_asgi.core.errors import Cancelled, UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Distribution, EnvironmentSpec, Observation, Outcome, Trial, TrialRequest
from bisect_asgi.core.plan import Claim
from bisect_asgi.core.search.confirmation import wanted_runs
from bisect_asgi.core.tally import Tally


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

    assert caught.value.hint == "pass `fastapi==0.12`"


# A claim.


@pytest.mark.parametrize(
    ("behaviour", "claim", "verdict"),
    [
        pytest.param(broke_in("0.7"), Claim(version="0.7", fixed=False), ClaimVerdict.CONFIRMED, id="true"),
        pytest.param(fixed_in("0.7"), Claim(version="0.7.0", fixed=True), ClaimVerdict.CONFIRMED, id="a-fix"),
        pytest.param(broke_in("0.9"), Claim(version="0.7", fixed=False), ClaimVerdict.REFUTED, id="untrue"),
        pytest.param(
            always(passed()), Claim(version="0.7", fixed=False), ClaimVerdict.INCONCLUSIVE, id="shows-nowhere"
        ),
        pytest.param(
            lambda version, run: untestable() if version == Version("0.6") else broke_in("0.7")(version, run),
            Claim(version="0.7", fixed=False),
            ClaimVerdict.INCONCLUSIVE,
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


def test_a_claim_is_held_on_the_python_with_the_dependencies_of_the_claimed_releases_day() -> None:
    def wheels(spec: EnvironmentSpec) -> list[Distribution]:
        is_old = spec.interpreter.short == "3.9" and "fastapi==0.7" in spec.requirements
        return [Distribution(name="starlette", version="0.44.0" if is_old else "0.46.1")]

    fake = FakeWorld(broke_in("0.7"), interpreters=[target("3.8.20"), target("3.9.18")], wheels=wheels)

    session.verify(a_plan(), Claim(version="0.7.0", fixed=False), fake.services(), fake.events.append)

    assert fake.chosen.interpreter.short == "3.8"


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

    assert finding.verdict is ClaimVerdict.INCONCLUSIVE
    assert fake.finished.kind is ResultKind.UNAVAILABLE
    assert fake.finished.message.startswith("no result for fastapi 0.7: ")

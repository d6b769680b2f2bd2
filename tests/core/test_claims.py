"""Claims against histories: confirmed, incomplete, refuted or inconclusive, each with its sentence."""

from __future__ import annotations

import pytest
from support.builders import CONFLICT

from bisect_asgi.core.claims import ClaimVerdict, Finding, judge_claim
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.model import Outcome, Ruling, Verdict
from bisect_asgi.core.plan import Claim
from bisect_asgi.core.search import AllBoundaries, AllChanges, NoBoundary, Open, StopReason

LABELS = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5")

CONFIRMED, INCOMPLETE, REFUTED, INCONCLUSIVE = ClaimVerdict

# A letter a release, oldest first: good, bad, untestable (with or without a reason), flaky, never run.
RULINGS = {
    "G": Ruling(verdict=Verdict.OLD, outcome=Outcome.PASSED, passed=1),
    "B": Ruling(verdict=Verdict.NEW, outcome=Outcome.FAILED, failed=1),
    "x": Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE, signature=CONFLICT),
    "s": Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE),
    "F": Ruling(verdict=Verdict.NEW, outcome=Outcome.FAILED, passed=2, failed=1),
}


def judged(claim: Claim, letters: str) -> Finding:
    """Judge a claim by a history of which everything was run but what is `?`."""
    rulings = {key: RULINGS[letter] for key, letter in enumerate(letters) if letter != "?"}
    verdicts = {key: ruling.verdict for key, ruling in rulings.items()}
    state = AllChanges.replay(len(letters), verdicts, shortest=len(letters)).state
    return judge_claim(claim, LABELS.index(claim.version), LABELS, judgement(rulings), state)


def judgement(rulings: dict[int, Ruling]) -> Judgement:
    return Judgement(rulings=rulings)


def fixed(version: str) -> Claim:
    return Claim(version=version, fixed=True)


def broken(version: str) -> Claim:
    return Claim(version=version, fixed=False)


@pytest.mark.parametrize(
    ("claim", "letters", "verdict", "truth"),
    [
        pytest.param(fixed("1.3"), "BBBGGG", CONFIRMED, "fixed in 1.3", id="the-one-fix"),
        pytest.param(
            fixed("1.3"), "GBBGGG", CONFIRMED, "broken in 1.1 and fixed in 1.3", id="it-came-once-before"
        ),
        pytest.param(broken("1.3"), "GGGBBB", CONFIRMED, "broken in 1.3", id="the-one-break"),
        pytest.param(
            broken("1.3"), "GGGBBG", CONFIRMED, "broken in 1.3 and fixed in 1.5", id="it-was-fixed-later"
        ),
        pytest.param(
            fixed("1.3"), "BBBGGB", INCOMPLETE, "fixed in 1.3 and broken in 1.5", id="it-came-again"
        ),
        pytest.param(
            fixed("1.4"),
            "BGGBGG",
            INCOMPLETE,
            "fixed in 1.1, broken in 1.3 and fixed in 1.4",
            id="it-was-fixed-before",
        ),
        pytest.param(
            broken("1.3"), "BBGBBB", INCOMPLETE, "fixed in 1.2 and broken in 1.3", id="it-was-there-before"
        ),
        pytest.param(
            broken("1.1"),
            "GBGBBB",
            INCOMPLETE,
            "broken in 1.1, fixed in 1.2 and broken in 1.3",
            id="it-came-back-later",
        ),
        pytest.param(fixed("1.3"), "BGGGGG", REFUTED, "fixed in 1.1", id="another-release-fixed-it"),
        pytest.param(fixed("1.1"), "BBBGGG", REFUTED, "fixed in 1.3", id="a-later-one-fixed-it"),
        pytest.param(fixed("1.3"), "GGGBBB", REFUTED, "broken in 1.3", id="fixed-where-it-broke"),
        pytest.param(broken("1.3"), "BBBGGG", REFUTED, "fixed in 1.3", id="broken-where-it-was-fixed"),
        pytest.param(
            fixed("1.1"),
            "BBBxGG",
            REFUTED,
            "fixed between 1.2 and 1.4",
            id="true-is-a-place-among-untestable-ones",
        ),
        pytest.param(
            broken("1.1"), "GGssBB", REFUTED, "broken between 1.1 and 1.4", id="broken-among-untestable-ones"
        ),
        pytest.param(
            fixed("1.3"),
            "BBBx??",
            INCONCLUSIVE,
            "1.3 is untestable: the requirements conflict",
            id="the-release-is-untestable",
        ),
        pytest.param(fixed("1.3"), "BBBsGG", INCONCLUSIVE, "1.3 is untestable", id="without-a-reason"),
        pytest.param(
            fixed("1.3"),
            "BBxGGG",
            INCONCLUSIVE,
            "1.2 is untestable: the requirements conflict",
            id="the-one-before-is-untestable",
        ),
        pytest.param(broken("1.3"), "GGG?BB", INCONCLUSIVE, "1.3 is untestable", id="it-was-never-run"),
        pytest.param(
            broken("1.3"), "GGGFBB", INCONCLUSIVE, "1.3 both passed and failed", id="the-release-is-flaky"
        ),
        pytest.param(
            broken("1.3"), "GGFBBB", INCONCLUSIVE, "1.2 both passed and failed", id="the-one-before-is-flaky"
        ),
        pytest.param(
            fixed("1.3"),
            "GGGGGG",
            INCONCLUSIVE,
            "every release that was run passes",
            id="the-bug-shows-nowhere",
        ),
        pytest.param(
            broken("1.3"), "BBBBBB", INCONCLUSIVE, "every release that was run fails", id="it-is-everywhere"
        ),
    ],
)
def test_a_claim_is_judged_by_all_changes(
    claim: Claim, letters: str, verdict: ClaimVerdict, truth: str
) -> None:
    assert judged(claim, letters) == Finding(claim=claim, verdict=verdict, truth=truth)


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(Open(low=None, high=None), id="still-searching"),
        pytest.param(NoBoundary(reason=StopReason.UNTESTABLE), id="stopped"),
    ],
)
def test_a_search_that_was_stopped_cannot_tell(state: Open | NoBoundary) -> None:
    seen = judgement({0: RULINGS["B"], 1: RULINGS["G"]})

    finding = judge_claim(fixed("1.1"), 1, LABELS, seen, state)

    assert (finding.verdict, finding.truth) == (INCONCLUSIVE, "the search was stopped")


def test_the_second_of_two_releases_can_be_claimed() -> None:
    seen = judgement({0: RULINGS["B"], 1: RULINGS["G"]})
    state = AllChanges.replay(2, {0: Verdict.NEW, 1: Verdict.OLD}).state

    assert isinstance(state, AllBoundaries)
    assert judge_claim(fixed("1.1"), 1, LABELS[:2], seen, state).verdict is CONFIRMED


@pytest.mark.parametrize(
    ("verdict", "word", "code"),
    [
        pytest.param(CONFIRMED, "confirmed", ExitCode.FOUND, id="confirmed"),
        pytest.param(INCOMPLETE, "incomplete", ExitCode.NOT_REPRODUCED, id="incomplete"),
        pytest.param(REFUTED, "refuted", ExitCode.NOT_REPRODUCED, id="refuted"),
        pytest.param(INCONCLUSIVE, "inconclusive", ExitCode.INCONCLUSIVE, id="inconclusive"),
    ],
)
def test_each_verdict_has_its_word_and_its_exit_code(
    verdict: ClaimVerdict, word: str, code: ExitCode
) -> None:
    assert (str(verdict), verdict.exit_code) == (word, code)


@pytest.mark.parametrize(
    ("claim", "text", "option"),
    [
        pytest.param(fixed("0.15.0"), "fixed in 0.15.0", "--fixed-in", id="fixed"),
        pytest.param(broken("0.69.0"), "broken in 0.69.0", "--broken-in", id="broken"),
    ],
)
def test_a_claim_is_said_in_words_and_as_an_option(claim: Claim, text: str, option: str) -> None:
    assert (str(claim), claim.option) == (text, option)

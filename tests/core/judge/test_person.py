"""What a person says of a candidate."""

from __future__ import annotations

import pytest

from bisect_asgi.core.judge.person import SAYS_BAD, Said, Say, observation_of, prompt, read_line
from bisect_asgi.core.model import FailureKind, Observation, Outcome, Phase, SandboxLevel


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("good\n", Said(Say.GOOD)),
        ("  Bad  \n", Said(Say.BAD)),
        ("bad the page is empty\n", Said(Say.BAD, "the page is empty")),
        ("g", Said(Say.GOOD)),
        ("b slow", Said(Say.BAD, "slow")),
        ("skip", Said(Say.SKIP)),
        ("s", Said(Say.SKIP)),
        ("r", Said(Say.RETRY)),
        ("back 1.0", Said(Say.BACK, "1.0")),
        ("!", Said(Say.SHELL)),
        ("q", Said(Say.QUIT)),
        ("", None),
        ("perhaps", None),
        ("goodness", None),
    ],
)
def test_a_line_is_a_word_and_what_follows_it(line: str, said: Said | None) -> None:
    assert read_line(line) == said


def test_the_users_words_are_verdicts() -> None:
    assert read_line("fast", old="fast", new="slow") == Said(Say.GOOD)
    assert read_line("Slow by half", old="fast", new="slow") == Said(Say.BAD, "by half")


@pytest.mark.parametrize(
    ("said", "outcome", "shown"),
    [
        (Said(Say.GOOD), Outcome.PASSED, None),
        (Said(Say.BAD), Outcome.FAILED, SAYS_BAD),
        (Said(Say.BAD, "empty"), Outcome.FAILED, "empty"),
        (Said(Say.SKIP, "no login"), Outcome.UNTESTABLE, "no login"),
        (Said(Say.SKIP), Outcome.UNTESTABLE, SAYS_BAD),
    ],
)
def test_a_verdict_is_an_observation(said: Said, outcome: Outcome, shown: str | None) -> None:
    seen = observation_of(said, run=None)

    assert seen is not None
    assert seen.outcome is outcome
    assert (seen.signature.shown if seen.signature else None) == shown


def test_all_that_a_person_calls_bad_is_the_same_failure() -> None:
    one, other = (observation_of(Said(Say.BAD, reason), run=None) for reason in ("empty", "slow"))

    assert one is not None
    assert other is not None
    assert one.signature is not None
    assert other.signature is not None
    assert one.signature.kind is FailureKind.EXIT
    assert one.signature.is_same_failure(other.signature)


def test_the_run_of_the_probe_is_kept_with_the_verdict() -> None:
    run = Observation(
        outcome=Outcome.FAILED,
        phase=Phase.IMPORT,
        exit_code=1,
        wall_s=2.0,
        output_tail="x",
        sandbox=SandboxLevel.BASIC,
    )

    seen = observation_of(Said(Say.GOOD), run=run)

    assert seen is not None
    assert (seen.outcome, seen.exit_code, seen.wall_s) == (Outcome.PASSED, 1, 2.0)
    assert (seen.output_tail, seen.sandbox, seen.signature) == ("x", SandboxLevel.BASIC, None)


@pytest.mark.parametrize("word", [Say.RETRY, Say.BACK, Say.SHELL, Say.QUIT])
def test_other_words_are_no_verdict(word: Say) -> None:
    assert observation_of(Said(word), run=None) is None


def test_the_words_are_told_as_a_list() -> None:
    assert prompt(["good", "bad", "skip"]) == "good, bad or skip"

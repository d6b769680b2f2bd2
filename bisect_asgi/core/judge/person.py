"""Turn a person's verdict on a candidate into an observation."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from bisect_asgi.core.model import FailureKind, Observation, Outcome, Phase, Signature
from bisect_asgi.core.records import Struct

SAYS_BAD = "a person judged it"


class Say(StrEnum):
    """A verdict that a person may give."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"
    RETRY = "retry"
    """Run the probe once more."""
    BACK = "back"
    """Drop an earlier verdict, and ask for it again."""
    SHELL = "shell"
    QUIT = "quit"


_SHORT = {"g": Say.GOOD, "b": Say.BAD, "s": Say.SKIP, "r": Say.RETRY, "q": Say.QUIT, "!": Say.SHELL}


class Said(Struct, frozen=True):
    """One line of a person: a word, and the text after it."""

    word: Say
    rest: str = ""


def read_line(line: str, *, old: str = "good", new: str = "bad") -> Said | None:
    """Return the verdict in a line, or None if it has none; `old` and `new` are the user's words."""
    first, _, rest = line.strip().partition(" ")
    word = first.lower()
    named = {old.lower(): Say.GOOD, new.lower(): Say.BAD}
    if word in named:
        return Said(named[word], rest.strip())
    if word in _SHORT:
        return Said(_SHORT[word], rest.strip())
    return Said(Say(word), rest.strip()) if word in list(Say) else None


def observation_of(said: Said, *, run: Observation | None) -> Observation | None:
    """Return the verdict of a person as the observation of a run, or None for a word that is no verdict.

    Everything that a person calls bad is the same failure: the reason is shown but not compared.

    Args:
        said: the person's line.
        run: the observation of the probe, whose times and output are kept, or None without a probe.
    """
    outcomes = {Say.GOOD: Outcome.PASSED, Say.BAD: Outcome.FAILED, Say.SKIP: Outcome.UNTESTABLE}
    outcome = outcomes.get(said.word)
    if outcome is None:
        return None
    signature = None
    if outcome is not Outcome.PASSED:
        kind = FailureKind.EXIT if outcome is Outcome.FAILED else FailureKind.ENVIRONMENT
        text = SAYS_BAD if outcome is Outcome.FAILED else said.rest or SAYS_BAD
        signature = Signature(kind=kind, phase=Phase.CHECK, text=text, shown=said.rest or SAYS_BAD)
    base = run or Observation(outcome=outcome, phase=Phase.CHECK)
    return Observation(
        outcome=outcome,
        phase=Phase.CHECK,
        signature=signature,
        exit_code=base.exit_code,
        wall_s=base.wall_s,
        cpu_s=base.cpu_s,
        peak_bytes=base.peak_bytes,
        output_tail=base.output_tail,
        sandbox=base.sandbox,
    )


def prompt(words: Sequence[str]) -> str:
    """Return the words that a person may type: `good, bad, skip, retry, back, shell or quit`."""
    return f"{', '.join(words[:-1])} or {words[-1]}"

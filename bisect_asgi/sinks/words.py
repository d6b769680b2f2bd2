"""What progress says, whatever shows it: the sentences that the terminal and the plain sink share."""

from __future__ import annotations

from itertools import pairwise

from bisect_asgi import events
from bisect_asgi.format import duration, listing, plural
from bisect_asgi.model import Outcome, Ruling, Signature, Trial, Verdict
from bisect_asgi.report.fold import word


class Words:
    """Keeps what sentences need of earlier events."""

    def __init__(self) -> None:
        self.plan: events.RunStarted | None = None
        self.candidates: tuple[events.CandidateListed, ...] = ()
        self.judged: events.Judged | None = None
        self._told_different: set[int] = set()
        self._told_changes = ""
        self._told_range: tuple[int | None, int | None, int] | None = None

    def take(self, event: events.Event) -> None:
        """Remember what later sentences need."""
        match event:
            case events.RunStarted():
                self.plan = event
            case events.CandidatesListed(candidates=candidates):
                self.candidates = candidates
            case events.Judged():
                self.judged = event
            case _:
                pass

    def label(self, key: int) -> str:
        """The candidate's version; `probe` where there is one run and no list of candidates."""
        return self.candidates[key].version if self.candidates else "probe"

    def verdict(self, outcome: Outcome) -> str:
        """The user's word for an outcome."""
        return word(self.plan, outcome) if self.plan else str(outcome)

    def finished(self, trial: Trial) -> str:
        """`0.69.0 bad (AssertionError: …), built in 1.2 s, run in 0.4 s`."""
        run = trial.observations[-1]
        outcome = "broken" if run.outcome is Outcome.BROKEN else self.verdict(run.outcome)
        seen = f" ({run.signature.shown})" if run.signature else ""
        if trial.environment is None:
            return f"{trial.label} {outcome}{seen}"
        if trial.remembered == len(trial.observations):
            return f"{trial.label} {outcome}{seen}, remembered"
        times = f"built in {duration(trial.build_s)}, run in {duration(trial.run_s)}"
        return f"{trial.label} {outcome}{seen}, {times}"

    def different_failures(self) -> list[str]:
        """A warning for each candidate that newly turned out to fail otherwise than the bad end."""
        if self.judged is None:
            return []
        lines: list[str] = []
        for key, ruling in self.judged.rulings:
            if ruling.different and key not in self._told_different:
                self._told_different.add(key)
                lines += _different(self.label(key), ruling, self.judged.reference)
        return lines

    def narrowed(self) -> list[str]:
        """Where the range stands, when it has changed."""
        judged = self.judged
        if judged is None or not judged.left:
            return []
        if judged.low is None or judged.high is None:
            told = self.settled(judged)
            changes = told.partition(";")[2]
            if changes == self._told_changes:
                return []
            self._told_changes = changes
            return [told]
        state = (judged.low, judged.high, judged.left)
        if state == self._told_range:
            return []
        self._told_range = state
        return [f"between {self.label(judged.low)} and {self.label(judged.high)}: {left(judged.left)}"]

    def settled(self, judged: events.Judged) -> str:
        """What is known so far where all changes are looked for; empty while that is nothing."""
        tested = [(key, ruling) for key, ruling in judged.rulings if _is_tested(ruling)]
        spans = [
            f"{self.label(low)} → {self.label(high)}"
            for (low, before), (high, after) in pairwise(tested)
            if before.verdict is not after.verdict
        ]
        if len(tested) < 2:
            return ""
        return f"{plural(judged.left, 'release')} unknown; changes so far: {listing(spans, most=9) or 'none'}"


def _is_tested(ruling: Ruling) -> bool:
    return ruling.verdict is not Verdict.SKIP


def left(count: int) -> str:
    """`12 releases left, about 4 more steps`."""
    steps = count.bit_length()
    return f"{plural(count, 'release')} left, about {steps} more {'step' if steps == 1 else 'steps'}"


def _different(label: str, ruling: Ruling, reference: tuple[Signature, ...]) -> list[str]:
    seen = ruling.signature
    known = reference[0] if reference else None
    width = max(len(label) + 1, len("bad end:"))
    rows = [("bad end:", known), (f"{label}:", seen)]
    return [
        f"warning: {label} fails differently from the bad end",
        *(f"  {name:<{width}} {sign.phase:<8} {sign.shown}" for name, sign in rows if sign),
        "  treated as untestable; use `--any-failure` to count it as bad",
    ]

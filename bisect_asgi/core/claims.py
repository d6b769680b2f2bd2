"""Judge a claim about a release, such as "fixed in 0.15.0", by the changes that the search found.

A claim is *confirmed* if the change is in this release and in this direction, and no other change contradicts
it. It is *incomplete* if the bug also came or went in another release. It is *refuted* if the change is not
in this release; the finding then names the actual changes. It *cannot be told* if this release or the one
before is untestable, or if no release changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.model import Outcome, Ruling
from bisect_asgi.core.plan import Claim
from bisect_asgi.core.records import Struct
from bisect_asgi.core.search import AllBoundaries, Boundary, State
from bisect_asgi.core.text import listing


class ClaimVerdict(StrEnum):
    """The verdict on a claim."""

    CONFIRMED = "confirmed"
    INCOMPLETE = "incomplete"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of `verify` for this verdict."""
        codes = {ClaimVerdict.CONFIRMED: ExitCode.FOUND, ClaimVerdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE}
        return codes.get(self, ExitCode.NOT_REPRODUCED)


class Finding(Struct, frozen=True, kw_only=True):
    """A claim with its verdict."""

    claim: Claim
    verdict: ClaimVerdict
    truth: str
    """The changes that there are, or why they are unknown."""


def judge_claim(
    claim: Claim,
    key: int,
    labels: Sequence[str],
    judgement: Judgement,
    state: State,
    *,
    is_settled: bool = False,
) -> Finding:
    """Return the finding on a claim about candidate `key`.

    With `is_settled`, a noisy search has decided on which side each candidate is, so that a release may both
    pass and fail.
    """
    at, before = judgement.rulings.get(key), judgement.rulings.get(key - 1)
    for index, ruling in ((key, at), (key - 1, before)):
        if ruling is None or ruling.verdict == "skip":
            return inconclusive(claim, f"{labels[index]} is untestable{_why(ruling)}")
        if ruling.is_flaky and not is_settled:
            return inconclusive(claim, f"{labels[index]} both passed and failed")
    if not isinstance(state, AllBoundaries):
        return inconclusive(claim, "the search was stopped")
    changes = [_change(change, labels, judgement) for change in state.changes]
    if not changes:
        return inconclusive(claim, f"every release that was run {_does(at)}")
    claimed = Outcome.PASSED if claim.fixed else Outcome.FAILED
    is_there = at is not None and before is not None and at.outcome is claimed is not before.outcome
    truth = listing(changes, most=99)
    if not is_there:
        return Finding(claim=claim, verdict=ClaimVerdict.REFUTED, truth=truth)
    verdict = ClaimVerdict.CONFIRMED if _is_whole(claim, key, state.changes) else ClaimVerdict.INCOMPLETE
    return Finding(claim=claim, verdict=verdict, truth=truth)


def _is_whole(claim: Claim, key: int, changes: Sequence[Boundary]) -> bool:
    """Return whether the claim covers all changes: a fix may follow a break, a break precede a fix."""
    others = [change.high for change in changes if change.high != key]
    return not others or (len(others) == 1 and (others[0] < key) is claim.fixed)


def inconclusive(claim: Claim, truth: str) -> Finding:
    """Return the finding that the claim could not be judged, with the reason as its truth."""
    return Finding(claim=claim, verdict=ClaimVerdict.INCONCLUSIVE, truth=truth)


def _why(ruling: Ruling | None) -> str:
    return f": {ruling.signature.shown}" if ruling and ruling.signature else ""


def _does(ruling: Ruling | None) -> str:
    return "fails" if ruling and ruling.outcome is Outcome.FAILED else "passes"


def _change(change: Boundary, labels: Sequence[str], judgement: Judgement) -> str:
    """Return `broken in 0.13.7`, or `broken between …` if the releases in between are untestable."""
    ruling = judgement.rulings[change.high]
    what = "broken" if ruling.outcome is Outcome.FAILED else "fixed"
    if not change.skipped:
        return f"{what} in {labels[change.high]}"
    return f"{what} between {labels[change.low]} and {labels[change.high]}"

"""Hold what somebody claims of a release ("fixed in 0.15.0") against what the releases do.

A claim is *confirmed* when the change is there, in that direction, and nothing was seen that it leaves out;
*incomplete* when it is there and the bug also came or went elsewhere; *refuted* when it is not there, with
what is true instead; and *cannot tell* when the release or the one before it could not be tested, or the
bug showed nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.model import Outcome, Ruling
from bisect_asgi.core.plan.plan import Claim
from bisect_asgi.core.records import Struct
from bisect_asgi.core.search import AllBoundaries, Boundary, State
from bisect_asgi.core.text import listing


class ClaimVerdict(StrEnum):
    """What became of a claim."""

    CONFIRMED = "confirmed"
    INCOMPLETE = "incomplete"
    REFUTED = "refuted"
    CANNOT_TELL = "cannot tell"

    @property
    def exit_code(self) -> ExitCode:
        """The command's exit code for it."""
        codes = {ClaimVerdict.CONFIRMED: ExitCode.FOUND, ClaimVerdict.CANNOT_TELL: ExitCode.INCONCLUSIVE}
        return codes.get(self, ExitCode.NOT_REPRODUCED)


class Finding(Struct, frozen=True, kw_only=True):
    """A claim's verdict, and what is true, in a sentence."""

    claim: Claim
    verdict: ClaimVerdict
    truth: str


def judge_claim(
    claim: Claim,
    place: int,
    labels: Sequence[str],
    judgement: Judgement,
    state: State,
    *,
    is_settled: bool = False,
) -> Finding:
    """Judge a claim about candidate `place` by all changes that were found.

    `is_settled`: a search that reckons with contradictions has said on which side each candidate is.
    """
    at, before = judgement.rulings.get(place), judgement.rulings.get(place - 1)
    for key, ruling in ((place, at), (place - 1, before)):
        if ruling is None or ruling.verdict == "skip":
            return inconclusive(claim, f"{labels[key]} cannot be tested{_why(ruling)}")
        if ruling.is_flaky and not is_settled:
            return inconclusive(claim, f"{labels[key]} both passed and failed")
    if not isinstance(state, AllBoundaries):
        return inconclusive(claim, "the search was stopped")
    told = [_change(change, labels, judgement) for change in state.changes]
    if not told:
        return inconclusive(claim, f"every tested release {_does(at)}")
    wanted = Outcome.PASSED if claim.fixed else Outcome.FAILED
    is_there = at is not None and before is not None and at.outcome is wanted is not before.outcome
    truth = listing(told, most=99)
    if not is_there:
        return Finding(claim=claim, verdict=ClaimVerdict.REFUTED, truth=truth)
    verdict = ClaimVerdict.CONFIRMED if _is_whole(claim, place, state.changes) else ClaimVerdict.INCOMPLETE
    return Finding(claim=claim, verdict=verdict, truth=truth)


def _is_whole(claim: Claim, place: int, changes: Sequence[Boundary]) -> bool:
    """Tell whether nothing is left out: a bug that is fixed came once, and one that came may be fixed."""
    others = [change.high for change in changes if change.high != place]
    return not others or (len(others) == 1 and (others[0] < place) is claim.fixed)


def inconclusive(claim: Claim, truth: str) -> Finding:
    """The finding that nothing can be told, and why."""
    return Finding(claim=claim, verdict=ClaimVerdict.CANNOT_TELL, truth=truth)


def _why(ruling: Ruling | None) -> str:
    return f": {ruling.signature.shown}" if ruling and ruling.signature else ""


def _does(ruling: Ruling | None) -> str:
    return "fails" if ruling and ruling.outcome is Outcome.FAILED else "passes"


def _change(change: Boundary, labels: Sequence[str], judgement: Judgement) -> str:
    """`broken in 0.13.7`, or between two releases where those between cannot be tested."""
    ruling = judgement.rulings[change.high]
    what = "broken" if ruling.outcome is Outcome.FAILED else "fixed"
    if not change.skipped:
        return f"{what} in {labels[change.high]}"
    return f"{what} between {labels[change.low]} and {labels[change.high]}"

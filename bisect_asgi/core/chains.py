"""Chains of failures: between the last good candidate and the bad end, every candidate fails differently.

By default a failure that differs from the bad end's is not the bug, and its candidate is a skip. If only such
candidates lie in the gap of a boundary, a weaker statement holds, and runs show all of it: the probe works up
to one candidate and fails from the next one on, first with one failure and later with others. So these
failures are counted as bad as well (`Criteria.also`). The search then separates passing from failing
candidates, and the result names the failures in their order. It does not claim that the first of them is the
bad end's bug.

A failure whose cause is the environment, such as a missing module, stays a skip: `hints` names the cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from bisect_asgi.core import hints
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.model import Boundary, FailureStretch, Outcome, Signature, Verdict
from bisect_asgi.core.search import AllBoundaries, State
from bisect_asgi.core.search.cuts import choose_cuts

_MOST_PLACED = 8
"""Beginnings of more failures than these are not searched for: they may differ from run to run."""


def leaning(known: hints.Circumstances, judgement: Judgement) -> dict[int, Verdict]:
    """Return the candidates that fail otherwise than the bad end, with the verdict of those that pass."""
    side = Verdict.OLD if judgement.new_is is Outcome.FAILED else Verdict.NEW
    return dict.fromkeys(_different(known, judgement, judgement.rulings), side)


def to_count(
    known: hints.Circumstances, state: State, judgement: Judgement, *, is_chain: bool
) -> tuple[Signature, ...]:
    """Return the failures that are bad as well: the different ones in the gaps of boundaries.

    With `is_chain`, those on the bad side of the newest boundary are included. A failure whose cause is the
    environment is never included.
    """
    if judgement.is_flaky:
        return ()
    changes = _changes(state)
    keys = [key for change in changes for key in change.skipped]
    keys += _bad_side(judgement, changes[-1]) if is_chain and changes else []
    found: list[Signature] = []
    for key in _different(known, judgement, keys):
        signature = judgement.rulings[key].signature
        if signature and not any(signature.is_same_failure(other) for other in found):
            found.append(signature)
    return tuple(found)


def _changes(state: State) -> tuple[Boundary, ...]:
    if isinstance(state, Boundary):
        return (state,)
    return state.changes if isinstance(state, AllBoundaries) else ()


def _bad_side(judgement: Judgement, found: Boundary) -> list[int]:
    """Return the candidates that were run from a boundary on, up to one that passes, oldest first."""
    rulings = judgement.rulings
    is_after = judgement.new_is is Outcome.FAILED
    keys = sorted(rulings, reverse=not is_after)
    bad = [key for key in keys if (key >= found.high if is_after else key <= found.low)]
    passing = (place for place, key in enumerate(bad) if rulings[key].outcome is Outcome.PASSED)
    return sorted(bad[: next(passing, len(bad))])


def _different(known: hints.Circumstances, judgement: Judgement, keys: Iterable[int]) -> list[int]:
    """Return those of `keys` that fail differently from the bad end, unless their environments explain it."""
    rulings = judgement.rulings
    return [
        key
        for key in keys
        if key in rulings and rulings[key].fails_differently and not hints.is_of_environment(known, key)
    ]


def stretches(judgement: Judgement, changes: Sequence[Boundary]) -> tuple[FailureStretch, ...]:
    """Return the failures on the bad side of the newest change that leads to the newer end, oldest first."""
    leading = [change for change in changes if judgement.rulings[change.high].outcome is judgement.new_is]
    stretched: list[FailureStretch] = []
    for key in _bad_side(judgement, leading[-1]) if leading else ():
        ruling = judgement.rulings[key]
        if ruling.verdict is Verdict.SKIP:
            continue
        first = key
        if stretched and _agree(stretched[-1].signature, ruling.signature):
            first = stretched.pop().first
        stretched.append(FailureStretch(first=first, last=key, signature=ruling.signature))
    return tuple(stretched)


def _agree(one: Signature | None, other: Signature | None) -> bool:
    return one is other or (one is not None and other is not None and one.is_same_failure(other))


def to_place(judgement: Judgement, state: State, *, limit: int) -> tuple[int, ...]:
    """Return at most `limit` candidates to run to locate the first failure with an unknown beginning."""
    failures, known = stretches(judgement, _changes(state)), judgement.rulings
    if len(failures) > _MOST_PLACED:
        return ()
    for before, after in pairwise(failures):
        skipped = [key for key in sorted(known) if before.last < key < after.first]
        if keys := choose_cuts(before.last, after.first, known=skipped, skipped=skipped, limit=limit):
            return keys
    return ()

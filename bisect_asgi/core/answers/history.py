"""The result with all changes of a history: which of them are the answer."""

from __future__ import annotations

from collections.abc import Sequence

from bisect_asgi.core.answers.ends import ran
from bisect_asgi.core.answers.result import Result, ResultContext
from bisect_asgi.core.answers.searched import found_boundary, stopped
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.model import Outcome
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import AllBoundaries, Boundary, NoBoundary, State, StopReason


def result_of_all(case: ResultContext, state: AllBoundaries, judgement: Judgement) -> Result:
    """Return the result with all changes; the boundary is the one that was asked about, else the newest."""
    if state.changes:
        return replace(
            found_boundary(case, _newest_asked_about(case, state.changes, judgement), judgement), mapped=state
        )
    reason = StopReason.ALL_NEW if judgement.new_is else StopReason.UNTESTABLE
    return stopped(case, NoBoundary(reason=reason), judgement)


def _newest_asked_about(case: ResultContext, changes: Sequence[Boundary], judgement: Judgement) -> Boundary:
    """Return the newest change up to the ends that were named and in their direction, else the newest one."""
    if case.expectation.bad is None:
        return changes[-1]
    newest = max(case.expectation.named)
    for change in reversed(changes):
        if change.high <= newest and judgement.rulings[change.high].outcome is judgement.new_is:
            return change
    return changes[-1]


def with_history(
    case: ResultContext, answer: Result, state: State, mapped: AllBoundaries, judgement: Judgement
) -> Result:
    """Add all known changes to an answer; without a boundary, those that were asked about are the answer.

    If a named end is not as given, the message of that answer says so; see `asked_about`.
    """
    if isinstance(state, Boundary):
        return replace(answer, mapped=mapped)
    asked = asked_about(case, mapped.changes, judgement)
    if not asked:
        return _nothing_later(case, answer, judgement)
    found = result_of_all(case, replace(mapped, changes=asked), judgement)
    message = "; ".join(filter(None, (found.message, *_not_as_named(case, judgement))))
    return replace(found, mapped=mapped, message=message) if found.found else found


def asked_about(
    case: ResultContext, changes: Sequence[Boundary], judgement: Judgement
) -> tuple[Boundary, ...]:
    """Return the changes that may be the answer; all of them, unless the named bad end does not fail.

    The failure of the bad end is what tells the bug from other failures. Without it, any failure counts, and
    old releases fail for many reasons: they lack what the probe uses, or do not run on a newer Python. Such
    failures reach back to the oldest release. So a change is the result only if

    - it lies between the two named ends, because the user expects one there; or
    - it breaks (passes before, fails after), on the bad end's side of the good end. Then the failing stretch
      next to the bad end's own state has a beginning, and the user has named a release before or after it. An
      upload that broke on the 27th and was fixed on the 29th is found with `--bad` on the 29th.

    A fix alone is not the result if its failure is as old as the oldest release and the user did not name it.
    """
    good, bad = case.expectation.good, case.expectation.bad
    if bad is None or bad not in judgement.rulings or judgement.rulings[bad].outcome is Outcome.FAILED:
        return tuple(changes)
    return tuple(change for change in changes if _is_asked_about(change, judgement, good=good, bad=bad))


def _is_asked_about(change: Boundary, judgement: Judgement, *, good: int | None, bad: int) -> bool:
    """Return whether a change may be the answer although the named bad end does not fail."""
    breaks = judgement.rulings[change.high].outcome is Outcome.FAILED
    if good is None:
        return breaks
    if good < bad:
        return good <= change.low and (breaks or change.high <= bad)
    return change.high <= good and (breaks or bad <= change.low)


def other_changes(case: ResultContext, answer: Result, mapped: AllBoundaries, judgement: Judgement) -> str:
    """Return a note on the newest change, if changes are known and none of them is the answer, else ""."""
    if answer.mapped or not mapped.changes:
        return ""
    newest = mapped.changes[-1]
    key = next(key for key in (newest.low, newest.high) if judgement.rulings[key].outcome is Outcome.FAILED)
    works = newest.high if key == newest.low else newest.low
    return (
        f"{ran(case, key, judgement.rulings[key])}; not on {case.labels[works]}: "
        f"if that is the bug, pass `--good {case.labels[works]} --bad {case.labels[key]}`"
    )


def _not_as_named(case: ResultContext, judgement: Judgement) -> list[str]:
    """Return, for each named end that is not as given, what it is instead."""
    states = {Outcome.PASSED: "is good", Outcome.FAILED: "is bad"}
    return [
        f"{case.name(key)}, given as {'good' if key == case.expectation.good else 'bad'}, "
        f"{states.get(judgement.rulings[key].outcome, 'is untestable')}"
        for key, wanted in case.expectation.outcomes.items()
        if key in judgement.rulings and judgement.rulings[key].outcome is not wanted
    ]


def _nothing_later(case: ResultContext, answer: Result, judgement: Judgement) -> Result:
    """Correct the hint that the change may be later, if everything from the bad end on was run and passed."""
    if answer.hint != case.end_hints.bad_passes or case.expectation.bad is None:
        return answer
    newer = (judgement.rulings.get(key) for key in range(case.expectation.bad, len(case.labels)))
    all_pass = all(ruling is not None and ruling.outcome is Outcome.PASSED for ruling in newer)
    return replace(answer, hint=case.end_hints.nothing_later) if all_pass else answer

"""Turn the end of a search into its result: the boundary, or a message why there is none, with a hint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from bisect_asgi.core.answers.ends import wrong_ends
from bisect_asgi.core.answers.flaky import unsettled
from bisect_asgi.core.answers.history import result_of_all, with_history
from bisect_asgi.core.answers.result import Result, ResultContext
from bisect_asgi.core.answers.searched import found_boundary, stopped, stuck
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import AllBoundaries, Boundary, NoBoundary, Open, State
from bisect_asgi.core.text import listing


def result_of(case: ResultContext, state: State, judgement: Judgement) -> Result:
    """Return the result for the last state of a search."""
    if case.believed is not None and not isinstance(state, Boundary):
        return unsettled(case, case.believed, state, judgement)
    # If a flaky history changes more than once, the changes are the result, and a note names a wrong end.
    is_answered = isinstance(state, AllBoundaries) and bool(state.changes) and case.is_settled
    if not is_answered and (ends := wrong_ends(case, judgement)):
        return with_history(case, ends, state, state, judgement) if isinstance(state, AllBoundaries) else ends
    match state:
        case Boundary(low=low, high=high) if case.errors.keys() & {low, high}:
            return stuck(case)  # a side without a result was not confirmed
        case Boundary():
            return found_boundary(case, state, judgement)
        case AllBoundaries():
            return result_of_all(case, state, judgement)
        case NoBoundary():
            return stopped(case, state, judgement)
        case Open():
            return stuck(case)
        case _ as never:
            assert_never(never)


def with_yanked(answer: Result, yanked: Sequence[str], *, all_fail: bool = False) -> Result:
    """Name the yanked releases in the hint if nothing changes without them: many are yanked for a bug.

    `all_fail`: whether all others have the bug, so that these were not yanked for it.
    """
    if answer.kind is not ResultKind.NOT_REPRODUCED or not yanked:
        return answer
    why = "yanked" if all_fail else "yanked perhaps for this bug"
    hint = f"or include {listing(yanked)}, {why}, with `--yanked`"
    return replace(answer, hint=f"{answer.hint}; {hint}" if answer.hint else hint)

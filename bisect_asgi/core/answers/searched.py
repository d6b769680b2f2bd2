"""The result of the last state of a search: a boundary, a gap around it, or why there is neither."""

from __future__ import annotations

from bisect_asgi.core import hints
from bisect_asgi.core.answers.result import Result, ResultContext
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.model import Outcome, Verdict
from bisect_asgi.core.search import Boundary, NoBoundary, StopReason
from bisect_asgi.core.text import listing, plural


def found_boundary(case: ResultContext, found: Boundary, judgement: Judgement) -> Result:
    """Return the result for a boundary; one with untestable candidates inside is inconclusive."""
    if not found.skipped:
        return Result(kind=ResultKind.FOUND, found=found)
    if case.errors.keys() & set(found.skipped):
        return stuck(case)
    rulings = (judgement.rulings.get(key) for key in found.skipped)
    different = all(ruling is not None and ruling.fails_differently for ruling in rulings)
    general = hints.DIFFERENT if different else hints.UNTESTABLE
    among = listing((case.labels[key] for key in (*found.skipped, found.high)), most=6)
    return Result(
        kind=ResultKind.INCONCLUSIVE,
        message=f"the change is in one of {among}: "
        f"{case.axis.counted(len(found.skipped))} inside the boundary "
        f"{'is' if len(found.skipped) == 1 else 'are'} untestable",
        hint=hints.for_untestable(case.circumstances(judgement), found.skipped) or general,
        found=found,
    )


_NO_CHANGE_HINT = (
    "pass another `--python` or `--deps`, which may show the change; "
    "`--history all` runs every release, and `bisect-asgi check` runs one release"
)

_OLDER_HINT = "; an older `--python` may make older releases testable"


def stopped(case: ResultContext, state: NoBoundary, judgement: Judgement) -> Result:
    """Return the result of a search that knows that there is no boundary."""
    skipped = [key for key, ruling in judgement.rulings.items() if ruling.verdict is Verdict.SKIP]
    known = case.circumstances(judgement)
    if state.reason is StopReason.UNTESTABLE:
        reasons = [r.signature.shown for r in judgement.rulings.values() if r.signature] or ["no reason"]
        return Result(
            kind=ResultKind.INCONCLUSIVE,
            message=f"no {case.each} is testable: {reasons[-1]}",
            hint="pass `--metric` with a metric that the probe reports, or `wall`, `cpu` or `peak-memory`"
            if case.metric
            else hints.for_untestable(known, skipped)
            or "pass another `--python` or `--deps latest`, or run `bisect-asgi check` on one release",
        )
    tested = {key: r.outcome for key, r in judgement.rulings.items() if r.verdict is not Verdict.SKIP}
    is_bad = set(tested.values()) == {Outcome.FAILED}
    missing = hints.for_module(known, [*tested] if is_bad else skipped)
    what = f"`{case.probe}` {'fails' if is_bad else 'passes'}"
    if case.metric:
        what = f"`{case.metric}` is {'beyond' if is_bad else 'within'} its threshold"
    between = f"{case.labels[min(tested)]} to {case.labels[max(tested)]}"
    bound = (
        f" ({case.limit} is bad)" if case.limit else ""
    )  # shows its unit, which may not be what the user meant
    untestable = len(skipped)
    are = "is" if untestable == 1 else "are"
    others = f"; {plural(untestable, 'other')} {are} untestable" if untestable else ""
    return Result(
        kind=ResultKind.NOT_REPRODUCED,
        message=f"{what} on every {case.each} that was run, from {between}{bound}{others}",
        hint=missing or _NO_CHANGE_HINT + (_OLDER_HINT if untestable else ""),
    )


def stuck(case: ResultContext) -> Result:
    """Return the result if the search cannot continue, because candidates it needs have no outcome."""
    if not case.errors:
        return Result(
            kind=ResultKind.INCONCLUSIVE,
            message=f"no result for some {case.axis.nouns}, and the change may be in one of them",
            hint=hints.UNTESTABLE,
        )
    key, reason = next(iter(case.errors.items()))
    confined = "pass `--sandbox auto`: without a sandbox, the probe may end the process that supervises it"
    return Result(
        kind=ResultKind.UNAVAILABLE,
        message=f"no result for {case.name(key)}: {reason}",
        hint=confined if case.is_unconfined else hints.no_result(reason),
    )

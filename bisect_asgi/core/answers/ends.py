"""The result if an end of the range has another outcome than the user gave."""

from __future__ import annotations

from collections.abc import Mapping

from bisect_asgi.core import hints
from bisect_asgi.core.answers.result import Result, ResultContext
from bisect_asgi.core.events import BeliefUpdated, ResultKind
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.model import Outcome, Ruling
from bisect_asgi.core.text import plural


def wrong_ends(case: ResultContext, judgement: Judgement) -> Result | None:
    """Return the result if a user-given end has another outcome than it should, else None."""
    if case.doubtful and case.believed:
        return _turned_round(case, case.believed, judgement.rulings)
    for end, key in (("good", case.expectation.good), ("bad", case.expectation.bad)):
        ruling = judgement.rulings.get(key) if key is not None else None
        if key is not None and ruling and (answer := _wrong_end(case, end, key, judgement)):
            return answer
    return None


def _swapped(case: ResultContext, judgement: Judgement) -> str | None:
    """Return the hint if the good end fails and the bad end passes, else None."""
    good, bad = case.expectation.good, case.expectation.bad
    if good is None or bad is None or len(judgement.wrong_ends(case.expectation)) < 2:
        return None
    return f"pass `--good {case.labels[bad]} --bad {case.labels[good]}`: the two are swapped"


def _wrong_end(case: ResultContext, end: str, key: int, judgement: Judgement) -> Result | None:
    """Return the result if this end has another outcome than it should, else None."""
    ruling = judgement.rulings[key]
    match end, ruling.outcome:
        case "good", Outcome.FAILED:
            kind, hint = ResultKind.GOOD_END_FAILS, case.end_hints.good_fails
            outcome = f"fails: {ran(case, key, ruling)}"
        case "bad", Outcome.PASSED:
            kind, hint = ResultKind.NOT_REPRODUCED, case.end_hints.bad_passes
            outcome = f"passes: {ran(case, key, ruling)}"
        case _, Outcome.UNTESTABLE:
            missing = hints.for_module(case.circumstances(judgement), (key,))
            kind, hint = ResultKind.INCONCLUSIVE, missing or case.end_hints.untestable
            why = ruling.signature.shown if ruling.signature else "the probe skips it"
            outcome = f"is untestable: {case.name(key)}: {why}"
        case _:
            return None
    hint = _swapped(case, judgement) or hint.format(noun=case.axis.noun, end=end)
    return Result(kind=kind, message=f"the {end} end {outcome}", hint=hint)


def _turned_round(case: ResultContext, believed: BeliefUpdated, rulings: Mapping[int, Ruling]) -> Result:
    """Return the result if the likeliest change goes the wrong way, but the ends' own runs do not."""
    where = f"`{case.metric}` is beyond its threshold" if case.metric else f"`{case.probe}` fails"
    old, new = believed.old, believed.new
    sides = (
        f"{old.failed} of {plural(old.runs, 'run')} up to {case.labels[believed.low]}, "
        f"{new.failed} of {new.runs} from {case.labels[believed.high]} on"
    )
    ends = (
        f"{rulings[key].failed} of {rulings[key].passed + rulings[key].failed} in {case.labels[key]}"
        for key in sorted(case.doubtful)
    )
    every = "`--history all`, or " if case.metric else ""
    return Result(
        kind=ResultKind.INCONCLUSIVE,
        message=f"the history may change more than once: {where} in {sides}, but in {' and '.join(ends)}",
        hint=f"pass {every}ends with one change between them (`--good`, `--bad`)",
    )


def ran(case: ResultContext, key: int, ruling: Ruling) -> str:
    """Return with how many runs a candidate passed or failed, and how."""
    runs = ruling.passed + ruling.failed
    if case.metric:
        shown = f": {ruling.signature.shown}" if ruling.failed and ruling.signature else ""
        samples = plural(runs, "sample")
        beyond = f"is beyond its threshold in {ruling.failed} of {samples}"
        return f"`{case.metric}` of {case.name(key)} {beyond}{shown}"
    if ruling.outcome is Outcome.PASSED:
        return f"`{case.probe}` succeeded on {case.name(key)} ({ruling.passed} of {plural(runs, 'run')})"
    how = f": {ruling.signature.shown}" if ruling.signature else ""
    return f"`{case.probe}` failed on {case.name(key)} ({ruling.failed} of {plural(runs, 'run')}){how}"

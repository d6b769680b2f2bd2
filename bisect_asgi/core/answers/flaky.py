"""The result of a noisy search without a boundary."""

from __future__ import annotations

from bisect_asgi.core.answers.result import Result, ResultContext
from bisect_asgi.core.events import BeliefUpdated, ResultKind
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.search import NoBoundary, State
from bisect_asgi.core.search.two_rates import divide
from bisect_asgi.core.text import plural

_OLDER_END = "pass an older `--good`"

_OTHER_FAILURE = "check whether the probe also fails without the bug"


def unsettled(case: ResultContext, believed: BeliefUpdated, state: State, judgement: Judgement) -> Result:
    """Return the result of a noisy search without a boundary."""
    if isinstance(state, NoBoundary):
        otherwise = f"{_OLDER_END}, or {_OTHER_FAILURE}"
        return Result(
            kind=ResultKind.NOT_REPRODUCED,
            message=f"{_as_often(case)} everywhere: {_failures(believed)}, "
            f"from {case.labels[0]} to {case.labels[-1]}",
            hint=_oddest(case, judgement) or otherwise,
        )
    is_unshown = believed.no_change >= believed.probability
    text, hint = _unshown(case, believed) if is_unshown else _unplaced(case, believed)
    noisy = f"the samples of `{case.metric}` are noisy" if case.metric else "the probe is flaky"
    return Result(
        kind=ResultKind.INCONCLUSIVE,
        message=f"{noisy}, and {case.budget} did not {text}",
        hint=f"run the same command with a larger `--budget` to continue, or {hint}",
    )


def _oddest(case: ResultContext, judgement: Judgement) -> str:
    """Return a hint with the candidate that most likely differs from all others, or "" if none does."""
    division = divide(judgement.tallies)
    if division.log_odds <= 0:
        return ""
    fewer, end = min((division.rare, "good"), (division.often, "bad"), key=lambda pair: len(pair[0]))
    key = max(fewer, key=lambda key: (judgement.tallies[key].runs, key))
    tally = judgement.tallies[key]
    return (
        f"{case.labels[key]} may differ: it failed {tally.failed} of {plural(tally.runs, 'run')}; "
        f"`--{end} {case.labels[key]}` searches from there"
    )


def _as_often(case: ResultContext) -> str:
    what = f"`{case.metric}` is beyond its threshold" if case.metric else f"`{case.probe}` fails"
    return f"{what} as often"


def _failures(believed: BeliefUpdated) -> str:
    old, new = believed.old, believed.new
    return f"{old.failed + new.failed} of {plural(old.runs + new.runs, 'run')}"


def _unshown(case: ResultContext, believed: BeliefUpdated) -> tuple[str, str]:
    """Return message and hint if there may be no change at all."""
    bad = "were beyond the threshold" if case.metric else "failed"
    text = (
        f"show a change: {_failures(believed)} {bad}; the probability of no change is "
        f"{believed.no_change:.2f}, of the likeliest one, in {case.labels[believed.high]}, "
        f"{believed.probability:.2f}"
    )
    return text, f"{_OLDER_END}, or {_OTHER_FAILURE}"


def _unplaced(case: ResultContext, believed: BeliefUpdated) -> tuple[str, str]:
    """Return message and hint if there is a change, in one of several candidates."""
    likely = f"{case.labels[believed.first]} to {case.labels[believed.last]}"
    among = f"with {believed.confidence:g} in one of {likely}"
    if believed.no_change > 1 - believed.confidence:  # no range reaches the confidence
        among = f"with {believed.no_change:.2f} nowhere"
    text = (
        f"locate the change: most probably in {case.labels[believed.high]} "
        f"(probability {believed.probability:.2f}), {among}"
    )
    return text, f"have the probe {'measure more in a run' if case.metric else 'fail more often'}"

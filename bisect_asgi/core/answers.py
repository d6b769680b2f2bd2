"""Turn the end of a search into its result: the boundary, or a message why there is none, with a hint."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import assert_never

from bisect_asgi.core import hints
from bisect_asgi.core.axis_words import AxisWords, EndHints
from bisect_asgi.core.errors import BisectError, ExitCode
from bisect_asgi.core.events import BeliefUpdated, ResultKind, RunFinished
from bisect_asgi.core.judge.judge import Expectation, Judgement
from bisect_asgi.core.model import FailureStretch, Outcome, Ruling, Verdict
from bisect_asgi.core.never_ran import NeverRan
from bisect_asgi.core.records import Struct, field, replace
from bisect_asgi.core.search import AllBoundaries, Boundary, NoBoundary, Open, State, StopReason
from bisect_asgi.core.search.two_rates import divide
from bisect_asgi.core.text import listing, plural


class Result(Struct, frozen=True, kw_only=True):
    """The result of a run: a boundary, or a message with a hint."""

    kind: ResultKind
    message: str = ""
    """Why there is no boundary; of a boundary that was found, which named ends are not as given."""
    hint: str | None = None
    found: Boundary | None = None
    mapped: AllBoundaries | None = None
    excluded_between: tuple[str, ...] = ()
    """The excluded releases inside the boundary."""
    failures: tuple[FailureStretch, ...] = ()
    """What fails on the bad side of the boundary, if not only as the bad end does; see `core.chains`."""

    def event(self, *, elapsed_s: float) -> RunFinished:
        """Return the result as the last event of the log."""
        mapped = self.mapped
        return RunFinished(
            kind=self.kind,
            elapsed_s=elapsed_s,
            boundary=self.found,
            changes=mapped.changes if mapped else (),
            shortest=mapped.shortest if mapped else None,
            excluded_between=self.excluded_between,
            failures=self.failures,
            message=self.message,
            hint=self.hint,
        )


INTERRUPTED = Result(
    kind=ResultKind.INTERRUPTED,
    message="interrupted",
    hint="finished runs are cached; run the same command to continue",
)


OUT_OF_TIME = Result(
    kind=ResultKind.OUT_OF_TIME,
    message="the time limit was reached",
    hint="pass a longer `--time-limit`, or run the same command to continue",
)


class ResultContext(Struct, frozen=True, kw_only=True):
    """The facts about a run that its messages need."""

    axis: AxisWords = AxisWords()
    """The words of the axis for its candidates."""
    end_hints: EndHints = EndHints()
    """The hints for ends that have another outcome than the user gave."""
    probe: str
    labels: tuple[str, ...]
    expectation: Expectation
    errors: Mapping[int, str] = field(default_factory=dict)
    """The candidates without a result, with the reason."""
    believed: BeliefUpdated | None = None
    """The most probable boundary, if runs contradict each other."""
    metric: str | None = None
    """The metric that decides, or None if passing and failing do."""
    limit: str = ""
    """Which values are bad, such as `above 115 s`."""
    is_settled: bool = False
    """Whether a noisy search has decided on which side each candidate is."""
    doubtful: frozenset[int] = frozenset()
    """The user-given ends that the noisy search puts on the wrong side, although their own runs agree with
    the user."""
    installed: Mapping[int, Collection[str]] = field(default_factory=dict)
    """The normalized names of the distributions in the environment of each candidate that was run."""
    python: str = ""
    """The Python of all candidates, such as `3.12`, or "" if they have several."""
    provider: hints.Providing = hints.nothing_known
    budget: str = ""
    """The budget of the noisy search, as text."""
    is_unconfined: bool = False
    """Whether a run without a result had no sandbox, so that the probe may have ended what supervises it."""

    def name(self, key: int) -> str:
        """Return the name of a candidate, such as `fastapi 0.69.0`."""
        return self.axis.name(self.labels[key])

    def circumstances(self, judgement: Judgement) -> hints.Circumstances:
        """Return what hints for untestable candidates depend on."""
        return hints.Circumstances(
            labels=self.labels,
            rulings=judgement.rulings,
            installed=self.installed,
            python=self.python,
            provider=self.provider,
        )

    @property
    def each(self) -> str:
        """The noun for one candidate, such as `release of fastapi`."""
        noun, subject = self.axis.noun, self.axis.subject
        return f"{noun} of {subject}" if subject else noun


_OLDER_END = "pass an older `--good`"
_OTHER_FAILURE = "check whether the probe also fails without the bug"

CAUSE = "the cause"
REST = "the rest of the history"
"""What follows a result, and may be interrupted."""


def interrupted(known: Result, unfinished: str) -> Result:
    """Return the result of a run that was interrupted while it did what follows a result that it had."""
    message = "; ".join(filter(None, (known.message, f"{unfinished} was not finished")))
    return replace(known, kind=ResultKind.INTERRUPTED, message=message, hint=INTERRUPTED.hint)


def out_of_time(known: Result, unfinished: str) -> Result:
    """Return the result of a run whose time was over while it did what follows a result that it had."""
    left = f"{unfinished} was not finished within the time limit"
    return replace(known, message="; ".join(filter(None, (known.message, left))))


def kind_of(error: BisectError) -> ResultKind:
    """Return the kind of result of a run that this error ended."""
    if error.exit_code is ExitCode.USAGE:
        return ResultKind.NOT_ASKED
    return ResultKind.UNAVAILABLE


def of_never_ran(case: ResultContext, wrong: NeverRan) -> Result:
    """Return the result for a probe that ran nowhere."""
    what = f"`{wrong.subject or case.probe}` {wrong.what}"
    where = listing(case.name(key) for key in wrong.keys)
    return Result(
        kind=ResultKind.NOT_ASKED,
        message=": ".join(filter(None, (f"{what} (tried with {where})", wrong.reason))),
        hint=wrong.hint,
    )


def result_of(case: ResultContext, state: State, judgement: Judgement) -> Result:
    """Return the result for the last state of a search."""
    if case.believed is not None and not isinstance(state, Boundary):
        return _unsettled(case, case.believed, state, judgement)
    # If a flaky history changes more than once, the changes are the answer, and a note names a wrong end.
    is_answered = isinstance(state, AllBoundaries) and bool(state.changes) and case.is_settled
    if not is_answered and (ends := _ends(case, judgement)):
        return with_history(case, ends, state, state, judgement) if isinstance(state, AllBoundaries) else ends
    match state:
        case Boundary(low=low, high=high) if case.errors.keys() & {low, high}:
            return _stuck(case)  # a side without a result was not confirmed
        case Boundary():
            return _found(case, state, judgement)
        case AllBoundaries():
            return result_of_all(case, state, judgement)
        case NoBoundary():
            return _stopped(case, state, judgement)
        case Open():
            return _stuck(case)
        case _ as never:
            assert_never(never)


def _ends(case: ResultContext, judgement: Judgement) -> Result | None:
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
            outcome = f"fails: {_ran(case, key, ruling)}"
        case "bad", Outcome.PASSED:
            kind, hint = ResultKind.NOT_REPRODUCED, case.end_hints.bad_passes
            outcome = f"passes: {_ran(case, key, ruling)}"
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


def _ran(case: ResultContext, key: int, ruling: Ruling) -> str:
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


def _unsettled(case: ResultContext, believed: BeliefUpdated, state: State, judgement: Judgement) -> Result:
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


def _found(case: ResultContext, found: Boundary, judgement: Judgement) -> Result:
    if not found.skipped:
        return Result(kind=ResultKind.FOUND, found=found)
    if case.errors.keys() & set(found.skipped):
        return _stuck(case)
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


def result_of_all(case: ResultContext, state: AllBoundaries, judgement: Judgement) -> Result:
    """Return the result with all changes; the boundary is the one that was asked about, else the newest."""
    if state.changes:
        return replace(_found(case, _asked_about(case, state.changes, judgement), judgement), mapped=state)
    reason = StopReason.ALL_NEW if judgement.new_is else StopReason.UNTESTABLE
    return _stopped(case, NoBoundary(reason=reason), judgement)


def _asked_about(case: ResultContext, changes: Sequence[Boundary], judgement: Judgement) -> Boundary:
    """Return the newest change up to the ends that were named and in their direction, else the newest one."""
    if case.expectation.bad is None:
        return changes[-1]
    newest = max(case.expectation.named)
    for change in reversed(changes):
        if change.high <= newest and judgement.rulings[change.high].outcome is judgement.new_is:
            return change
    return changes[-1]


def with_yanked(answer: Result, yanked: Sequence[str]) -> Result:
    """Name the yanked releases in the hint if nothing changes without them: many are yanked for a bug."""
    if answer.kind is not ResultKind.NOT_REPRODUCED or not yanked:
        return answer
    hint = f"or include {listing(yanked)}, yanked perhaps for this bug, with `--yanked`"
    return replace(answer, hint=f"{answer.hint}; {hint}" if answer.hint else hint)


def with_history(
    case: ResultContext, answer: Result, state: State, mapped: AllBoundaries, judgement: Judgement
) -> Result:
    """Add all changes that are known to an answer; without a boundary, those that were asked about are it.

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
    failures reach back to the oldest release. So a change is the answer only if

    - it lies between the two named ends, because the user expects one there; or
    - it breaks (passes before, fails after), on the bad end's side of the good end. Then the failing stretch
      beside the bad end's own state has a beginning: the user has named a release before or after it. An
      upload that broke on the 27th and was mended on the 29th is found with `--bad` on the 29th.

    A mend alone, of a failure that is as old as the oldest release and that nobody named, is no answer.
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
        f"{_ran(case, key, judgement.rulings[key])}; not on {case.labels[works]}: "
        f"if that is the bug, pass `--good {case.labels[works]} --bad {case.labels[key]}`"
    )


def _not_as_named(case: ResultContext, judgement: Judgement) -> list[str]:
    """Return of each named end that is not as given what it is instead."""
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


def _stopped(case: ResultContext, stopped: NoBoundary, judgement: Judgement) -> Result:
    skipped = [key for key, ruling in judgement.rulings.items() if ruling.verdict is Verdict.SKIP]
    known = case.circumstances(judgement)
    if stopped.reason is StopReason.UNTESTABLE:
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


def _stuck(case: ResultContext) -> Result:
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

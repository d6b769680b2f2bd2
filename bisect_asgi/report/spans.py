"""Spans: each trial and each environment built ahead, with its moments and whether it was used.

A log has the moments at which a trial was submitted and ended. The moment at which a worker took it is
computed: of as many workers as the run had, the first free one takes the trial that was submitted first.

**Ahead** is a trial that started before it was known to be needed. Its candidate was open and inside the
bracket, and so was another candidate whose trial was already running. With another result of that trial, this
one would have been irrelevant. It was known to be *needed* once the last such trial had ended. Ends,
repetitions and spot checks are needed in any case. So are all trials of a search without a bracket:
combinations, all changes, flaky probes, levels.

**Used** is a trial whose candidate became an end of the bracket, or whose result was needed in any case. Any
other trial is *unused*: another result implied its own, or its candidate was untestable. The exception is a
candidate in the gap of the result, whose trial is used. An environment built ahead is used if a trial of its
candidate follows.

**Evidence** is every trial that the result rests on, in whatever order the search ran them: ends, both
neighbors of the boundary, their repetitions, spot checks, the gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from bisect_asgi.core.model import Step
from bisect_asgi.core.records import Struct, field, replace
from bisect_asgi.report.projection import Projection, SearchRecord, Work


class Fate(StrEnum):
    """The end of a trial, or the use of an environment built ahead."""

    USED = "used"
    UNUSED = "unused"
    """It ended, and its result was not needed."""
    CANCELLED = "cancelled"
    """It was stopped, or the log ends before it does."""


class Span(Struct, frozen=True, kw_only=True):
    """A trial, or an environment built ahead; its moments are seconds from the start of the run."""

    stage: int
    key: int
    label: str
    is_preparation: bool = False
    """It is an environment built ahead."""
    asked_s: float
    begun_s: float
    """The moment when a worker took it."""
    ended_s: float
    steps: dict[Step, float] = field(default_factory=dict)
    """Seconds of each step; empty for a canceled trial, whose steps are not known."""
    fate: Fate = Fate.CANCELLED
    is_evidence: bool = False
    """The result rests on it."""
    is_ahead: bool = False
    """It was started before it was known to be needed."""
    needed_s: float | None = None
    """The moment when it was known to be needed, if it is ahead."""
    host: str = ""
    """The host that ran it; empty for this machine."""
    is_critical: bool = False
    """It lies on the critical path."""

    @property
    def took_s(self) -> float:
        """Seconds that it occupied a worker."""
        return self.ended_s - self.begun_s

    @property
    def work_s(self) -> float:
        """The same without the time that it waited for other trials."""
        return max(0.0, self.took_s - self.steps.get(Step.WAIT, 0.0))

    @property
    def other_s(self) -> float:
        """Seconds that belong to no step."""
        return max(0.0, self.took_s - sum(self.steps.values())) if self.steps else 0.0

    @property
    def won_s(self) -> float:
        """Seconds of its work before it was known to be needed; 0 if it is not ahead, or was not used."""
        if self.needed_s is None or self.fate is not Fate.USED:
            return 0.0
        return max(0.0, min(self.needed_s, self.ended_s) - self.begun_s)


class _Dated(Struct):
    """Work with its moments, in seconds from the start of the run."""

    work: Work
    asked_s: float
    begun_s: float
    """The moment when a worker took it: at once, unless all workers were busy."""
    ended_s: float
    """The end of the log if the log ends first."""

    @property
    def is_cancelled(self) -> bool:
        """It was canceled, or the log ends first."""
        return self.work.is_cancelled or self.work.ended_s is None


def spans_of(projection: Projection, *, begun_s: float, workers: int) -> tuple[Span, ...]:
    """Return the span of each work with known moments, in the order in which workers took them.

    Args:
        projection: the events of a run.
        begun_s: the start of the run on its clock.
        workers: the number of trials that the run did in parallel.
    """
    dated = list(_dated(projection, begun_s))
    _hand_out([each for each in dated if not each.work.is_preparation], workers)
    ends = {id(each.work): each.ended_s for each in dated}
    spans = [_span(each, projection.searches[each.work.stage], ends) for each in dated]
    known = [_known_use(span, spans) if span.is_preparation else span for span in spans]
    return tuple(sorted(known, key=lambda span: (span.begun_s, span.asked_s)))


def _dated(projection: Projection, begun_s: float) -> Iterator[_Dated]:
    for work in projection.works:
        if work.asked_s is not None:
            last_s = max(work.asked_s, projection.last_s or 0.0)
            ended_s = last_s if work.ended_s is None else work.ended_s
            asked_s = work.asked_s - begun_s
            yield _Dated(work=work, asked_s=asked_s, begun_s=asked_s, ended_s=ended_s - begun_s)


def _hand_out(trials: Sequence[_Dated], workers: int) -> None:
    """Set the moment when a worker took each trial: at once, or when enough earlier trials had ended."""
    for place, each in enumerate(trials):
        ends = sorted(other.ended_s for other in trials[:place] if other.ended_s > each.asked_s)
        taken_s = ends[len(ends) - workers] if len(ends) >= workers else each.asked_s
        each.begun_s = min(taken_s, each.ended_s)


def _span(dated: _Dated, search: SearchRecord, ends: Mapping[int, float]) -> Span:
    work, known = dated.work, dated.work.known
    has_bracket = _is_straight(work, search) and bool(known.sides)
    is_inside, answer = work.is_inside and has_bracket, _answer(work, search)
    fate = Fate.CANCELLED
    if not dated.is_cancelled:
        told = not is_inside or work.key in known.sides or work.key in answer
        fate = Fate.USED if told else Fate.UNUSED
    rivals = work.rivals if has_bracket else ()
    return Span(
        stage=work.stage,
        key=work.key,
        label=work.label,
        is_preparation=work.is_preparation,
        asked_s=dated.asked_s,
        begun_s=dated.begun_s,
        ended_s=dated.ended_s,
        steps=_steps(work),
        fate=fate,
        is_evidence=fate is Fate.USED and (not is_inside or work.key in answer),
        is_ahead=bool(rivals),
        needed_s=max((ends[id(rival)] for rival in rivals), default=None),
        host=work.trial.host if work.trial else "",
    )


def _is_straight(work: Work, search: SearchRecord) -> bool:
    """Return whether the search looked for one change, by halving."""
    is_ordered = search.started is None or search.started.axis.is_ordered
    finds_all = search.finished is not None and search.finished.shortest is not None
    return is_ordered and not (finds_all or work.known.belief or work.known.levels)


def _answer(work: Work, search: SearchRecord) -> set[int]:
    """Return the keys that the result names, if they belong to the work's own list."""
    found = search.finished.boundary if search.finished else None
    if found is None or work.known is not search.known:
        return set()
    return {found.low, found.high, *found.skipped}


def _steps(work: Work) -> dict[Step, float]:
    """Return the steps; of a trial without any, at least its run."""
    if work.trial and not work.steps and work.trial.run_s:
        return {Step.RUN: work.trial.run_s}
    return work.steps


def _known_use(built: Span, spans: Sequence[Span]) -> Span:
    """Return the span of an environment built ahead, with whether and when its candidate was tried."""
    trials = [span for span in spans if not span.is_preparation and span.asked_s >= built.asked_s]
    used = [
        span for span in trials if (span.stage, span.key, span.fate) == (built.stage, built.key, Fate.USED)
    ]
    if built.fate is Fate.CANCELLED or not used:
        fate = Fate.CANCELLED if built.fate is Fate.CANCELLED else Fate.UNUSED
        return replace(built, fate=fate, is_ahead=True, is_evidence=False)
    needed_s = min(span.begun_s for span in used)
    is_evidence = any(span.is_evidence for span in used)
    return replace(built, is_ahead=True, is_evidence=is_evidence, needed_s=needed_s)

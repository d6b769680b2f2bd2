"""The pieces of work in a log: trials and environments built ahead, when they were, what became of them.

A log says when a trial was asked for and when it came back. When a worker took it follows: of as many workers
as the run had, the first that is free takes what was asked for first.

**Ahead** is a trial that was started before it was known to be needed: its candidate was unknown and inside
the bracket, and so was another candidate whose trial was under way, asked for earlier. Had that one answered
otherwise, this one would have told nothing. It was known to be *needed* when the last of those was back.
Ends, repetitions and spot checks are needed anyhow. So is all that is asked by searches without a bracket:
mixes, all changes, noise, levels.

**Used** is a trial that told something: its candidate became a side of the bracket, or its result was needed
anyhow. What came back inside the bracket and became no side was implied by another result, or untestable: a
detour, unless the answer's own gap has it. An environment built ahead is used when a trial of its candidate
comes after it.

**Evidence** is what the answer rests on whichever way it was found: ends, both sides, their repetitions, spot
checks, the gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from bisect_asgi.core.model import Step
from bisect_asgi.core.records import Struct, field, replace
from bisect_asgi.report.projection import Projection, SearchRecord, Work


class Fate(StrEnum):
    """What became of a piece of work."""

    USED = "used"
    UNUSED = "unused"
    """It came to its end and told nothing."""
    CANCELLED = "cancelled"
    """It was stopped, or the log ends before it does."""


class Span(Struct, frozen=True, kw_only=True):
    """A piece of work; moments in seconds from the beginning of the run."""

    stage: int
    key: int
    label: str
    is_preparation: bool = False
    """An environment was built ahead; else it is a trial."""
    asked_s: float
    begun_s: float
    """When a worker took it."""
    ended_s: float
    steps: dict[Step, float] = field(default_factory=dict)
    """Seconds that each took; of what was cancelled nothing is known."""
    fate: Fate = Fate.CANCELLED
    is_evidence: bool = False
    is_ahead: bool = False
    needed_s: float | None = None
    """When it was known to be needed, where it is ahead."""
    host: str = ""
    is_critical: bool = False
    """It lies on the critical path."""

    @property
    def took_s(self) -> float:
        """How long it kept a worker."""
        return self.ended_s - self.begun_s

    @property
    def work_s(self) -> float:
        """The same without waiting for other trials."""
        return max(0.0, self.took_s - self.steps.get(Step.WAIT, 0.0))

    @property
    def other_s(self) -> float:
        """What of it no step accounts for."""
        return max(0.0, self.took_s - sum(self.steps.values())) if self.steps else 0.0

    @property
    def won_s(self) -> float:
        """The head start that it had, where it is ahead and used."""
        if self.needed_s is None or self.fate is not Fate.USED:
            return 0.0
        return max(0.0, min(self.needed_s, self.ended_s) - self.begun_s)


class _Dated(Struct):
    """A piece of work with its moments, in seconds from the beginning of the run."""

    work: Work
    asked_s: float
    begun_s: float
    """When a worker took it: at once, unless all of them were busy."""
    ended_s: float
    """The log's end, if the log ends first."""

    @property
    def is_cancelled(self) -> bool:
        """It was stopped, or the log ends before it does."""
        return self.work.is_cancelled or self.work.ended_s is None


def spans_of(projection: Projection, *, begun_s: float, workers: int) -> tuple[Span, ...]:
    """Return all pieces of work that have dates, in the order in which workers took them.

    Args:
        projection: the events of a run.
        begun_s: what the run's clock showed at its beginning.
        workers: how many trials the run did in parallel.
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
    """Set when a worker took each trial: at once, or when enough of those before it had ended."""
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
    """Return whether one change was looked for, by halving."""
    is_ordered = search.started is None or search.started.axis.is_ordered
    finds_all = search.finished is not None and search.finished.shortest is not None
    return is_ordered and not (finds_all or work.known.belief or work.known.levels)


def _answer(work: Work, search: SearchRecord) -> set[int]:
    """Return the keys that the answer names, if they are those of the work's own list."""
    found = search.finished.boundary if search.finished else None
    if found is None or work.known is not search.known:
        return set()
    return {found.low, found.high, *found.skipped}


def _steps(work: Work) -> dict[Step, float]:
    """The steps; of a trial that has none recorded, its run at least."""
    if work.trial and not work.steps and work.trial.run_s:
        return {Step.RUN: work.trial.run_s}
    return work.steps


def _known_use(built: Span, spans: Sequence[Span]) -> Span:
    """An environment that was built ahead, with whether a trial of its candidate came to it, and when."""
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

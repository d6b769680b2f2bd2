"""The sentences of progress, which the terminal and the plain sink share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from bisect_asgi.core import events
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.metrics import unit_of
from bisect_asgi.core.metrics.criteria import RATIO, Threshold, samples
from bisect_asgi.core.model import Observation, Outcome, Ruling, Signature, Trial, Verdict
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import duration, listing, plural
from bisect_asgi.report.culprit import sentences
from bisect_asgi.report.progress.fitting import fit
from bisect_asgi.report.progress.repeats import Repeats
from bisect_asgi.report.progress.stretches import Pace, Stretches
from bisect_asgi.report.projection import Knowledge, Projection, SearchRecord, Work, threshold_of
from bisect_asgi.report.rows import day_of, word

_LEAST_BUILD_S = 0.005
"""An environment that took less was cached."""


class TrialLine(Struct, frozen=True, kw_only=True):
    """The outcome of a trial as one line."""

    outcome: Outcome
    label: str
    verdict: str
    """Its verdict in a few words; "" for a sample without a threshold."""
    reason: str = ""
    """The failure, in parentheses."""
    tail: str = ""
    """The times."""

    @property
    def text(self) -> str:
        """The whole line."""
        return f"{self.label}{self._verdict}{self.reason}{self.tail}"

    def fit(self, width: int) -> str:
        """Return the line in at most `width` cells; the reason is cut first."""
        return fit(self.label, self._verdict, self.reason, self.tail, width)

    @property
    def _verdict(self) -> str:
        return f" {self.verdict}" if self.verdict else ""


class Progress:
    """The state of a progress sink: the events so far, and the sentences about each search."""

    def __init__(self) -> None:
        self.projection = Projection()
        self.run = Words(self.projection.run)
        self._words = {0: self.run}
        self.shown = self.run
        """The sentences about the search that submitted work last."""
        self.stretches = Stretches()

    def take(self, event: events.Event) -> Words:
        """Take in one event, and return the sentences about its search."""
        search = self.projection.take(event)
        words = self._words.setdefault(search.stage, Words(search))
        words.take(events.unstaged(event))
        if not isinstance(event, events.StageEvent):
            self.stretches.take(event, search.known)
        match events.unstaged(event):
            case events.TrialStarted() | events.RepeatsStarted():
                self.shown = words
            case events.StretchStarted() | events.RunFinished():
                self.shown = self.run
            case _:
                pass
        return words

    def repeated(self, event: events.Event, words: Words) -> list[tuple[int, TrialLine]]:
        """Return the lines about repeated runs, each with its stage, that come before an event."""
        if not isinstance(events.unstaged(event), _ENDS_REPEATS):
            return []
        told = [
            (stage, line) for stage, own in self._words.items() if own is not words for line in own.again()
        ]
        return told + [(words.stage, line) for line in words.again()]

    def running(self) -> list[Work]:
        """Return the trials under way, by stage and key."""
        searches = list(self.projection.searches.values())
        works = [work for search in searches for work in list(search.running.values())]
        return sorted(works, key=lambda work: (work.stage, work.key))


_ENDS_REPEATS = (
    events.CandidatesListed,
    events.ObservationsReset,
    events.EndsSampled,
    events.Confirmed,
    events.Note,
    events.Explained,
    events.StretchStarted,
    events.RepeatsStarted,
    events.RunFinished,
)


class Words:
    """The sentences about one search; the object knows which were written."""

    def __init__(self, search: SearchRecord) -> None:
        self._search = search
        self._waiting: list[Trial] = []
        self._told_different: set[str] = set()
        self._last_told: tuple[object, ...] = ()
        self._told_candidates = 0
        self._repeats = Repeats()
        self.pace = Pace()

    @property
    def stage(self) -> int:
        """The number of the search; 0: the run itself."""
        return self._search.stage

    @property
    def plan(self) -> events.RunStarted | None:
        """Return the plan, with the threshold that was found."""
        return self._search.plan

    @property
    def known(self) -> Knowledge:
        """Return the knowledge about the candidates so far."""
        return self._search.known

    @property
    def candidates(self) -> tuple[events.CandidateListed, ...]:
        """The candidates, oldest first."""
        return self.known.listed.candidates

    def take(self, event: events.Event) -> None:
        """Keep a trial that came back until its ruling is known."""
        self.pace.take(event)
        match event:
            case events.TrialFinished(trial=trial):
                self._waiting.append(trial)
            case events.CandidatesListed(grows=False) | events.ObservationsReset():
                self._repeats.begin_anew()
            case _:
                pass

    def listed(self, event: events.CandidatesListed) -> list[str]:
        """Return the line about the range, about what was added to it, or about a stage's combinations."""
        grows = event.grows and self._told_candidates > 0  # a stage's first list may be marked as growing
        added = event.candidates[self._told_candidates :] if grows else event.candidates
        self._told_candidates = len(event.candidates)
        if self.plan is None or not added:
            return []
        axis = self.axis
        if not axis.is_ordered:
            return [] if grows else [_unordered(axis)]
        if grows:
            return list(_added(added, axis))
        span = f"searching {axis.counted(len(added))} {axis.context}".rstrip()
        return [f"{span}: {_dated(added[0])} to {_dated(added[-1])}"]

    def explained(self, event: events.Explained) -> tuple[str, ...]:
        """Return the sentences about a culprit."""
        return sentences(event, word=self.verdict(event.new_is))

    def label(self, key: int) -> str:
        """Return the label of a candidate; `probe` for a single run without a list of candidates."""
        return self.known.label(key) if self.candidates else "probe"

    @property
    def axis(self) -> AxisWords:
        """The words of the search's axis."""
        return self.plan.axis if self.plan else AxisWords()

    def verdict(self, outcome: Outcome) -> str:
        """Return the user's word for an outcome."""
        plan = self.plan
        return word(plan, outcome) if plan else str(outcome)

    def finished(self) -> list[TrialLine]:
        """Return the lines about trials that came back since the last call.

        Runs that repeat an earlier outcome of their candidate are only counted, and `again` reports the
        count.
        """
        lines: list[TrialLine] = []
        for trial in self._waiting:
            ruling = self.known.rulings.get(trial.key)
            line = self._finished(trial, ruling)
            if ruling is None or not self._repeats.is_known(trial, ruling):
                lines += [*self.again(), line]
        self._waiting.clear()
        return lines

    def again(self) -> list[TrialLine]:
        """Return the lines about repeated runs that have none yet."""
        lines = [
            TrialLine(
                outcome=each.outcome,
                label=each.label,
                verdict=each.told(self.verdict),
                reason=self._values(each.trials),
            )
            for each in self._repeats.untold()
        ]
        self._repeats.forget()
        return lines

    @property
    def repeating(self) -> str:
        """Return `0.68.2 good in 3 more runs, 0.69.0 bad in 2 more runs`: what `again` has to tell."""
        return ", ".join(f"{each.label} {each.told(self.verdict)}" for each in self._repeats.untold())

    def _finished(self, trial: Trial, ruling: Ruling | None) -> TrialLine:
        run = trial.observations[-1]
        if run.outcome is Outcome.ERROR or ruling is None:
            return self._line(trial, run.outcome, run.signature)
        if ruling.verdict is Verdict.SKIP:
            return self._line(trial, Outcome.UNTESTABLE, ruling.signature)
        if measured := self._values([trial]):
            word = "" if ruling.is_flaky else self.verdict(ruling.outcome)
            return self._told(trial, ruling.outcome, word, measured)
        if ruling.is_flaky:
            return self._told(trial, run.outcome, str(run.outcome), _why_failed(run))
        return self._line(trial, ruling.outcome, ruling.signature)

    def _line(self, trial: Trial, ruled: Outcome, signature: Signature | None) -> TrialLine:
        """Return `0.69.0 bad (AssertionError: …), built in 1.2 s, run in 0.4 s`."""
        word = "no result" if ruled is Outcome.ERROR else self.verdict(ruled)
        return self._told(trial, ruled, word, f" ({signature.shown})" if signature else "")

    def _told(self, trial: Trial, outcome: Outcome, word: str, reason: str) -> TrialLine:
        return TrialLine(outcome=outcome, label=trial.label, verdict=word, reason=reason, tail=_times(trial))

    def _values(self, trials: Iterable[Trial]) -> str:
        """Return ` (wall = 251 ms)`, the median of the trials' samples; empty without samples."""
        metric, runs = (
            self.plan.metric if self.plan else None,
            [run for trial in trials for run in trial.observations],
        )
        if metric is None or not (own := samples(runs, metric)):
            return ""
        from statistics import median  # most searches have no metric, and importing it takes long

        is_ratio = any(run.reference_metrics for run in runs)
        limit = Threshold(metric=metric, unit=RATIO if is_ratio else unit_of(runs, metric))
        return f" ({metric} = {limit.show(median(own))})"

    def different_failures(self) -> list[str]:
        """Return a warning for each candidate that newly has another failure than the bad end."""
        judged = self.known.judged
        if judged is None or not self.axis.is_ordered:  # combinations are expected to fail differently
            return []
        lines: list[str] = []
        for key, ruling in self.known.rulings.items():
            label = self.label(key)
            if ruling.fails_differently and label not in self._told_different:
                self._told_different.add(label)
                lines += _different(label, ruling, judged.reference)
        return lines

    def narrowed(self) -> list[str]:
        """Return the line about the range that is left, if it has changed."""
        judged, belief = self.known.judged, self.known.belief
        if belief:
            return self._if_new(self.likeliest(belief), belief.low, belief.high, round(belief.probability, 1))
        if judged is None or not judged.left:
            return []
        if judged.low is None or judged.high is None:
            told = self.settled(judged)
            return self._if_new(told, told.partition(";")[2]) if told else []
        sides = f"between {self.label(judged.low)} and {self.label(judged.high)}"
        told = f"{self.axis.counted(judged.left)} left {sides}, {self.pace.steps(judged.left)}"
        return self._if_new(told, judged.low, judged.high, judged.left)

    def _if_new(self, line: str, *state: object) -> list[str]:
        """Return the line, unless the last one was about the same state of the same candidates."""
        told = (self.known.generation, *state)
        if told == self._last_told:
            return []
        self._last_told = told
        return [line]

    def likeliest(self, belief: events.BeliefUpdated) -> str:
        """Return `flaky: most likely 0.12.2 → 0.12.3 (63%)`."""
        sides = f"{self.label(belief.low)} → {self.label(belief.high)}"
        # Round down, so that 99.6% does not read as certain.
        return f"flaky: most likely {sides} ({math.floor(100 * belief.probability)}%)"

    def sampled(self, event: events.EndsSampled) -> list[str]:
        """Return the line about the samples of both ends and the threshold between them."""
        from statistics import median  # as in `_values`

        limit = Threshold(metric=event.metric, unit=event.unit)
        sides = " and ".join(
            f"{limit.show(median(own))} in {self.label(key)}"
            for key, own in ((event.low, event.old), (event.high, event.new))
            if own
        )
        bound = threshold_of(event)
        return [f"{event.metric} is {sides}" + (f"; {bound} is bad" if bound else "")]

    def settled(self, judged: events.RulingsChanged) -> str:
        """Return the changes so far of a search for all changes; empty before two candidates are tested."""
        tested = [(key, ruling) for key, ruling in self.known.rulings.items() if _is_tested(ruling)]
        spans = [
            f"{self.label(low)} → {self.label(high)}"
            for (low, before), (high, after) in pairwise(tested)
            if before.verdict is not after.verdict
        ]
        if len(tested) < 2:
            return ""
        return f"{self.axis.counted(judged.left)} not run; changes so far: {listing(spans, most=9) or 'none'}"


def _dated(candidate: events.CandidateListed) -> str:
    day = day_of(candidate.version, candidate.uploaded)
    return f"{candidate.version} ({day})" if day else candidate.version


def _why_failed(run: Observation) -> str:
    return f" ({run.signature.shown})" if run.outcome is Outcome.FAILED and run.signature else ""


def _is_tested(ruling: Ruling) -> bool:
    return ruling.verdict is not Verdict.SKIP


def _times(trial: Trial) -> str:
    if trial.environment is None:
        return ""
    if trial.remembered == len(trial.observations):
        return ", cached"
    built = f", built in {duration(trial.build_s)}" if trial.build_s >= _LEAST_BUILD_S else ""
    return f"{built}, run in {duration(trial.run_s)}"


def _unordered(axis: AxisWords) -> str:
    """Return `combining fastapi 0.68.2 and fastapi 0.69.0`, or `running releases on other Pythons`."""
    what, of, sides = axis.context.partition("of ")
    return f"combining {sides}" if of and not what else f"running {axis.nouns} {axis.context}"


def _added(added: Sequence[events.CandidateListed], axis: AxisWords) -> Iterator[str]:
    """Yield the lines about appended candidates: newer ones, and yanked ones."""
    newer = [each for each in added if each.yanked is None]
    yanked = [each.version for each in added if each.yanked is not None]
    if newer:
        span = f"{_dated(newer[0])} to {_dated(newer[-1])}" if len(newer) > 1 else _dated(newer[0])
        yield f"{axis.counted(len(newer))} added: {span}"
    if yanked:
        yield f"running {plural(len(yanked), 'yanked release')} as well: {listing(yanked)}"


def _different(label: str, ruling: Ruling, reference: tuple[Signature, ...]) -> list[str]:
    seen = ruling.signature
    known = reference[0] if reference else None
    width = max(len(label) + 1, len("bad end:"))
    rows = [("bad end:", known, seen), (f"{label}:", seen, known)]
    return [
        f"warning: {label} fails differently from the bad end",
        *(f"  {name:<{width}} {_beside(sign, other)}" for name, sign, other in rows if sign),
        "  treated as untestable; pass `--any-failure` to count it as bad",
    ]


def _beside(failure: Signature, other: Signature | None) -> str:
    """Return the phase and the failure, with its frame if the other one reads the same without."""
    text = f"{failure.phase:<8} {failure.shown}"
    is_alike = other is not None and (failure.phase, failure.shown) == (other.phase, other.shown)
    return f"{text}, in {failure.frame}" if is_alike and failure.frame else text

"""The sentences of progress, which the terminal and the plain sink share."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from bisect_asgi.core import events
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.metrics import unit_of
from bisect_asgi.core.metrics.criteria import RATIO, Limit, samples
from bisect_asgi.core.model import Observation, Outcome, Ruling, Signature, Trial, Verdict
from bisect_asgi.core.text import duration, listing
from bisect_asgi.report.culprit import sentences
from bisect_asgi.report.projection import Knowledge, Projection, SearchRecord, Work, limit_of
from bisect_asgi.report.rows import day_of, word


class Progress:
    """The state of a progress sink: the events so far, and the sentences about each search."""

    def __init__(self) -> None:
        self._projection = Projection()
        self.run = Words(self._projection.run)
        self._words = {0: self.run}

    def take(self, event: events.Event) -> Words:
        """Take in one event, and return the sentences about its search."""
        search = self._projection.take(event)
        words = self._words.setdefault(search.stage, Words(search))
        words.take(events.unstaged(event))
        return words

    def running(self) -> list[Work]:
        """Return the trials under way, by stage and key."""
        searches = list(self._projection.searches.values())
        works = [work for search in searches for work in list(search.running.values())]
        return sorted(works, key=lambda work: (work.stage, work.key))


class Words:
    """The sentences about one search; it remembers which were written."""

    def __init__(self, search: SearchRecord) -> None:
        self._search = search
        self._waiting: list[Trial] = []
        self._told_different: set[str] = set()
        self._last_told: tuple[object, ...] = ()

    @property
    def plan(self) -> events.RunStarted | None:
        """What was asked, with the limit that was found."""
        return self._search.plan

    @property
    def known(self) -> Knowledge:
        """What is known of the candidates now."""
        return self._search.known

    @property
    def candidates(self) -> tuple[events.CandidateListed, ...]:
        """The candidates, oldest first."""
        return self.known.listed.candidates

    def take(self, event: events.Event) -> None:
        """Keep a trial that came back until its ruling is known."""
        if isinstance(event, events.TrialFinished):
            self._waiting.append(event.trial)

    def listed(self) -> list[str]:
        """Return the line about the range, or about the combinations of a stage."""
        if self.plan is None or not self.candidates:
            return []
        axis, first, last = self.axis, self.candidates[0], self.candidates[-1]
        if not axis.is_ordered:
            return [] if len(self.candidates) > 2 else [f"{axis.nouns} {axis.context}:"]
        span = f"{axis.counted(len(self.candidates))} to look at {axis.context}".rstrip()
        return [f"{span}: {_dated(first)} to {_dated(last)}"]

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

    def finished(self) -> list[tuple[Outcome, str]]:
        """Return the trials that came back since the last call, each with its outcome and line."""
        told = [self._finished(trial, self.known.rulings.get(trial.key)) for trial in self._waiting]
        self._waiting.clear()
        return told

    def _finished(self, trial: Trial, ruling: Ruling | None) -> tuple[Outcome, str]:
        run = trial.observations[-1]
        if run.outcome is Outcome.ERROR or ruling is None:
            return run.outcome, self._line(trial, run.outcome, run.signature)
        if ruling.verdict is Verdict.SKIP:
            return Outcome.UNTESTABLE, self._line(trial, Outcome.UNTESTABLE, ruling.signature)
        if measured := self._measured(trial):
            word = "" if ruling.is_flaky else self.verdict(ruling.outcome)
            return ruling.outcome, self._told(trial, word, measured)
        if ruling.is_flaky:
            return run.outcome, self._told(trial, str(run.outcome), _why_failed(run))
        return ruling.outcome, self._line(trial, ruling.outcome, ruling.signature)

    def _line(self, trial: Trial, ruled: Outcome, signature: Signature | None) -> str:
        """Return `0.69.0 bad (AssertionError: …), built in 1.2 s, run in 0.4 s`."""
        outcome = "broken" if ruled is Outcome.ERROR else self.verdict(ruled)
        return self._told(trial, outcome, f" ({signature.shown})" if signature else "")

    def _told(self, trial: Trial, outcome: str, seen: str) -> str:
        told = f"{trial.label} {outcome}".rstrip() + seen
        if trial.environment is None:
            return told
        if trial.remembered == len(trial.observations):
            return f"{told}, remembered"
        times = f"built in {duration(trial.build_s)}, run in {duration(trial.run_s)}"
        return f"{told}, {times}"

    def _measured(self, trial: Trial) -> str:
        """Return ` (wall = 251 ms)`, the median of the trial's samples; empty without samples."""
        metric = self.plan.metric if self.plan else None
        if metric is None or not (own := samples(trial.observations, metric)):
            return ""
        is_ratio = any(run.reference_metrics for run in trial.observations)
        limit = Limit(metric=metric, unit=RATIO if is_ratio else unit_of(trial.observations, metric))
        return f" ({metric} = {limit.show(median(own))})"

    def different_failures(self) -> list[str]:
        """Return a warning for each candidate that newly has another failure than the bad end."""
        judged = self.known.judged
        if judged is None or not self.axis.is_ordered:  # mixes are expected to
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
        told = f"{sides}: {left(judged.left, self.axis)}"
        return self._if_new(told, judged.low, judged.high, judged.left)

    def _if_new(self, line: str, *state: object) -> list[str]:
        """Return the line, unless the last one was about the same state of the same candidates."""
        told = (self.known.generation, *state)
        if told == self._last_told:
            return []
        self._last_told = told
        return [line]

    def likeliest(self, belief: events.BeliefUpdated) -> str:
        """Return `… most probably 0.12.2 → 0.12.3 (0.63)`."""
        sides = f"{self.label(belief.low)} → {self.label(belief.high)}"
        return f"runs contradict each other: most probably {sides} ({belief.probability:.2f})"

    def sampled(self, event: events.EndsSampled) -> list[str]:
        """Return the line about the samples of both ends and the limit between them."""
        limit = Limit(metric=event.metric, unit=event.unit)
        sides = " and ".join(
            f"{limit.show(median(own))} in {self.label(key)}"
            for key, own in ((event.low, event.old), (event.high, event.new))
            if own
        )
        bound = limit_of(event)
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
        return f"{self.axis.counted(judged.left)} unknown; changes so far: {listing(spans, most=9) or 'none'}"


def _dated(candidate: events.CandidateListed) -> str:
    day = day_of(candidate.version, candidate.uploaded)
    return f"{candidate.version} ({day})" if day else candidate.version


def _why_failed(run: Observation) -> str:
    return f" ({run.signature.shown})" if run.outcome is Outcome.FAILED and run.signature else ""


def _is_tested(ruling: Ruling) -> bool:
    return ruling.verdict is not Verdict.SKIP


def left(count: int, axis: AxisWords) -> str:
    """Return `12 releases left, about 4 more steps`."""
    steps = count.bit_length()
    return f"{axis.counted(count)} left, about {steps} more {'step' if steps == 1 else 'steps'}"


def _different(label: str, ruling: Ruling, reference: tuple[Signature, ...]) -> list[str]:
    seen = ruling.signature
    known = reference[0] if reference else None
    width = max(len(label) + 1, len("bad end:"))
    rows = [("bad end:", known), (f"{label}:", seen)]
    return [
        f"warning: {label} fails differently from the bad end",
        *(f"  {name:<{width}} {sign.phase:<8} {sign.shown}" for name, sign in rows if sign),
        "  treated as untestable; use `--any-failure` to count it as bad",
    ]

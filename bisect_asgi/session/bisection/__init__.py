"""One search: its question, its candidates, and everything that was observed of them.

Whoever confirms, samples or mixes works on a `Search`. Only four of its methods change how observations are
judged: `set_threshold`, when a threshold was found; `count_as_bad`, when different failures count as bad as
well; `sample_beside`, when samples are to be taken in another way; and `settle`, when runs of one candidate
differ.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

from packaging.specifiers import SpecifierSet

from bisect_asgi.core import chains, events
from bisect_asgi.core.answers.result import ResultContext
from bisect_asgi.core.hints import Circumstances
from bisect_asgi.core.judge.judge import Expectation, Judgement
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.metrics import BUILT_IN, unit_of
from bisect_asgi.core.metrics.criteria import Threshold
from bisect_asgi.core.model import (
    Candidate,
    Phase,
    Probe,
    SamplingMode,
    SandboxLevel,
    Signature,
    Verdict,
)
from bisect_asgi.core.never_ran import NeverRan, never_ran, unreported
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.coverage import next_pythons
from bisect_asgi.core.releases.installable import TargetPython, has_wheel
from bisect_asgi.core.search.confirmation import FIRST_RUNS, Confirmation
from bisect_asgi.core.services import Emit, Services
from bisect_asgi.core.text import listing
from bisect_asgi.session.axes import axis_of
from bisect_asgi.session.axes.base import SearchSpace
from bisect_asgi.session.bisection.engine import Engine, SearchSpec
from bisect_asgi.session.bisection.extras import Extras
from bisect_asgi.session.bisection.prebuild import Prebuilder


class Search:
    """One search for changes among the candidates of a space.

    Args:
        plan: what the user asks for.
        space: the candidates, and which ends the user named.
        emit: called with every event, in the thread of the caller.
        stage: the number of the search among those of a run; 0: the first.
    """

    def __init__(
        self, plan: Plan, space: SearchSpace, services: Services, emit: Emit, *, stage: int = 0
    ) -> None:
        self.plan = plan
        """The user's plan, with the threshold once it is found."""
        self.space = space
        self.emit = emit
        self._trials = services.trials
        self._provider = lru_cache(services.index.provider)
        self._extras = Extras(plan, () if stage else space.candidates, services)
        self._has_yanked = False
        self._leaning: tuple[Judgement | None, Mapping[int, Verdict]] = (None, {})
        self.engine = Engine(
            SearchSpec(
                candidates=space.candidates,
                probe=plan.probe,
                expectation=space.expectation,
                criteria=plan.criteria,
                sampling=plan.sampling,
                fresh=plan.fresh,
                stage=stage,
            ),
            run_trial=services.trials.run,
            executor=services.executor,
            jobs=plan.jobs,
            # Samples need the machine to themselves, so there are no additional trials and no builds
            # meanwhile.
            most=plan.most_jobs if plan.sampling is None else plan.jobs,
            prebuilder=_prebuilder(services, emit) if plan.sampling is None else None,
            emit=emit,
        )

    @property
    def labels(self) -> Sequence[str]:
        """The labels of the candidates, oldest first."""
        return self.space.labels

    @cached_property
    def further_pythons(self) -> tuple[TargetPython, ...]:
        """The Pythons on which the search continues if nothing changes on this one."""
        choice, whole = self.space.choice, self.space.whole
        if choice is None or not whole:
            return ()
        bad = [release for release in whole if release.version == self.plan.bad]
        others = [each for each in choice.others if all(has_wheel(release, each) for release in bad)]
        return next_pythons(whole, choice.target, others)

    @property
    def goes_on_elsewhere(self) -> bool:
        """Whether other Pythons are searched if nothing changes on this one.

        If a named end is wrong, or runs differ, that is the result.
        """
        judgement = self.judgement()
        is_clear = not judgement.is_flaky and not judgement.contradicts(self.space.expectation)
        return is_clear and bool(self.further_pythons)

    @property
    def is_settled(self) -> bool:
        """Whether differing runs of one candidate are explained by noise."""
        return self.engine.noise is not None

    @property
    def confirmation(self) -> Confirmation:
        """Return the rules for running candidates again before a result is given."""
        return Confirmation(
            expectation=self.space.expectation,
            confidence=self.plan.confidence,
            repeats=self.plan.confirm,
            seconds=self.engine.seconds,
            of_each_change=self._of_each_change(),
            is_cut_off=self.engine.is_cut_off,
        )

    def _of_each_change(self) -> int:
        """Return how often both sides of each of several changes are run."""
        if self.plan.criteria.threshold is None:
            return FIRST_RUNS
        from bisect_asgi.core.metrics.stats import enough_there  # most searches have no metric

        return max(FIRST_RUNS, enough_there(self.plan.confidence))

    @property
    def context(self) -> ResultContext:
        """Return the facts that messages about the result need."""
        axis, errors = axis_of(self.plan), self.engine.errors.items()
        pythons = {candidate.spec.interpreter.short for candidate in self.space.candidates}
        return ResultContext(
            axis=axis.words_of(self.plan),
            end_hints=axis.hints,
            installed=self._installed,
            python=pythons.pop() if len(pythons) == 1 else "",
            probe=self.plan.probe.name,
            labels=self.space.labels,
            expectation=self.space.expectation,
            errors={key: run.signature.shown for key, run in errors if run.signature},
            is_unconfined=self.plan.probe.confinement.level is SandboxLevel.NONE
            and any(run.phase is Phase.CHECK for _, run in errors),
            provider=self._provider,
            budget=str(self.plan.budget),
            metric=self.plan.criteria.metric,
            limit=self._bound,
            is_settled=self.is_settled,
        )

    @property
    def leaning(self) -> Mapping[int, Verdict]:
        """The candidates that fail differently from the bad end, each with its side in the search."""
        judgement = self.judgement()
        if self._leaning[0] is not judgement:
            is_any = any(ruling.fails_differently for ruling in judgement.rulings.values())
            leaning = chains.leaning(self.circumstances, judgement) if is_any else {}
            self._leaning = (judgement, leaning)
        return self._leaning[1]

    @property
    def circumstances(self) -> Circumstances:
        """Return the facts on which hints for untestable candidates depend."""
        return self.context.circumstances(self.judgement())

    @property
    def _installed(self) -> dict[int, set[str]]:
        """The names of the distributions in the environment of each candidate that was run."""
        return {
            key: {distribution.name for distribution in built.distributions}
            for key, built in self.engine.environments.items()
        }

    @property
    def _bound(self) -> str:
        """The threshold as text, a plain number in the metric's unit; empty if there is none."""
        threshold = self.plan.criteria.threshold
        if threshold is None:
            return ""
        runs = (run for runs in self.engine.observed.values() for run in runs)
        return replace(threshold, unit=threshold.unit or unit_of(runs, threshold.metric)).bound

    def judgement(self) -> Judgement:
        """Return the judgement of the observations so far; those of yanked releases do not count."""
        judgement = self.engine.judgement()
        if not self._has_yanked:
            return judgement
        rulings = {key: ruling for key, ruling in judgement.rulings.items() if key < len(self.labels)}
        return replace(judgement, rulings=rulings)

    def never_ran(self, judgement: Judgement) -> NeverRan | None:
        """Return why the search cannot go on, or None: an extra that does not exist, a probe that never ran.

        If the user counts every failure, a probe that never ran is no reason. A good end that the user named
        has to be run before this is known, however many other candidates have ended before.
        """
        if unknown := self.unknown_extra():
            return unknown
        criteria, probe = self.plan.criteria, self.plan.probe
        if criteria.any_failure or criteria.match:
            return None
        if criteria.metric is not None and (wrong := self.unreported(criteria.metric)):
            return wrong
        good = self.space.expectation.good
        if good is not None and good not in self.engine.observed and good not in self.engine.errors:
            return None
        return never_ran(
            judgement.rulings,
            files=[probe.name, *(file.name for file in probe.files)],
            installed=self._installed,
            provider=self._provider,
        )

    def unknown_extra(self) -> NeverRan | None:
        """Return that no candidate has one of the extras that the user asks for, or None."""
        return self._extras.unknown(self.engine.environments)

    def note_extras(self) -> None:
        """Emit which of the candidates that were run lack an extra that others have."""
        for text in self._extras.notes(self.engine.environments, self.labels):
            self.emit(events.Note(text=text))

    def unreported(self, metric: str) -> NeverRan | None:
        """Return that the probe does not report a metric, or None if it may."""
        return unreported(self.engine.observed, metric, texts=_texts(self.plan.probe, metric))

    @property
    def names_metric(self) -> bool:
        """Whether every run has the metric that decides, or the probe's text has its name."""
        metric = self.plan.criteria.metric or ""
        return metric in BUILT_IN or any(metric.encode() in text for text in _texts(self.plan.probe, metric))

    def recall(self) -> None:
        """Recall what earlier commands observed, unless the user wants everything anew."""
        if not self.plan.fresh:
            self.engine.recall(self._trials.recall, self._trials.is_built)

    def add(self, candidate: Candidate) -> int:
        """Append a candidate, and return its key."""
        self.space = replace(self.space, candidates=(*self.space.candidates, candidate))
        return self.engine.add(candidate)

    def look_beyond(self, within: SpecifierSet = SpecifierSet()) -> None:
        """Have those candidates as well, from here on, that are newer than the range, and `within` this."""
        newer = tuple(each for each in self.space.newer if within.contains(each.label, prereleases=True))
        if newer:
            outside = {candidate.label for candidate in newer}
            excluded = tuple(out for out in self.space.excluded if out.version not in outside)
            candidates = (*self.space.candidates, *newer)
            self.space = replace(self.space, candidates=candidates, newer=(), excluded=excluded)
            self.engine.extend(newer)
            self.emit(candidates_listed(self.space, grows=True))
            self.recall()

    def admit(self, yanked: Sequence[Candidate]) -> range:
        """Let these releases, which are no candidates, be run after all candidates; return their keys."""
        self._has_yanked = True
        first, labels = len(self.labels), {candidate.label for candidate in yanked}
        self.engine.extend(yanked)
        excluded = tuple(out for out in self.space.excluded if out.version not in labels)
        self.space = replace(self.space, excluded=excluded)
        every = candidates_listed(self.space, grows=True)
        self.emit(replace(every, candidates=(*every.candidates, *map(listed, yanked))))
        self.recall()
        return range(first, first + len(yanked))

    def set_threshold(self, threshold: Threshold, *, ends: Expectation | None = None) -> None:
        """Judge runs by a threshold from here on; `ends`: which candidate is good by it, and which is bad."""
        spec = self.engine.spec
        criteria = replace(spec.criteria, threshold=threshold)
        self.plan = replace(self.plan, criteria=criteria)
        self.engine.judge_by(
            replace(spec, criteria=criteria, expectation=ends or spec.expectation), self.engine.noise
        )

    def count_as_bad(self, failures: tuple[Signature, ...]) -> None:
        """Count runs with these failures as bad from here on, although the bad end fails differently."""
        spec = self.engine.spec
        criteria = replace(spec.criteria, also=(*spec.criteria.also, *failures))
        self.plan = replace(self.plan, criteria=criteria)
        self.engine.judge_by(replace(spec, criteria=criteria), self.engine.noise)
        others = listing(failure.shown for failure in failures)
        told = f"between the good end and the bad end's failure, other failures now count as bad: {others}"
        self.emit(events.Note(text=told, is_live=True))

    def check_ends(self) -> None:
        """Treat the ends that differ by their samples like user-given ends from here on."""
        self.space = replace(self.space, expectation=self.engine.spec.expectation, gallop=False)

    def sample_beside(self, reference: int) -> None:
        """Take each sample next to a run of the candidate `reference` from here on.

        Samples without such a run are dropped. Samples with one that earlier commands took are recalled.
        """
        sampling = SamplingMode(reference=self.space.candidates[reference].spec)
        self.plan = replace(self.plan, sampling=sampling)
        self.engine.start_anew(replace(self.engine.spec, sampling=sampling))
        self.recall()

    def settle(self, noise: Noise | None) -> None:
        """Judge flaky candidates by the failure rates of both sides from here on; None: no longer."""
        self.engine.judge_by(self.engine.spec, noise)


def _texts(probe: Probe, metric: str) -> list[bytes]:
    """Return where the name of a metric may stand; the driver of a ready-made load has names of its own."""
    if probe.served and probe.served.load:
        return [metric.encode()]
    return [(probe.command or "").encode(), *(file.content for file in probe.files)]


def _prebuilder(services: Services, emit: Emit) -> Prebuilder | None:
    """Return what builds environments ahead, or None if that is of no use."""
    trials = services.trials
    if trials.builders is None:
        return None
    return Prebuilder(trials.prepare, trials.builders, emit=emit, clock=time.monotonic)


def announce(space: SearchSpace, emit: Emit) -> None:
    """Emit the facts that are known before the first trial."""
    if space.choice:
        emit(events.InterpreterChosen(interpreter=space.choice.interpreter, reason=space.choice.reason))
    for note in space.notes:
        emit(events.Note(text=note))
    emit(candidates_listed(space))


def candidates_listed(space: SearchSpace, *, grows: bool = False) -> events.CandidatesListed:
    """Return the event with all candidates; `grows`: those that were listed before are the first of them."""
    every = tuple(map(listed, space.candidates))
    return events.CandidatesListed(candidates=every, excluded=space.excluded, grows=grows)


def listed(candidate: Candidate) -> events.CandidateListed:
    """Return a candidate as reports know it."""
    spec = candidate.spec
    return events.CandidateListed(
        version=candidate.label,
        uploaded=candidate.uploaded,
        exclude_newer=spec.exclude_newer,
        python=spec.interpreter.version,
        source=spec.commit.requirement if spec.commit else None,
        is_exact=bool(spec.overrides),
        yanked=candidate.yanked,
    )

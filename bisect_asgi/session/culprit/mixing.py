"""Mixes of a boundary's two environments, tried until it is known which distributions carry the change.

`culprit` says which mixes; here they are run, as candidates of an engine whose first two are the boundary's
sides.

A mix is first run with whatever it requires, so that it can run. Where something came in that was not
taken, and the mix shows the change, it is run once more strictly without that: what came along may be what
carries it.
"""

from __future__ import annotations

from collections.abc import Sequence

from bisect_asgi.core import events
from bisect_asgi.core.axis import AxisWords
from bisect_asgi.core.culprit import (
    Culprit,
    MixOutcome,
    NextStrictTests,
    Suspects,
    cross_check,
    investigate,
)
from bisect_asgi.core.culprit.ddmin import Mix, NextTests
from bisect_asgi.core.culprit.mixes import BoundarySide, label, mixed, moves, pulled_in
from bisect_asgi.core.culprit.requirements import groups
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.markers import markers_of
from bisect_asgi.core.model import Candidate, Move, Observation, Outcome, Trial, Verdict
from bisect_asgi.core.plan.plan import Plan
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.services import Emit, Services
from bisect_asgi.core.tally import Tally
from bisect_asgi.core.text import listing, plural
from bisect_asgi.session.axes.base import Axis, SearchSpace
from bisect_asgi.session.bisection.search import listed, open_engine

_FEW = 3
"""Of so few distributions none have to be moved together first."""
_MIXES = 5
"""An answer rests on about so many mixes, which share the doubt."""
_MOST_RUNS = 40
"""So often a mix is run at most to find out on which side it is, where runs contradict each other."""


class BoundarySides(Struct, frozen=True, kw_only=True):
    """Two environments that answer differently, with what was seen in each."""

    package: str | None
    """What moved on purpose between them; None where everything moved at once."""
    old: BoundarySide
    new: BoundarySide
    known: tuple[Trial, Trial]
    new_is: Outcome
    seen: tuple[Tally, Tally] = (Tally(), Tally())
    """How often everything on either side of it passed and failed."""

    @property
    def moves(self) -> tuple[Move, ...]:
        """Everything that differs."""
        return moves(self.old.distributions, self.new.distributions)

    @property
    def expectation(self) -> Expectation:
        """Which of the two passes, as the first two candidates of a search."""
        return Expectation(good=0, bad=1) if self.new_is is Outcome.FAILED else Expectation(good=1, bad=0)


class Mixes(Axis):
    """Mixes of a boundary's two sides, which are its first two candidates; `Mixing` adds the others."""

    name = "mixes"
    words = AxisWords(noun="mix", nouns="mixes", title="Mix", is_ordered=False, has_versions=False)
    is_option = False

    def __init__(self, boundary: BoundarySides) -> None:
        self._boundary = boundary

    def prepare(self, plan: Plan, services: Services) -> SearchSpace:  # noqa: ARG002 (both sides are there)
        """Return both sides."""
        sides = (self._boundary.old, self._boundary.new)
        return SearchSpace(
            choice=None,
            candidates=tuple(Candidate(label=side.label, spec=side.spec) for side in sides),
            expectation=self._boundary.expectation,
        )

    def words_of(self, plan: Plan) -> AxisWords:
        """Return the words, with what is mixed."""
        both = f"of {self._boundary.old.label} and {self._boundary.new.label}"
        return replace(super().words_of(plan), context=both)


class Mixing:
    """Tries mixes of a boundary's two sides until the culprit is known.

    Args:
        emit: told the stage's events; `stage` is its number.
    """

    def __init__(
        self, boundary: BoundarySides, plan: Plan, services: Services, emit: Emit, *, stage: int
    ) -> None:
        self._boundary = boundary
        self.old, self.new = boundary.old, boundary.new
        self._plan = plan
        self._emit = emit
        space = Mixes(boundary).prepare(plan, services)
        self._candidates = list(space.candidates)
        self.engine = open_engine(plan, space, services, emit, stage=stage)
        self._recall = services.trials.recall
        self._keys: dict[tuple[Mix, bool], int] = {}
        old_known, new_known = (trial.environment for trial in boundary.known)
        self.requires_old = services.trials.requirements(old_known) if old_known else {}
        self.requires_new = services.trials.requirements(new_known) if new_known else {}
        self.suspects = self._suspects(boundary.package)
        self._list()
        for key, trial in enumerate(boundary.known):
            self.engine.seed(key, trial)
        self._seeded = self.engine.judgement().tallies
        self.engine.tell()

    @property
    def problem(self) -> str:
        """Why nothing certain can be said; empty where nothing is in the way."""
        if not (unclear := self._unclear()):
            return ""
        label = self._candidates[unclear[0]].label
        return f"{plural(_MOST_RUNS, 'run')} did not tell whether {label} is good or bad"

    def find(self) -> Culprit:
        """Run mixes until the culprit is known and what it rests on was run once more.

        Raises:
            Unavailable: the outside world failed.
        """
        while True:
            step = investigate(self.suspects, self._told())
            tried = len(self._keys)
            if isinstance(step, NextTests):
                mixes = step.mixes[: self._plan.jobs]
                self._run([(mix, False) for mix in mixes])
                self._run([(mix, True) for mix in mixes if self._drawn(mix) & mix])
            elif isinstance(step, NextStrictTests):
                self._run([(mix, False) for mix in step.mixes])
                self._run([(mix, True) for mix in step.mixes])
            elif unrun := self._unrun(step):
                self._run([(mix, False) for mix in unrun])
            elif unconfirmed := self._unconfirmed(self.decisive(step)):
                self._repeat(unconfirmed, self._plan.repeats)
                continue
            else:
                self._list()
                return step
            if len(self._keys) == tried:
                raise RuntimeError(f"the same mixes are wanted again: {step}")

    def rest(self, culprit: Culprit) -> BoundarySides | None:
        """What is left with every set taken back, where that fails for another reason; None: it does not."""
        taken = frozenset[str]().union(*(shown.mix for shown in culprit.sets))
        mix = frozenset[str]().union(*self.suspects.groups) - taken
        key = self._counted(mix)
        ruling = self.engine.judgement().rulings.get(key) if key is not None else None
        if key is None or ruling is None or not ruling.fails_differently:
            return None
        if unconfirmed := self._unconfirmed([key]):
            self._repeat(unconfirmed, self._plan.repeats)
        candidate, trial = self._candidates[key], self.engine.known(key)
        found = trial.environment.distributions if trial.environment else ()
        new = BoundarySide(label=candidate.label, spec=candidate.spec, distributions=found)
        return replace(self._boundary, new=new, known=(self._boundary.known[0], trial))

    def known(self, mix: Mix) -> Trial | None:
        """What was seen of a mix as it was taken to be; None: it was not run."""
        key = self._counted(mix)
        return None if key is None else self.engine.known(key)

    def _suspects(self, package: str | None) -> Suspects:
        differing = self._boundary.moves
        own = package if any(move.name == package for move in differing) else None
        environment = markers_of(self.new.spec.interpreter)
        known = (self.requires_old, self.requires_new) if len(differing) > _FEW else ({}, {})
        return Suspects(
            groups=groups(differing, *known, package=own, environment=environment),
            package=own,
            added=frozenset(move.name for move in differing if move.old is None),
            removed=frozenset(move.name for move in differing if move.new is None),
        )

    def _told(self) -> dict[Mix, MixOutcome]:
        """What the mixes showed so far, all of it ruled on afresh."""
        told: dict[Mix, MixOutcome] = {}
        verdicts = self.engine.judgement().verdicts
        for (mix, strict), key in self._keys.items():
            if strict:
                continue
            verdict, drawn_in = verdicts.get(key, Verdict.SKIP), self._drawn(mix)
            pulled_in, back = drawn_in - mix, drawn_in & mix
            strictly = self._keys.get((mix, True))
            without = Verdict.SKIP if strictly is None else verdicts.get(strictly, Verdict.SKIP)
            if back:  # what was to be taken out came in again: it was another mix that ran
                told[mix] = MixOutcome(verdict=without)
                told.setdefault(mix - back, MixOutcome(verdict=verdict, pulled_in=pulled_in))
            elif without is Verdict.SKIP:
                told[mix] = MixOutcome(verdict=verdict, pulled_in=pulled_in, is_strict=strictly is not None)
            else:
                told[mix] = MixOutcome(verdict=without)
                told.setdefault(mix | pulled_in, MixOutcome(verdict=verdict))
        return told

    def _unrun(self, culprit: Culprit) -> list[Mix]:
        """What the sets rest on and was only seen as another mix that came to the same."""
        sides = (frozenset[str](), frozenset[str]().union(*self.suspects.groups))
        rested = [
            mix for shown in culprit.sets for mix in (shown.mix, *(shown.mix - {name} for name in shown.mix))
        ]
        return [mix for mix in dict.fromkeys(rested) if mix not in sides and (mix, False) not in self._keys]

    def _unconfirmed(self, keys: Sequence[int]) -> list[int]:
        """Those that are to be run once more; one without an environment would say the same again."""
        known, observed = self.engine.environments, self.engine.observed
        wanted = 1 + self._plan.repeats
        return [key for key in keys if key in known and samples(observed[key]) < wanted]

    def _drawn(self, mix: Mix) -> Mix:
        environment = self.engine.environments.get(self._keys.get((mix, False), -1))
        return pulled_in(self.old, self.new, mix, environment.distributions) if environment else frozenset()

    def _run(self, wanted: Sequence[tuple[Mix, bool]]) -> None:
        """Run mixes that were not run yet."""
        new = [(mix, strict) for mix, strict in wanted if (mix, strict) not in self._keys]
        for mix, strict in new:
            without = sorted(self._drawn(mix)) if strict else ()
            candidate = Candidate(
                label=label(self.old, self.new, mix, package=self.suspects.package, without=without),
                spec=mixed(self.old, self.new, mix, strict=strict),
            )
            self._candidates.append(candidate)
            self._keys[mix, strict] = self.engine.add(candidate)
        if not new:
            return
        self._list()
        if not self._plan.fresh:
            self.engine.recall(self._recall)
        keys = [self._keys[pair] for pair in new]
        self._repeat([key for key in keys if key not in self.engine.observed], 1)

    def _repeat(self, keys: Sequence[int], runs: int) -> None:
        """Run mixes; nothing may be concluded from one of which nothing was learnt."""
        self.engine.repeat(keys, runs)
        self._check_broken()
        is_flaky = any(tally.contradicts_itself for tally in self._boundary.seen)
        if is_flaky or self.engine.judgement().is_flaky:
            self._settle()

    def _settle(self) -> None:
        """Run mixes that contradict themselves until it is clear on which side they are."""
        self._reckon()
        while unclear := [key for key in self._unclear() if samples(self.engine.observed[key]) < _MOST_RUNS]:
            # With both sides: how often they fail is what a mix is held against.
            self.engine.repeat([0, 1, *unclear], self._plan.repeats or 1)
            self._check_broken()
            self._reckon()
        self.engine.tell()

    def _reckon(self) -> None:
        """Rule on mixes by how often both sides fail, as far as that is known by now."""
        self.engine.noise = None
        seen = self.engine.judgement().tallies
        old, new = (
            before + seen.get(key, Tally()) - self._seeded.get(key, Tally())
            for key, before in enumerate(self._boundary.seen)
        )
        self.engine.noise = Noise(
            new_is=self._boundary.new_is,
            old=old,
            new=new,
            placed={0: Verdict.OLD, 1: Verdict.NEW},
            confidence=1 - (1 - self._plan.confidence) / _MIXES,
        )

    def _unclear(self) -> list[int]:
        """Mixes whose runs do not tell on which side they are."""
        return sorted(self.engine.observed.keys() - self.engine.judgement().rulings.keys())

    def _check_broken(self) -> None:
        for key, run in self.engine.errors.items():
            why = run.signature.shown if run.signature else "no reason"
            raise Unavailable(
                f"nothing was learnt about {self._candidates[key].label}: {why}",
                hint="`bisect-asgi cache --clear` and the same command build it anew",
            )

    def _list(self) -> None:
        """Tell the mixes so far, with what is known to have come along."""
        names = {key: sorted(self._drawn(mix)) for (mix, strict), key in self._keys.items() if not strict}
        every = (
            replace(listed(candidate), version=_with(candidate.label, names.get(key, ())))
            for key, candidate in enumerate(self._candidates)
        )
        self._emit(events.CandidatesListed(candidates=tuple(every), excluded=(), grows=True))

    def decisive(self, culprit: Culprit) -> tuple[int, ...]:
        """The runs that the answer rests on: the cross-check, each set, and each set without one member."""
        everything = frozenset[str]().union(*self.suspects.groups)
        mixes = [*cross_check(self.suspects, self._told())]
        for shown in culprit.sets:
            mixes += [shown.mix, *(shown.mix - {name} for name in shown.mix)]
            mixes += [(shown.mix | shown.pulled_in) - {name} for name in shown.mix if shown.pulled_in]
        mixes.append(everything.difference(*(shown.mix for shown in culprit.sets)))
        keys = {self._counted(mix) for mix in mixes}
        keys |= {self._keys.get((shown.mix, True)) for shown in culprit.sets if shown.pulled_in}
        return tuple(sorted(key for key in keys if key is not None and key in self.engine.observed))

    def _counted(self, mix: Mix) -> int | None:
        """The run that counts for a mix: the strict one, where that could be tested."""
        strict = self._keys.get((mix, True))
        verdicts = self.engine.judgement().verdicts
        if strict is not None and verdicts.get(strict, Verdict.SKIP) is not Verdict.SKIP:
            return strict
        return self._keys.get((mix, False))


def samples(runs: Sequence[Observation]) -> int:
    """How many of them count: all but warm-ups."""
    return sum(not run.is_warm_up for run in runs)


def _with(label: str, pulled_in: Sequence[str]) -> str:
    return f"{label}; {listing(pulled_in)} came along" if pulled_in else label

"""Run mixes of a boundary's two environments until the culprit is known.

`core.culprit` says which mixes. Here they are run, as candidates of a search whose first two candidates are
the boundary's sides.

A mix is first installed with everything that it requires, so that it can run. This may pull in a distribution
that is not part of the mix. If such a mix shows the change, it is run once more strictly, without that
distribution, because that may be the culprit.
"""

from __future__ import annotations

from collections.abc import Sequence

from bisect_asgi.core import events, hints
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.culprit import (
    Culprit,
    MixOutcome,
    NextStrictTests,
    Suspects,
    cross_check,
    investigate,
    rests,
)
from bisect_asgi.core.culprit.ddmin import Mix, NextTests
from bisect_asgi.core.culprit.mixes import BoundarySide, groups, label, mixed, moves, pulled_in
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.model import BuiltEnvironment, Candidate, Move, Observation, Outcome, Trial, Verdict
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.releases.interpreters import markers_of
from bisect_asgi.core.services import Emit, Services, Trials
from bisect_asgi.core.tally import Tally
from bisect_asgi.core.text import listing, plural
from bisect_asgi.session.axes.base import Axis, SearchSpace
from bisect_asgi.session.bisection import Search, listed

_FEW = 3
"""Up to this number, distributions are moved one by one from the start."""
_MIXES = 5
"""The approximate number of mixes that decide a culprit, among which the allowed error is divided."""
_MOST_RUNS = 40
"""The most runs of a flaky combination to find out on which side it is."""


class BoundarySides(Struct, frozen=True, kw_only=True):
    """Two environments with different verdicts, and the observations in each."""

    package: str | None
    """The package that varies along the axis; None: everything may differ."""
    old: BoundarySide
    new: BoundarySide
    known: tuple[Trial, Trial]
    new_is: Outcome
    seen: tuple[Tally, Tally] = (Tally(), Tally())
    """The passed and failed runs of all candidates on each side."""

    @property
    def moves(self) -> tuple[Move, ...]:
        """All distributions that differ."""
        return moves(self.old.distributions, self.new.distributions)

    @property
    def expectation(self) -> Expectation:
        """Which of the two is good, as the first two candidates of a search."""
        return Expectation(good=0, bad=1) if self.new_is is Outcome.FAILED else Expectation(good=1, bad=0)


class Mixes(Axis):
    """Mixes of a boundary's two sides, which are its first two candidates; `Mixing` adds the others."""

    name = "mixes"
    words = AxisWords(
        noun="combination", nouns="combinations", title="Combination", is_ordered=False, has_versions=False
    )
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
    """Runs mixes of a boundary's two sides until the culprit is known.

    Args:
        emit: called with the events of the stage, whose number is `stage`.
    """

    def __init__(
        self, boundary: BoundarySides, plan: Plan, services: Services, emit: Emit, *, stage: int
    ) -> None:
        self._boundary = boundary
        self.old, self.new = boundary.old, boundary.new
        self._plan = plan
        self.search = Search(plan, Mixes(boundary).prepare(plan, services), services, emit, stage=stage)
        self._engine = self.search.engine
        self._keys: dict[tuple[Mix, bool], int] = {}
        old_known, new_known = (trial.environment for trial in boundary.known)
        self.requires_old = _required(services.trials, old_known)
        self.requires_new = _required(services.trials, new_known)
        self.suspects = self._suspects(boundary.package)
        self._emit_candidates()
        for key, trial in enumerate(boundary.known):
            self._engine.seed(key, trial)
        self._seeded = self.search.judgement().tallies
        self._engine.emit_rulings()

    @property
    def problem(self) -> str:
        """Why the culprit cannot be determined; empty: nothing is in the way."""
        if not (unclear := self._unclear()):
            return ""
        label = self.search.space.candidates[unclear[0]].label
        return f"{plural(_MOST_RUNS, 'run')} did not show whether {label} is good or bad"

    def find(self) -> Culprit:
        """Run mixes until the culprit is known, run those that show it once more, and return the culprit.

        Raises:
            Unavailable: there is no result for one of the mixes.
        """
        while True:
            step = investigate(self.suspects, self._outcomes())
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
                self._emit_candidates()
                return step
            if len(self._keys) == tried:
                raise RuntimeError(f"the same combinations are wanted again: {step}")

    def rest(self, culprit: Culprit) -> BoundarySides | None:
        """Return the boundary that is left with every set reverted, or None unless that fails differently."""
        taken = frozenset[str]().union(*(shown.mix for shown in culprit.sets))
        mix = frozenset[str]().union(*self.suspects.groups) - taken
        key = self._counted(mix)
        ruling = self.search.judgement().rulings.get(key) if key is not None else None
        if key is None or ruling is None or not ruling.fails_differently:
            return None
        if samples(self._engine.observed[key]) <= self._plan.repeats:
            self._repeat([key], self._plan.repeats)
        candidate, trial = self.search.space.candidates[key], self._engine.known(key)
        found = trial.environment.distributions if trial.environment else ()
        new = BoundarySide(label=candidate.label, spec=candidate.spec, distributions=found)
        return replace(self._boundary, new=new, known=(self._boundary.known[0], trial))

    def known(self, mix: Mix) -> Trial | None:
        """Return the observations of a mix, or None if it was not run."""
        key = self._counted(mix)
        return None if key is None else self._engine.known(key)

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

    def _outcomes(self) -> dict[Mix, MixOutcome]:
        """Return the outcomes of the mixes so far, by the current rulings."""
        outcomes: dict[Mix, MixOutcome] = {}
        verdicts = self.search.judgement().verdicts
        for (mix, strict), key in self._keys.items():
            if strict:
                continue
            verdict, drawn_in = verdicts.get(key, Verdict.SKIP), self._drawn(mix)
            pulled_in, back = drawn_in - mix, drawn_in & mix
            strict_key = self._keys.get((mix, True))
            is_strict = strict_key is not None
            without = Verdict.SKIP if strict_key is None else verdicts.get(strict_key, Verdict.SKIP)
            if back:  # dropped distributions were pulled in again, so a different mix has run
                outcomes[mix] = MixOutcome(verdict=without)
                outcomes.setdefault(mix - back, MixOutcome(verdict=verdict, pulled_in=pulled_in))
            elif without is Verdict.SKIP:
                outcomes[mix] = MixOutcome(verdict=verdict, pulled_in=pulled_in, is_strict=is_strict)
            else:
                outcomes[mix] = MixOutcome(verdict=without)
                outcomes.setdefault(mix | pulled_in, MixOutcome(verdict=verdict))
        return outcomes

    def _unrun(self, culprit: Culprit) -> list[Mix]:
        """Return the mixes that sets rest on and that were only run as another mix that came to the same."""
        sides = (frozenset[str](), frozenset[str]().union(*self.suspects.groups))
        rested = [
            mix for shown in culprit.sets for mix in (shown.mix, *(shown.mix - {name} for name in shown.mix))
        ]
        return [mix for mix in dict.fromkeys(rested) if mix not in sides and (mix, False) not in self._keys]

    def _unconfirmed(self, keys: Sequence[int]) -> list[int]:
        """Return the mixes to run once more.

        Without an environment another run would show the same. An untestable mix is not run again, because
        the culprit claims nothing that such a mix could refute.
        """
        known, observed = self._engine.environments, self._engine.observed
        verdicts, wanted = self.search.judgement().verdicts, 1 + self._plan.repeats
        return [
            key
            for key in keys
            if key in known
            and verdicts.get(key, Verdict.SKIP) is not Verdict.SKIP
            and samples(observed[key]) < wanted
        ]

    def _drawn(self, mix: Mix) -> Mix:
        """Return the distributions installed beyond a mix, or instead of it; empty while unknown."""
        environment = self._engine.environments.get(self._keys.get((mix, False), -1))
        return pulled_in(self.old, self.new, mix, environment.distributions) if environment else frozenset()

    def _run(self, wanted: Sequence[tuple[Mix, bool]]) -> None:
        """Run the mixes that were not run yet; True: strictly, without what they would pull in."""
        new = [(mix, strict) for mix, strict in wanted if (mix, strict) not in self._keys]
        for mix, strict in new:
            without = sorted(self._drawn(mix)) if strict else ()
            package, known = self.suspects.package, self.search.labels
            candidate = Candidate(
                label=label(self.old, self.new, mix, package=package, without=without, known=known),
                spec=mixed(self.old, self.new, mix, strict=strict),
            )
            self._keys[mix, strict] = self.search.add(candidate)
        if not new:
            return
        self._emit_candidates()
        self.search.recall()
        keys = [self._keys[pair] for pair in new]
        self._repeat([key for key in keys if key not in self._engine.observed], 1)

    def _repeat(self, keys: Sequence[int], runs: int) -> None:
        """Run mixes, and settle flaky ones.

        Raises:
            Unavailable: there is no result for one of them, and without it nothing may be concluded.
        """
        self._engine.repeat(keys, runs)
        self._check_errors()
        is_flaky = any(tally.contradicts_itself for tally in self._boundary.seen)
        if is_flaky or self.search.judgement().is_flaky:
            self._run_until_clear()

    def _run_until_clear(self) -> None:
        """Run flaky mixes until it is clear on which side they are."""
        self._update_noise()
        while unclear := [key for key in self._unclear() if samples(self._engine.observed[key]) < _MOST_RUNS]:
            # Both sides are run, too, because a mix is compared with their failure rates.
            self._engine.repeat([0, 1, *unclear], self._plan.repeats or 1)
            self._check_errors()
            self._update_noise()
        self._engine.emit_rulings()

    def _update_noise(self) -> None:
        """Rule on mixes by how often both sides fail, as far as that is known by now."""
        self.search.settle(None)  # otherwise unclear mixes would have no tallies
        seen = self.search.judgement().tallies
        old, new = (
            before + seen.get(key, Tally()) - self._seeded.get(key, Tally())
            for key, before in enumerate(self._boundary.seen)
        )
        noise = Noise(
            new_is=self._boundary.new_is,
            old=old,
            new=new,
            placed={0: Verdict.OLD, 1: Verdict.NEW},
            confidence=1 - (1 - self._plan.confidence) / _MIXES,
        )
        self.search.settle(noise)

    def _unclear(self) -> list[int]:
        """Return the combinations whose runs do not show on which side they are."""
        return sorted(self._engine.observed.keys() - self.search.judgement().rulings.keys())

    def _check_errors(self) -> None:
        """Raise Unavailable if there is no result for a mix."""
        for key, run in self._engine.errors.items():
            why = run.signature.shown if run.signature else "no reason"
            raise Unavailable(
                f"no result for {self.search.space.candidates[key].label}: {why}",
                hint=hints.no_result(why),
            )

    def _emit_candidates(self) -> None:
        """Emit the mixes so far, with what is known to have been pulled in."""
        names = {key: sorted(self._drawn(mix)) for (mix, strict), key in self._keys.items() if not strict}
        every = (
            replace(listed(candidate), version=_with(candidate.label, names.get(key, ())))
            for key, candidate in enumerate(self.search.space.candidates)
        )
        self.search.emit(events.CandidatesListed(candidates=tuple(every), excluded=(), grows=True))

    def decisive(self, culprit: Culprit) -> tuple[int, ...]:
        """Return the keys of the culprit's mixes: the cross-check, each set, each without one member."""
        mixes = [*cross_check(self.suspects, self._outcomes())]
        for shown in culprit.sets:
            mixes += [shown.mix, *(shown.mix - {name} for name in shown.mix)]
            mixes += [(shown.mix | shown.pulled_in) - {name} for name in shown.mix if shown.pulled_in]
        mixes += rests(self.suspects, [shown.mix for shown in culprit.sets])
        keys = {self._counted(mix) for mix in mixes}
        keys |= {self._keys.get((shown.mix, True)) for shown in culprit.sets if shown.pulled_in}
        return tuple(sorted(key for key in keys if key is not None and key in self._engine.observed))

    def _counted(self, mix: Mix) -> int | None:
        """Return the key that counts for a mix, or None: of the strict run, if that could be tested."""
        strict = self._keys.get((mix, True))
        verdicts = self.search.judgement().verdicts
        if strict is not None and verdicts.get(strict, Verdict.SKIP) is not Verdict.SKIP:
            return strict
        return self._keys.get((mix, False))


def _required(trials: Trials, built: BuiltEnvironment | None) -> dict[str, tuple[str, ...]]:
    """Return what each distribution of an environment requires, by name, as far as that is known."""
    found = trials.declared(built) if built else {}
    return {name: each.requires for name, each in found.items()}


def samples(runs: Sequence[Observation]) -> int:
    """Return how many of them are samples: all but warm-ups."""
    return sum(not run.is_warm_up for run in runs)


def _with(label: str, pulled_in: Sequence[str]) -> str:
    return f"{label}; {listing(pulled_in)} installed with it" if pulled_in else label

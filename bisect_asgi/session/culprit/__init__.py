"""Find the culprit of a change by trials.

Between the last good and the first bad candidate several distributions differ. Mixes of the two environments
show which of them cause the change (`core.culprit` says which mixes). If there are several releases of a
culprit between its two versions, the search continues along them with everything else held. The boundary
there is explained in the same way, down to a culprit within which there is no other.
"""

from __future__ import annotations

from bisect_asgi.core import events
from bisect_asgi.core.answers.result import Result
from bisect_asgi.core.culprit import Culprit, CulpritSet
from bisect_asgi.core.culprit.ddmin import Mix
from bisect_asgi.core.culprit.mixes import BoundarySide, label, required, varied
from bisect_asgi.core.errors import BisectError, UsageError
from bisect_asgi.core.events import Explained, ResultKind, ShownSet
from bisect_asgi.core.judge.judge import Expectation, Judgement
from bisect_asgi.core.model import Candidate, CulpritKind, Distribution, Move, Outcome, Verdict
from bisect_asgi.core.plan import DEPENDENCY, Plan, asked_for
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.interpreters import markers_of
from bisect_asgi.core.releases.selection import Selection, upgrades
from bisect_asgi.core.tally import Tally
from bisect_asgi.session.axes import axis_of
from bisect_asgi.session.axes.base import SearchSpace
from bisect_asgi.session.bisection import Search
from bisect_asgi.session.bisection.run import SearchResult
from bisect_asgi.session.bisection.stages import Stages, ending, started
from bisect_asgi.session.culprit.drill import DrillTarget
from bisect_asgi.session.culprit.mixing import BoundarySides, Mixes, Mixing

_DEEPEST = 6
"""The greatest depth of boundaries within each other that are explained."""


def explain(result: SearchResult, stages: Stages) -> tuple[DrillTarget, ...]:
    """Find the culprit of the change that was found, emit it, and return the innermost culprits."""
    plan, found = result.search.plan, result.answer.found
    boundary = boundary_of(result)
    is_wanted = plan.culprit or plan.drill
    if found is None or boundary is None or not is_wanted or not axis_of(plan).is_explained:
        return ()
    explainer = Explainer(plan, stages, within=result.search.labels[found.high])
    if plan.culprit:
        text = f"the change is in {boundary.new.label}; looking for its cause (`--no-culprit`)"
        stages.emit(events.Note(text=text, is_live=True))
        explainer.explain(boundary)
    else:
        explainer.take(boundary)
    return tuple(explainer.targets)


def boundary_of(result: SearchResult) -> BoundarySides | None:
    """Return the boundary that was found, or None if the environment of a side is not known."""
    found, search = result.answer.found, result.search
    if found is None or found.skipped:
        return None
    words, engine = axis_of(search.plan).words_of(search.plan), search.engine
    old, new = (_side(search, key, words.name(search.labels[key])) for key in (found.low, found.high))
    if old is None or new is None:
        return None
    judgement = search.judgement()
    old_side, new_side = (judgement.rulings[key].verdict for key in (found.low, found.high))
    return BoundarySides(
        package=words.subject or None,
        old=old,
        new=new,
        known=(engine.known(found.low), engine.known(found.high)),
        new_is=judgement.rulings[found.high].outcome,
        seen=(_seen(judgement, old_side), _seen(judgement, new_side)),
    )


def _seen(judgement: Judgement, side: Verdict) -> Tally:
    """Return how often all candidates of a side passed and failed."""
    rulings = [ruling for ruling in judgement.rulings.values() if ruling.verdict is side]
    return Tally(
        passed=sum(ruling.passed for ruling in rulings), failed=sum(ruling.failed for ruling in rulings)
    )


def _side(search: Search, key: int, label: str) -> BoundarySide | None:
    environment = search.engine.environments.get(key)
    if environment is None:
        return None
    spec = search.space.candidates[key].spec
    return BoundarySide(label=label, spec=spec, distributions=environment.distributions)


class Explainer:
    """Explains a boundary, and those that it leads to."""

    def __init__(self, plan: Plan, stages: Stages, *, within: str) -> None:
        self._plan = plan
        self._within = within
        self._axis = axis_of(plan)
        self._stages = stages
        self.targets: list[DrillTarget] = []
        """The culprits within which no other was found."""

    def explain(self, boundary: BoundarySides, *, depth: int = 0, is_further: bool = False) -> None:
        """Emit the culprit of the change across `boundary`, and continue within it.

        `is_further`: the change is what is left when the culprits found before are reverted; its failure
        differs.
        """
        try:
            explained, mixing, rest = self._culprit(boundary)
        except BisectError as error:
            unclear = _explained(boundary, CulpritKind.UNCLEAR, (), problem=str(error))
            self._emit(replace(unclear, is_further=is_further))
            return
        self._emit(replace(explained, is_further=is_further))
        is_clear = explained.kind is not CulpritKind.UNCLEAR
        for shown in explained.sets:
            for move in shown.moved:
                is_outermost = not is_clear or move.name == boundary.package or depth >= _DEEPEST
                if not is_outermost and self._descend(boundary, mixing, shown, move, depth):
                    continue
                if move.name not in shown.doubtful:
                    self._add_target(boundary, move)
        if rest:
            self.explain(rest, depth=depth + 1, is_further=True)

    def take(self, boundary: BoundarySides) -> None:
        """Take the package for the culprit without a trial: the user wants its commits only."""
        for move in boundary.moves:
            if move.name == boundary.package:
                self._add_target(boundary, move)

    def _emit(self, explained: Explained) -> None:
        self._stages.emit(replace(explained, within=self._within, stages_before=self._stages.count))

    def _add_target(self, boundary: BoundarySides, move: Move) -> None:
        """Keep a culprit within which no other is known."""
        failing = boundary.known[1 if boundary.new_is is Outcome.FAILED else 0]
        base = {d.name: d.version for d in boundary.old.distributions}
        everything = {name: name for name in base}
        asked = everything if self._axis.varies_everything else asked_for(self._plan)
        held = [f"{text}=={base[name]}" for name, text in asked.items() if name in base and name != move.name]
        self.targets.append(
            DrillTarget(
                move=move,
                new_is=boundary.new_is,
                interpreter=boundary.new.spec.interpreter,
                failing=failing.observations,
                held=tuple(held),
                within=self._within,
            )
        )

    def _culprit(self, boundary: BoundarySides) -> tuple[Explained, Mixing | None, BoundarySides | None]:
        """Return the culprit, the mixes that were run for it, and a boundary that is left without it."""
        differing = boundary.moves
        if not differing:
            problem = "the same versions are installed on both sides, from other files"
            return _explained(boundary, CulpritKind.UNCLEAR, (), problem), None, None
        if len(differing) == 1:  # only one can be the culprit
            kind = CulpritKind.PACKAGE if boundary.package else CulpritKind.DEPENDENCY
            return _explained(boundary, kind, (ShownSet(moved=differing),)), None, None
        stage, emit = self._stages.open()
        emit(started(self._plan, axis=Mixes(boundary)))
        with ending(emit) as end:
            mixing = Mixing(boundary, self._plan, self._stages.services, emit, stage=stage)
            culprit = mixing.find()
            may_be_more = self._axis.varies_everything and not mixing.problem
            rest = mixing.rest(culprit) if may_be_more else None
            end(Result(kind=ResultKind.FOUND))
        return self._explained(boundary, mixing, culprit, stage), mixing, rest

    def _explained(self, boundary: BoundarySides, mixing: Mixing, culprit: Culprit, stage: int) -> Explained:
        """Return the culprit that mixes have shown, for the log."""
        if mixing.problem:
            unclear = _explained(boundary, CulpritKind.UNCLEAR, (), problem=mixing.problem)
            return replace(unclear, tried_in=stage)
        sets = tuple(self._shown(boundary, mixing, shown) for shown in culprit.sets)
        return replace(
            _explained(boundary, culprit.kind, sets),
            is_all=culprit.is_all,
            tried_in=stage,
            decisive=(0, 1, *mixing.decisive(culprit)),
        )

    def _shown(self, boundary: BoundarySides, mixing: Mixing, shown: CulpritSet) -> ShownSet:
        environment = markers_of(boundary.new.spec.interpreter)
        own = mixing.requires_new.get(boundary.package or "", ())
        moved = tuple(move for move in boundary.moves if move.name in shown.mix)
        return ShownSet(
            moved=moved,
            pulled_in=tuple(move for move in boundary.moves if move.name in shown.pulled_in),
            doubtful=tuple(sorted(shown.doubtful)),
            is_cut_short=shown.is_cut_short,
            required=required(own, moved[0], environment) if len(moved) == 1 else "",
        )

    def _descend(
        self, boundary: BoundarySides, mixing: Mixing | None, shown: ShownSet, move: Move, depth: int
    ) -> bool:
        """Search along the releases of one culprit, with the rest of its set as on the newer side.

        Returns whether a boundary was found there, and explained.
        """
        whole = frozenset(each.name for each in shown.moved)
        rest = whole - {move.name}
        seen = [mixing.known(mix) if mixing else None for mix in (rest, whole)]
        ends = [trial or known for trial, known in zip(seen, boundary.known, strict=True)]
        between = self._between(move, boundary)
        if len(between.kept) < (2 if mixing else 3):
            return False
        plan = replace(
            self._plan,
            over=DEPENDENCY,
            dependency=move.name,
            good=None,
            bad=None,
            history=self._plan.history.of_a_stage,
        )
        space = _along(boundary, rest, move.name, between)
        try:
            base = label(boundary.old, boundary.new, rest)
            context = f"in the environment of {base}"
            result = self._stages.search(plan, space=space, context=context, ends=ends)
        except BisectError:  # the stage's last event has the error; the culprit stays
            return False
        within = boundary_of(result)
        if within is None or result.answer.kind is not ResultKind.FOUND:
            return False
        self.explain(within, depth=depth + 1)
        return True

    def _between(self, move: Move, boundary: BoundarySides) -> Selection:
        """Return the releases from a distribution's old version up to its new one; none if it was added."""
        target = self._stages.services.interpreters.target(boundary.new.spec.interpreter)
        try:
            every = self._stages.services.index.releases(move.name)
        except UsageError:  # no index has it: it was installed from a directory or an address
            every = ()
        return upgrades(move, every, target, pre=self._plan.pre, yanked=self._plan.yanked)


def _along(boundary: BoundarySides, rest: Mix, name: str, selection: Selection) -> SearchSpace:
    """Return the releases of one distribution, in the older environment with `rest` as on the newer side."""
    last = len(selection.kept) - 1
    candidates = (
        Candidate(
            label=release.version,
            spec=varied(boundary.old, boundary.new, rest, Distribution(name=name, version=release.version)),
            uploaded=release.uploaded,
        )
        for release in selection.kept
    )
    ends = (0, last) if boundary.new_is is Outcome.FAILED else (last, 0)
    return SearchSpace(
        choice=None,
        candidates=tuple(candidates),
        expectation=Expectation(good=ends[0], bad=ends[1]),
        excluded=selection.excluded,
    )


def _explained(
    boundary: BoundarySides, kind: CulpritKind, sets: tuple[ShownSet, ...], problem: str = ""
) -> Explained:
    return Explained(
        package=boundary.package,
        old=boundary.old.label,
        new=boundary.new.label,
        moves=boundary.moves,
        new_is=boundary.new_is,
        kind=kind,
        sets=sets,
        problem=problem,
    )

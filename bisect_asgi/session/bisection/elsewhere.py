"""Continue on other Pythons, if bisect-asgi chose the one that a search has run on.

A bug may show on some Pythons only, and an end may not import on the Python that suits the range best. So a
named end that is not as the user says is not reported before the other Pythons were tried. The whole search
then runs on the first one on which all named ends are as the user says.

No Python has wheels for the whole history of a compiled package. If all releases with wheels for the chosen
Python agree, the others are searched on the Pythons that have wheels for them; see `core.releases.coverage`.
If the result depends on releases that cannot be imported on the chosen Python, an older one is searched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from bisect_asgi.core import events
from bisect_asgi.core.answers.result import Result
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.errors import BisectError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge.judge import Expectation, judge
from bisect_asgi.core.model import Candidate, Outcome
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.installable import TargetPython
from bisect_asgi.core.services import Services
from bisect_asgi.core.text import listing
from bisect_asgi.session.axes import axis_of
from bisect_asgi.session.axes.base import Axis, SearchSpace, wheels_of
from bisect_asgi.session.bisection import Search, announce
from bisect_asgi.session.bisection.older import not_imported, older_python
from bisect_asgi.session.bisection.run import SearchResult
from bisect_asgi.session.bisection.stages import Stages, ending, started

_VERBS = {Outcome.PASSED: "passes", Outcome.FAILED: "fails", Outcome.UNTESTABLE: "is untestable"}


def elsewhere(search: Search, stages: Stages) -> Search | None:
    """Return the search on a Python on which all named ends are as the user says, or at least testable.

    Return None if they already are, if the user or the probe leaves no other Python, or if no other Python
    will do.
    """
    wrong, choice = _wrong_ends(search), search.space.choice
    if not wrong or choice is None or not choice.others:
        return None
    others = _without_builds(search, list(wrong), choice.others, stages.services)
    told = listing(f"{search.context.name(key)} {_VERBS[outcome]}" for key, outcome in wrong.items())
    here = f"{told} on Python {choice.interpreter.short}"
    names = listing((target.interpreter.short for target in _oldest_first(others)), most=99)
    search.emit(events.Note(text=f"{here}; trying Python {names}", is_live=True))
    trying = _Trying(search, others, stages)
    try:
        found = trying.find(list(wrong))
    except BisectError as error:  # no worker has that Python, for example
        search.emit(events.Note(text=f"other Pythons could not be tried: {error}"))
        return None
    reason = "the ends are as given"
    if found is None:
        text = f"the ends are not as given on other Pythons either: {trying.outcomes()}"
        search.emit(events.Note(text=text))
        if Outcome.UNTESTABLE not in wrong.values() or (found := trying.testable()) is None:
            return None
        reason = "the ends are testable"
    return _moved_to(found, search, stages.services, f"on it, {reason}; {here}, which suits the range best")


def _wrong_ends(search: Search) -> dict[int, Outcome]:
    """Return the named ends that another Python may put right, with their outcomes.

    Ends of a flaky probe are not known well enough, and ends of a metric without a threshold have no outcome.
    If each end is as the user says of the other, the user has swapped them. In these cases there are none.
    """
    judgement, expectation = search.judgement(), search.space.expectation
    if (
        judgement.is_flaky
        or search.plan.criteria.threshold_search
        or len(judgement.wrong_ends(expectation)) > 1
    ):
        return {}
    rulings = judgement.rulings
    wanted = expectation.outcomes
    return {
        key: rulings[key].outcome
        for key in expectation.named
        if key in rulings and rulings[key].outcome is not wanted[key]
    }


def further(result: SearchResult, services: Services, find: Callable[[Search], SearchResult]) -> SearchResult:
    """Search on the Pythons that can test releases which the chosen one cannot.

    Return the result on the first one that shows more, or else `result`, with notes on the other Pythons.
    `find` runs a search.
    """
    search, choice = result.search, result.search.space.choice
    tries = _tries(result)
    if choice is None or not tries:
        return result
    told = [_on(choice.target, result.answer)]
    for target, reason, shows_more in tries:
        text = f"{told[-1]}; searching on Python {target.interpreter.short}"
        search.emit(events.Note(text=text, is_live=True))
        rest = tuple(each for each in (choice.target, *choice.others) if each is not target)
        plan = replace(search.plan, python=target.interpreter.path, other_pythons=rest)
        try:
            other = find(_search_on(plan, search, services, reason))
        except BisectError as error:  # no worker has that Python, for example
            search.emit(events.Note(text=f"Python {target.interpreter.short} could not be tried: {error}"))
            break
        if shows_more(other):
            _note(search, told)
            return other
        told.append(_on(target, other.answer))
    return find(_back(search, services, told[1:]))


def _tries(result: SearchResult) -> list[tuple[TargetPython, str, Callable[[SearchResult], bool]]]:
    """Return the Pythons on which the search continues, the reasons, and whether a result says more."""
    search, choice = result.search, result.search.space.choice
    if choice is None:
        return []
    if result.answer.kind is ResultKind.NOT_REPRODUCED and search.goes_on_elsewhere:
        why = f"has wheels for releases that Python {choice.interpreter.short} has none for"
        return [(target, why, _changes) for target in search.further_pythons]
    untestable = not_imported(search, result.answer)
    older = older_python(search, untestable) if untestable else None
    if untestable is None or older is None:
        return []
    name = search.context.axis.name(untestable.label)
    why = f"{name} cannot be imported on Python {choice.interpreter.short}"
    return [(older, why, partial(_has_boundary_of_same_failure, result))]


def _changes(other: SearchResult) -> bool:
    return other.answer.kind is not ResultKind.NOT_REPRODUCED


def _has_boundary_of_same_failure(result: SearchResult, other: SearchResult) -> bool:
    """Return whether another Python shows a boundary of the failure that the chosen one shows.

    On another Python, the newest release may fail for that Python's sake.
    """
    known, seen = (each.search.judgement().reference for each in (result, other))
    is_same = any(one.is_same_failure(another) for one in known for another in seen)
    return other.answer.kind is ResultKind.FOUND and is_same


def _on(target: TargetPython, answer: Result) -> str:
    return f"on Python {target.interpreter.short}, {answer.message}"


def _back(search: Search, services: Services, told: Sequence[str]) -> Search:
    """Announce and return a search with all its runs, which will not continue on another Python."""
    space = replace(search.space, whole=())
    announce(space, search.emit)
    _note(search, told)
    again = Search(search.plan, space, services, search.emit)
    for trial in search.engine.trials:
        again.engine.seed(trial.key, trial)
    return again


def _note(search: Search, texts: Iterable[str]) -> None:
    for text in texts:
        search.emit(events.Note(text=text))


def _moved_to(target: TargetPython, search: Search, services: Services, reason: str) -> Search:
    """Announce and return the same search on another Python."""
    return _search_on(replace(search.plan, python=target.interpreter.path), search, services, reason)


def _search_on(plan: Plan, search: Search, services: Services, reason: str) -> Search:
    """Announce and return the search with a plan for another Python."""
    space = axis_of(plan).prepare(plan, services)
    if space.choice:
        space = replace(space, choice=replace(space.choice, reason=reason))
    announce(space, search.emit)
    return Search(plan, space, services, search.emit)


def _without_builds(
    search: Search, wrong: Sequence[int], others: Sequence[TargetPython], services: Services
) -> Sequence[TargetPython]:
    """Return those on which the wrong ends have wheels; all of them if there is none: builds take minutes."""
    candidates = [search.space.candidates[key] for key in wrong]
    if any(candidate.spec.commit for candidate in candidates):
        return others
    pairs = [(target, candidate.spec) for target in others for candidate in candidates]
    specs = [replace(spec, interpreter=target.interpreter) for target, spec in pairs]
    found = wheels_of(specs, search.plan, services)
    lacking = {target for (target, _), wheels in zip(pairs, found, strict=True) if wheels is None}
    return [target for target in others if target not in lacking] or others


def _oldest_first(pythons: Sequence[TargetPython]) -> list[TargetPython]:
    return sorted(pythons, key=lambda target: target.interpreter.minor)


class _OtherPythons(Axis):
    """The named ends of a search on other Pythons."""

    name = "other-pythons"
    words = AxisWords(context="on other Pythons", is_ordered=False, has_known_ends=False)
    is_option = False
    is_explained = False

    def __init__(self, candidates: tuple[Candidate, ...]) -> None:
        self._candidates = candidates

    def prepare(self, plan: Plan, services: Services) -> SearchSpace:  # noqa: ARG002 (the ends are there)
        """Return the ends, none of which is expected to do anything."""
        return SearchSpace(choice=None, candidates=self._candidates)


class _Trying:
    """Runs the named ends of a search on other Pythons, as a stage."""

    def __init__(self, search: Search, others: Sequence[TargetPython], stages: Stages) -> None:
        self._wanted = search.space.expectation.outcomes
        self._name = search.context.name
        self._others = others
        self._keys = {
            (end, target): place
            for place, (target, end) in enumerate((each, end) for each in others for end in self._wanted)
        }
        self._axis = _OtherPythons(tuple(self._on(search, end, target) for end, target in self._keys))
        # On another Python, it is not known which failure is the bug, so any failure counts. With a metric, a
        # failed run stays untestable, because it has no value.
        criteria = search.plan.criteria
        is_any = criteria.any_failure or not (criteria.metric or criteria.match)
        self._plan = replace(search.plan, criteria=replace(criteria, any_failure=is_any))
        self._stage, self._emit = stages.open()
        self._search = Search(
            self._plan,
            self._axis.prepare(self._plan, stages.services),
            stages.services,
            self._emit,
            stage=self._stage,
        )

    def find(self, wrong: Sequence[int]) -> TargetPython | None:
        """Return the first Python on which the ends are as given, the best ones first, some in parallel."""
        rest = [end for end in self._wanted if end not in wrong]
        self._emit(started(self._plan, axis=self._axis))
        with ending(self._emit) as end:
            announce(self._search.space, self._emit)
            self._search.recall()
            found = self._first(wrong, rest)
            kind = ResultKind.FOUND if found else ResultKind.NOT_REPRODUCED
            end(Result(kind=kind, message=self.outcomes()))
        return found

    def _first(self, wrong: Sequence[int], rest: Sequence[int]) -> TargetPython | None:
        for start in range(0, len(self._others), self._plan.jobs):
            some = self._others[start : start + self._plan.jobs]
            self._run((end, target) for target in some for end in wrong)
            if found := next((target for target in some if self._is_right(wrong, rest, target)), None):
                return found
        return None

    def testable(self) -> TargetPython | None:
        """Return the first Python on which every end passed or failed, or None if there is none."""
        tested = (Outcome.PASSED, Outcome.FAILED)
        return next(
            (t for t in self._others if all(self._outcome(end, t) in tested for end in self._wanted)), None
        )

    def outcomes(self) -> str:
        """Return what the ends did on the other Pythons: `fastapi 0.69.0 passes on Python 3.9 and 3.10`."""
        others = _oldest_first(self._others)
        return "; ".join(
            f"{self._name(end)} {verb} on Python {listing(pythons, most=99)}"
            for end in self._wanted
            for outcome, verb in _VERBS.items()
            if (pythons := [each.interpreter.short for each in others if self._outcome(end, each) is outcome])
        )

    def _is_right(self, wrong: Sequence[int], rest: Sequence[int], target: TargetPython) -> bool:
        if any(self._outcome(end, target) is not self._wanted[end] for end in wrong):
            return False
        self._run((end, target) for end in rest)
        return all(self._outcome(end, target) is self._wanted[end] for end in rest)

    def _run(self, ends: Iterable[tuple[int, TargetPython]]) -> None:
        keys = [self._keys[each] for each in ends]
        self._search.engine.repeat([key for key in keys if key not in self._search.engine.observed], 1)

    def _outcome(self, end: int, target: TargetPython) -> Outcome | None:
        """Return the outcome of an end by itself; None if it was not run, or has no result."""
        runs = self._search.engine.observed.get(self._keys[end, target], ())
        alone = judge({0: runs}, size=1, expectation=Expectation(), criteria=self._plan.criteria)
        return alone.rulings[0].outcome if 0 in alone.rulings else None

    def _on(self, search: Search, end: int, target: TargetPython) -> Candidate:
        """Return an end on another Python; all else that its environment is made of stays."""
        candidate, interpreter = search.space.candidates[end], target.interpreter
        label = f"{self._name(end)} on Python {interpreter.short}"
        return replace(candidate, label=label, spec=replace(candidate.spec, interpreter=interpreter))

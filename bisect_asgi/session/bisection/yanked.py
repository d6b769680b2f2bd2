"""Run yanked releases after the search: many are yanked for the bug that is searched for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from packaging.version import Version

from bisect_asgi.core import answers, events
from bisect_asgi.core.answers.result import Result
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Boundary, Candidate, Outcome, Ruling
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.selection import between
from bisect_asgi.core.releases.yanked import Place, place_of, worth_running
from bisect_asgi.core.search.confirmation import FIRST_RUNS
from bisect_asgi.session.bisection import Search

_WORTH_A_LOOK = (ResultKind.FOUND, ResultKind.NOT_REPRODUCED)


def with_yanked(search: Search, answer: Result, *, search_s: float) -> Result:
    """Return the answer with the yanked releases that may matter, and name the others in its hint.

    They are run for a quarter of the time that the look at the history has; see `core.releases.yanked`. Those
    inside a change are run once in any case, because without them it is not known which release broke the
    probe.
    """
    changes = answer.mapped.changes if answer.mapped else ()
    changes = changes or ((answer.found,) if answer.found else ())
    chosen = _chosen(search, answer, changes)
    keys = _run(search, chosen, _sides(search, changes), budget_s=_budget_s(search, search_s))
    rulings, open_to_say = search.engine.judgement().rulings, [each.label for each in search.space.yanked]
    outcomes = {chosen[key - len(search.labels)].label: rulings[key].outcome for key in keys}
    for key in keys:
        candidate = chosen[key - len(search.labels)]
        text = f"{candidate.label}, yanked, "
        text += _shown(search, changes, candidate.label, rulings[key], outcomes)
        if candidate.yanked:  # at the end: it may be long, and a narrow screen cuts it
            text += f" (yanked: {candidate.yanked})"
        if changes:
            search.emit(events.Note(text=text))
        elif rulings[key].outcome is _other(search):
            answer = replace(answer, message=f"{answer.message}; {text}")
        else:
            open_to_say.remove(candidate.label)
    if found := answer.found:
        sides = search.labels[found.low], search.labels[found.high]
        answer = replace(answer, excluded_between=between(search.space.excluded, *sides))
    return answers.with_yanked(answer, open_to_say, all_fail=_other(search) is Outcome.PASSED)


def _other(search: Search) -> Outcome:
    """Return the outcome that no candidate has, if all agree."""
    return Outcome.PASSED if search.judgement().new_is is Outcome.FAILED else Outcome.FAILED


def _budget_s(search: Search, search_s: float) -> float:
    history = search.plan.history
    return (history.placing_s(search_s) if search.plan.all_changes else history.budget_s(search_s)) / 4


def _chosen(search: Search, answer: Result, changes: Sequence[Boundary]) -> list[Candidate]:
    """Return the yanked releases to run: none if runs do not agree, or one of them would have to be built."""
    if answer.kind not in _WORTH_A_LOOK or search.judgement().is_flaky or search.plan.criteria.metric:
        return []
    there = {each.label: each for each in search.space.yanked if not each.needs_build}
    sides = _sides(search, changes)
    reasons = {label: candidate.yanked or "" for label, candidate in there.items()}
    return [there[label] for label in worth_running(reasons, search.labels, sides)]


def _run(
    search: Search, chosen: Sequence[Candidate], sides: Sequence[tuple[str, str]], *, budget_s: float
) -> Sequence[int]:
    """Run `chosen` in their order as long as there is time; return the keys of those that were run."""
    engine, until_s = search.engine, time.monotonic() + budget_s
    if not chosen or budget_s <= 0:
        return ()
    keys = search.admit(chosen)
    for key, candidate in zip(keys, chosen, strict=True):
        is_inside = place_of(candidate.label, search.labels, sides) is Place.INSIDE
        while (known := len(engine.observed.get(key, ()))) < FIRST_RUNS:
            is_urgent = is_inside and not known
            is_late = engine.seconds(key) > until_s - time.monotonic()
            if key in engine.errors or (is_late and not is_urgent):
                break
            engine.repeat([key], FIRST_RUNS - known if known else 1)
    engine.emit_rulings()  # including those that earlier commands have run often enough
    return [key for key in keys if key in engine.observed]


def _shown(
    search: Search, changes: Sequence[Boundary], label: str, ruling: Ruling, outcomes: Mapping[str, Outcome]
) -> str:
    """Return the outcome of a yanked release as a clause; `outcomes` has all that were run, by version."""
    why = f": {ruling.signature.shown}" if ruling.signature else ""
    if ruling.outcome not in (Outcome.FAILED, Outcome.PASSED):
        return f"is untestable{why}"
    if ruling.fails_differently:
        return f"fails differently{why}"
    is_bad = ruling.outcome is Outcome.FAILED
    text = f"is {search.plan.term_new if is_bad else search.plan.term_old}"
    sides = _sides(search, changes)
    is_inside = place_of(label, search.labels, sides) is Place.INSIDE
    if not is_inside or ruling.outcome is not search.judgement().new_is:
        return text
    alike = [label for label, outcome in outcomes.items() if outcome is ruling.outcome]
    there = f": it {'broke' if is_bad else 'was fixed'} there"
    return f"{text} as well{there if _is_oldest(label, alike, sides) else ''}"


def _sides(search: Search, changes: Sequence[Boundary]) -> list[tuple[str, str]]:
    return [(search.labels[change.low], search.labels[change.high]) for change in changes]


def _is_oldest(label: str, alike: Sequence[str], sides: Sequence[tuple[str, str]]) -> bool:
    """Return whether no older one of `alike` lies between the same two sides."""
    version, versions = Version(label), list(map(Version, alike))
    lows = [Version(low) for low, high in sides if Version(low) < version < Version(high)]
    return not any(low < other < version for low in lows for other in versions)

"""Choose an older Python if the chosen one cannot import the releases that the result depends on.

The Python of a search suits the newest release. Releases from before that Python often install on it, but do
not import, because the standard library has lost what they use. So they are untestable, and the result is a
gap, or that the probe fails everywhere. A Python of their own time can import them.
"""

from __future__ import annotations

from bisect_asgi.core import hints
from bisect_asgi.core.answers.result import Result
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge.judge import Judgement
from bisect_asgi.core.model import Candidate, Outcome, Verdict
from bisect_asgi.core.releases.installable import TargetPython
from bisect_asgi.core.releases.interpreters import first_released
from bisect_asgi.session.bisection import Search


def not_imported(search: Search, answer: Result) -> Candidate | None:
    """Return the newest candidate that the result depends on, if this Python cannot import it, else None.

    The result depends on the candidates inside the boundary or, if the probe fails on all that are testable,
    on those before them. If failures are not compared, return None: it would not be known whether another
    Python shows the same failure.
    """
    judgement = search.judgement()
    is_clear = not (judgement.is_flaky or judgement.contradicts(search.space.expectation))
    if not (is_clear and judgement.reference) or search.plan.all_changes:
        return None
    keys = _decisive(judgement, answer)
    signatures = [judgement.rulings[key].signature for key in keys]
    is_of_python = bool(keys) and all(each and hints.is_of_python(each) for each in signatures)
    return search.space.candidates[keys[-1]] if is_of_python else None


def _decisive(judgement: Judgement, answer: Result) -> list[int]:
    """Return the untestable candidates inside the boundary, or the newest one before all that fail."""
    if answer.kind is ResultKind.INCONCLUSIVE:
        return sorted(answer.found.skipped) if answer.found else []
    rulings = judgement.rulings
    tested = {key: each.outcome for key, each in rulings.items() if each.verdict is not Verdict.SKIP}
    if set(tested.values()) != {Outcome.FAILED}:
        return []
    return sorted(key for key in rulings if key < min(tested))[-1:]


def older_python(search: Search, untestable: Candidate) -> TargetPython | None:
    """Return the newest other Python that is older than this candidate, or else the oldest one of all.

    Return None if the Python of the search is itself older, if the user chose it, or if there is no other.
    """
    choice, uploaded = search.space.choice, untestable.uploaded
    if choice is None or uploaded is None or first_released(choice.interpreter.minor) <= uploaded:
        return None
    others = [each for each in choice.others if each.interpreter.minor < choice.interpreter.minor]
    others.sort(key=lambda each: each.interpreter.minor)
    older = [each for each in others if first_released(each.interpreter.minor) <= uploaded]
    return older[-1] if older else next(iter(others), None)

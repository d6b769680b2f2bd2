"""Which interpreter suits a whole range of releases best.

One interpreter runs all candidates, or their differences would be the interpreter's. A release that cannot
be installed on it is lost to the search. Of the others, one with a wheel for it counts whole; one that has
no wheels at all counts three quarters; one that has wheels, but only for other interpreters, a quarter: its
source distribution was rarely ever built on this one. Each counts half of that when it is older than the
interpreter: it may install and then fail to import, since it was never tried there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from packaging.version import Version

from bisect_asgi.core.model import Interpreter, Release
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.select import TargetPython, has_wheel, unusable
from bisect_asgi.core.text import plural

# First releases of CPython 3.6 to 3.8; from 3.9 on there is one each October (PEP 602).
_FIRST_RELEASED = {(3, 6): (2016, 12, 23), (3, 7): (2018, 6, 27), (3, 8): (2019, 10, 14)}

_LEAST_SHARE = 2 / 3


class InterpreterChoice(Struct, frozen=True, kw_only=True):
    """The interpreter that was chosen, and the reason in a few words."""

    target: TargetPython
    reason: str

    @property
    def interpreter(self) -> Interpreter:
        """The chosen one."""
        return self.target.interpreter


class _Score(Struct, frozen=True, kw_only=True):
    worth: float
    installable: int
    older: int


def best_interpreter(
    interpreters: Sequence[TargetPython],
    releases: Sequence[Release],
    *,
    required: Sequence[Release] = (),
    wished: Sequence[Release] = (),
) -> InterpreterChoice | None:
    """Return the interpreter that suits `releases` best; None when none installs all of `required`.

    Those in `wished` should be installed, too, if that does not cost more than a third of what the best one
    is worth. On a tie the newer interpreter is taken: more wheels are made for it.
    """
    able = [u for u in interpreters if _installs(u, required)]
    if not able:
        return None
    scores = {target.interpreter.path: _score(target, releases) for target in able}
    most = max(score.worth for score in scores.values())
    liked = [
        u for u in able if _installs(u, wished) and scores[u.interpreter.path].worth >= most * _LEAST_SHARE
    ]
    able = liked or able
    best = max(able, key=lambda u: (scores[u.interpreter.path].worth, Version(u.interpreter.version)))
    return InterpreterChoice(target=best, reason=_reason(scores[best.interpreter.path], len(releases)))


def first_released(minor: tuple[int, int]) -> datetime:
    """When this minor version of CPython came out."""
    year, month, day = _FIRST_RELEASED.get(minor, (2011 + minor[1], 10, 5))
    return datetime(year, month, day, tzinfo=UTC)


def _installs(target: TargetPython, releases: Sequence[Release]) -> bool:
    return all(unusable(release, target) is None for release in releases)


def _score(target: TargetPython, releases: Sequence[Release]) -> _Score:
    installable = [release for release in releases if unusable(release, target) is None]
    born = first_released(target.interpreter.minor)
    older = {r.version for r in installable if r.uploaded and r.uploaded < born}
    worth = sum(
        _file_worth(release, target) * (0.5 if release.version in older else 1.0) for release in installable
    )
    return _Score(worth=worth, installable=len(installable), older=len(older))


def _file_worth(release: Release, target: TargetPython) -> float:
    if has_wheel(release, target):
        return 1.0
    return 0.25 if has_wheel(release) else 0.75


def _reason(score: _Score, total: int) -> str:
    text = f"it installs {score.installable} of {plural(total, 'release')}"
    return f"{text}, {score.older} of them older than it" if score.older else text

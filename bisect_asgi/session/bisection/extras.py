"""Find out whether the extras that a search asks for exist, from the environments of its candidates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from bisect_asgi.core import extras
from bisect_asgi.core.errors import BuildFailed, Unavailable, Unresolvable
from bisect_asgi.core.extras import Extra
from bisect_asgi.core.model import BuiltEnvironment, Candidate, Declared, Distribution, Interpreter
from bisect_asgi.core.never_ran import NeverRan
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.services import Services
from bisect_asgi.session.axes.base import wheels_of

_LEAST = 2
"""The number of environments that have to lack an extra before other candidates are checked for it."""
_PLACES = 4
"""Then both ends of the range are checked, and candidates that divide it into this number of parts."""


class Extras:
    """The extras that a search asks for.

    Args:
        candidates: the candidates of the range, oldest first.
    """

    def __init__(self, plan: Plan, candidates: Sequence[Candidate], services: Services) -> None:
        self._plan = plan
        self._candidates = candidates
        self._services = services
        self._wanted = wanted_by(candidates[-1]) if candidates else ()
        self._declared: dict[int, Mapping[str, Declared]] = {}
        self._found: set[Extra] = set()
        """Extras that some candidate has."""

    def unknown(self, environments: Mapping[int, BuiltEnvironment]) -> NeverRan | None:
        """Return the finding that no candidate has one of the extras, as far as that can be known, or None.

        `environments`: those of the candidates that were run.
        """
        for extra in self._wanted:
            if extra not in self._found and (wrong := self._unknown(extra, environments)):
                return wrong
        return None

    def notes(self, environments: Mapping[int, BuiltEnvironment], labels: Sequence[str]) -> Iterator[str]:
        """Yield a note on each extra that some of the candidates that were run lack."""
        for extra in self._wanted:
            answers = {
                labels[key]: self._lacks(extra, key, built) for key, built in sorted(environments.items())
            }
            known = {label: lacks for label, lacks in answers.items() if lacks is not None}
            if text := extras.missing_in(extra, known):
                yield text

    def _unknown(self, extra: Extra, environments: Mapping[int, BuiltEnvironment]) -> NeverRan | None:
        lacking = {key: self._lacks(extra, key, built) for key, built in environments.items()}
        if False in lacking.values():
            self._found.add(extra)
        keys = [key for key, is_lacking in lacking.items() if is_lacking]
        if extra in self._found or len(keys) < _LEAST:
            return None
        others = {name for key in keys for name in self._declared[key][extra.package].extras}
        elsewhere = {name for own in self._elsewhere(extra, environments) for name in own.extras}
        if extra.name in elsewhere:
            self._found.add(extra)
            return None
        return extras.unknown(extra, keys, others | elsewhere)

    def _lacks(self, extra: Extra, key: int, built: BuiltEnvironment) -> bool | None:
        if key not in self._declared:
            self._declared[key] = self._services.trials.declared(built)
        return extras.is_lacking(extra, self._declared[key])

    def _elsewhere(self, extra: Extra, environments: Mapping[int, BuiltEnvironment]) -> Iterator[Declared]:
        """Yield what the package declares for candidates over the whole range that were not run.

        Each may have a different release of the package. Candidates that cannot be resolved to wheels are
        left out.
        """
        last = len(self._candidates) - 1
        keys = {last * place // _PLACES for place in range(_PLACES + 1)} - environments.keys()
        chosen = [self._candidates[key] for key in sorted(keys)]
        if any(extra.package == own.name for candidate in chosen for own in candidate.spec.projects):
            return  # the user's own project is the same everywhere
        installed = []
        with suppress(Unavailable):
            installed = wheels_of([candidate.spec for candidate in chosen], self._plan, self._services)
        for candidate, wheels in zip(chosen, installed, strict=False):
            for each in wheels or ():
                if each.name == extra.package:
                    yield from self._of_release(each, candidate.spec.interpreter)

    def _of_release(self, distribution: Distribution, interpreter: Interpreter) -> Iterator[Declared]:
        with suppress(Unresolvable, BuildFailed, Unavailable):
            metadata = self._services.index.contents(distribution, interpreter).metadata
            yield extras.declared(metadata.requires, metadata.extras)


def wanted_by(candidate: Candidate) -> tuple[Extra, ...]:
    """Return the extras that the environment of a candidate is to have."""
    return extras.wanted((*candidate.spec.requirements, *candidate.spec.overrides))

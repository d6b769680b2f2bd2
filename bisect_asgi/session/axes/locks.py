"""Two lock files: everything as in the old one, and everything as in the new one.

There is nothing to search between the two; what is asked is which of the upgrades carry the change, and that
is found out as for any boundary.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, canonicalize_version

from bisect_asgi.core.axis_words import AxisWords, EndHints
from bisect_asgi.core.errors import BuildFailed, Unresolvable, UsageError
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.lockfiles import Lock, read_lock
from bisect_asgi.core.model import Candidate, Distribution, EnvironmentSpec, Interpreter, Release
from bisect_asgi.core.plan import LOCKS, LockText, Plan
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases import ReleaseRange
from bisect_asgi.core.releases.interpreters import InterpreterChoice, markers_of, rank
from bisect_asgi.core.services import Services
from bisect_asgi.core.text import listing, plural
from bisect_asgi.session.axes.base import (
    Axis,
    SearchSpace,
    admitted,
    choose_interpreter,
    newest_upload,
    outside_the_limit,
    pinned_releases,
)

_OWN = platform.python_version()
_ENDS_HINT = (
    "the first lock has to be the one that works; are the two swapped, or is another `--python` meant?"
)


class Locks(Axis):
    """Two lock files."""

    name = LOCKS
    words = AxisWords(
        noun="lock",
        nouns="locks",
        title="Lock",
        headline="{name} is {verdict}",  # there is no other lock that it could be the first of
        has_versions=False,
    )
    hints = EndHints(
        good_fails=_ENDS_HINT,
        bad_passes=_ENDS_HINT,
        nothing_later=_ENDS_HINT,
        untestable="another `--python` may help; what the locks lack, `--with` adds",
    )
    is_option = False
    as_of = None
    has_held = False  # the locks have every version
    varies_everything = True

    def prepare(self, plan: Plan, services: Services) -> SearchSpace:
        """Return the two locks' environments as candidates.

        Raises:
            UsageError: a file cannot be read, both say the same, or no interpreter fits.
            Unavailable: the index did not answer.
        """
        # What is installed depends on the interpreter, and which one suits on what is installed.
        choice = replace(
            _choose(plan, _read(plan, Interpreter(path=sys.executable, version=_OWN)), services), others=()
        )  # on another Python, locks install something else
        locks = _read(plan, choice.interpreter)
        if _content(locks[0]) == _content(locks[1]):
            raise _same(plan, choice)
        pinned = _pinned(locks, services)
        candidates = tuple(
            _candidate(file, lock, plan, choice.interpreter, pinned)
            for file, lock in zip(plan.locks, locks, strict=True)
        )
        notes = (
            note
            for candidate, lock in zip(candidates, locks, strict=True)
            for note in _notes(candidate, lock, services)
        )
        return SearchSpace(
            choice=choice,
            candidates=candidates,
            expectation=Expectation(good=0, bad=1),
            notes=(*notes, *_ignored(plan, locks)),
        )


def _read(plan: Plan, interpreter: Interpreter) -> list[Lock]:
    """The locks as they are on an interpreter."""
    environment = markers_of(interpreter)
    return [read_lock(file.text, name=file.name, environment=environment) for file in plan.locks]


def _same(plan: Plan, choice: InterpreterChoice) -> UsageError:
    return UsageError(
        f"`{plan.locks[0].name}` and `{plan.locks[1].name}` install the same",
        hint=f"on Python {choice.interpreter.version}; was another file meant, or another `--python`?",
    )


def _content(lock: Lock) -> set[tuple[str, str]]:
    return {(d.name, canonicalize_version(d.version)) for d in lock.distributions}


def _pinned(locks: Sequence[Lock], services: Services) -> tuple[Release, ...]:
    """The releases of both locks, as far as an index has them."""
    pins = dict.fromkeys(str(distribution) for lock in locks for distribution in lock.distributions)
    found: list[Release] = []
    for pin in pins:
        try:
            found += pinned_releases([pin], services.index)
        except UsageError:  # no index has it; uv will say so where it matters
            continue
    return tuple(found)


def _choose(plan: Plan, locks: Sequence[Lock], services: Services) -> InterpreterChoice:
    """The interpreter that the locks were made for, if there is one; else the one that suits their pins."""
    pinned = _pinned(locks, services)
    wanted = SpecifierSet(",".join(lock.requires_python for lock in locks if lock.requires_python))
    if wanted and plan.python is None:
        found = admitted(plan, services.interpreters, ReleaseRange(releases=pinned))
        suited = [target for target in found if wanted.contains(target.interpreter.version)]
        if ranking := rank(suited, pinned):
            choice = ranking.choice()
            return replace(choice, reason=f"the locks are for Python {wanted}; {choice.reason}")
    return choose_interpreter(plan, services, ReleaseRange(releases=pinned))


def _candidate(
    file: LockText, lock: Lock, plan: Plan, interpreter: Interpreter, pinned: Sequence[Release]
) -> Candidate:
    """The environment of a lock: exactly what it says, and what the probe needs beside it."""
    pins = tuple(str(distribution) for distribution in lock.distributions)
    names = {distribution.name for distribution in lock.distributions}
    beside = tuple(text for text in plan.held if canonicalize_name(Requirement(text).name) not in names)
    return Candidate(
        label=file.name,
        spec=EnvironmentSpec(
            interpreter=interpreter,
            requirements=(*pins, *beside),
            overrides=(*pins, *plan.overrides),
            constraints=plan.constraints,
            projects=plan.projects,
            hashes=plan.hashes,
            exclude_newer=newest_upload(pinned),
            # What only the other lock pins is as of the date, as all that no lock pins.
            exclude_newer_package=outside_the_limit([each for each in pinned if each.project in names]),
        ),
    )


def _notes(candidate: Candidate, lock: Lock, services: Services) -> Iterator[str]:
    """What is not as the lock says: the Python, entries that are not looked at, what it does not pin."""
    name, python = candidate.label, candidate.spec.interpreter.version
    if lock.requires_python and not SpecifierSet(lock.requires_python).contains(python):
        yield f"`{name}` is for Python {lock.requires_python}, and is run on {python} (see `--python`)"
    if lock.passed_over:
        told = listing((f"{passed.name} ({passed.reason})" for passed in lock.passed_over), most=6)
        yield f"{plural(len(lock.passed_over), 'entry')} of `{name}` passed over: {told}"
    if lacking := _lacking(candidate.spec, lock, services):
        told = listing(f"{each.name} {each.version}" for each in lacking)
        yield f"`{name}` does not pin {told}, which its distributions require; uv chose these versions"


def _lacking(spec: EnvironmentSpec, lock: Lock, services: Services) -> list[Distribution]:
    """What distributions of the lock require, and neither the lock nor the user names."""
    pins = {distribution.name: str(distribution) for distribution in lock.distributions}
    own = (text for text in (*spec.requirements, *spec.overrides) if text not in pins.values())
    named = {*pins, *(canonicalize_name(Requirement(text).name) for text in own)}
    try:
        installed = services.trials.resolve(spec)
        alone = services.trials.resolve(replace(spec, requirements=tuple(pins.values())))
    except (Unresolvable, BuildFailed):
        return []  # a trial will say so
    required = {distribution.name for distribution in alone} - named
    return [distribution for distribution in installed if distribution.name in required]


def _ignored(plan: Plan, locks: Sequence[Lock]) -> Iterator[str]:
    """What is held and does not count, because the locks say it otherwise."""
    found = {d.name: d.version for lock in locks for d in lock.distributions}
    for text in plan.held:
        held = Requirement(text)
        version = found.get(canonicalize_name(held.name))
        if version and not held.specifier.contains(version, prereleases=True):
            yield f"`{text}` does not count: the locks have {canonicalize_name(held.name)} {version}"


AXIS = Locks()

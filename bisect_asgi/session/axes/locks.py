"""Two lock files: everything as in the old one, and everything as in the new one.

There is nothing to search between the two. The question is which of the upgrades cause the change, and this
is found as for any boundary.
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
from bisect_asgi.core.plan.own_projects import GivenProject
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.interpreters import InterpreterChoice, markers_of, rank
from bisect_asgi.core.releases.selection import ReleaseRange
from bisect_asgi.core.services import Services
from bisect_asgi.core.text import listing, plural
from bisect_asgi.session.axes import own as own_projects
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
_ENDS_HINT = "pass the lock file that works first, or another `--python`"


class Locks(Axis):
    """Two lock files."""

    name = LOCKS
    words = AxisWords(
        noun="lock",
        nouns="locks",
        title="Lock",
        headline="{name} is {verdict}",  # "first" would be wrong with only two locks
        has_versions=False,
    )
    hints = EndHints(
        good_fails=_ENDS_HINT,
        bad_passes=_ENDS_HINT,
        nothing_later=_ENDS_HINT,
        untestable="pass another `--python`, or add with `--with` what the lock files lack",
    )
    is_option = False
    as_of = None
    has_held = False  # the locks decide every version
    varies_everything = True

    def prepare(self, plan: Plan, services: Services) -> SearchSpace:
        """Return the two locks' environments as candidates.

        Raises:
            UsageError: a file cannot be read, both say the same, or no interpreter fits.
            Unavailable: the index did not answer.
        """
        # The interpreter decides which pins apply, and the pins decide which interpreter suits. So the lock
        # is read twice.
        choice = replace(
            _choose(plan, _read(plan, Interpreter(path=sys.executable, version=_OWN)), services), others=()
        )  # on another Python, the locks would install other packages
        locks = _read(plan, choice.interpreter)
        built = _built(plan, locks)
        if _content(locks[0]) == _content(locks[1]) and built[0] == built[1]:
            raise _same(plan, choice)
        for own in dict.fromkeys((plan.own, *built)):
            own_projects.build(replace(plan, own=own), choice.interpreter, services)
        pinned = _pinned(locks, services)
        candidates = tuple(
            _candidate(file, lock, replace(plan, own=own), choice.interpreter, pinned)
            for file, lock, own in zip(plan.locks, locks, built, strict=True)
        )
        notes = [
            note
            for candidate, file, lock in zip(candidates, plan.locks, locks, strict=True)
            for note in _notes(candidate, file, lock, plan, services)
        ]
        notes += _unlike(plan, built)
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
        hint=f"name two that differ, or pass another `--python` than {choice.interpreter.version}",
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
        except UsageError:  # no index has it; uv reports that if it matters
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
            return replace(choice, reason=f"the lock files are for Python {wanted}; {choice.reason}")
    return choose_interpreter(plan, services, ReleaseRange(releases=pinned))


def _candidate(
    file: LockText, lock: Lock, plan: Plan, interpreter: Interpreter, pinned: Sequence[Release]
) -> Candidate:
    """Return the environment of a lock file: exactly its packages, and the probe's own requirements."""
    pins = tuple(str(distribution) for distribution in lock.distributions)
    names = {distribution.name for distribution in lock.distributions}
    own = tuple(given.requirement for given in plan.own if given.requirement not in plan.held)
    beside = tuple(text for text in plan.held if canonicalize_name(Requirement(text).name) not in names)
    return Candidate(
        label=file.name,
        spec=EnvironmentSpec(
            interpreter=interpreter,
            requirements=(*pins, *beside, *own),
            overrides=(*pins, *plan.overrides),
            constraints=plan.constraints,
            projects=plan.projects,
            hashes=plan.hashes,
            exclude_newer=newest_upload(pinned),
            # Packages that only the other lock pins are limited by the date, like those that no lock pins.
            exclude_newer_package=outside_the_limit([each for each in pinned if each.project in names]),
        ),
    )


def _notes(candidate: Candidate, file: LockText, lock: Lock, plan: Plan, services: Services) -> Iterator[str]:
    """Yield notes on differences from the lock file: the Python, ignored entries, packages without a pin."""
    name, python = candidate.label, candidate.spec.interpreter.version
    if lock.requires_python and not SpecifierSet(lock.requires_python).contains(python):
        yield f"`{name}` is for Python {lock.requires_python}, and is run on {python} (see `--python`)"
    if left := _passed_over(candidate, file, lock, plan):
        yield f"{plural(len(left), 'entry')} of `{name}` excluded: {listing(left, most=6)}"
    if lacking := _lacking(candidate.spec, lock, services):
        told = listing(f"{each.name} {each.version}" for each in lacking)
        yield f"`{name}` does not pin {told}, which its packages require; uv chose these versions"


def _passed_over(candidate: Candidate, file: LockText, lock: Lock, plan: Plan) -> list[str]:
    """Return the entries of a lock that are not installed, each with its reason."""
    built = {each.name for each in candidate.spec.projects} | {each.project.name for each in plan.copied}
    own = {each.entry: each for each in file.own}
    left = []
    for passed in lock.passed_over:
        found = own.get(passed.name)
        if passed.name in built or (found and found.given and found.given.project.name in built):
            continue
        reason = f"{passed.reason}; {found.problem}" if found and found.problem else passed.reason
        left.append(f"{passed.name} ({reason})")
    return left


def _built(plan: Plan, locks: Sequence[Lock]) -> list[tuple[GivenProject, ...]]:
    """Return the projects that each lock's environment builds: those of `--with`, and the lock's own.

    A directory is the same in both environments, as the newer lock has it. Otherwise a change of the user's
    own would look like that of an upgrade.
    """
    said = {given.project.name for given in plan.own}
    found = []
    for file, lock in zip(plan.locks, locks, strict=True):
        entries = {passed.name for passed in lock.passed_over}
        own = [each.given for each in file.own if each.given and each.entry in entries]
        found.append({given.project.name: given for given in own if given.project.name not in said})
    old, new = found
    old |= {name: each for name, each in new.items() if name in old and not each.project.commit}
    return [(*plan.own, *own.values()) for own in (old, new)]


def _unlike(plan: Plan, built: Sequence[tuple[GivenProject, ...]]) -> Iterator[str]:
    """Yield the projects that differ between the locks in a way that no version tells, or that are one's."""
    folders = {each.given.project.name: each.given for each in plan.locks[0].own if each.given}
    old, new = ({given.project.name: given.project for given in own} for own in built)
    for name, project in new.items():
        stated = folders.get(name)
        if stated and not project.commit and project.content != stated.project.content and name in old:
            yield f"`{name}` is built from `{project.given}` for both locks, although they have it elsewhere"
        if name in old and old[name] != project:
            yield f"`{name}` is of two commits: if these have one version, only a combination of all shows it"


def _lacking(spec: EnvironmentSpec, lock: Lock, services: Services) -> list[Distribution]:
    """Distributions that those of the lock require, and that neither the lock nor the user names."""
    pins = {distribution.name: str(distribution) for distribution in lock.distributions}
    own = (text for text in (*spec.requirements, *spec.overrides) if text not in pins.values())
    named = {*pins, *(canonicalize_name(Requirement(text).name) for text in own)}
    try:
        installed = services.trials.resolve(spec)
        alone = services.trials.resolve(replace(spec, requirements=tuple(pins.values())))
    except (Unresolvable, BuildFailed):
        return []  # a trial will report it
    required = {distribution.name for distribution in alone} - named
    return [distribution for distribution in installed if distribution.name in required]


def _ignored(plan: Plan, locks: Sequence[Lock]) -> Iterator[str]:
    """Held requirements that do not count, because the locks pin another version."""
    found = {d.name: d.version for lock in locks for d in lock.distributions}
    for text in plan.held:
        held = Requirement(text)
        version = found.get(canonicalize_name(held.name))
        if version and not held.specifier.contains(version, prereleases=True):
            yield f"`{text}` does not count: the locks have {canonicalize_name(held.name)} {version}"


AXIS = Locks()

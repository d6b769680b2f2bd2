"""The base class of axes, and helpers that several of them use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import ClassVar

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from bisect_asgi.core import events
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.model import (
    Candidate,
    Distribution,
    EnvironmentSpec,
    Excluded,
    ExcludeNewerPackage,
    Interpreter,
    Release,
)
from bisect_asgi.core.plan import AS_OF_RELEASE_GRACE, DependencyPolicy, Plan, PolicyKind, pinned_version
from bisect_asgi.core.plan.axis_traits import AxisTraits
from bisect_asgi.core.records import Struct, field, replace
from bisect_asgi.core.releases.installable import TargetPython
from bisect_asgi.core.releases.interpreters import InterpreterChoice, Needs, Ranking, rank
from bisect_asgi.core.releases.selection import ReleaseFilter, ReleaseRange, is_version, nearest, select
from bisect_asgi.core.services import Index, Interpreters, Services
from bisect_asgi.core.text import listing


class SearchSpace(Struct, frozen=True, kw_only=True):
    """The candidates and everything else that is known before the first trial."""

    choice: InterpreterChoice | None
    """The one interpreter of all candidates; None: it varies."""
    candidates: tuple[Candidate, ...]
    newer: tuple[Candidate, ...] = ()
    """Candidates above the range. Once a boundary is known, they show what changed since."""
    yanked: tuple[Candidate, ...] = ()
    """Yanked releases in the range and above it. They are no candidates, but may be run beside the result."""
    whole: tuple[Release, ...] = ()
    """All releases of the range, whatever Python they need; empty: the search is about one Python."""
    expectation: Expectation = field(default_factory=Expectation)
    excluded: tuple[Excluded, ...] = ()
    gallop: bool = False
    """Look for the old end backwards from the newest."""
    notes: tuple[str, ...] = ()
    """Notes on how the candidates were chosen."""
    out_of_reach: str = ""
    """What to say of newer releases that only another Python can install, if the newest candidate is bad."""
    projects: frozenset[str] | None = None
    """The packages whose uploads are candidates; None if the candidates are no uploads."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The candidates' labels, oldest first."""
        return tuple(candidate.label for candidate in self.candidates)


class Axis(AxisTraits, ABC):
    """One thing that may vary from candidate to candidate. A new axis is a subclass, registered once."""

    as_of: ClassVar[str | None] = "each release's upload"
    """The moment that limits the other packages under the policy `as-of-release`; None: no policy applies."""
    has_held: ClassVar[bool] = True
    """Held requirements are the same in all environments."""
    is_explained: ClassVar[bool] = True
    """The culprit can be found, because the installed versions vary."""
    varies_everything: ClassVar[bool] = False
    """All packages may differ between two candidates, for several reasons: the search for culprits goes on
    after the first one, and a search in one package holds all others."""

    @abstractmethod
    def prepare(self, plan: Plan, services: Services) -> SearchSpace:
        """Return the candidates, oldest first, and the user's expectation of the two ends.

        Raises:
            UsageError: an end is no candidate, fewer than two candidates are left, or no interpreter fits.
            Unavailable: the index or the repository did not answer.
        """

    def shown(self, candidate: Candidate, services: Services) -> events.CommitShown | None:  # noqa: ARG002
        """Return what reports show of the candidate at a boundary, or None if its label is enough."""
        return None

    def widen(self, plan: Plan, services: Services, projects: frozenset[str]) -> SearchSpace:
        """Return the candidates and those that uploads of `projects` add, if `SearchSpace.projects` was set.

        Raises:
            UsageError: as `prepare` does.
            Unavailable: the index did not answer.
        """
        raise NotImplementedError

    def option(self, plan: Plan) -> str:  # noqa: ARG002 (a dependency's is in the plan)
        """Return what `--over` takes, or what reports show for it."""
        return self.name

    def policy(self, plan: Plan) -> DependencyPolicy:
        """Return the policy that applies to the other packages."""
        return plan.policy

    def words_of(self, plan: Plan) -> AxisWords:
        """Return the axis' words for the search of `plan`."""
        known = {"project": plan.project, "dependency": plan.dependency, "base": plan.base}
        return replace(
            self.words,
            subject=self.words.subject.format(**known),
            context=self.words.context.format(**known),
            others=self._others(plan),
        )

    def _others(self, plan: Plan) -> tuple[str, ...]:
        policy = () if self.as_of is None else (self.policy(plan).told(self.as_of),)
        return policy + (tuple(_required(plan.held)) if self.has_held else ())


def _required(requirements: Sequence[str]) -> Iterator[str]:
    """Yield what every environment requires; only a pin holds the version."""
    pins = [text for text in requirements if pinned_version(text)]
    others = [text for text in requirements if text not in pins]
    if pins:
        yield f"held: {listing(pins, most=8)}"
    if others:
        yield f"required everywhere: {listing(others, most=8)}"


def pinned_releases(requirements: Sequence[str], index: Index) -> tuple[Release, ...]:
    """Return the releases that requirements pin with `==`.

    Raises:
        UsageError: the index lacks a package, or all releases that a requirement admits.
        Unavailable: the index did not answer.
    """
    parsed = [Requirement(text) for text in requirements]
    named = [each for each in parsed if not each.url and not each.marker]  # else no index may have it
    projects = list(dict.fromkeys(canonicalize_name(each.name) for each in named))
    with ThreadPoolExecutor(thread_name_prefix="held") as pool:
        pins = {project: _pins(project, named) for project in projects}
        asked = pool.map(lambda project: _held_releases(project, index, pins[project]), projects)
        known = dict(zip(projects, asked, strict=True))
    found: list[Release] = []
    for requirement in named:
        admitted = _admitted(requirement, known[canonicalize_name(requirement.name)])
        found += admitted if pinned_version(str(requirement)) else ()
    return tuple(found)


def _pins(project: str, requirements: Sequence[Requirement]) -> tuple[str, ...] | None:
    """Return the versions to which requirements pin a project, or None if one of them admits others."""
    own = [str(each) for each in requirements if canonicalize_name(each.name) == project]
    pins = [str(pin[1]) for each in own if (pin := pinned_version(each))]
    return tuple(pins) if len(pins) == len(own) else None


def _held_releases(project: str, index: Index, pins: tuple[str, ...] | None) -> Sequence[Release]:
    try:
        return index.releases(project, having=pins)
    except UsageError as error:
        where = "in `--with`, `--override`, or the probe's `dependencies`"
        raise UsageError(f"{error} ({where})", hint=error.hint) from error


def _admitted(requirement: Requirement, releases: Sequence[Release]) -> list[Release]:
    """Return the releases that a requirement admits.

    Raises:
        UsageError: there is none.
    """
    within = requirement.specifier
    if found := [each for each in releases if within.contains(each.version, prereleases=True)]:
        return found
    wanted = next((Version(each.version) for each in within if is_version(each.version)), None)
    near = nearest([each.version for each in releases], wanted)
    raise UsageError(
        f"no release of `{requirement.name}` satisfies `{requirement}`",
        hint=f"write {' or '.join(f'`{requirement.name}=={version}`' for version in near)}",
    )


def package_releases(plan: Plan, index: Index) -> tuple[Release, ...]:
    """Return the releases of the package that can be installed while something else varies, oldest first.

    Raises:
        UsageError: there is none.
    """
    kept = select(
        index.releases(plan.project), ReleaseFilter(within=plan.pinned, pre=True, yanked=True), None
    ).kept
    if not kept:
        raise UsageError(
            f"there is no release of `{plan.base}`", hint=f"`bisect-asgi releases {plan.project}` lists them"
        )
    return kept


def held_package(plan: Plan, index: Index) -> tuple[tuple[str, ...], tuple[Release, ...]]:
    """Return the package and everything that is held, as requirements, and the releases that they pin.

    Raises:
        UsageError: the package has no such release.
    """
    package_releases(plan, index)
    return (plan.base, *plan.held), pinned_releases((plan.base, *plan.indexed), index)


def outside_the_limit(*groups: Sequence[Release]) -> tuple[ExcludeNewerPackage, ...]:
    """Exempt pinned releases from the date limit."""
    names = (release.project for group in groups for release in group)
    return tuple(ExcludeNewerPackage(name=name) for name in dict.fromkeys(names))


def newest_upload(pinned: Sequence[Release]) -> datetime | None:
    """When the newest of the pinned releases could be installed with its dependencies."""
    moments = [release.uploaded for release in pinned if release.uploaded]
    return max(moments) + AS_OF_RELEASE_GRACE if moments else None


def check_dates(plan: Plan, kept: Sequence[Release]) -> None:
    """A policy by date needs dates: without them it would silently be another policy.

    Raises:
        UsageError: the index gives none for one of `kept`.
    """
    undated = [release for release in kept if release.uploaded is None]
    if undated and plan.policy.kind is not PolicyKind.LATEST:
        raise UsageError(
            f"the index gives no upload time for {undated[0].project} {undated[0].version}, "
            f"and `--deps {plan.policy}` needs one",
            hint="use `--deps latest`, or an index that gives them (JSON pages, PEP 700)",
        )


Ends = Callable[[Interpreter], Mapping[str, EnvironmentSpec]]
"""Returns the environments at the ends of the range on an interpreter, by the names of the ends."""


def choose_interpreter(
    plan: Plan,
    services: Services,
    span: ReleaseRange,
    *,
    pinned: Sequence[Release] = (),
    newest: Sequence[Release] = (),
    ends: Ends = lambda _: {},
) -> InterpreterChoice:
    """Return the interpreter that installs the named ends and, if possible, the pinned releases and `newest`.

    Of several that suit the range nearly equally well, it is the one on which `ends` get the best
    dependencies.

    Raises:
        UsageError: there is none that can install the named ends.
        Unavailable: the index did not answer.
    """
    if plan.python is not None:
        return InterpreterChoice(
            target=services.interpreters.find(plan.python), reason=f"`--python {plan.python}`"
        )
    found = admitted(plan, services.interpreters, ReleaseRange(releases=span.releases))
    for required in ([*span.ends, *pinned], span.ends):
        if ranking := rank(found, span.releases, required=required, wished=newest):
            choice = ranking.choice(_needs(ranking, ends, plan, services))
            if not plan.requires_python:
                return choice
            verb = "require" if " and " in plan.python_of else "requires"
            wanted = f"{plan.python_of} {verb} {plan.requires_python}"
            return replace(choice, reason=f"{wanted}; {choice.reason}")
    names = " and ".join(f"{release.project} {release.version}" for release in span.ends)
    raise UsageError(
        f"no Python on this machine can install {names}", hint=_offer(plan, services.interpreters, span)
    )


def _needs(ranking: Ranking, ends: Ends, plan: Plan, services: Services) -> list[Needs]:
    """Return what the ends need on each interpreter that may be chosen; nothing if there is only one.

    Raises:
        Unavailable: the index did not answer.
    """
    if ranking.close < 2:
        return []
    specs = {target.interpreter.path: ends(target.interpreter) for target in ranking.in_question}
    asked = [(name, path, spec) for path, named in specs.items() for name, spec in named.items()]
    found = wheels_of([spec for _, _, spec in asked], plan, services)
    installed: dict[str, dict[str, Sequence[Distribution] | None]] = {}
    for (name, path, _), wheels in zip(asked, found, strict=True):
        installed.setdefault(name, {})[path] = wheels
    return [Needs(name=name, installed=own) for name, own in installed.items()]


def wheels_of(
    specs: Sequence[EnvironmentSpec], plan: Plan, services: Services
) -> list[Sequence[Distribution] | None]:
    """Return the distributions of each environment, or None if not all of them have wheels.

    Raises:
        Unavailable: the index did not answer.
    """
    token = CancelToken()
    with ThreadPoolExecutor(max_workers=plan.jobs, thread_name_prefix="resolve") as pool:
        try:
            return list(pool.map(lambda spec: services.trials.wheels(spec, token), specs))
        except BaseException:
            token.cancel()
            raise


def admitted(plan: Plan, interpreters: Interpreters, span: ReleaseRange) -> list[TargetPython]:
    """Return the interpreters that the probe's `requires-python` admits.

    Raises:
        UsageError: there is none.
    """
    found = [u for u in interpreters.find_all() if plan.requires_python.contains(u.interpreter.version)]
    if not found:
        raise UsageError(
            f"no Python on this machine satisfies {plan.python_of}'s `requires-python`: "
            f"`{plan.requires_python}`",
            hint=_offer(plan, interpreters, span),
        )
    return found


def _offer(plan: Plan, interpreters: Interpreters, span: ReleaseRange) -> str:
    """Which interpreter to get, if uv has one that would do."""
    offered = [u for u in interpreters.downloadable() if plan.requires_python.contains(u.interpreter.version)]
    if ranking := rank(offered, span.releases, required=span.ends):
        short = ranking.choice().interpreter.short
        return f"run `uv python install {short}`"
    return "run `bisect-asgi releases`, which shows the Python that each release requires"

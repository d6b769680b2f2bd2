"""The default axis: releases of the package, everything else as the dependency policy says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.model import Candidate, Distribution, EnvironmentSpec, Excluded, Interpreter, Release
from bisect_asgi.core.plan import RELEASES, Claim, Plan, PolicyKind
from bisect_asgi.core.plan.axis_traits import LATEST, sure_ends
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.coverage import able, left_to_others
from bisect_asgi.core.releases.installable import has_wheel
from bisect_asgi.core.releases.interpreters import InterpreterChoice
from bisect_asgi.core.releases.selection import (
    BEYOND_THE_ENDS,
    OUTSIDE,
    Demand,
    ReleaseFilter,
    ReleaseRange,
    Selection,
    select,
)
from bisect_asgi.core.services import Services
from bisect_asgi.core.text import plural
from bisect_asgi.session.axes import own
from bisect_asgi.session.axes.base import (
    Axis,
    Ends,
    SearchSpace,
    check_dates,
    choose_interpreter,
    newest_upload,
    outside_the_limit,
    pinned_releases,
)

Demands = Callable[[Plan, Interpreter, Services], tuple[Demand, ...]]
"""Returns what the user's projects and files demand of the package on an interpreter."""


def _no_demands(plan: Plan, interpreter: Interpreter, services: Services) -> tuple[Demand, ...]:  # noqa: ARG001
    """Return no demands: a dependency is installed whatever anything requires."""
    return ()


_NONE: Mapping[str, str] = MappingProxyType({})
MakeCandidate = Callable[[Release, Interpreter], Candidate]
"""Returns the candidate of a release on an interpreter."""


class Releases(Axis):
    """Releases of the package."""

    name = RELEASES
    words = AxisWords(subject="{project}")

    def prepare(self, plan: Plan, services: Services, *, named: Mapping[str, str] = _NONE) -> SearchSpace:
        """Choose the interpreter and the candidates; `named`, by option, are included in any case.

        Raises:
            UsageError: a named release cannot be a candidate, none is left, or no interpreter fits.
            Unavailable: the index did not answer.
        """
        pinned = pinned_releases(plan.indexed, services.index)

        def make(release: Release, interpreter: Interpreter) -> Candidate:
            return candidate(plan, release, interpreter, pinned)

        chosen = choose_releases(
            plan,
            plan.project,
            services,
            make=make,
            pinned=pinned,
            named=tuple(named.values()),
            demands=own.demands,
        )
        for option, version in named.items():
            chosen.selection.position(version, option=option)
        check_dates(plan, chosen.span.releases)
        return chosen.space(plan)


class Chosen:
    """The releases of one project that are candidates, on the interpreter that suits them."""

    def __init__(
        self,
        choice: InterpreterChoice,
        selection: Selection,
        span: ReleaseRange,
        *,
        make: MakeCandidate,
        newer: tuple[Release, ...] = (),
        yanked: tuple[Release, ...] = (),
        whole: tuple[Release, ...] = (),
        notes: tuple[str, ...] = (),
        out_of_reach: str = "",
    ) -> None:
        self.choice = choice
        self.selection = selection
        self.span = span
        self._make = make
        self.newer = newer
        """Releases above the range that the interpreter can install, oldest first."""
        self.yanked = yanked
        """Yanked releases in the range and above it that the interpreter can install."""
        self.whole = whole
        """See `SearchSpace.whole`."""
        self.notes = notes
        """Notes on excluded releases."""
        self.out_of_reach = out_of_reach
        """See `SearchSpace.out_of_reach`."""

    @property
    def excluded(self) -> tuple[Excluded, ...]:
        """The releases that are no candidates, those outside the ends included."""
        inside = {release.version for release in self.span.releases}
        outside = (release for release in self.selection.kept if release.version not in inside)
        beyond = (Excluded(version=r.version, uploaded=r.uploaded, reason=BEYOND_THE_ENDS) for r in outside)
        return (*self.selection.excluded, *beyond)

    def space(self, plan: Plan) -> SearchSpace:
        """Return the search space with a candidate for each of the releases."""
        target = self.choice.target

        def candidates(releases: Sequence[Release]) -> tuple[Candidate, ...]:
            return tuple(
                replace(self._make(release, target.interpreter), needs_build=not has_wheel(release, target))
                for release in releases
            )

        return SearchSpace(
            choice=self.choice,
            candidates=candidates(self.span.releases),
            newer=candidates(self.newer),
            yanked=tuple(
                replace(made, yanked=release.yanked)
                for release, made in zip(self.yanked, candidates(self.yanked), strict=True)
            ),
            whole=self.whole,
            expectation=Expectation(good=self.span.good, bad=self.span.bad),
            excluded=self.excluded,
            gallop=plan.good is None,
            notes=self.notes,
            out_of_reach=self.out_of_reach,
        )


def choose_releases(
    plan: Plan,
    project: str,
    services: Services,
    *,
    make: MakeCandidate,
    pinned: Sequence[Release],
    named: tuple[str, ...] = (),
    demands: Demands = _no_demands,
) -> Chosen:
    """Choose the releases of `project` that are candidates, and their interpreter.

    `demands`: returns what the user's projects demand of it on an interpreter.

    Raises:
        UsageError: a named release cannot be a candidate, fewer than two are left, or no interpreter fits.
    """
    every = services.index.releases(project, having=sure_ends(plan))
    plan = _with_latest(plan, every)
    good, bad = (Version(end) if end is not None else None for end in (plan.good, plan.bad))
    wanted = ReleaseFilter(
        within=plan.releases,
        pre=plan.pre,
        yanked=plan.yanked,
        by_upload=plan.by_upload,
        # A release that is a minute old may not have its upload time yet. If no release has one, another
        # error says so.
        dated=plan.policy.kind is not PolicyKind.LATEST and any(release.uploaded for release in every),
        named=(*named, *(end for end in (plan.good, plan.bad) if end is not None)),
    )
    known = () if demands is _no_demands or plan.is_free else plan.demands
    wanted = replace(wanted, demands=tuple(each for each in known if not each.marker))
    anywhere = select(every, wanted, None).between(good, bad)
    newest = anywhere.releases[-1:] if bad is None else ()
    claims = {Version(version) for version in named}
    claimed = [each for each in anywhere.releases if claims and Version(each.version) in claims]
    ends = _needing(make, [*(anywhere.ends or newest), *claimed])
    choice = choose_interpreter(plan, services, anywhere, pinned=pinned, newest=newest, ends=ends)
    demanded = demands(plan, choice.interpreter, services)
    wanted = replace(wanted, demands=demanded)
    selection = select(every, wanted, choice.target)
    span = selection.between(good, bad)
    is_open = not (plan.good or named or plan.all_changes)
    if is_open:
        choice, selection = _leaving(plan, choice, selection, span.releases)
        span = selection.between(good, bad)
    if len(span.releases) < 2:
        raise _too_few(project, selection, span)
    everywhere = replace(wanted, within=SpecifierSet())
    everything = select(every, everywhere, choice.target)
    selection = replace(selection, excluded=_excluded(selection, everything, span))
    newer = _after(span.releases[-1], everything.kept)
    yanked = [release for release in every if release.yanked is not None]
    usable = select(yanked, replace(everywhere, yanked=True), choice.target).kept
    above = tuple(each for each in usable if each not in everything.kept and _is_above(each, span))
    notes = tuple(own.notes(demanded, selection.excluded))
    return Chosen(
        choice,
        selection,
        span,
        make=make,
        newer=newer,
        yanked=above,
        whole=anywhere.releases if is_open and choice.others else (),
        notes=notes,
        out_of_reach=_out_of_reach(choice, everything, every, everywhere),
    )


def _out_of_reach(
    choice: InterpreterChoice, here: Selection, every: Sequence[Release], wanted: ReleaseFilter
) -> str:
    """Return a note if another Python can install newer releases than the one that bisect-asgi chose.

    Args:
        choice: the Python, with the others unless the user chose it.
        here: all wanted releases that it can install.
        every: all releases; the wanted ones among them are newer if they come after those.
        wanted: says which releases are wanted, whatever Python they need.
    """
    if not choice.others:
        return ""
    excluded, newest = {each.version for each in here.excluded}, here.kept[-1]
    anywhere = select([newest, *(each for each in every if each.version in excluded)], wanted, None).kept
    newer = _after(newest, anywhere)
    python = able(choice.others, newer[-1]) if newer else None
    if python is None:
        return ""
    span = newer[0].version if len(newer) == 1 else f"{newer[0].version} to {newer[-1].version}"
    what = f"{plural(len(newer), 'newer release')} ({span}) cannot be installed"
    return f"{what} on Python {choice.interpreter.short}; pass `--python {python.interpreter.short}`"


def _leaving(
    plan: Plan, choice: InterpreterChoice, selection: Selection, releases: Sequence[Release]
) -> tuple[InterpreterChoice, Selection]:
    """Leave the oldest of `releases` to the Pythons that have wheels for them.

    On a further Python, the newest releases may be left to others, too. The first Python was chosen to suit,
    among others, the newest release.
    """
    others, target, short = plan.other_pythons or choice.others, choice.target, choice.interpreter.short
    oldest = releases[: left_to_others(releases, target, others)]
    rest = releases[len(oldest) :][::-1]
    newest = rest[: left_to_others(rest, target, others)] if plan.other_pythons else ()
    for left, word in ((oldest, "older"), (newest, "newer")):
        if left and not any(release.version == plan.bad for release in left):
            why = f"{word} than all wheels for Python {short}"
            choice = replace(choice, reason=f"{choice.reason}; {_counted(len(left))} {why}")
            selection = _without(selection, left, why)
    return choice, selection


def _counted(count: int) -> str:
    return f"{plural(count, 'release')} {'is' if count == 1 else 'are'}"


def _without(selection: Selection, left: Sequence[Release], reason: str) -> Selection:
    out = [Excluded(version=each.version, uploaded=each.uploaded, reason=reason) for each in left]
    kept = tuple(release for release in selection.kept if release not in left)
    return replace(selection, kept=kept, excluded=(*selection.excluded, *out))


def _is_above(release: Release, span: ReleaseRange) -> bool:
    return Version(release.version) > Version(span.releases[0].version)


def _needing(make: MakeCandidate, releases: Sequence[Release]) -> Ends:
    """Return what gives the environments of these releases."""
    return lambda interpreter: {
        f"{release.project} {release.version}": make(release, interpreter).spec for release in releases
    }


def _with_latest(plan: Plan, every: Sequence[Release]) -> Plan:
    """Return the plan with the newest release of the range in the place of `latest`."""
    if LATEST not in (plan.good, plan.bad):
        return plan
    kept = select(
        every, ReleaseFilter(within=plan.releases, pre=plan.pre, by_upload=plan.by_upload), None
    ).kept
    newest = kept[-1].version if kept else None
    good, bad = (newest if end == LATEST else end for end in (plan.good, plan.bad))
    return replace(plan, good=good, bad=bad)


def _after(last: Release, kept: Sequence[Release]) -> tuple[Release, ...]:
    """Return the releases of `kept` that come after `last`, which is one of them."""
    versions = [release.version for release in kept]
    return tuple(kept[versions.index(last.version) + 1 :])


def _excluded(selection: Selection, everything: Selection, span: ReleaseRange) -> tuple[Excluded, ...]:
    """Return what is excluded; above the range with the reason why it is not among the newer ones either."""
    newest = Version(span.releases[-1].version)
    reasons = {out.version: out for out in everything.excluded}

    def above(out: Excluded) -> Excluded:
        is_above = out.reason.startswith(OUTSIDE) and Version(out.version) > newest
        return reasons.get(out.version, out) if is_above else out

    return tuple(map(above, selection.excluded))


def prepare_one(plan: Plan, version: str, services: Services) -> tuple[SearchSpace, InterpreterChoice]:
    """Return the setting of one release alone, and its interpreter.

    Raises:
        UsageError: there is no such release, or no interpreter that installs it.
        Unavailable: the index did not answer.
    """
    every = services.index.releases(plan.project)
    pinned = pinned_releases(plan.indexed, services.index)
    wanted = ReleaseFilter(named=(version,))
    alone = _alone(select(every, wanted, None), version, plan)

    def make(release: Release, interpreter: Interpreter) -> Candidate:
        return candidate(plan, release, interpreter, pinned)

    choice = choose_interpreter(plan, services, alone, pinned=pinned, ends=_needing(make, alone.releases))
    demanded = replace(wanted, demands=own.demands(plan, choice.interpreter, services))
    (release,) = _alone(select(every, demanded, choice.target), version, plan).releases
    check_dates(plan, (release,))
    return SearchSpace(choice=choice, candidates=(make(release, choice.interpreter),)), choice


def prepare_claim(plan: Plan, claim: Claim, services: Services) -> tuple[SearchSpace, int]:
    """Return the candidates for a claim, and the place of the claimed release among them.

    Raises:
        UsageError: the claimed release cannot be a candidate, or is the oldest one.
        Unavailable: the index did not answer.
    """
    named = {claim.option: claim.version}
    space = AXIS.prepare(replace(plan, good=None, bad=None), services, named=named)
    version = Version(claim.version)
    place = next(place for place, label in enumerate(space.labels) if Version(label) == version)
    if place == 0:
        raise UsageError(
            f"`{claim.option} {claim.version}` is the oldest release that can be run",
            hint="widen `--releases`, so that the release before it is run as well",
        )
    return space, place


def candidate(plan: Plan, release: Release, interpreter: Interpreter, pinned: Sequence[Release]) -> Candidate:
    """Return the candidate of one release.

    The date limit does not apply to its own files, because wheels for a newer Python are uploaded later. Nor
    does it apply to the projects that the user pins to one version.
    """
    pin = plan.requirement(release.version)
    spec = EnvironmentSpec(
        interpreter=interpreter,
        requirements=(pin, *plan.held),
        overrides=(*((pin,) if plan.is_free else ()), *plan.overrides),
        constraints=plan.constraints,
        projects=plan.projects,
        hashes=plan.hashes,
        exclude_newer=plan.policy.exclude_newer(release),
        exclude_newer_package=outside_the_limit((release,), pinned),
        held=plan.held,
        held_exclude_newer=newest_upload(pinned),
        must_install=Distribution(name=plan.project, version=release.version),
    )
    return Candidate(label=release.version, spec=spec, uploaded=release.uploaded)


def _alone(selection: Selection, version: str, plan: Plan) -> ReleaseRange:
    """The range of one named release."""
    place = selection.position(version, option=plan.project)
    return ReleaseRange(releases=selection.kept[place : place + 1], good=0)


def _too_few(project: str, selection: Selection, span: ReleaseRange) -> UsageError:
    reasons = sorted({out.reason for out in selection.excluded})
    told = f"; excluded: {'; '.join(reasons[:3])}" if reasons else ""
    count = "only one release" if span.releases else "no release"
    hint = f"widen `--releases` or the ends; run `bisect-asgi releases {project}` to list all"
    if {demand.reason for demand in selection.demands}.intersection(reasons):
        hint = f"add `--override {project}` to install all of them, whatever requires another one"
    return UsageError(f"there is {count} of `{project}` to search{told}", hint=hint)


AXIS = Releases()

"""Moments of time: the package stays the same, and everything else is as it could be installed then.

Between two uploads nothing changes, so the candidates are the uploads, and the result is one of them.
Searching them directly takes as many runs as searching days and then the uploads inside a day, and a day
without uploads costs nothing. The uploads are those of the projects that are in the environment at the ends
or at some moments between. If a run then shows another project, the uploads of that project are added. A
release counts from the upload of the first file that the interpreter can use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from packaging.version import Version

from bisect_asgi.core.axis_words import AxisWords, EndHints
from bisect_asgi.core.errors import BuildFailed, Unresolvable, UsageError
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.model import Candidate, EnvironmentSpec, Interpreter, Release
from bisect_asgi.core.plan import DATE, Plan
from bisect_asgi.core.plan.parsing import parse_moment
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.installable import TargetPython, available_since
from bisect_asgi.core.releases.interpreters import InterpreterChoice
from bisect_asgi.core.releases.selection import ReleaseFilter, ReleaseRange, select
from bisect_asgi.core.services import Services
from bisect_asgi.core.text import listing
from bisect_asgi.session.axes import own as own_projects
from bisect_asgi.session.axes.base import (
    Axis,
    Ends,
    SearchSpace,
    choose_interpreter,
    newest_upload,
    outside_the_limit,
    package_releases,
    pinned_releases,
)

_LOOKED_AT = 9
"""The number of moments for which the projects in the environment are determined."""
_A_SECOND = timedelta(seconds=1)


class Dates(Axis):
    """Uploads of the package's dependencies."""

    name = DATE
    words = AxisWords(
        noun="upload", nouns="uploads", context="with {base}", title="Upload", has_versions=False
    )
    hints = EndHints(
        bad_passes="pass another `--bad` or `--python`",
        nothing_later="pass another `--python`",
        untestable="pass another {noun} with `--{end}`, or another `--python`",
    )
    holds_package = True
    replaces = "--deps"
    as_of = None  # the other packages vary

    def read_end(self, text: str, option: str) -> str:
        """Return a moment, as ISO 8601 in UTC; a day stands for its end."""
        return parse_moment(text, option).isoformat()

    def is_same_end(self, good: str, bad: str) -> bool:
        """Return whether both are one moment."""
        return good == bad

    def widen(self, plan: Plan, services: Services, projects: frozenset[str]) -> SearchSpace:
        """Return the uploads of `projects` as well; raises what `prepare` does."""
        return self.prepare(plan, services, also=projects)

    def prepare(self, plan: Plan, services: Services, *, also: frozenset[str] = frozenset()) -> SearchSpace:
        """Return a candidate for the older end, and one for each upload after it up to the newer end.

        `also`: further projects whose uploads are candidates.

        Raises:
            UsageError: an end is in the future, the package has no release that fits or cannot be installed,
                or nothing was uploaded between the ends.
            Unavailable: the index did not answer.
        """
        held = (plan.base, *plan.held)
        pinned = pinned_releases((plan.base, *plan.indexed), services.index)
        start, end, expectation = _ends(plan, pinned)

        def spec_on(interpreter: Interpreter) -> EnvironmentSpec:
            return EnvironmentSpec(
                interpreter=interpreter,
                requirements=held,
                overrides=plan.overrides,
                constraints=plan.constraints,
                projects=plan.projects,
                hashes=plan.hashes,
                exclude_newer_package=outside_the_limit(pinned),
                held=plan.held,
                held_exclude_newer=newest_upload(pinned),
                is_date_binding=True,
            )

        def ends_on(interpreter: Interpreter) -> dict[str, EnvironmentSpec]:
            spec = spec_on(interpreter)
            return {f"{plan.base} on {moment:%Y-%m-%d}": _at(spec, moment) for moment in (start, end)}

        choice = _choose(plan, services, ends_on)
        own_projects.build(plan, choice.interpreter, services)
        spec = spec_on(choice.interpreter)
        found = also | _projects(spec, start, end, services)
        own = {project.name for project in plan.projects}
        names = found - {release.project for release in pinned} - own
        uploads = _together(_uploads(names, plan, choice.target, start, end, services))
        if not uploads:
            raise _nothing(plan, found, f"between {start:%Y-%m-%d} and {end:%Y-%m-%d}")
        return SearchSpace(
            choice=choice,
            candidates=(
                _candidate(spec, start, f"{start:%Y-%m-%d}"),
                *(_candidate(spec, moment, f"{moment:%Y-%m-%d %H:%M:%S} {what}") for moment, what in uploads),
            ),
            expectation=_placed(expectation, len(uploads)),
            gallop=expectation.good is None and expectation.bad != 0,
            projects=found | {release.project for release in pinned} | own,
        )


def _nothing(plan: Plan, found: frozenset[str], when: str) -> UsageError:
    if not found:
        return UsageError(
            f"`{plan.base}` could not be installed at any moment that was tried {when}",
            hint=f"pass another `--python`; `bisect-asgi check {plan.base} …` shows the reason",
        )
    return UsageError(
        f"nothing that `{plan.base}` needs was uploaded {when}",
        hint=f"{listing(sorted(found), most=12)} were run; widen `--good` and `--bad`",
    )


def _placed(expectation: Expectation, last: int) -> Expectation:
    """The named ends at their places: the newer one is the last upload."""
    if expectation.bad == 0:  # the ends are named in reverse: the search is for a fix
        return Expectation(good=last, bad=0)
    return replace(expectation, bad=None if expectation.bad is None else last)


def _choose(plan: Plan, services: Services, ends: Ends) -> InterpreterChoice:
    """The interpreter that suits the possible releases of the package, and their dependencies at the ends."""
    kept = package_releases(plan, services.index)
    span = ReleaseRange(releases=kept, good=len(kept) - 1)
    return choose_interpreter(plan, services, span, ends=ends)


def _ends(plan: Plan, pinned: Sequence[Release]) -> tuple[datetime, datetime, Expectation]:
    """The two moments, and which of them should pass; by default, they are the package's upload and now."""
    now = datetime.now(UTC)
    good, bad = (datetime.fromisoformat(end) if end else None for end in (plan.good, plan.bad))
    for option, moment in (("--good", good), ("--bad", bad)):
        if moment is not None and moment > now + timedelta(days=1):
            raise UsageError(
                f"`{option} {moment:%Y-%m-%d}` is in the future", hint="nothing was uploaded then yet"
            )
    if good is not None and bad is not None and bad < good:
        return bad, good, Expectation(bad=0)
    earliest = newest_upload([release for release in pinned if release.project == plan.project])
    if good is None and earliest is None:
        raise UsageError(
            f"`{plan.base}` gives no day to begin at", hint="name one that worked: `--good 2022-01-10`"
        )
    start = good or earliest or now
    return start, bad or now, Expectation(good=None if good is None else 0, bad=None if bad is None else 1)


def _projects(spec: EnvironmentSpec, start: datetime, end: datetime, services: Services) -> frozenset[str]:
    """The projects that are in the environment at either end or at moments between."""
    moments = [start + (end - start) * part / (_LOOKED_AT - 1) for part in range(_LOOKED_AT)]
    found: set[str] = set()
    for moment in moments:
        try:
            found |= {distribution.name for distribution in services.trials.resolve(_at(spec, moment))}
        except (Unresolvable, BuildFailed):
            continue  # a trial at that moment will be untestable
    return frozenset(found)


def _at(spec: EnvironmentSpec, moment: datetime) -> EnvironmentSpec:
    return replace(spec, exclude_newer=moment.replace(microsecond=0))


def _uploads(
    names: Iterable[str], plan: Plan, target: TargetPython, start: datetime, end: datetime, services: Services
) -> Iterable[tuple[datetime, str]]:
    """Yield the moment from which each release can be installed, and its name, where that is in the range."""
    for name in names:
        releases = services.index.releases(name)
        # If a project has only pre-releases, uv installs them.
        is_pre = all(Version(release.version).is_prerelease for release in releases)
        wanted = ReleaseFilter(pre=plan.pre or is_pre, yanked=plan.yanked)
        for release in select(releases, wanted, target).kept:
            since = available_since(release, target)
            if since is not None and start < since <= end:
                # uv's date limit is exclusive and in whole seconds.
                yield since.replace(microsecond=0) + _A_SECOND, f"{name} {Version(release.version)}"


def _together(uploads: Iterable[tuple[datetime, str]]) -> list[tuple[datetime, str]]:
    """Return the uploads in order; all of one second are one, because their order is unknown."""
    found: dict[datetime, list[str]] = {}
    for moment, what in sorted(uploads):
        found.setdefault(moment, []).append(what)
    return [(moment, listing(what)) for moment, what in found.items()]


def _candidate(spec: EnvironmentSpec, moment: datetime, label: str) -> Candidate:
    return Candidate(label=label, spec=replace(spec, exclude_newer=moment), uploaded=moment)


AXIS = Dates()

"""Select the releases that are candidates, in order, and give the reason why each other one is excluded.

It works on releases that the index has returned, and makes no request itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Excluded, Move, Release
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.installable import TargetPython, unusable

OUTSIDE = "not in `--releases"
YANKED = "yanked"
BEYOND_THE_ENDS = "outside `--good` and `--bad`"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
# A command selects among the same hundreds of releases several times.
_parsed = lru_cache(maxsize=16384)(Version)


class ReleaseRange(Struct, frozen=True, kw_only=True):
    """The releases between the ends that the user named."""

    releases: tuple[Release, ...]
    good: int | None = None
    """The index of the good end in `releases`, or None if the user named none."""
    bad: int | None = None
    """The index of the bad end."""

    @property
    def ends(self) -> tuple[Release, ...]:
        """The ends that the user named."""
        return tuple(self.releases[index] for index in (self.good, self.bad) if index is not None)


class Selection(Struct, frozen=True, kw_only=True):
    """The releases that are candidates, oldest first, and those that are not."""

    kept: tuple[Release, ...]
    excluded: tuple[Excluded, ...]
    demands: tuple[Demand, ...] = ()
    """The demands that exclude some of them, and that an override lifts."""

    def position(self, version: str, *, option: str) -> int:
        """Return the index of a release that the user named.

        Raises:
            UsageError: the release is not a candidate; the message has the reason, or the nearest ones.
        """
        wanted = Version(version)
        for position, release in enumerate(self.kept):
            if _parsed(release.version) == wanted:
                return position
        for out in self.excluded:
            if _version(out.version) == wanted:
                raise UsageError(
                    f"`{option} {version}` is excluded: {out.reason}",
                    hint=f"{self._near(wanted, option)}{self._freeing(out)}",
                )
        # A version that is asked of the wrong package is a likely mistake, and an argument names its package.
        of = f" of {self.kept[0].project}" if self.kept and option.startswith("--") else ""
        raise UsageError(f"there is no release `{version}`{of} (`{option}`)", hint=self._near(wanted, option))

    def between(self, good: Version | None, bad: Version | None) -> ReleaseRange:
        """Return the candidates from the good end on, up to the bad end, or between both in either order.

        Raises:
            UsageError: an end is not a candidate.
        """
        good_index = None if good is None else self.position(str(good), option="--good")
        bad_index = None if bad is None else self.position(str(bad), option="--bad")
        start, end = outermost(good_index, bad_index, len(self.kept))
        return ReleaseRange(
            releases=self.kept[start : end + 1],
            good=None if good_index is None else good_index - start,
            bad=None if bad_index is None else bad_index - start,
        )

    def _freeing(self, out: Excluded) -> str:
        """Return a hint on how to install a release that a file or project of the user's does not admit."""
        names = [demand.name for demand in self.demands if demand.reason == out.reason]
        return f", or add `--override {names[0]}` to install it all the same" if names else ""

    def _near(self, wanted: Version, option: str) -> str:
        """Return the hint that names the candidates next to a version."""
        near = nearest([release.version for release in self.kept], wanted)
        joint = " " if option.startswith("--") else "=="
        words = " or ".join(f"`{option}{joint}{version}`" for version in near)
        return f"pass {words}" if near else "widen `--releases`: no release is left"


def nearest(versions: Sequence[str], wanted: Version | None) -> list[str]:
    """Return the versions next to `wanted`, older first; without one, the newest version."""
    ordered = sorted(map(Version, versions))
    if wanted is None:
        return [str(version) for version in ordered[-1:]]
    below = [version for version in ordered if version < wanted][-1:]
    above = [version for version in ordered if version > wanted][:1]
    return [str(version) for version in below + above]


def is_version(text: str) -> bool:
    """Return whether a text is a version (PEP 440)."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


class Demand(Struct, frozen=True, kw_only=True):
    """The releases of one package that something of the user's admits."""

    of: str
    """The project or file that demands it, for messages."""
    name: str
    """The normalized name of the package."""
    specifier: str
    marker: str = ""
    """The marker that has to hold on the interpreter; empty: always."""

    @property
    def reason(self) -> str:
        """Why a release is excluded that it does not admit."""
        return f"{self.of} requires {self.name}{self.specifier}"

    def admits(self, version: str) -> bool:
        """Return whether it admits a version, which may be a pre-release."""
        return SpecifierSet(self.specifier).contains(version, prereleases=True)


class ReleaseFilter(Struct, frozen=True, kw_only=True):
    """The releases that the user includes."""

    within: SpecifierSet = SpecifierSet()
    pre: bool = False
    yanked: bool = False
    by_upload: bool = False
    """Whether releases are ordered by upload time instead of by version."""
    dated: bool = False
    """Whether releases without an upload time are excluded."""
    named: tuple[str, ...] = ()
    """The releases that the user named, which are included whatever the fields above say."""
    demands: tuple[Demand, ...] = ()
    """The demands of the user's projects and files, which no other release satisfies."""


def upgrades(
    move: Move, releases: Sequence[Release], target: TargetPython, *, pre: bool = False, yanked: bool = False
) -> Selection:
    """Return the releases from the old version of a distribution up to the new one, both included.

    The selection is empty if the distribution was added, removed or downgraded, or if one of the two is not
    among `releases`, as when it is not from the index.
    """
    none = Selection(kept=(), excluded=())
    if move.old is None or move.new is None:
        return none
    try:
        old, new = Version(move.old), Version(move.new)
    except InvalidVersion:
        return none
    inside = [release for release in releases if _is_inside(release.version, old, new)]
    selection = select(inside, ReleaseFilter(named=(move.old, move.new), pre=pre, yanked=yanked), target)
    kept = [Version(release.version) for release in selection.kept]
    return selection if kept and kept[0] == old < new == kept[-1] else none


def _is_inside(text: str, old: Version, new: Version) -> bool:
    try:
        return old <= _parsed(text) <= new
    except InvalidVersion:
        return False


def between(excluded: Sequence[Excluded], low: str, high: str) -> tuple[str, ...]:
    """Return the excluded releases between two others by version, without pre-releases."""
    try:
        start, end = sorted((Version(low), Version(high)))
    except InvalidVersion:  # the candidates are not releases
        return ()
    return tuple(out.version for out in excluded if _lies_between(out.version, start, end))


def _lies_between(text: str, start: Version, end: Version) -> bool:
    try:
        return start < _parsed(text) < end and not _parsed(text).is_prerelease
    except InvalidVersion:
        return False


def outermost(good: int | None, bad: int | None, count: int) -> tuple[int, int]:
    """Return the first and last of `count` indexes: from the good one, up to the bad one, or between both."""
    if good is not None and bad is not None:
        return min(good, bad), max(good, bad)
    return good or 0, count - 1 if bad is None else bad


def select(releases: Sequence[Release], wanted: ReleaseFilter, target: TargetPython | None) -> Selection:
    """Return `releases` as candidates and excluded ones. Without `target`, every Python suits."""
    kept: list[Release] = []
    excluded: list[Excluded] = []
    named = {version for text in wanted.named if (version := _version(text)) is not None}
    for release in releases:
        reason = _unwanted(release, wanted, named) or (unusable(release, target) if target else None)
        if reason is None:
            kept.append(release)
        else:
            excluded.append(Excluded(version=release.version, uploaded=release.uploaded, reason=reason))
    kept.sort(key=lambda release: _parsed(release.version))
    if wanted.by_upload:
        kept.sort(key=lambda release: release.uploaded or _LONG_AGO)
    return Selection(kept=tuple(kept), excluded=tuple(excluded), demands=wanted.demands)


def _unwanted(release: Release, wanted: ReleaseFilter, named: Collection[Version]) -> str | None:
    version = _version(release.version)
    if version is None:
        return "its version is not PEP 440"
    if demand := next((each for each in wanted.demands if not each.admits(release.version)), None):
        return demand.reason
    if version in named:
        return None
    if not wanted.within.contains(version, prereleases=True):
        return f"{OUTSIDE} {wanted.within}`"
    if version.is_prerelease and not wanted.pre:
        return "pre-release (include with `--pre`)"
    if wanted.dated and release.uploaded is None:
        return "the index gives no upload time for it (include with `--deps latest`)"
    if release.yanked is not None and not wanted.yanked:
        return f"{YANKED}{f': {release.yanked}' if release.yanked else ''} (include with `--yanked`)"
    return None


def _version(text: str) -> Version | None:
    """Return a version, or None if it is not PEP 440."""
    try:
        return _parsed(text)
    except InvalidVersion:
        return None

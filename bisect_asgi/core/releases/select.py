"""Which releases of a project are candidates, in which order, and why the others are not.

Nothing here asks an index: it is given what the index said.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Excluded, Interpreter, Move, Release, ReleaseFile
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import listing

SDIST_SUFFIXES = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")
OUTSIDE = "not in `--releases"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class TargetPython(Struct, frozen=True, kw_only=True):
    """What an interpreter can install: its version against `Requires-Python`, its tags against wheels'."""

    interpreter: Interpreter
    tags: frozenset[Tag]


class ReleaseRange(Struct, frozen=True, kw_only=True):
    """The releases between the ends that the user named, and the ends' places among them."""

    releases: tuple[Release, ...]
    good: int | None = None
    bad: int | None = None

    @property
    def ends(self) -> tuple[Release, ...]:
        """The releases that the user named."""
        return tuple(self.releases[place] for place in (self.good, self.bad) if place is not None)


class Selection(Struct, frozen=True, kw_only=True):
    """The candidates' releases, oldest first, and the others with reasons."""

    kept: tuple[Release, ...]
    excluded: tuple[Excluded, ...]

    def position(self, version: str, *, option: str) -> int:
        """The place of the named release.

        Raises:
            UsageError: there is no such release among the kept ones; the message says why, or what is near.
        """
        wanted = Version(version)
        for position, release in enumerate(self.kept):
            if Version(release.version) == wanted:
                return position
        for out in self.excluded:
            if _same_version(out.version, wanted):
                raise UsageError(
                    f"`{option} {version}` cannot be tested: {out.reason}",
                    hint=f"the nearest that can: {self._nearest(wanted)}",
                )
        raise UsageError(
            f"there is no release `{version}` (`{option}`)", hint=f"the nearest ones: {self._nearest(wanted)}"
        )

    def between(self, good: Version | None, bad: Version | None) -> ReleaseRange:
        """Cut to the named ends: from the good one on, up to the bad one, or between both in either order.

        Raises:
            UsageError: a named release is not among the kept ones.
        """
        good_place = None if good is None else self.position(str(good), option="--good")
        bad_place = None if bad is None else self.position(str(bad), option="--bad")
        start, end = outermost(good_place, bad_place, len(self.kept))
        return ReleaseRange(
            releases=self.kept[start : end + 1],
            good=None if good_place is None else good_place - start,
            bad=None if bad_place is None else bad_place - start,
        )

    def _nearest(self, wanted: Version) -> str:
        versions = [Version(release.version) for release in self.kept]
        below = max((v for v in versions if v < wanted), default=None)
        above = min((v for v in versions if v > wanted), default=None)
        return listing(f"`{v}`" for v in (below, above) if v is not None) or "none"


class ReleaseFilter(Struct, frozen=True, kw_only=True):
    """Which releases the user wants to see; those in `named` come in whatever the switches say."""

    within: SpecifierSet = SpecifierSet()
    pre: bool = False
    yanked: bool = False
    by_upload: bool = False
    dated: bool = False
    """Leave out those of which the index does not say when they were uploaded."""
    named: tuple[str, ...] = ()


def upgrades(
    move: Move, releases: Sequence[Release], target: TargetPython, *, pre: bool = False, yanked: bool = False
) -> Selection:
    """The releases from a distribution's old version up to its new one, both included.

    None where it was added, removed or went back to an older version, or one of the two is not among
    `releases`: built by somebody else, say.
    """
    none = Selection(kept=(), excluded=())
    if move.old is None or move.new is None:
        return none
    try:
        old, new = Version(move.old), Version(move.new)
    except InvalidVersion:
        return none
    inside = [release for release in releases if _is_inside(release.version, old, new)]
    found = select(inside, ReleaseFilter(named=(move.old, move.new), pre=pre, yanked=yanked), target)
    has_ends = found.kept and Version(found.kept[0].version) == old and Version(found.kept[-1].version) == new
    return found if has_ends and old < new else none


def _is_inside(text: str, old: Version, new: Version) -> bool:
    try:
        return old <= Version(text) <= new
    except InvalidVersion:
        return False


def between(excluded: Sequence[Excluded], low: str, high: str) -> tuple[str, ...]:
    """Which releases that were left out lie between two others, by version; pre-releases do not count."""
    try:
        start, end = sorted((Version(low), Version(high)))
    except InvalidVersion:  # a search over something else than releases
        return ()
    return tuple(out.version for out in excluded if _lies_between(out.version, start, end))


def _lies_between(text: str, start: Version, end: Version) -> bool:
    try:
        return start < Version(text) < end and not Version(text).is_prerelease
    except InvalidVersion:
        return False


def outermost(good: int | None, bad: int | None, count: int) -> tuple[int, int]:
    """The first and the last of `count` places: from the good one on, up to the bad one, or between both."""
    if good is not None and bad is not None:
        return min(good, bad), max(good, bad)
    return good or 0, count - 1 if bad is None else bad


def select(releases: Sequence[Release], wanted: ReleaseFilter, target: TargetPython | None) -> Selection:
    """Split `releases` into candidates and left out ones; without `usable`, any Python will do."""
    kept: list[Release] = []
    excluded: list[Excluded] = []
    for release in releases:
        reason = _unwanted(release, wanted) or (unusable(release, target) if target else None)
        if reason is None:
            kept.append(release)
        else:
            excluded.append(Excluded(version=release.version, uploaded=release.uploaded, reason=reason))
    kept.sort(key=lambda release: Version(release.version))
    if wanted.by_upload:
        kept.sort(key=lambda release: release.uploaded or _LONG_AGO)
    return Selection(kept=tuple(kept), excluded=tuple(excluded))


def unusable(release: Release, target: TargetPython) -> str | None:
    """Say why no file of `release` can be installed by this interpreter; None: one can."""
    installable = [file for file in release.files if _is_wheel(file) or _is_sdist(file)]
    if not installable:
        kinds = sorted({"." + file.filename.rpartition(".")[2] for file in release.files})
        return f"no wheel and no sdist (only {listing(kinds)})" if kinds else "no files"
    version = target.interpreter.version
    admitted = [file for file in installable if _admits(file.requires_python, version)]
    if not admitted:
        requirement = listing(sorted({file.requires_python or "" for file in installable}))
        return f"requires Python {requirement}, not {target.interpreter.short}"
    if any(_is_sdist(file) or _fits(file, target.tags) for file in admitted):
        return None
    return f"no wheel for Python {target.interpreter.short} on this platform, and no sdist"


def available_since(release: Release, target: TargetPython) -> datetime | None:
    """When the first file appeared that this interpreter installs: a wheel where it has one that fits.

    None where there is no such file, or the index does not say.
    """
    version = target.interpreter.version
    admitted = [file for file in release.files if _admits(file.requires_python, version)]
    wheels = [file for file in admitted if _is_wheel(file) and _fits(file, target.tags)]
    files = wheels or [file for file in admitted if _is_sdist(file)]
    return min((file.uploaded for file in files if file.uploaded), default=None)


def has_wheel(release: Release, target: TargetPython | None = None) -> bool:
    """Tell whether the release has a wheel for this interpreter; without one, whether it has any wheel."""
    wheels = [file for file in release.files if _is_wheel(file)]
    if target is None:
        return bool(wheels)
    version = target.interpreter.version
    return any(_admits(file.requires_python, version) and _fits(file, target.tags) for file in wheels)


def _unwanted(release: Release, wanted: ReleaseFilter) -> str | None:
    try:
        version = Version(release.version)
    except InvalidVersion:
        return "its version is not PEP 440"
    if any(_same_version(text, version) for text in wanted.named):
        return None
    if not wanted.within.contains(version, prereleases=True):
        return f"{OUTSIDE} {wanted.within}`"
    if version.is_prerelease and not wanted.pre:
        return "pre-release (`--pre` brings it in)"
    if wanted.dated and release.uploaded is None:
        return "the index gives no upload time for it (`--deps latest` brings it in)"
    if release.yanked is not None and not wanted.yanked:
        return f"yanked{f': {release.yanked}' if release.yanked else ''} (`--yanked` brings it in)"
    return None


def _is_wheel(file: ReleaseFile) -> bool:
    return file.filename.endswith(".whl")


def _is_sdist(file: ReleaseFile) -> bool:
    return file.filename.endswith(SDIST_SUFFIXES)


def _fits(file: ReleaseFile, tags: frozenset[Tag]) -> bool:
    try:
        return not tags.isdisjoint(parse_wheel_filename(file.filename)[3])
    except InvalidWheelFilename:
        return False


def _admits(requires_python: str | None, version: str) -> bool:
    """Tell whether `Requires-Python` admits the version; one that cannot be read admits all, as for pip."""
    if not requires_python:
        return True
    try:
        # A release candidate of Python counts as the release, as for pip.
        return SpecifierSet(requires_python).contains(Version(version).base_version)
    except InvalidSpecifier:
        return True


def _same_version(text: str, wanted: Version) -> bool:
    try:
        return Version(text) == wanted
    except InvalidVersion:
        return False

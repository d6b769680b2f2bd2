"""Return the state of every release, and the affected ones as specifiers that claim no more than runs show.

People copy the affected releases into advisories, so a specifier must hold for every release that it selects:

- A bound is a release that was run. `<1.6` is written only if 1.6 was run and is good: after an untestable or
  excluded release the specifier ends with the last bad one, `<=1.5`.
- An end is open only if the newest (oldest) release that exists was itself run and is bad. Pre-releases do
  not count, because a specifier without one does not select them (PEP 440).
- A release that was not run may be inside only between two bad ones that were run. If it has untestable ones
  on both sides, nothing is known of it, and the stretch ends before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import pairwise

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from bisect_asgi.core.records import Struct


class ReleaseState(StrEnum):
    """The way in which the verdict of a release is known."""

    RUN = "run"
    INFERRED = "inferred"
    """Not run; it lies between two releases that were run and agree."""
    NOT_RUN = "not run"
    """Outside the searched range, excluded, or between untestable releases."""
    UNTESTABLE = "untestable"


class Status(Struct, frozen=True, kw_only=True):
    """The state and the outcome of one release."""

    version: str
    state: ReleaseState
    is_bad: bool | None = None
    """None if it was not run, is untestable, or passes and fails without a verdict."""
    is_candidate: bool = True
    """False if it is excluded: yanked, a pre-release, or without a file for the interpreter."""


class AffectedStretch(Struct, frozen=True, kw_only=True):
    """Neighboring releases that are bad."""

    specifier: str
    """PEP 440; `*` if every release is bad."""
    run: tuple[str, ...]
    """The releases in it that were run."""
    inferred: tuple[str, ...]
    """The others in it: inferred, untestable, or excluded. The specifier selects all of them."""


def states(size: int, verdicts: Mapping[int, bool | None]) -> list[tuple[ReleaseState, bool | None]]:
    """Return the state of each candidate, and whether it is bad.

    `verdicts` has True for a bad candidate that was run, False for a good one, None for an untestable one.
    """
    found: list[tuple[ReleaseState, bool | None]] = [(ReleaseState.NOT_RUN, None)] * size
    for key, is_bad in verdicts.items():
        found[key] = (ReleaseState.UNTESTABLE if is_bad is None else ReleaseState.RUN, is_bad)
    tested = sorted(key for key, is_bad in verdicts.items() if is_bad is not None)
    for low, high in pairwise(tested):
        unknown = [key for key in range(low + 1, high) if key not in verdicts]
        if verdicts[low] is verdicts[high] and not _is_enclosed(unknown, range(low + 1, high)):
            for key in unknown:
                found[key] = (ReleaseState.INFERRED, verdicts[low])
    return found


def _is_enclosed(unknown: Sequence[int], between: range) -> bool:
    """Return whether an unknown candidate has untestable ones on both sides."""
    untestable = [key for key in between if key not in unknown]
    return any(untestable[0] < key < untestable[-1] for key in unknown) if untestable else False


def affected(releases: Sequence[Status]) -> tuple[AffectedStretch, ...]:
    """Return the stretches of bad releases, oldest first.

    `releases` are all that exist, in the order of their versions.
    """
    return tuple(_written(releases, start, end) for start, end in _stretches(releases))


def searched(releases: Sequence[Status]) -> tuple[str, str] | None:
    """Return the oldest and the newest release that was run, or None if none was."""
    run = [release.version for release in releases if release.state is ReleaseState.RUN]
    return (run[0], run[-1]) if run else None


def _stretches(releases: Sequence[Status]) -> list[tuple[int, int]]:
    """Return the first and last index of each stretch; both were run and are bad."""
    found: list[tuple[int, int]] = []
    is_broken = True
    for index, release in enumerate(releases):
        if release.is_bad and release.state is ReleaseState.RUN:
            start = index if is_broken else found.pop()[0]
            found.append((start, index))
            is_broken = False
        elif release.is_bad is False or _is_unknown(release):
            is_broken = True
    return found


def _is_unknown(release: Status) -> bool:
    """Return whether nothing may be claimed of a release although its neighbors are bad."""
    return release.is_candidate and release.is_bad is None and release.state is not ReleaseState.UNTESTABLE


def _written(releases: Sequence[Status], start: int, end: int) -> AffectedStretch:
    inside = releases[start : end + 1]
    specifier = ",".join(filter(None, (_lower(releases, start), _upper(releases, end)))) or "*"
    return AffectedStretch(
        specifier=specifier,
        run=tuple(r.version for r in inside if r.state is ReleaseState.RUN and r.is_bad),
        inferred=tuple(
            r.version for r in inside if r.state is not ReleaseState.RUN and _counts(r, specifier)
        ),
    )


def _counts(release: Status, specifier: str) -> bool:
    """Return whether the specifier selects a release, which an excluded pre-release seldom is (PEP 440)."""
    is_selected = specifier != "*" and SpecifierSet(specifier).prereleases
    return bool(is_selected) or release.is_candidate or not _is_prerelease(release.version)


def _lower(releases: Sequence[Status], start: int) -> str:
    is_oldest = all(_is_prerelease(release.version) for release in releases[:start])
    return "" if is_oldest else f">={releases[start].version}"


def _upper(releases: Sequence[Status], end: int) -> str:
    newest = releases[end].version
    newer = [release for release in releases[end + 1 :] if not _is_prerelease(release.version)]
    if not newer:
        return ""
    # `<2.0` does not select the pre-releases of 2.0 (PEP 440), which may be among the bad ones.
    is_good = newer[0].state is ReleaseState.RUN and newer[0].is_bad is False
    return f"<{newer[0].version}" if is_good and not _is_prerelease(newest) else f"<={newest}"


def _is_prerelease(version: str) -> bool:
    try:
        return Version(version).is_prerelease
    except InvalidVersion:  # no specifier selects it either
        return True

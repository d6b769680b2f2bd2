"""Which releases are affected, as version specifiers (PEP 440)."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.version import Version


def specifiers(versions: Sequence[str], bad: Sequence[bool | None]) -> tuple[str, ...]:
    """Write each run of bad releases as a specifier: `>=1.4.2,<1.6.0`; oldest first.

    `versions` are in the order of versions; None in `bad`: not known, which ends a run. A run that
    reaches the oldest or the newest release has no bound there, and `*` stands for all of them.
    """
    found: list[str] = []
    start: int | None = None
    for key in range(len(versions) + 1):
        is_bad = key < len(versions) and bad[key]
        if is_bad and start is None:
            start = key
        elif not is_bad and start is not None:
            found.append(_specifier(versions, start, key))
            start = None
    return tuple(found)


def _specifier(versions: Sequence[str], start: int, end: int) -> str:
    lower = f">={versions[start]}" if start > 0 else ""
    upper = ""
    if end < len(versions):
        # `<2.0` leaves out the pre-releases of 2.0 (PEP 440), which may be among the bad ones.
        newest = versions[end - 1]
        upper = f"<={newest}" if Version(newest).is_prerelease else f"<{versions[end]}"
    return ",".join(filter(None, (lower, upper))) or "*"

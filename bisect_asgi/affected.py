"""Which releases are affected, as version specifiers (PEP 440)."""

from __future__ import annotations

from collections.abc import Sequence


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
    upper = f"<{versions[end]}" if end < len(versions) else ""
    return ",".join(filter(None, (lower, upper))) or "*"

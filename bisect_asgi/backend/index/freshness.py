"""Compute how long an index's answer may be used without asking again, by its headers (RFC 9111, 4.2).

If the headers give no time, none is guessed (4.2.2 would allow a heuristic). However long the index allows,
no answer is used for longer than a resolution, because new uploads must be found.
"""

from __future__ import annotations

from collections.abc import Mapping

from bisect_asgi.core.records import Struct

LONGEST_S = 600.0


class Fresh(Struct, frozen=True, kw_only=True):
    """The time in which an answer may be used, in seconds since 1970."""

    since_s: float
    until_s: float

    def at(self, now_s: float) -> bool:
        """Return whether the answer may be used now; not if the clock was set back meanwhile."""
        return self.since_s <= now_s < self.until_s


def fresh(headers: Mapping[str, str], *, asked_s: float) -> Fresh | None:
    """Return how long an answer may be used that was asked for at a time, or None if not at all.

    `headers`: by their names in any case.
    """
    age = headers.get("age", "").strip()
    if age and not _is_number(age):
        return None
    lifetime_s = min(LONGEST_S, _lifetime_s(headers) - _seconds(age))
    return Fresh(since_s=asked_s, until_s=asked_s + lifetime_s) if lifetime_s > 0 else None


def _lifetime_s(headers: Mapping[str, str]) -> float:
    directives = {}
    for part in headers.get("cache-control", "").lower().split(","):
        name, _, value = part.partition("=")
        directives[name.strip()] = value.strip().strip('"')
    if "no-store" in directives or "no-cache" in directives or headers.get("vary", "").strip() == "*":
        return 0.0
    if "max-age" in directives:
        return _seconds(directives["max-age"])
    from email.utils import parsedate_to_datetime

    try:
        since, until = (parsedate_to_datetime(headers[name]) for name in ("date", "expires"))
        return (until - since).total_seconds()
    except (KeyError, ValueError, TypeError, OverflowError):  # TypeError: only one has a time zone
        return 0.0


def _seconds(text: str) -> float:
    return float(text[:9]) if _is_number(text) else 0.0


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()

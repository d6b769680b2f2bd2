"""Describe the failures after a boundary, if some differ from the bad end's."""

from __future__ import annotations

from collections.abc import Sequence

from bisect_asgi.core.model import FailureStretch, Signature
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import listing


class NamedFailure(Struct, frozen=True, kw_only=True):
    """Neighboring candidates that were run and fail in one way."""

    first: str
    last: str
    signature: Signature | None

    @property
    def shown(self) -> str:
        """The failure in parentheses, or "" if it is unknown."""
        return f" ({self.signature.shown})" if self.signature else ""


def named(failures: Sequence[FailureStretch], labels: Sequence[str]) -> tuple[NamedFailure, ...]:
    """Return failures with labels."""
    return tuple(
        NamedFailure(first=labels[each.first], last=labels[each.last], signature=each.signature)
        for each in failures
    )


def fails(failures: Sequence[NamedFailure], *, first: str, cause: str = "") -> str:
    """Return `fails from 1.4 on (KeyError: 'a'), by itself, and from 1.6 on (ValueError)`.

    Args:
        failures: oldest first, at least one.
        first: the first candidate after the boundary; if it does not fail, the probe works from there on.
        cause: the culprit of the boundary, in the headline's words.
    """
    is_after = failures[0].first == first
    beside = 0 if is_after else len(failures) - 1
    if cause and beside == len(failures) - 2:  # without a comma, "and" would continue the cause
        cause += ","
    told = (
        f"{f'from {each.first} on' if is_after else f'up to {each.last}'}{each.shown}"
        f"{cause if place == beside else ''}"
        for place, each in enumerate(failures)
    )
    return f"fails {listing(told)}"

"""Which results let a command fail, as `--fail-on` names them, so that a job can stop at them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

from bisect_asgi.core.errors import ExitCode, UsageError
from bisect_asgi.core.plan.suites import worst
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import listing

_ERRORS = (ExitCode.BUG, ExitCode.USAGE, ExitCode.UNAVAILABLE, ExitCode.INTERRUPTED)


class Gate(StrEnum):
    """Kinds of results on which a job may fail."""

    FOUND = "found"
    """A change was found; by `verify`, the claimed one."""
    CHANGED = "changed"
    """The result is another one than the claim, or without a claim than the last time."""
    INCOMPLETE = "incomplete"
    """The result is inconclusive, or a part of it is missing."""


class Shown(Struct, frozen=True, kw_only=True):
    """The result of one probe, as far as it matters here."""

    exit_code: ExitCode
    gates: frozenset[Gate]
    """All that is so."""


def read_gates(texts: Sequence[str]) -> frozenset[Gate]:
    """Return what the user wants to fail on.

    Raises:
        UsageError: one of the texts is none of the names.
    """
    for text in texts:
        if text not in set(Gate):
            raise UsageError(
                f"invalid value `{text}` for `--fail-on`", hint=f"pass one of {listing(_QUOTED)}"
            )
    return frozenset(map(Gate, texts))


_QUOTED = [f"`{gate}`" for gate in Gate]


def gated(shown: Sequence[Shown], wanted: Collection[Gate]) -> ExitCode:
    """Return the exit code of a command that fails on what is `wanted`, and passes with any other result.

    An exit code that stands for no result stays as it is, so that nobody takes it for a result.
    """
    errors = [each.exit_code for each in shown if each.exit_code in _ERRORS]
    if errors:
        return worst(errors)
    return ExitCode.FAILED_ON if any(each.gates & set(wanted) for each in shown) else ExitCode.FOUND

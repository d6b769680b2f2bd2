"""Read a suite file, compare results with claims, and choose the exit code of many probes.

A suite file is TOML: `[defaults]` for all probes, and a `[[probe]]` table for each. Both take the options
of a probe's own table. An option of a `[[probe]]` table wins over the probe's own table, and that over the
defaults.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from enum import StrEnum

from packaging.version import Version

from bisect_asgi.core import codec
from bisect_asgi.core.errors import ExitCode, UsageError
from bisect_asgi.core.model import NamedBoundary
from bisect_asgi.core.plan import Claim
from bisect_asgi.core.plan.option import Place
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.tables import read_key, read_table
from bisect_asgi.core.records import Struct

SEVERITY = (
    ExitCode.FOUND,
    ExitCode.FAILED_ON,
    ExitCode.NOT_REPRODUCED,
    ExitCode.INCONCLUSIVE,
    ExitCode.GOOD_END_FAILS,
    ExitCode.UNAVAILABLE,
    ExitCode.USAGE,
    ExitCode.BUG,
    ExitCode.INTERRUPTED,
)
"""The mildest first. Codes of a result come before codes of an error, because an error gives no result, and
the user may have to act on it. An outage ends by itself; a broken probe does not."""

_ALWAYS_TOLD = (ExitCode.UNAVAILABLE, ExitCode.BUG, ExitCode.INTERRUPTED)


class Suite(Struct, frozen=True, kw_only=True):
    """The probes of a suite, in the order of its file, each with its options."""

    entries: tuple[Options, ...]
    """Each names a script, a command, or a load for an app."""
    defaults: Options = Options()


def read(text: str, *, name: str) -> Suite:
    """Return the suite in the `text` of the file `name`.

    Raises:
        UsageError: the file is no TOML, has a key or an option that is unknown or has a value of the wrong
            type, has no probe, or has one twice.
    """
    try:
        document = codec.from_toml(text)
    except codec.Unreadable as error:
        raise UsageError(f"`{name}` is no valid TOML: {error}", hint=_FORM) from error
    if unknown := document.keys() - {"defaults", "probe"}:
        key = sorted(unknown)[0]
        near = difflib.get_close_matches(key, ("defaults", "probe"), n=1)
        hint = f"write `{near[0]}`" if near else _FORM
        raise UsageError(f"`{name}` has an unknown key: `{key}`", hint=hint)
    where = f"`{name}`"
    tables = read_key(document, "probe", list[dict[str, object]], [], where=where, form=_FORM)
    defaults = read_key(document, "defaults", dict[str, object], {}, where=where, form=_FORM)
    suite = Suite(
        entries=tuple(read_table(table, Place.SUITE, where=f"`[[probe]]` in {where}") for table in tables),
        defaults=read_table(defaults, Place.SUITE, where=f"`[defaults]` in {where}"),
    )
    _check(suite, name)
    return suite


_FORM = (
    'write a `[[probe]]` table for each probe, with `probe = "FILE"` and its options, '
    "and a `[defaults]` table with options of all"
)


def _check(suite: Suite, name: str) -> None:
    if not suite.entries:
        raise UsageError(f"`{name}` names no probe", hint=_FORM)
    if suite.defaults.probe is not None:
        raise UsageError(f"`probe` cannot stand in `[defaults]` in `{name}`", hint=_FORM)
    for place, entry in enumerate(suite.entries):
        if entry.probe is None and entry.command is None and entry.load is None:
            raise UsageError(
                f"`[[probe]]` number {place + 1} in `{name}` names no probe",
                hint='write `probe = "FILE"`, or `command`, or `app` with a `load`',
            )
        if entry in suite.entries[:place]:
            raise UsageError(
                f"`{name}` has the same probe twice: `{entry.probe or entry.command}`",
                hint="remove one of them, or let them differ in an option, such as `package`",
            )


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The one exit code of many: the most severe; of none, that all was found."""
    return max(codes, key=SEVERITY.index, default=ExitCode.FOUND)


def worst_across(codes: Sequence[ExitCode]) -> ExitCode:
    """The one exit code of a probe on several Pythons: if one has a change, the others need not have one.

    An outage, a bug and an interrupt always count.
    """
    return worst(code for code in codes if code in _ALWAYS_TOLD or ExitCode.FOUND not in codes)


class Agreement(StrEnum):
    """Whether the result agrees with the probe's claim."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    INCONCLUSIVE = "inconclusive"


def agreement(claim: Claim, changes: Sequence[NamedBoundary], *, good: str) -> Agreement:
    """Return whether one of the changes is the claimed one.

    If the claimed release is an untestable or excluded one inside the boundary, this is not known.

    Args:
        claim: the claimed release, and whether it is said to fix or to break.
        changes: all boundaries that were found.
        good: the verdict of a release that is fixed: `good`, or the user's word.
    """
    claimed = Version(claim.version)
    alike = [change for change in changes if (change.verdict == good) is claim.fixed]
    if any(Version(each.first) == claimed and not (each.gap or each.excluded) for each in alike):
        return Agreement.AGREES
    possible = {Version(label) for each in alike for label in (each.first, *each.gap, *each.excluded)}
    return Agreement.INCONCLUSIVE if claimed in possible else Agreement.DISAGREES

"""Many probes in one run: what a suite says, whether answers agree with claims, which exit code is the worst.

A suite's file is TOML: `[defaults]` for all probes, and a `[[probe]]` table for each. Both take the options
of a probe's own table. What a `[[probe]]` table says wins over the probe's own, and that over the defaults.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from enum import StrEnum

from packaging.version import Version

from bisect_asgi.core import codec
from bisect_asgi.core.errors import ExitCode, UsageError
from bisect_asgi.core.model import NamedBoundary
from bisect_asgi.core.plan import options as metadata
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.plan import Claim
from bisect_asgi.core.records import Struct, field

SEVERITY = (
    ExitCode.FOUND,
    ExitCode.NOT_REPRODUCED,
    ExitCode.INCONCLUSIVE,
    ExitCode.GOOD_END_FAILS,
    ExitCode.UNAVAILABLE,
    ExitCode.USAGE,
    ExitCode.BUG,
    ExitCode.INTERRUPTED,
)
"""The mildest first. Answers come before what kept a question from being asked: of that, nothing was learnt,
and somebody may have to do something about it. An outage goes by itself; a broken probe does not."""


class Entry(Struct, frozen=True, kw_only=True):
    """One probe of a suite, as its file says it."""

    probe: str | None
    """The script's path, as it is written; None: the options name a command, or an app with a load."""
    options: Options = field(default_factory=Options)


class Suite(Struct, frozen=True, kw_only=True):
    """What is to be run, in the order in which it is written."""

    entries: tuple[Entry, ...]
    defaults: Options = field(default_factory=Options)


def read(text: str, *, name: str) -> Suite:
    """Read a suite's file.

    Raises:
        UsageError: it is no TOML, has a key or an option that is unknown or of the wrong type, names no
            probe, or the same one twice.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"`{name}` is no valid TOML: {error}", hint=_FORM) from error
    if unknown := document.keys() - {"defaults", "probe"}:
        key = sorted(unknown)[0]
        near = difflib.get_close_matches(key, ("defaults", "probe"), n=1)
        hint = f"did you mean `{near[0]}`?" if near else _FORM
        raise UsageError(f"`{name}` has an unknown key: `{key}`", hint=hint)
    try:
        tables = codec.convert(document.get("probe", []), list[dict[str, object]])
        defaults = codec.convert(document.get("defaults", {}), dict[str, object])
        entries = tuple(_entry(table, name) for table in tables)
        suite = Suite(
            entries=entries, defaults=metadata.options_of(defaults, where=f"`[defaults]` in `{name}`")
        )
    except codec.Unreadable as error:
        raise UsageError(f"`{name}` is not as expected: {metadata.in_toml(error)}", hint=_FORM) from error
    _check(suite, name)
    return suite


_FORM = (
    'it has a `[[probe]]` table for each probe, with `probe = "PATH"` and any option of the command line, '
    "and `[defaults]` for all of them"
)


def _entry(table: dict[str, object], name: str) -> Entry:
    options = {key: value for key, value in table.items() if key != "probe"}
    where = f"`[[probe]]` in `{name}`"
    return Entry(
        probe=codec.convert(table.get("probe"), str | None),  # type: ignore[arg-type]
        options=metadata.options_of(options, where=where, also=("probe",)),
    )


def _check(suite: Suite, name: str) -> None:
    if not suite.entries:
        raise UsageError(f"`{name}` names no probe", hint=_FORM)
    for place, entry in enumerate(suite.entries):
        if entry.probe is None and entry.options.command is None and entry.options.load is None:
            raise UsageError(
                f"`[[probe]]` number {place + 1} in `{name}` names no probe",
                hint='it has `probe = "PATH"`, or `command`, or `app` with a `load`',
            )
        if entry in suite.entries[:place]:
            raise UsageError(
                f"`{name}` has the same probe twice: `{entry.probe or entry.options.command}`",
                hint="remove one of them, or let them differ in an option, such as `package`",
            )


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The one exit code of many: the most severe; of none, that all was found."""
    return max(codes, key=SEVERITY.index, default=ExitCode.FOUND)


class Agreement(StrEnum):
    """Whether what was found agrees with what a probe claims."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    CANNOT_TELL = "cannot tell"


def agreement(claim: Claim, changes: Sequence[NamedBoundary], *, good: str) -> Agreement:
    """Return whether one of the changes is the claimed one.

    An untestable or excluded release inside the boundary may be the claimed one or not: that is not known.

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
    return Agreement.CANNOT_TELL if claimed in possible else Agreement.DISAGREES

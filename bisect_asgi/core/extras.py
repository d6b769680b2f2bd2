"""Which extras do requirements ask for that the installed distributions do not have?

An installer ignores such an extra with a warning, and installs nothing for it. If no release has it, the user
has mistyped it. If some have it, it was added or removed in the history.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bisect_asgi.core.model import Declared
from bisect_asgi.core.never_ran import NeverRan
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import listing

_OF_MARKER = re.compile(r"""\bextra\s*==\s*['"](?P<extra>[^'"]+)""")
_MOST_NAMED = 5


class Extra(Struct, frozen=True, kw_only=True, order=True):
    """An extra of a package; both names are normalized."""

    package: str
    name: str


def declared(requires: Iterable[str], provides: Iterable[str]) -> Declared:
    """Return what metadata declares. An extra that only a marker names is installed as well, so it counts."""
    lines = tuple(requires)
    named = (*provides, *(match["extra"] for line in lines for match in _OF_MARKER.finditer(line)))
    return Declared(requires=lines, extras=tuple(sorted({canonicalize_name(name) for name in named})))


def wanted(requirements: Iterable[str]) -> tuple[Extra, ...]:
    """Return the extras that requirements ask for, in order."""
    parsed = [Requirement(line) for line in requirements if "[" in line]
    found = {
        Extra(package=canonicalize_name(each.name), name=canonicalize_name(extra))
        for each in parsed
        for extra in each.extras
    }
    return tuple(sorted(found))


def is_lacking(extra: Extra, installed: Mapping[str, Declared]) -> bool | None:
    """Return whether the package is installed without the extra; None if it is not known to be installed."""
    own = installed.get(extra.package)
    return None if own is None else extra.name not in own.extras


def unknown(extra: Extra, keys: Collection[int], others: Collection[str]) -> NeverRan:
    """Return that no release has an extra: `keys` show it, and the package has the `others`."""
    package = extra.package
    near = difflib.get_close_matches(extra.name, sorted(others), n=1)
    drop = f"drop `[{extra.name}]`"
    if near:
        hint = f"pass `{package}[{near[0]}]`"
    elif others:
        names = listing((f"`{name}`" for name in sorted(others)), most=_MOST_NAMED)
        hint = f"pass an extra of `{package}`: {names}; or {drop}"
    else:
        hint = f"{drop}: `{package}` has no extras"
    return NeverRan(
        keys=tuple(sorted(keys)), subject=package, what=f"has no extra `{extra.name}`", reason="", hint=hint
    )


def missing_in(extra: Extra, is_lacking: Mapping[str, bool]) -> str:
    """Return a note on an extra that some candidates lack, or "" if none does.

    `is_lacking`: whether each candidate that was run lacks it, by their labels, oldest first.
    """
    lacking = [label for label, lacks in is_lacking.items() if lacks]
    if not lacking:
        return ""
    answers = [*is_lacking.values()]
    is_older, is_newer = answers == sorted(answers, reverse=True), answers == sorted(answers)
    if is_older is is_newer:  # all of them, or neither
        where = f"in {listing(lacking, most=_MOST_NAMED)}"
    else:
        where = f"up to {lacking[-1]}" if is_older else f"from {lacking[0]} on"
    return f"`{extra.package}` has no extra `{extra.name}` {where}: runs were made without it"

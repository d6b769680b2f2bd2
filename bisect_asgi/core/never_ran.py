"""Tell a probe that never ran from one that fails on every release.

A probe with a syntax error, one that imports what is installed nowhere, or a command that is not there fails
alike everywhere. To search on would take long, and would say of releases what is a mistake in the probe. The
two first candidates show it: a module that a release of the package lost is there at the other end.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping

from bisect_asgi.core.hints import NO_MODULE, STANDARD_MODULES
from bisect_asgi.core.model import FailureKind, Phase, Ruling, Signature
from bisect_asgi.core.records import Struct

_LEAST = 2
_SYNTAX = re.compile(r"(?:SyntaxError|IndentationError|TabError): .*\((?P<file>[^()]+), line (?P<line>\d+)\)")
_NOT_FOUND = re.compile(r"(?P<program>[^\s:]+): (?:command )?not found$")
_NO_PROGRAM = re.compile(r"`(?P<program>[^`]+)` is no program of this environment")


class NeverRan(Struct, frozen=True, kw_only=True):
    """Why a probe never ran, and what to do."""

    keys: tuple[int, ...]
    """The candidates that showed it."""
    reason: str
    hint: str


def never_ran(
    rulings: Mapping[int, Ruling],
    *,
    files: Collection[str] = (),
    installed: Mapping[int, Collection[str]] = {},
) -> NeverRan | None:
    """Return why the probe never ran on any of the candidates that were run, or None if it may have.

    Args:
        rulings: what is known of each candidate that was run.
        files: the names of the probe's files.
        installed: the normalized names of the distributions in the environment of each candidate.
    """
    signatures = [ruling.signature for ruling in rulings.values()]
    if len(rulings) < _LEAST or len({signature and signature.text for signature in signatures}) > 1:
        return None
    first = signatures[0]
    if first is None or any(ruling.passed for ruling in rulings.values()):
        return None
    names = {name for own in installed.values() for name in own}
    hint = _of_syntax(first, files) or _of_module(first, names) or _of_program(first)
    return NeverRan(keys=tuple(sorted(rulings)), reason=first.shown, hint=hint) if hint else None


def _of_syntax(signature: Signature, files: Collection[str]) -> str | None:
    match = _SYNTAX.match(signature.shown)
    if match is None or match["file"].rpartition("/")[2] not in {name.rpartition("/")[2] for name in files}:
        return None
    return f"correct line {match['line']} of `{match['file']}`, or pass a `--python` that understands it"


def _of_module(signature: Signature, installed: Collection[str]) -> str | None:
    """Return the hint if the probe itself, or its command, needs a module that nothing installs."""
    match = NO_MODULE.search(signature.shown)
    if match is None or signature.phase is not Phase.IMPORT or match["module"] in STANDARD_MODULES:
        return None
    is_own = signature.frame.startswith("./") or not signature.frame
    module = match["module"]
    name = module.lower().replace("_", "-")
    if not is_own or name in installed:  # else it is a part of the package, whose change may be what is asked
        return None
    if near := difflib.get_close_matches(name, installed, n=1, cutoff=0.8):
        return f"import `{near[0]}`, which is installed; or add the package that has it: `--with {name}`"
    return f"add the package that has it: `--with {name}`; or name a release where it works: `--good`"


def _of_program(signature: Signature) -> str | None:
    """Return the hint if a command is not there."""
    if signature.kind is FailureKind.EXIT and signature.text == "exit code 127":
        match = _NOT_FOUND.search(signature.shown)
        program = f"`{match['program']}`" if match else "the command"
        return f"correct {program} in `--command`, or add the package that has it with `--with`"
    if match := _NO_PROGRAM.search(signature.shown):
        return f"add the package that has it: `--with {match['program']}`"
    return None

"""Tell a probe that never ran from one that fails on every release.

Some probes fail the same way everywhere: they have a syntax error, import a module that is installed nowhere,
or are a command that does not exist. Going on would take long, and would blame releases for a mistake in the
probe. The first two candidates show it: if a release of the package dropped a module, the other end still has
it.

A metric that the probe never reports is such a mistake as well: its runs cannot be judged.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

from bisect_asgi.core.hints import (
    NO_MODULE,
    STANDARD_MODULES,
    Providing,
    adding,
    normalized,
    nothing_known,
    package_to_install,
)
from bisect_asgi.core.metrics import BUILT_IN, measured
from bisect_asgi.core.model import FailureKind, Observation, Outcome, Phase, Ruling, Signature
from bisect_asgi.core.patterns import pattern
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import listing

_LEAST = 2
_RAN = (Outcome.PASSED, Outcome.FAILED)
_MOST_NAMED = 5
_SYNTAX = pattern(r"(?:SyntaxError|IndentationError|TabError): .*\((?P<file>[^()]+), line (?P<line>\d+)\)")
_NOT_FOUND = pattern(r"(?P<program>[^\s:]+): (?:command )?not found$")
_NO_FILE = pattern(r"can't open file '(?P<path>[^']+)'|file or directory not found: (?P<other>\S+)")
_NO_PROGRAM = pattern(r"`(?P<program>[^`]+)` is no program of this environment")


class NeverRan(Struct, frozen=True, kw_only=True):
    """Why a probe never ran, or why its runs cannot be judged, and what to do."""

    keys: tuple[int, ...]
    """The candidates that showed it."""
    subject: str = ""
    """The subject of the message; empty: the probe."""
    what: str = "never ran"
    reason: str
    """The failure of the runs; empty if `what` is the whole message."""
    hint: str


def never_ran(
    rulings: Mapping[int, Ruling],
    *,
    files: Collection[str] = (),
    installed: Mapping[int, Collection[str]] = {},
    provider: Providing = nothing_known,
) -> NeverRan | None:
    """Return why the probe never ran on any of the candidates that were run, or None if it may have.

    Args:
        rulings: the ruling on each candidate that was run.
        files: the names of the probe's files.
        installed: the normalized names of the distributions in the environment of each candidate.
        provider: returns the package that provides a module.
    """
    signatures = [ruling.signature for ruling in rulings.values()]
    if len(rulings) < _LEAST or len({signature and signature.text for signature in signatures}) > 1:
        return None
    first = signatures[0]
    if first is None or any(ruling.passed for ruling in rulings.values()):
        return None
    names = {name for own in installed.values() for name in own}
    hint = (
        _of_syntax(first, files)
        or _of_package(first, names)
        or _of_module(first, names, provider)
        or _of_program(first)
    )
    return NeverRan(keys=tuple(sorted(rulings)), reason=first.shown, hint=hint) if hint else None


def _of_syntax(signature: Signature, files: Collection[str]) -> str | None:
    match = _SYNTAX.match(signature.shown)
    if match is None or match["file"].rpartition("/")[2] not in {name.rpartition("/")[2] for name in files}:
        return None
    return f"correct line {match['line']} of `{match['file']}`, or pass a `--python` that understands it"


def _of_module(signature: Signature, installed: Collection[str], provider: Providing) -> str | None:
    """Return the hint if the probe itself, or its command, needs a module that nothing installs."""
    match = NO_MODULE.search(signature.shown)
    if match is None or signature.phase is not Phase.IMPORT or match["module"] in STANDARD_MODULES:
        return None
    is_own = signature.frame.startswith("./") or not signature.frame
    module = match["module"]
    name = normalized(module)
    if not is_own or name in installed:  # else it is a part of the package, and its removal may be the change
        return None
    if near := difflib.get_close_matches(name, installed, n=1, cutoff=0.8):
        return f"import `{near[0]}`, which is installed; or {adding(module, provider)}"
    return f"{adding(module, provider)}; or pass a release where it works with `--good`"


def _of_package(signature: Signature, installed: Collection[str]) -> str | None:
    """Return the hint if a package asks for another one to be installed, and nothing installs that."""
    package = package_to_install(signature)
    if package is None or package in installed:
        return None
    return f"add the package: `--with {package}`; or pass a release where it works with `--good`"


def _of_program(signature: Signature) -> str | None:
    """Return the hint if a command, or a file that it is to run, is not there."""
    if match := _NO_FILE.search(signature.shown):
        name = (match["path"] or match["other"]).rpartition("/")[2].partition("::")[0]
        return f"copy the file next to the command: `--include {name}`"
    if signature.kind is FailureKind.EXIT and signature.text == "exit code 127":
        match = _NOT_FOUND.search(signature.shown)
        program = f"`{match['program']}`" if match else "the command"
        return f"correct {program} in `--command`, or add the package that has it with `--with`"
    if match := _NO_PROGRAM.search(signature.shown):
        return f"add the package that has it: `--with {match['program']}`"
    return None


def unreported(
    observed: Mapping[int, Sequence[Observation]], metric: str, *, texts: Collection[bytes] = ()
) -> NeverRan | None:
    """Return that no run reports the metric that decides, or None if one may.

    If the probe's text does not have the metric's name, one candidate on which it passes is enough to show
    this, or two on which it fails. If the text has the name, a release may only lack what is measured, so
    that two candidates on which it passes are needed.

    Args:
        observed: the runs of each candidate.
        metric: the metric that decides.
        texts: the contents of the probe's files, and its command.
    """
    ran = {key: [run for run in runs if run.outcome in _RAN] for key, runs in observed.items()}
    passed = [key for key, runs in ran.items() if any(run.outcome is Outcome.PASSED for run in runs)]
    runs = [run for own in ran.values() for run in own]
    if any(measured(run, metric) is not None or run.complaint for run in runs):
        return None
    is_named = any(metric.encode() in text for text in texts)
    keys = sorted(passed or [key for key, own in ran.items() if own and not is_named])
    if len(keys) < (1 if passed and not is_named else _LEAST):
        return None
    own = sorted({name for run in runs for name in run.metrics})
    return NeverRan(
        keys=tuple(keys), what=f"reports no metric `{metric}`", reason="", hint=naming(metric, own)
    )


def naming(metric: str, own: Sequence[str]) -> str:
    """Return which metric to name: those that the probe reports, the nearest first, or one of every run."""
    near = difflib.get_close_matches(metric, (*own, *BUILT_IN), n=1)
    names = dict.fromkeys((*near, *own, *BUILT_IN))
    first, *others = [*names][:_MOST_NAMED]
    words = f"`--metric {first}`; there are also {listing(f'`{name}`' for name in others)}"
    return f"pass {words}" if own or near else f"print `@metric {metric} VALUE`, or pass {words}"

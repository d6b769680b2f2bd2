"""Choose the hint for candidates that could not be tested, by the cause that they have in common.

A hint for the wrong cause leads to a wrong result: `--any-failure` would make a missing dependency the bug.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence

from packaging.utils import canonicalize_name

from bisect_asgi.core.errors import OFFLINE, ONCE_ONLINE
from bisect_asgi.core.model import UNTESTABLE_EXIT, FailureKind, Outcome, Phase, Ruling, Signature, Verdict
from bisect_asgi.core.patterns import pattern
from bisect_asgi.core.records import Struct, field
from bisect_asgi.core.text import listing

DIFFERENT = (
    "pass `--any-failure` to count different failures as bad, "
    "or `--match REGEX` to choose the output that is bad"
)
UNTESTABLE = "pass another `--python` or `--deps`; the table shows the reasons"

NO_MODULE = pattern(r"ModuleNotFoundError: No module named '(?P<module>\w+)'")
"""The failure to import a module, not one inside a package that is there."""
_OF_MODULE = pattern(
    r"(?:ImportError: cannot import name '\w+' from|AttributeError: module) '(?P<module>\w+)[.']"
)
_NAME = r"[`'\"]?(?P<{}>[A-Za-z0-9][\w.-]*[A-Za-z0-9])[`'\"]?"
_KIND = r"(?: (?:package|library|module|distribution))?"
_TO_INSTALL = pattern(
    r"\b(?:\w*ImportError|ModuleNotFoundError|RuntimeError|AssertionError|\w*Dependency\w*|Missing\w*): "
    r".*?(?:"
    + "|".join(
        (
            rf"\b(?:requires?|needs?) (?:the )?{_NAME.format('a')}{_KIND} (?:to be )?installed\b",
            rf"\b(?:requires?|needs?) (?:the )?{_NAME.format('b')} (?:package|library|distribution)\b",
            rf"(?<![\w.-]){_NAME.format('c')}{_KIND} (?:must|should|has to|needs to) be installed\b",
            rf"(?<![\w.-]){_NAME.format('d')}{_KIND} is not installed\b",
            rf"\bpip3? install {_NAME.format('e')}",
            rf"\b[Mm]issing (?:optional )?dependency {_NAME.format('f')}",
        )
    )
    + ")"
)
"""The forms in which a package asks for another one that it does not require."""
_NO_NAMES = {"be", "it", "library", "module", "package", "that", "the", "this", "which"}
# Pythons from 3.12 on no longer have these.
_REMOVED = {"asynchat", "asyncore", "cgi", "distutils", "imp", "smtpd"}
STANDARD_MODULES = frozenset(sys.stdlib_module_names) | _REMOVED


Providing = Callable[[str], str | None]
"""Returns the package that provides a module, or None if that is not known."""


def nothing_known(module: str) -> str | None:  # noqa: ARG001 (the signature of `Providing`)
    """Return None: no package is known to provide the module."""
    return None


def adding(module: str, provider: Providing) -> str:
    """Return what to do if nothing installs a module: the package has another name than the module has."""
    package = provider(module)
    if package is None:
        return f"add the package that provides `{module}`: `--with PACKAGE`"
    which = "the package" if package == normalized(module) else f"`{package}`"
    return f"add {which} that provides `{module}`: `--with {package}`"


class Circumstances(Struct, frozen=True, kw_only=True):
    """The facts about the environments of candidates."""

    labels: Sequence[str]
    rulings: Mapping[int, Ruling]
    installed: Mapping[int, Collection[str]] = field(default_factory=dict)
    """The normalized names of the distributions in the environment of each candidate that has one."""
    python: str = ""
    """The Python of all candidates, such as `3.12`, or "" if they have several."""
    provider: Providing = nothing_known


def for_untestable(known: Circumstances, keys: Collection[int]) -> str | None:
    """Return the hint for these untestable candidates, or None if no cause stands out."""
    rulings = [known.rulings[key] for key in sorted(keys) if key in known.rulings]
    signatures = _signatures(known, keys)
    if not signatures:
        return None
    return for_module(known, keys) or _for_reason(known, keys, rulings, signatures)


def for_module(known: Circumstances, keys: Collection[int]) -> str | None:
    """Return the hint if all these candidates lack the same module, which is no part of Python, else None."""
    keys, signatures = sorted(keys), _signatures(known, keys)
    if asked := _asked_for(known, keys, signatures):
        return f"{_where(known, keys)}{asked} is not installed: add it with `--with {asked}`"
    modules = {match and match["module"] for match in map(_missing, signatures)}
    module = modules.pop() if len(modules) == 1 else None
    if module is None or module in STANDARD_MODULES:
        return None
    own = [known.installed.get(key, ()) for key in keys]
    tested = [known.installed.get(key, ()) for key in _others(known, keys)]
    package = _package_of(module, own, tested)
    where = _where(known, keys)
    if package:
        return f"{where}{package} is not installed: add it with `--with {package}`"
    name = normalized(module)
    # If the probe imports the module, the candidates that passed have it, in a package that later dropped it.
    has_passed = any(known.rulings[key].passed for key in _others(known, keys))
    is_a_part = has_passed and any(map(_is_of_probe, signatures))
    if is_a_part or any(name in names for names in own):
        return None
    return f"{where}`{module}` is not installed: {adding(module, known.provider)}"


def _asked_for(known: Circumstances, keys: Collection[int], signatures: Sequence[Signature]) -> str | None:
    """Return the package that all these failures ask to be installed, and no environment has, or None."""
    packages = {package_to_install(signature) for signature in signatures}
    package = packages.pop() if len(packages) == 1 else None
    is_there = any(package in known.installed.get(key, ()) for key in keys)
    return None if is_there else package


def is_of_environment(known: Circumstances, key: int) -> bool:
    """Return whether the environment of an untestable candidate explains its failure.

    It does if it lacks a package that the environments of all testable candidates have, or if Python or
    requirements do not fit. A missing module that no environment has may be the release's own bug.
    """
    ruling, signatures = known.rulings[key], _signatures(known, (key,))
    if not signatures:
        return False
    match = _missing(signatures[0])
    tested = [known.installed.get(other, ()) for other in _others(known, (key,))]
    if match and _package_of(match["module"], [known.installed.get(key, ())], tested):
        return True
    return _for_reason(known, (key,), [ruling], signatures) is not None


def package_to_install(signature: Signature) -> str | None:
    """Return the normalized name of the package that a failure asks to be installed, or None.

    A package raises such an error if another one is missing that it does not require. An assertion of the
    probe may have the same words, but is not such a failure.
    """
    is_own = signature.frame.startswith("./") and signature.text.startswith("AssertionError")
    match = None if is_own else _TO_INSTALL.search(signature.shown)
    name = next(filter(None, match.groups()), None) if match else None
    return None if name is None or name.lower() in _NO_NAMES else canonicalize_name(name)


def _is_of_probe(signature: Signature) -> bool:
    """Return whether the probe's own code failed, or the failing code is unknown."""
    return not signature.frame or signature.frame.startswith("./")


def _missing(signature: Signature) -> re.Match[str] | None:
    return NO_MODULE.search(signature.shown)


def _package_of(module: str, lack: Sequence[Collection[str]], have: Sequence[Collection[str]]) -> str | None:
    """Return the package with this module that all of `have` and none of `lack` have installed, or None.

    Its name may differ from the module's if it is the only package that all of `have` and none of `lack`
    have.
    """
    if not have:
        return None
    found = set(have[0]).intersection(*have[1:]).difference(*lack)
    name = normalized(module)
    if name in found:
        return name
    return found.pop() if len(found) == 1 else None


def normalized(module: str) -> str:
    """Return the normalized name of a package that is called as a module is."""
    return module.lower().replace("_", "-")


def _others(known: Circumstances, keys: Collection[int]) -> list[int]:
    """Return the testable ones of the other candidates."""
    rulings = known.rulings.items()
    return [key for key, ruling in rulings if key not in keys and ruling.verdict is not Verdict.SKIP]


def _signatures(known: Circumstances, keys: Collection[int]) -> list[Signature]:
    """Return the failures of these candidates, or none if that of any is unknown."""
    found = [known.rulings[key].signature for key in keys if key in known.rulings]
    signatures = [signature for signature in found if signature]
    return signatures if len(signatures) == len(keys) else []


def _where(known: Circumstances, keys: Sequence[int]) -> str:
    """Return `from 2.3 on, ` if only newer candidates are concerned, else `in 2.3 and 2.4, `."""
    others = _others(known, keys)
    if others and max(others) < keys[0]:
        return f"from {known.labels[keys[0]]} on, "
    if others and min(others) > keys[-1]:
        return f"up to {known.labels[keys[-1]]}, "
    return f"in {listing(known.labels[key] for key in keys)}, " if others else ""


def _for_reason(
    known: Circumstances, keys: Collection[int], rulings: Sequence[Ruling], signatures: Sequence[Signature]
) -> str | None:
    """Return the hint for a reason that all have in common."""
    phases = {signature.phase for signature in signatures}
    if all(map(is_of_python, signatures)) or phases == {Phase.INSTALL}:
        return _for_python(known, keys, what="install" if phases == {Phase.INSTALL} else "be imported")
    if phases == {Phase.RESOLVE}:
        return "their requirements have no solution: pass another `--deps` or `--python`"
    if all(map(_skips_itself, rulings)):
        return "change the probe so that it does not skip them, or narrow `--releases`"
    return None


def is_of_python(signature: Signature) -> bool:
    """Return whether an import failed because this Python is not one that the code was written for."""
    if signature.phase is not Phase.IMPORT:
        return False
    match = _missing(signature) or _OF_MODULE.search(signature.shown)
    return signature.text.startswith("SyntaxError") or bool(match and match["module"] in STANDARD_MODULES)


def no_result(reason: str) -> str:
    """Return the hint for a candidate that has no result, by the reason."""
    again = "run the same command again; if it fails again, run `bisect-asgi cache --clear` first"
    return ONCE_ONLINE if OFFLINE in reason else again


def _for_python(known: Circumstances, keys: Collection[int], *, what: str) -> str:
    tested = _others(known, keys)
    python = f"Python {known.python}" if known.python else "this Python"
    if tested and min(keys) > max(tested):
        return f"they cannot {what} on {python}, which may be too old for them: pass a newer `--python`"
    if tested and max(keys) > min(tested):
        return f"they cannot {what} on {python}: pass another `--python`"
    return f"they cannot {what} on {python}, which may be too new for them: pass an older `--python`"


def _skips_itself(ruling: Ruling) -> bool:
    """Return whether the probe itself reported that it is undecided."""
    sign = ruling.signature
    if ruling.outcome is not Outcome.UNTESTABLE or sign is None:
        return False
    by_code = sign.kind is FailureKind.EXIT and sign.text == f"exit code {UNTESTABLE_EXIT}"
    return by_code or (sign.kind is FailureKind.ENVIRONMENT and sign.phase is Phase.DRIVE)

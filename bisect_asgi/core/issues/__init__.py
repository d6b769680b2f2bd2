"""Draft a probe from the text of an issue: its code, its package, and the versions that it names.

Everything here is a guess, and a `Draft` says what each guess is based on. No package name is built in: only
the imports of the code, the names in the text and the address of the tracker count.
"""

from __future__ import annotations

from packaging.version import Version

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.issues import code as code_of
from bisect_asgi.core.issues.code import Program
from bisect_asgi.core.issues.markdown import read
from bisect_asgi.core.issues.packages import Packages, packages_of
from bisect_asgi.core.issues.statements import Kind, Statement, statements_of
from bisect_asgi.core.records import Struct


class Draft(Struct, frozen=True, kw_only=True):
    """A probe as far as an issue describes it."""

    program: Program
    package: str
    dependencies: tuple[str, ...] = ()
    """Requirements besides the package: further imports of the code, in the versions that the text names."""
    python: str = ""
    """The Python of the author of the issue, such as `3.10`."""
    good: str = ""
    bad: str = ""
    claim: tuple[str, str] | None = None
    """`broken-in` or `fixed-in`, and the release."""
    source: str = ""
    """The address of the issue."""
    guesses: tuple[str, ...] = ()
    """The guesses, each with its source, one line each."""


def draft(text: str, *, name: str) -> Draft:
    """Return the probe that the text of an issue describes; `name` is the file's, for messages.

    Raises:
        UsageError: the text names no package, and has no code that imports one.
    """
    document = read(text)
    program = code_of.choose(document)
    packages = packages_of(document, program)
    if not packages.package:
        raise UsageError(
            f"`{name}` has no code that imports a package, and no issue's address that names one",
            hint="write the probe by hand: `bisect-asgi new FILE`",
        )
    said = statements_of(document, packages.names, default=packages.package)
    own = [each for each in said if each.package == packages.package]
    good, bad, told = _ends(own)
    claim = _claim(own, bad)
    return Draft(
        program=program,
        package=packages.package,
        dependencies=packages.dependencies,
        python=packages.python,
        good=good,
        bad=bad,
        claim=claim,
        source=document.source,
        guesses=(*_of_code(program), *_of_packages(packages), *told),
    )


def _of_code(program: Program) -> list[str]:
    told = [f"code: {program.why}"]
    if program.app:
        told.append(f"app: `{program.app}`, served by uvicorn; the probe requests {program.request}")
    return told


def _of_packages(packages: Packages) -> list[str]:
    told = [f"package: {packages.package} ({packages.why})"]
    if packages.dependencies:
        told.append(f"dependencies: {', '.join(packages.dependencies)}")
    return told + ([f"Python: {packages.python}, that of the issue"] if packages.python else [])


def _ends(own: list[Statement]) -> tuple[str, str, list[str]]:
    """Return the good and the bad end, each perhaps empty, and the statements on which they are based."""
    good = {Version(each.version): each for each in own if each.kind in (Kind.GOOD, Kind.FIXED)}
    bad = {Version(each.version): each for each in own if each.kind in (Kind.BAD, Kind.BROKEN)}
    if not bad:  # the reporter's version has the bug, unless the text says otherwise
        bad = {Version(each.version): each for each in own if each.kind is Kind.USED}
    bad = {version: each for version, each in bad.items() if version not in good}
    first_bad = _first_bad(bad)
    older = [version for version in good if first_bad and version < first_bad]
    newer = [version for version in good if first_bad and version > first_bad]
    best = max(older, default=None) or min(newer, default=None) or max(good, default=None)
    told = [good[best].told("good")] if best else []
    told += [bad[first_bad].told("bad")] if first_bad else []
    return str(best or ""), str(first_bad or ""), told


def _first_bad(bad: dict[Version, Statement]) -> Version | None:
    """Return the release that is said to have broken, else the oldest one that fails."""
    broken = [version for version, each in bad.items() if each.kind is Kind.BROKEN]
    return min(broken or bad, default=None)


def _claim(own: list[Statement], bad: str) -> tuple[str, str] | None:
    """Return the claim that `verify` can check: the release that broke it, else the one that fixed it."""
    for kind, option in ((Kind.BROKEN, "broken-in"), (Kind.FIXED, "fixed-in")):
        versions = [Version(each.version) for each in own if each.kind is kind]
        if versions and (kind is Kind.FIXED or str(min(versions)) == bad):
            return option, str(min(versions))
    return None

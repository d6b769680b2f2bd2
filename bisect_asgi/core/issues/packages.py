"""Determine which package an issue is about, and which others its code needs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator

from packaging.utils import canonicalize_name

from bisect_asgi.core.issues.code import Program
from bisect_asgi.core.issues.markdown import Document
from bisect_asgi.core.issues.statements import Kind, statements_of
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.selection import is_version

_INSTALL = re.compile(r"\b(?:pip3?|uv|poetry|pdm|pipenv)(?: pip)? (?:install|add)\b(?P<rest>[^\n`;&|]*)")
_PIN = re.compile(r"(?<![\w/.-])(?P<name>[A-Za-z][\w.-]*?)(?:\[[\w,-]*\])?\s*==\s*(?P<version>\d[\w.!+]*)")
_REQUIREMENT = re.compile(r"^[\"']?(?P<name>[A-Za-z][\w.-]*)(?:\[[\w,-]*\])?(?:[=<>!~].*)?[\"']?$")
_PYTHON = re.compile(
    r"\b(?:c?python)\s*(?:version)?\W{0,4}(?:python\s*)?(?P<version>3\.\d{1,2})", re.IGNORECASE
)
_NAMED_VERSION = re.compile(r"(?P<name>[A-Za-z][\w.-]*)[ :]+v?(?P<version>\d+(?:\.\d+)+)\b")
_NAME = re.compile(r"[A-Za-z](?:[\w.-]*\w)?")
_USES = re.compile(r"\b(?:with|using|and|on)\b|[,+(]", re.IGNORECASE)


class Packages(Struct, frozen=True, kw_only=True):
    """The packages of an issue."""

    package: str
    """The one that it is about; empty if none is named."""
    why: str = ""
    names: frozenset[str] = frozenset()
    """All that the text may mean by their names."""
    dependencies: tuple[str, ...] = ()
    """Requirements of the others that the code imports."""
    python: str = ""


def packages_of(document: Document, program: Program) -> Packages:
    """Return the package that an issue is about, and the others that its code imports.

    A module is taken for the package of its name, or for one like PyJWT for `jwt` if the text names that.
    """
    words = {canonicalize_name(word) for line in document.lines for word in _NAME.findall(line)}
    imported: list[str] = [_package_named(module, words) for module in program.modules]
    names = frozenset({*imported, *_installed(document), *_pins(document), *_forms(document)})
    if document.repository:
        names |= {canonicalize_name(document.repository)}
    scores, reasons = _rated(document, imported, names)
    package = max(scores, key=lambda name: (scores[name], -_place(imported, name)), default="")
    return Packages(
        package=package,
        why=" and ".join(reasons.get(package, [])),
        names=names,
        dependencies=tuple(_requirement(name, document) for name in imported if name != package),
        python=_python(document),
    )


def _package_named(module: str, words: Collection[str]) -> str:
    """Return the name of a module, with `py` or `python` before or behind it if the text has that word."""
    name = canonicalize_name(module)
    of_python = (f"py{name}", f"py-{name}", f"python-{name}", f"{name}-python")
    return next((each for each in of_python if each in words), name)


def _place(imported: list[str], name: str) -> int:
    return imported.index(name) if name in imported else len(imported)


def _rated(
    document: Document, imported: list[str], names: frozenset[str]
) -> tuple[Counter[str], dict[str, list[str]]]:
    """Return the weight of the evidence for each package, and the evidence."""
    scores, reasons = Counter[str](), dict[str, list[str]]()

    def count(name: str, points: int, reason: str) -> None:
        if name in names:
            scores[name] += points
            if reason not in (told := reasons.setdefault(name, [])):
                told.append(reason)

    for name in imported:
        count(name, 2, "imported")
    count(canonicalize_name(document.repository or "-"), 5, "the repository of the issue")
    title = {canonicalize_name(word) for word in re.findall(r"[A-Za-z][\w.-]*", document.title)}
    for name in sorted(title):
        count(name, 3, "named in the title")
    for statement in statements_of(document, names):
        points = 2 if statement.kind is Kind.USED else 3
        if statement.package:
            count(statement.package, points, "its versions are named")
    for name in _forms(document):
        count(name, 2, "a field of the form")
    return scores, reasons


def _forms(document: Document) -> list[str]:
    """Return the packages of fields such as `FastAPI Version`."""
    found = (
        re.match(r"^\W*([A-Za-z][\w.-]*)\s+version\W*$", paragraph.heading, re.IGNORECASE)
        for paragraph in document.paragraphs
    )
    names = dict.fromkeys(canonicalize_name(match[1]) for match in found if match)
    return [name for name in names if name != "python"]


def _installed(document: Document) -> Iterator[str]:
    """Yield the packages that the text installs."""
    for line in document.lines:
        for command in _INSTALL.finditer(line):
            for word in command["rest"].split():
                if match := _REQUIREMENT.match(word):
                    yield canonicalize_name(match["name"])


def _pins(document: Document) -> dict[str, str]:
    """Return the versions that the text pins, as `pip freeze` writes them; the first of each package."""
    found: dict[str, str] = {}
    for line in document.lines:
        for match in _PIN.finditer(line):
            if is_version(match["version"]):
                found.setdefault(canonicalize_name(match["name"]), match["version"])
    return found


def _requirement(name: str, document: Document) -> str:
    """Return the requirement of a package that the code imports: held, if the text names one version."""
    version = _pins(document).get(name) or _used(name, document)
    return f"{name}=={version}" if version else name


def _used(name: str, document: Document) -> str:
    """Return the one version of a package that the prose names, or ""."""
    found = {
        match["version"]
        for paragraph in document.paragraphs
        for match in _NAMED_VERSION.finditer(paragraph.text)
        if canonicalize_name(match["name"]) == name
    }
    return found.pop() if len(found) == 1 else ""


def _python(document: Document) -> str:
    """Return the one Python that the text names, or ""."""
    found = {match["version"] for line in document.lines for match in _PYTHON.finditer(line)}
    fields = {
        match["version"]
        for paragraph in document.paragraphs
        if re.match(r"^\W*python version\W*$", paragraph.heading, re.IGNORECASE)
        and (match := re.match(r"(?:python\s*)?(?P<version>3\.\d{1,2})", paragraph.text, re.IGNORECASE))
    }
    said = fields or found
    return said.pop() if len(said) == 1 else ""

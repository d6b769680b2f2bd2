"""Read what options say: packages, requirements, versions and moments; a text that is none is an error."""

from __future__ import annotations

from datetime import datetime

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.metrics.quantities import parse
from bisect_asgi.core.plan import moments
from bisect_asgi.core.plan.plan import History, HistoryKind


def parse_project(text: str) -> str:
    """Return the normalized name of a package; extras and versions are ignored.

    Raises:
        UsageError: `text` is no name.
    """
    return canonicalize_name(parse_package(text).name)


def parse_package(text: str) -> Requirement:
    """Read `name`, `name[extra]` or `name==1.0`.

    Raises:
        UsageError: `text` is no requirement, or one with a marker or an address.
    """
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise malformed(
            "package", text, "a name as on the index, such as `fastapi` or `fastapi[all]`"
        ) from error
    if requirement.url or requirement.marker:
        raise malformed("package", text, "a name as on the index, without address or marker")
    return requirement


def parse_requirement(text: str, option: str) -> Requirement:
    """Read a requirement (PEP 508).

    Raises:
        UsageError: `text` is none, or has a version that is none.
    """
    try:
        requirement = Requirement(text)
        for specifier in requirement.specifier:
            if specifier.operator == "===":
                Version(specifier.version)  # `===` takes any text, and uv does not
        return requirement
    except (InvalidRequirement, InvalidVersion) as error:
        raise malformed(option, text, "a requirement (PEP 508), such as `uvicorn==0.17.6`") from error


def parse_specifiers(text: str | None, option: str) -> SpecifierSet:
    """Read version specifiers; none stand for all versions.

    Raises:
        UsageError: they are malformed.
    """
    try:
        return SpecifierSet(text or "")
    except InvalidSpecifier as error:
        form = "version specifiers (PEP 440), such as `>=0.60,<0.110`"
        raise malformed(option, text, form) from error


def parse_version(text: str, option: str) -> Version:
    """Read a version (PEP 440).

    Raises:
        UsageError: `text` is none.
    """
    try:
        return Version(text)
    except InvalidVersion as error:
        raise malformed(option, text, "a version (PEP 440), such as `0.69.0`") from error


def parse_moment(text: str, option: str) -> datetime:
    """Read a day, which stands for its end, or a moment with a time of day; UTC unless it has an offset.

    Raises:
        UsageError: `text` is neither.
    """
    try:
        return moments.read_moment(text)
    except ValueError as error:
        raise malformed(option, text, moments.FORM) from error


def parse_history(text: str) -> History:
    """Read how much of the history is looked at: a word, or a time with its unit.

    Raises:
        UsageError: `text` is neither.
    """
    kinds = {kind.value: kind for kind in HistoryKind if kind is not HistoryKind.TIME}
    if text in kinds:
        return History(kind=kinds[text])
    form = "`auto`, `all`, `none`, or a time such as `30 s` or `2 min`"
    try:
        quantity = parse(text)
    except ValueError as error:
        raise malformed("--history", text, form) from error
    if quantity.unit not in ("", "s") or quantity.value < 0:
        raise malformed("--history", text, form)
    return History(kind=HistoryKind.TIME, seconds=quantity.value)


def malformed(option: str, text: str | None, form: str) -> UsageError:
    """Return the error about an option's value, whose right form is `form`."""
    return UsageError(f"`{text}` cannot be read ({option})", hint=f"it is {form}")

"""Read the values of options: packages, requirements, versions and moments; another text is an error."""

from __future__ import annotations

from datetime import UTC, datetime, time

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bisect_asgi.core.errors import UsageError


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
        if (meant := _with_two_signs(text)) is not None:
            raise UsageError(f"`{text}` cannot be read (`package`)", hint=f"write `{meant}`") from error
        raise malformed(
            "package", text, "a name as on the index, such as `fastapi` or `fastapi[all]`"
        ) from error
    if requirement.url or requirement.marker:
        raise malformed("package", text, "a name as on the index, without address or marker")
    return requirement


def _with_two_signs(text: str) -> str | None:
    """Return `name==1.0` for `name=1.0`, or None for another text."""
    name, sign, version = text.partition("=")
    try:
        return str(Requirement(f"{name}=={version}")) if sign else None
    except InvalidRequirement:
        return None


def parse_requirement(text: str, option: str) -> Requirement:
    """Read a requirement (PEP 508).

    Raises:
        UsageError: `text` is none, or has a version that is none.
    """
    try:
        requirement = Requirement(text)
        for specifier in requirement.specifier:
            if specifier.operator == "===":
                Version(specifier.version)  # `===` accepts any text, but uv does not
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


ALL_PYTHONS = "all"
"""The value of `--python` for every Python of this machine."""


def parse_pythons(text: str) -> tuple[str, ...]:
    """Return the Pythons that `--python` names, each once, in their order; `all` stands alone.

    Raises:
        UsageError: nothing stands before or behind a comma, or `all` stands beside another one.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if "" in names or (ALL_PYTHONS in names and len(names) > 1):
        raise malformed("--python", text, "a version or a path, several versions (`3.8,3.11`), or `all`")
    return names


def names_several(python: str) -> bool:
    """Return whether a `--python` names several Pythons, or all."""
    return python == ALL_PYTHONS or "," in python


def parse_moment(text: str, option: str) -> datetime:
    """Read a day, which stands for its end, or a moment with a time of day; UTC unless it has an offset.

    Raises:
        UsageError: `text` is neither.
    """
    try:
        return read_moment(text)
    except ValueError as error:
        raise malformed(option, text, FORM) from error


def malformed(option: str, text: str | None, form: str) -> UsageError:
    """Return the error about an option's value; `form` is the right form."""
    where = option if " " in option else f"`{option}`"
    return UsageError(f"`{text}` cannot be read ({where})", hint=f"pass {form}")


END_OF_DAY = time(23, 59, 59)
FORM = "a day, `2022-01-10`, or a moment, `2022-01-10T12:00`"
_LONGEST_DAY = len("2022-01-10")


def read_moment(text: str) -> datetime:
    """Return the moment in UTC: a day stands for its end; a time of day is UTC unless it has an offset.

    Raises:
        ValueError: `text` is neither, or outside the years 1 to 9999 in UTC.
    """
    moment = datetime.fromisoformat(text)
    if len(text) <= _LONGEST_DAY:
        moment = datetime.combine(moment, END_OF_DAY)
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from error


def show_moment(moment: datetime) -> str:
    """Return the shortest text that `read_moment` reads as this moment, down to the minute or the day."""
    moment = moment.astimezone(UTC).replace(tzinfo=None)
    if moment.time() == END_OF_DAY:
        return moment.date().isoformat()
    is_minute = not (moment.second or moment.microsecond)
    return moment.isoformat(timespec="minutes" if is_minute else "auto")

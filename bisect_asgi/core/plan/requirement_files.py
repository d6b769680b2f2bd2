"""Read requirements files and constraints files as pip does, and dependency groups (PEP 735).

An option in a file is followed (`-r`, `-c`, `-e`, `--hash`), has no effect here (`--prefer-binary`), or is
refused by its name: an option that changes the index or the files that may be installed would otherwise be
ignored silently.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.lockfiles.requirements import logical_lines
from bisect_asgi.core.plan.own_projects import reference_of
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import without_credentials

_OPTION = re.compile(r"(?P<flag>--[a-z][a-z-]*|-[a-zA-Z])(?:[ =]*)(?P<value>.*)$")
_BEHIND = re.compile(r"\s+(?=--[a-z])")
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_WITHOUT_EFFECT = frozenset(["--prefer-binary", "--require-hashes", "--use-feature"])
_OF_THE_INDEX = {
    "--index-url": "UV_DEFAULT_INDEX",
    "-i": "UV_DEFAULT_INDEX",
    "--pypi-url": "UV_DEFAULT_INDEX",
    "--extra-index-url": "UV_INDEX",
    "--find-links": "UV_FIND_LINKS",
    "-f": "UV_FIND_LINKS",
    "--no-index": "UV_NO_INDEX",
    "--trusted-host": "UV_INSECURE_HOST",
}
"""Options that choose the index, and the variables by which uv has them, too."""
_REQUIREMENTS, _CONSTRAINTS = frozenset(["-r", "--requirement"]), frozenset(["-c", "--constraint"])
_EDITABLE = frozenset(["-e", "--editable"])


class RequirementLines(Struct, frozen=True, kw_only=True):
    """The lines of one file."""

    requirements: tuple[str, ...] = ()
    """Requirements (PEP 508), and lines that name a project of the user's."""
    hashes: tuple[str, ...] = ()
    """`name==version sha256:…` of each pin that has hashes."""
    files: tuple[str, ...] = ()
    """Further requirements files, relative to the directory of this one."""
    constraints: tuple[str, ...] = ()
    """Constraints files, relative to the directory of this one."""


def read_lines(text: str, *, name: str) -> RequirementLines:
    """Return the lines of a requirements file or a constraints file.

    Raises:
        UsageError: a line cannot be read, or has an option that is not followed.
    """
    requirements, hashes, files, constraints = list[str](), list[str](), list[str](), list[str]()
    for number, line in logical_lines(text):
        if not line:
            continue
        place = f"line {number} of `{name}`"
        if variable := _VARIABLE.search(line):
            raise UsageError(
                f"{place} has the variable `{variable[0]}`, which is not replaced", hint="write its value"
            )
        if not line.startswith("-"):
            requirement, own = _requirement(line, place)
            requirements.append(requirement)
            hashes += own
            continue
        flag, value = _option(line, place)
        if flag in _EDITABLE:
            requirements.append(_checked(value, place))
        elif flag in _REQUIREMENTS:
            files.append(value)
        elif flag in _CONSTRAINTS:
            constraints.append(value)
        elif flag not in _WITHOUT_EFFECT:
            raise _refused(flag, value, place)
    return RequirementLines(
        requirements=tuple(requirements),
        hashes=tuple(hashes),
        files=tuple(files),
        constraints=tuple(constraints),
    )


def _option(line: str, place: str) -> tuple[str, str]:
    match = _OPTION.match(line)
    if match is None:
        raise UsageError(f"{place} cannot be read: `{line}`", hint="write one requirement on each line")
    value = match["value"].strip()
    try:
        words = shlex.split(value)
    except ValueError:
        words = [value]
    return match["flag"], words[0] if len(words) == 1 else value


def _refused(flag: str, value: str, place: str) -> UsageError:
    if variable := _OF_THE_INDEX.get(flag):
        told = shlex.quote(without_credentials(value) or "true")
        return UsageError(
            f"{place} has `{flag}`, but the index is the one that uv is configured for",
            hint=f"drop the line, and set `{variable}={told}`",
        )
    if flag == "--pre":
        return UsageError(
            f"{place} has `--pre`, which would be for all packages",
            hint="drop the line, and name pre-releases in the requirements that need them: `demo>=2.0b1`",
        )
    return UsageError(f"{place} has the option `{flag}`, which is not followed", hint="drop the line")


def _requirement(line: str, place: str) -> tuple[str, list[str]]:
    """Return a requirement without its options, and its hashes."""
    text, *options = _BEHIND.split(line)
    text, hashes = _checked(text.strip(), place), []
    for option in options:
        flag, value = _option(option, place)
        if flag != "--hash":
            raise UsageError(f"{place} has the option `{flag}`, which is not followed", hint="drop it")
        hashes.append(value)
    pin = _release(text) if hashes else None
    return text, [" ".join([pin, *hashes])] if pin else []


def _release(text: str) -> str | None:
    """Return `name==version` of a pin, normalized, or None of anything else."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    pins = [each for each in requirement.specifier if each.operator == "==" and "*" not in each.version]
    return f"{canonicalize_name(requirement.name)}=={pins[0].version}" if pins else None


def _checked(text: str, place: str) -> str:
    """Return a requirement that can be read.

    Raises:
        UsageError: it cannot.
    """
    if reference_of(text, place) is None:
        try:
            Requirement(text)
        except InvalidRequirement as error:
            raise UsageError(
                f"{place} cannot be read: `{without_credentials(text)}`",
                hint="write a requirement (PEP 508), such as `uvicorn==0.17.6`",
            ) from error
    return text


def read_group(document: Mapping[str, object], group: str, *, where: str) -> tuple[str, ...]:
    """Return the requirements of a dependency group in a `pyproject.toml`, with those that it includes.

    Raises:
        UsageError: there is no such group, or the groups are malformed.
    """
    groups = document.get("dependency-groups")
    table = groups if isinstance(groups, dict) else {}
    names = {canonicalize_name(str(name)) for name in table}
    if canonicalize_name(group) not in names:
        raise UsageError(
            f"`{where}` has no dependency group `{group}`",
            hint=f"it has {', '.join(f'`{name}`' for name in sorted(names)) or 'none'}",
        )
    try:
        return tuple(map(str, resolve_dependency_groups(table, group)))
    except (ValueError, TypeError, LookupError, ExceptionGroup) as error:
        raise UsageError(
            f"the dependency group `{group}` in `{where}` cannot be read: {_shown(error)}",
            hint='a group is a list of requirements and of `{include-group = "NAME"}` (PEP 735)',
        ) from error


def _shown(error: BaseException) -> str:
    """Return the message of an error, or that of the first one of a group."""
    inner = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
    return str(inner.args[0] if isinstance(inner, KeyError) else inner).partition("\n")[0]


def split_group(text: str) -> tuple[str, str]:
    """Return the path and the name of `--group [PATH:]NAME`; without a path, it is `pyproject.toml`."""
    path, _, name = text.rpartition(":")
    return path or "pyproject.toml", name

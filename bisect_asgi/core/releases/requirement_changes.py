"""What differs between the requirements of two releases.

Metadata is as people wrote it over many years: what is no PEP 508 is compared as far as it can be read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bisect_asgi.core.release_diff import RequirementChange


def requirement_changes(old: Iterable[str], new: Iterable[str]) -> tuple[RequirementChange, ...]:
    """Pair requirements by project and marker, then what is left of each project whatever its marker."""
    before, after = _wanted(old), _wanted(new)
    same = {key for key in before.keys() & after.keys() if before[key] == after[key]}
    gone = {key: text for key, text in before.items() if key not in same}
    come = {key: text for key, text in after.items() if key not in same}
    found = []
    for key in gone.keys() & come.keys():
        old_text, new_text = gone.pop(key), come.pop(key)
        found.append(RequirementChange(project=key[0], marker=key[1], old=old_text, new=new_text))
    for project in {key[0] for key in (*gone, *come)}:
        found += _unpaired(project, _of_project(gone, project), _of_project(come, project))
    return tuple(sorted(found, key=lambda change: ("extra ==" in str(change), change.project, change.marker)))


def _unpaired(
    project: str, gone: Sequence[tuple[str, str]], come: Sequence[tuple[str, str]]
) -> Iterator[RequirementChange]:
    """What is left of one project: one that changed its marker, or whatever was removed and added."""
    if len(gone) == len(come) == 1:
        old, new = (
            " ; ".join(filter(None, (text or "any version", marker))) for marker, text in (gone[0], come[0])
        )
        yield RequirementChange(project=project, old=old, new=new)
        return
    for marker, text in gone:
        yield RequirementChange(project=project, marker=marker, old=text, new=None)
    for marker, text in come:
        yield RequirementChange(project=project, marker=marker, old=None, new=text)


def _of_project(wanted: Mapping[tuple[str, str], str], project: str) -> list[tuple[str, str]]:
    return [(marker, text) for (name, marker), text in wanted.items() if name == project]


def _wanted(requires: Iterable[str]) -> dict[tuple[str, str], str]:
    """What is wanted of each project under each marker; where it is said twice, both count."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for text in filter(str.strip, requires):
        project, marker, wanted = _read_requirement(text)
        found[project, marker].append(wanted)
    return {key: ", ".join(sorted(set(texts))) for key, texts in found.items()}


def _read_requirement(text: str) -> tuple[str, str, str]:
    """Project, marker and what is wanted of it; "" where any version will do."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return _read_malformed(text)
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    wanted = f"@ {requirement.url}" if requirement.url else str(requirement.specifier)
    marker = _normal(str(requirement.marker or ""))
    return canonicalize_name(requirement.name), marker, f"{extras} {wanted}".strip()


def _read_malformed(text: str) -> tuple[str, str, str]:
    """The same of what is no PEP 508, such as `click (>=7.*)`."""
    wanted, _, marker = text.partition(";")
    name = re.split(r"[^\w.-]", wanted.strip(), maxsplit=1)[0]
    rest = wanted.strip().removeprefix(name).strip()
    return canonicalize_name(name), marker.strip(), rest.removeprefix("(").removesuffix(")")


def _normal(marker: str) -> str:
    """One spelling of a marker: build tools write its parts in different orders and brackets."""
    if " or " in marker:
        return marker
    return " and ".join(sorted(re.sub("[()]", "", marker).split(" and ")))

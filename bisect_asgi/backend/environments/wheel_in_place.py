"""A wheel in the place of a project, whatever is required of that project."""

from __future__ import annotations

from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bisect_asgi.core.model import EnvironmentSpec
from bisect_asgi.core.records import replace


def with_wheel(spec: EnvironmentSpec, project: str, wheel: Path) -> EnvironmentSpec:
    """Return the spec with a wheel in place of a project, whatever other packages require of it.

    Markers are kept, because a requirement whose marker does not hold, or an override that removes the
    project, must still have its effect.
    """
    required = [Requirement(line) for line in spec.requirements if _is_of(line, project)]
    extras = sorted(set[str]().union(*(requirement.extras for requirement in required)))
    suffix = f"[{','.join(extras)}]" if extras else ""
    own = f"{project}{suffix} @ {wheel.absolute().as_uri()}"

    def placed(lines: tuple[str, ...], default: str = "") -> tuple[str, ...]:
        found = [_with_marker_of(line, own) for line in lines if _is_of(line, project)]
        return (*_without(lines, project), *(found[:1] or filter(None, [default])))

    return replace(
        spec,
        requirements=placed(spec.requirements),
        constraints=_without(spec.constraints, project),
        overrides=placed(spec.overrides, own),
        held=placed(spec.held),
    )


def _with_marker_of(line: str, requirement: str) -> str:
    marker = Requirement(line).marker
    return f"{requirement} ; {marker}" if marker else requirement


def _without(lines: tuple[str, ...], project: str) -> tuple[str, ...]:
    return tuple(line for line in lines if not _is_of(line, project))


def _is_of(line: str, project: str) -> bool:
    return canonicalize_name(Requirement(line).name) == project

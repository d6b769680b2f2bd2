"""Read uv's lock, `uv.lock`: a graph for all platforms, of which one is followed.

The lock installs what `uv sync --all-packages --all-extras --all-groups` would install: everything that the
projects of the workspace, or the script, reach over dependencies whose markers hold. One name may be there
several times, for forks of the resolution. The edge then names the version that it means, or the
`resolution-markers` of the packages decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Required, TypedDict

from packaging.utils import canonicalize_name

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.lockfiles.lock import Content, PassedOver, is_elsewhere, passed_over, pin, shaped
from bisect_asgi.core.releases.interpreters import holds
from bisect_asgi.core.text import listing

_OWN = "it is the locked project itself"


class _Edge(TypedDict, total=False):
    name: Required[str]
    version: str
    source: dict[str, object]
    extra: list[str]
    extras: list[str]
    """The same as `extra`, which has this name in requirements of the manifest."""
    marker: str


_Package = TypedDict(
    "_Package",
    {
        "name": Required[str],
        "version": str,
        "source": Required[dict[str, object]],
        "resolution-markers": list[str],
        "dependencies": list[_Edge],
        "optional-dependencies": dict[str, list[_Edge]],
        "dev-dependencies": dict[str, list[_Edge]],
    },
    total=False,
)
_Manifest = TypedDict(
    "_Manifest",
    {"members": list[str], "requirements": list[_Edge], "dependency-groups": dict[str, list[_Edge]]},
    total=False,
)
_Document = TypedDict(
    "_Document",
    {
        "version": Required[int],
        "requires-python": str,
        "supported-markers": list[str],
        "conflicts": list[list[dict[str, object]]],
        "manifest": _Manifest,
        "package": list[_Package],
    },
    total=False,
)


def read(document: Mapping[str, object], environment: Mapping[str, str], *, file: str) -> Content:
    """Return what the lock installs.

    Raises:
        UsageError: the lock has another format, is for other platforms, has choices that exclude each other,
            or is incomplete.
    """
    lock = shaped(document, _Document, file=file)
    _check_can_be_read(lock, environment, file)
    members = _members(lock)
    reached = _reached(lock, members, environment, file)
    released = [package for package in reached if not is_elsewhere(_origin(package))]
    others = [package for package in reached if is_elsewhere(_origin(package)) and package not in members]
    return Content(
        pins=tuple(pin(package["name"], package.get("version"), file=file) for package in released),
        passed_over=(
            *(PassedOver(name=package["name"], reason=_OWN) for package in members),
            *(passed_over(package["name"], _origin(package)) for package in others),
        ),
        requires_python=lock.get("requires-python"),
    )


def _check_can_be_read(lock: _Document, environment: Mapping[str, str], file: str) -> None:
    if lock["version"] != 1:
        raise UsageError(
            f"`{file}` is of version {lock['version']} of its format; 1 is understood",
            hint="write what it installs with `uv export --format requirements.txt`",
        )
    supported = lock.get("supported-markers", [])
    if supported and not any(holds(marker, environment, file=file) for marker in supported):
        raise UsageError(
            f"`{file}` is not for this interpreter: it supports {listing(f'`{m}`' for m in supported)}",
            hint="choose another interpreter, or lock again with other `environments`",
        )
    if conflicts := lock.get("conflicts"):
        sides = [str(side.get("extra") or side.get("group") or side.get("package")) for side in conflicts[0]]
        raise UsageError(
            f"`{file}` has choices that exclude each other: {listing(f'`{side}`' for side in sides)}",
            hint="export the choice you mean: `uv export --extra NAME --output-file requirements.txt`",
        )


def _members(lock: _Document) -> list[_Package]:
    """Return the projects of the workspace or, without a list of them, the one in the lock's directory."""
    names = lock.get("manifest", {}).get("members")
    packages = lock.get("package", [])
    if names:
        return [package for package in packages if package["name"] in names]
    return [p for p in packages if is_elsewhere(_origin(p)) and p["source"][_origin(p)] == "."]


def _origin(package: _Package) -> str:
    return next(iter(package["source"]), "registry")


def _reached(
    lock: _Document, members: Sequence[_Package], environment: Mapping[str, str], file: str
) -> list[_Package]:
    named: dict[str, list[_Package]] = {}
    for package in lock.get("package", []):
        named.setdefault(package["name"], []).append(package)
    reached: dict[int, _Package] = {}
    seen: set[tuple[int, str]] = set()
    pending = list(_first_edges(lock, members))
    while pending:
        edge = pending.pop()
        if not holds(edge.get("marker"), environment, file=file):
            continue
        for package in _targets(edge, named, environment, file):
            reached[id(package)] = package
            parts = {(id(package), part) for part in ("", *edge.get("extra", []), *edge.get("extras", []))}
            pending += chain.from_iterable(_edges(package, part) for _, part in parts - seen)
            seen |= parts
    return list(reached.values())


def _first_edges(lock: _Document, members: Sequence[_Package]) -> Iterator[_Edge]:
    manifest = lock.get("manifest", {})
    yield from manifest.get("requirements", [])
    yield from chain.from_iterable(manifest.get("dependency-groups", {}).values())
    for member in members:
        yield from _edges(member, "")
        yield from chain.from_iterable(member.get("optional-dependencies", {}).values())
        yield from chain.from_iterable(member.get("dev-dependencies", {}).values())


def _edges(package: _Package, part: str) -> list[_Edge]:
    """Return the dependencies of one extra of the package or, if `part` is "", those without extras."""
    if not part:
        return package.get("dependencies", [])
    return package.get("optional-dependencies", {}).get(part, [])


def _targets(
    edge: _Edge, named: Mapping[str, Sequence[_Package]], environment: Mapping[str, str], file: str
) -> list[_Package]:
    fitting = [
        package
        for package in named.get(canonicalize_name(edge["name"]), [])
        if edge.get("version") in (None, package.get("version"))
        and edge.get("source") in (None, package["source"])
    ]
    if not fitting:
        raise UsageError(
            f"`{file}` is not whole: `{edge['name']}` is needed and not in it", hint="run `uv lock` again"
        )
    if len(fitting) == 1:
        return fitting
    return [package for package in fitting if _is_of_this_fork(package, environment, file)]


def _is_of_this_fork(package: _Package, environment: Mapping[str, str], file: str) -> bool:
    markers = package.get("resolution-markers", [])
    return not markers or any(holds(marker, environment, file=file) for marker in markers)

"""Poetry's lock, `poetry.lock`, with all groups and extras.

From format 2.1 on (Poetry 2) each package says by its own markers where it is installed. Before, only the
dependencies between packages have markers, and what the project itself requires is not in the file. A
package is then left out when others need it and none of them does on this interpreter; where the project
requires it, too, that is wrong, so those left out are named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Required, TypedDict

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.lockfiles.lock import Content, PassedOver, is_elsewhere, passed_over, pin, shaped
from bisect_asgi.core.markers import holds


class _Dependency(TypedDict, total=False):
    version: str
    markers: str


_Package = TypedDict(
    "_Package",
    {
        "name": Required[str],
        "version": Required[str],
        "python-versions": str,
        "groups": list[str],
        "markers": str | dict[str, str],
        "dependencies": dict[str, str | _Dependency | list[str | _Dependency]],
        "extras": dict[str, list[str]],
        "source": dict[str, object],
    },
    total=False,
)
_Metadata = TypedDict("_Metadata", {"lock-version": Required[str], "python-versions": str}, total=False)


class _Document(TypedDict, total=False):
    metadata: Required[_Metadata]
    extras: dict[str, list[str]]
    package: list[_Package]


def read(document: Mapping[str, object], environment: Mapping[str, str], *, file: str) -> Content:
    """Read what the lock installs.

    Raises:
        UsageError: the format has another major version, or the file is not as expected.
    """
    lock = shaped(document, _Document, file=file)
    version = lock["metadata"]["lock-version"]
    if version.split(".")[0] not in ("1", "2"):
        raise UsageError(
            f"`{file}` is of version {version} of its format; 1 and 2 are understood",
            hint="write what it installs with `poetry export --output requirements.txt`",
        )
    packages = lock.get("package", [])
    if any("groups" in package for package in packages):
        extras = list(lock.get("extras", {}))
        kept = [package for package in packages if _holds_itself(package, extras, environment, file)]
        excluded = list[_Package]()
    else:
        kept = _needed(_of_this_python(packages, environment), environment, file)
        excluded = [package for package in packages if package not in kept]
    return _content(lock, kept, excluded, file)


def _content(lock: _Document, kept: Sequence[_Package], excluded: Sequence[_Package], file: str) -> Content:
    names = {package["name"] for package in kept}
    return Content(
        pins=tuple(pin(p["name"], p["version"], file=file) for p in kept if not is_elsewhere(_origin(p))),
        passed_over=(
            *(
                passed_over(canonicalize_name(p["name"]), _origin(p))
                for p in kept
                if is_elsewhere(_origin(p))
            ),
            *(
                PassedOver(name=canonicalize_name(p["name"]), reason="nothing in the lock needs it here")
                for p in excluded
                if p["name"] not in names
            ),
        ),
        requires_python=requires_python(lock["metadata"].get("python-versions", "*")),
    )


def _origin(package: _Package) -> str:
    return str(package.get("source", {}).get("type", "legacy"))


def _holds_itself(
    package: _Package, extras: Sequence[str], environment: Mapping[str, str], file: str
) -> bool:
    """Tell whether one of the package's groups installs it; a group without a marker always does."""
    markers = package.get("markers", "")
    stated = (
        [markers]
        if isinstance(markers, str)
        else [markers.get(group, "") for group in package.get("groups", [])]
    )
    return any(holds(marker, environment, file=file, extras=extras) for marker in stated)


def _of_this_python(packages: Sequence[_Package], environment: Mapping[str, str]) -> list[_Package]:
    """The packages without those releases of a name that are for other Pythons."""
    python = environment["python_full_version"]
    names = [package["name"] for package in packages]
    return [
        package
        for package in packages
        if names.count(package["name"]) == 1 or _admits(package.get("python-versions", "*"), python)
    ]


def _needed(packages: Sequence[_Package], environment: Mapping[str, str], file: str) -> list[_Package]:
    """The largest set in which each package is needed by another of the set, or by none of `packages`.

    The largest, so that packages which need each other stay.
    """
    edges = [edge for package in packages for edge in _edges(package, environment, file)]
    required = {name for _, name, _, _ in edges}
    kept = list(packages)
    while True:
        alive = {id(package) for package in kept}
        wanted: dict[str, list[str]] = {}
        for owner, name, versions, active in edges:
            if active and owner in alive:
                wanted.setdefault(name, []).append(versions)
        still = [package for package in kept if _is_needed(package, required, wanted)]
        if len(still) == len(kept):
            return kept
        kept = still


def _is_needed(package: _Package, required: Collection[str], wanted: Mapping[str, Sequence[str]]) -> bool:
    name = canonicalize_name(package["name"])
    return name not in required or any(
        _admits(versions, package["version"]) for versions in wanted.get(name, ())
    )


def _edges(
    package: _Package, environment: Mapping[str, str], file: str
) -> Iterator[tuple[int, str, str, bool]]:
    """Each dependency: who needs it, its name, which versions, and whether it is needed here.

    Which of the package's extras are asked for is not known; that the dependency is in the lock tells it.
    """
    extras = list(package.get("extras", {}))
    for name, stated in package.get("dependencies", {}).items():
        for one in stated if isinstance(stated, list) else [stated]:
            dependency = _Dependency(version=one) if isinstance(one, str) else one
            active = holds(dependency.get("markers"), environment, file=file, extras=extras)
            yield id(package), canonicalize_name(name), dependency.get("version", "*"), active


def _admits(versions: str, version: str) -> bool:
    """Tell whether `versions` has `version`; what cannot be written as specifiers (PEP 440) has any."""
    specifiers = requires_python(versions)
    return specifiers is None or SpecifierSet(specifiers).contains(version, prereleases=True)


def requires_python(versions: str) -> str | None:
    """Poetry's way to write versions as specifiers (PEP 440); None: all versions, or not to be written so.

    A caret admits what leaves the first number that is not zero as it is: `^3.9` is `>=3.9,<4`.
    """
    parts = [part.strip() for part in versions.split(",")]
    written = ",".join(_without_caret(part) for part in parts if part != "*")
    try:
        SpecifierSet(written)
    except InvalidSpecifier:
        return None
    return written or None


def _without_caret(part: str) -> str:
    numbers = part.removeprefix("^").split(".")
    if not part.startswith("^") or not all(number.isdecimal() for number in numbers):
        return part
    place = next((at for at, number in enumerate(numbers) if int(number)), len(numbers) - 1)
    above = [*numbers[:place], str(int(numbers[place]) + 1)]
    return f">={'.'.join(numbers)},<{'.'.join(above)}"

"""Read Poetry's lock, `poetry.lock`, with all groups and extras.

From format 2.1 on (Poetry 2), each package has markers for where it is installed. Before, only the
dependencies between packages have markers, and the requirements of the project are not in the file. A package
is then left out if other packages need it, but none of them does on this interpreter. If the project requires
it as well, that is wrong, so the packages that are left out are listed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Required, TypedDict

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.lockfiles.lock import Content, PassedOver, is_elsewhere, passed_over, pin, shaped
from bisect_asgi.core.releases.interpreters import holds


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
    """Return what the lock installs.

    Raises:
        UsageError: the file has another major version of the format, or is not as expected.
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
        kept = [package for package in packages if _is_installed(package, extras, environment, file)]
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
                PassedOver(name=canonicalize_name(p["name"]), reason="nothing in the file requires it here")
                for p in excluded
                if p["name"] not in names
            ),
        ),
        requires_python=requires_python(lock["metadata"].get("python-versions", "*")),
    )


def _origin(package: _Package) -> str:
    return str(package.get("source", {}).get("type", "legacy"))


def _is_installed(
    package: _Package, extras: Sequence[str], environment: Mapping[str, str], file: str
) -> bool:
    """Return whether one of the package's groups installs it. A group without a marker always does."""
    markers = package.get("markers", "")
    stated = (
        [markers]
        if isinstance(markers, str)
        else [markers.get(group, "") for group in package.get("groups", [])]
    )
    return any(holds(marker, environment, file=file, extras=extras) for marker in stated)


def _of_this_python(packages: Sequence[_Package], environment: Mapping[str, str]) -> list[_Package]:
    """Return the packages, without those versions of a name that are for other Pythons."""
    python = environment["python_full_version"]
    names = [package["name"] for package in packages]
    return [
        package
        for package in packages
        if names.count(package["name"]) == 1 or _admits(package.get("python-versions", "*"), python)
    ]


def _needed(packages: Sequence[_Package], environment: Mapping[str, str], file: str) -> list[_Package]:
    """Return the largest set in which each package is needed by one of the set, or by none of `packages`.

    It is the largest such set, so that packages that need each other stay.
    """
    edges = [edge for package in packages for edge in _edges(package, environment, file)]
    required = {name for _, name, _, _ in edges}
    kept = list(packages)
    while True:
        alive = {id(package) for package in kept}
        needed: dict[str, list[str]] = {}
        for owner, name, versions, active in edges:
            if active and owner in alive:
                needed.setdefault(name, []).append(versions)
        remaining = [package for package in kept if _is_needed(package, required, needed)]
        if len(remaining) == len(kept):
            return kept
        kept = remaining


def _is_needed(package: _Package, required: Collection[str], needed: Mapping[str, Sequence[str]]) -> bool:
    name = canonicalize_name(package["name"])
    return name not in required or any(
        _admits(versions, package["version"]) for versions in needed.get(name, ())
    )


def _edges(
    package: _Package, environment: Mapping[str, str], file: str
) -> Iterator[tuple[int, str, str, bool]]:
    """Yield for each dependency the package that needs it, its name, its versions, and if its marker holds.

    The lock does not say which extras are installed. All are taken as installed, because a dependency of
    another extra would not be in the lock.
    """
    extras = list(package.get("extras", {}))
    for name, value in package.get("dependencies", {}).items():
        for each in value if isinstance(value, list) else [value]:
            dependency = _Dependency(version=each) if isinstance(each, str) else each
            active = holds(dependency.get("markers"), environment, file=file, extras=extras)
            yield id(package), canonicalize_name(name), dependency.get("version", "*"), active


def _admits(versions: str, version: str) -> bool:
    """Return whether `versions` admit `version`. If they cannot be written as specifiers, they admit all."""
    specifiers = requires_python(versions)
    return specifiers is None or SpecifierSet(specifiers).contains(version, prereleases=True)


def requires_python(versions: str) -> str | None:
    """Return Poetry's notation of versions as specifiers (PEP 440), or None for all versions.

    Return None as well if the versions cannot be written as specifiers. A caret admits all versions with the
    same first number other than zero: `^3.9` is `>=3.9,<4`.
    """
    parts = [part.strip() for part in versions.split(",")]
    specifiers = ",".join(_without_caret(part) for part in parts if part != "*")
    try:
        SpecifierSet(specifiers)
    except InvalidSpecifier:
        return None
    return specifiers or None


def _without_caret(part: str) -> str:
    numbers = part.removeprefix("^").split(".")
    if not part.startswith("^") or not all(number.isdecimal() for number in numbers):
        return part
    fixed = next((index for index, number in enumerate(numbers) if int(number)), len(numbers) - 1)
    above = [*numbers[:fixed], str(int(numbers[fixed]) + 1)]
    return f">={'.'.join(numbers)},<{'.'.join(above)}"

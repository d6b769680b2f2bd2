"""The exact set of distributions of an environment, as uv writes it into a lock file (PEP 751)."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name, parse_wheel_filename

from bisect_asgi.backend.environments.sdists import Sdist
from bisect_asgi.core import codec
from bisect_asgi.core.errors import Unresolvable
from bisect_asgi.core.model import (
    Distribution,
    EnvironmentSpec,
    ExcludeNewerPackage,
)
from bisect_asgi.core.records import Struct, replace


class Resolution(Struct, frozen=True, kw_only=True):
    """The exact set of distributions with hashes, and the step that gave it."""

    digest: str
    """Digest of the files' hashes and the interpreter; two environments are equal if it is."""
    pins: tuple[str, ...]
    """Requirements, each with the hashes of all files that may be installed."""
    exclude_newer: datetime | None
    """The date of the step, which also limits the tools that build source distributions."""
    exclude_newer_package: tuple[ExcludeNewerPackage, ...]
    distributions: tuple[Distribution, ...]
    step: str
    sdists: tuple[Sdist, ...] = ()
    """The distributions that have no wheel and have to be built."""

    @property
    def has_wheels(self) -> bool:
        """Whether nothing had to be built, as of the date or as of now."""
        return self.step.startswith((f"{AS_OF}, {WHEELS}", f"{LATEST}, {WHEELS}"))


AS_OF, LATEST, WITHOUT = "as of the date", "latest", "without the date"

WHEELS, BUILDS = "wheels only", "building source distributions"


def read_resolution(lock: str, spec: EnvironmentSpec, step: str) -> Resolution:
    """Return the resolution that uv wrote as a lock file (PEP 751)."""
    packages = tomllib.loads(lock).get("packages", [])
    found = sorted(map(_read_package, packages), key=lambda package: str(package.distribution))
    found = _only_known(found, spec.hashes)
    return Resolution(
        # Without addresses, because a wheel with the same hashes is the same wherever it comes from.
        digest=codec.digest(spec.interpreter, [f"{p.distribution}{p.hashes}" for p in found]),
        pins=tuple(f"{package.requirement}{package.hashes}" for package in found),
        exclude_newer=spec.exclude_newer,
        exclude_newer_package=spec.exclude_newer_package,
        distributions=tuple(package.distribution for package in found),
        step=step,
        sdists=tuple(package.sdist for package in found if package.sdist),
    )


class _Package(Struct, frozen=True, kw_only=True):
    distribution: Distribution
    requirement: str
    """The requirement without its hashes."""
    hashes: str
    """Hashes as options of a requirements file."""
    sdist: Sdist | None = None
    """The source distribution to build for it, or None."""


def _read_package(package: dict[str, Any]) -> _Package:
    name = canonicalize_name(package["name"])
    archive = package.get("archive")
    address = _address(archive) if archive else ""
    version = _version_of(address) if archive else str(package.get("version", ""))
    distribution = Distribution(name=name, version=version)
    files = (*package.get("wheels", ()), *filter(None, [package.get("sdist"), archive]))
    hashes = sorted(f" --hash={kind}:{value}" for file in files for kind, value in file["hashes"].items())
    requirement = f"{name} @ {address}" if archive else str(distribution)
    source = package.get("sdist")
    sdist = None
    if source and not archive and not package.get("wheels"):
        of_source = tuple(sorted(f"{kind}:{value}" for kind, value in source["hashes"].items()))
        sdist = Sdist(name=name, version=version, hashes=of_source)
    return _Package(distribution=distribution, requirement=requirement, hashes="".join(hashes), sdist=sdist)


def _only_known(packages: list[_Package], hashes: tuple[str, ...]) -> list[_Package]:
    """Return the packages with only those files of which the user has given the hashes, if any of a release.

    Raises:
        Unresolvable: none of a release's files has one of the hashes that the user has given.
    """
    known = {release: set(values) for release, *values in map(str.split, hashes)}
    kept = []
    for package in packages:
        wanted = known.get(str(package.distribution))
        if wanted is None:
            kept.append(package)
            continue
        found = [option for option in package.hashes.split() if option.partition("=")[2] in wanted]
        if not found:
            raise Unresolvable(f"no file of {package.distribution} has a hash that the requirements give")
        kept.append(replace(package, hashes="".join(f" {option}" for option in found)))
    return kept


def _address(archive: dict[str, Any]) -> str:
    """Return the address of a file that was required by address or path."""
    return str(archive.get("url") or Path(archive["path"]).absolute().as_uri())


def _version_of(address: str) -> str:
    """Return the version in a wheel's file name."""
    return str(parse_wheel_filename(Path(unquote(urlsplit(address).path)).name)[1])

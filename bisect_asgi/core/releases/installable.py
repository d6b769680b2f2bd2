"""Which files of a release an interpreter can install, and why it can install none."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from bisect_asgi.core.model import Interpreter, Release, ReleaseFile
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import listing

SDIST_SUFFIXES = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")


class TargetPython(Struct, frozen=True, kw_only=True):
    """An interpreter with the tags of the wheels that it can install."""

    interpreter: Interpreter
    tags: frozenset[Tag]


def unusable(release: Release, target: TargetPython) -> str | None:
    """Return why this interpreter cannot install any file of `release`, or None if it can."""
    installable = [file for file in release.files if _is_wheel(file) or _is_sdist(file)]
    if not installable:
        kinds = sorted({"." + file.filename.rpartition(".")[2] for file in release.files})
        return f"no wheel and no sdist (only {listing(kinds)})" if kinds else "no files"
    version = target.interpreter.version
    admitted = [file for file in installable if _admits(file.requires_python, version)]
    if not admitted:
        requirement = listing(sorted({file.requires_python or "" for file in installable}))
        return f"requires Python {requirement}, not {target.interpreter.short}"
    # Parsing the names of wheels takes long, and most releases have an sdist as well.
    if any(map(_is_sdist, admitted)) or any(_fits(file, target.tags) for file in admitted):
        return None
    return f"no wheel for Python {target.interpreter.short} on this platform, and no sdist"


def available_since(release: Release, target: TargetPython) -> datetime | None:
    """Return when the first file was uploaded that this interpreter can install.

    Only wheels count, if there is one that fits. Return None if there is no file, or no upload time.
    """
    version = target.interpreter.version
    admitted = [file for file in release.files if _admits(file.requires_python, version)]
    wheels = [file for file in admitted if _is_wheel(file) and _fits(file, target.tags)]
    files = wheels or [file for file in admitted if _is_sdist(file)]
    return min((file.uploaded for file in files if file.uploaded), default=None)


def has_wheel(release: Release, target: TargetPython | None = None) -> bool:
    """Return whether the release has a wheel for this interpreter or, without `target`, any wheel."""
    wheels = [file for file in release.files if _is_wheel(file)]
    if target is None:
        return bool(wheels)
    version = target.interpreter.version
    return any(_admits(file.requires_python, version) and _fits(file, target.tags) for file in wheels)


def _is_wheel(file: ReleaseFile) -> bool:
    return file.filename.endswith(".whl")


def _is_sdist(file: ReleaseFile) -> bool:
    return file.filename.endswith(SDIST_SUFFIXES)


def _fits(file: ReleaseFile, tags: frozenset[Tag]) -> bool:
    return not tags.isdisjoint(_tags(file.filename))


@lru_cache(maxsize=16384)
def _tags(wheel: str) -> frozenset[Tag]:
    """Return the tags of a wheel, cached for further Pythons; none if its name is invalid."""
    try:
        return parse_wheel_filename(wheel)[3]
    except InvalidWheelFilename:
        return frozenset()


@lru_cache(maxsize=1024)
def _admits(requires_python: str | None, version: str) -> bool:
    """Return whether `Requires-Python` admits the version. As in pip, an invalid one admits all."""
    if not requires_python:
        return True
    try:
        # As in pip, a release candidate of Python counts as the release.
        return SpecifierSet(requires_python).contains(Version(version).base_version)
    except InvalidSpecifier:
        return True

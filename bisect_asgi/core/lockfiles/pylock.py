"""Read `pylock.toml`, the standard lock file (PEP 751)."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.pylock import Package, Pylock, PylockValidationError

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.lockfiles.lock import Content, not_as_expected, passed_over, pin
from bisect_asgi.core.releases.interpreters import not_a_marker


def read(document: Mapping[str, object], environment: Mapping[str, str], *, file: str) -> Content:
    """Return the packages whose markers hold with all extras and dependency groups of the file.

    Raises:
        UsageError: the file has another major version of the format, or violates it.
    """
    version = str(document.get("lock-version"))
    if version.split(".")[0] != "1":
        raise UsageError(
            f"`{file}` is of version {version} of its format; 1 is understood",
            hint="export the lock file as requirements.txt",
        )
    try:
        # packaging logs a warning about later minor versions. They may be read as 1.0.
        lock = Pylock.from_dict({**document, "lock-version": "1.0"})
    except PylockValidationError as error:
        # For a marker, further lines of the message point at the character that is wrong.
        complaint = error.message.partition("\n")[0]
        raise not_as_expected(file, f"{complaint} in `{error.context}`") from error
    chosen = [package for package in lock.packages if _is_chosen(package, lock, environment, file)]
    return Content(
        pins=tuple(
            pin(each.name, str(each.version or ""), file=file) for each in chosen if not _origin(each)
        ),
        passed_over=tuple(passed_over(each.name, origin) for each in chosen if (origin := _origin(each))),
        requires_python=str(lock.requires_python) if lock.requires_python is not None else None,
    )


# `Pylock.select` rejects an interpreter that `requires-python` excludes, and a package without a file for
# this platform. Here both are valid: the interpreter is chosen after reading, and the index has more files.
def _is_chosen(package: Package, lock: Pylock, environment: Mapping[str, str], file: str) -> bool:
    if package.marker is None:
        return True
    chosen = {
        "extras": frozenset(lock.extras or ()),
        "dependency_groups": frozenset((*(lock.dependency_groups or ()), *(lock.default_groups or ()))),
    }
    try:
        return package.marker.evaluate({**environment, **chosen}, "lock_file")
    except (UndefinedComparison, UndefinedEnvironmentName) as error:
        raise not_a_marker(str(package.marker), file) from error


def _origin(package: Package) -> str | None:
    return next((origin for origin in ("vcs", "directory", "archive") if getattr(package, origin)), None)

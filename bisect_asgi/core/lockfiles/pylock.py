"""The lock file that is no tool's own: `pylock.toml` (PEP 751)."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.pylock import Package, Pylock, PylockValidationError

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.lockfiles.lock import Content, not_as_expected, passed_over, pin
from bisect_asgi.core.markers import not_a_marker


def read(document: Mapping[str, object], environment: Mapping[str, str], *, file: str) -> Content:
    """Read the packages whose markers hold with all extras and dependency groups of the file.

    Raises:
        UsageError: the file is of another major version of the format, or not as that demands.
    """
    version = str(document.get("lock-version"))
    if version.split(".")[0] != "1":
        raise UsageError(
            f"`{file}` is of version {version} of its format; 1 is understood",
            hint="export the lock as requirements.txt",
        )
    try:
        # packaging logs a warning about minor versions, which may be read as if they were 1.0.
        lock = Pylock.from_dict({**document, "lock-version": "1.0"})
    except PylockValidationError as error:
        # Of a marker, the message goes on with a drawing of where in it the fault is.
        complaint = error.message.partition("\n")[0]
        raise not_as_expected(file, f"{complaint} in `{error.context}`") from error
    chosen = [package for package in lock.packages if _is_chosen(package, lock, environment, file)]
    return Content(
        pins=tuple(pin(p.name, str(p.version or ""), file=file) for p in chosen if not _origin(p)),
        passed_over=tuple(passed_over(p.name, origin) for p in chosen if (origin := _origin(p))),
        requires_python=str(lock.requires_python) if lock.requires_python is not None else None,
    )


# Not `Pylock.select`: it refuses an interpreter that `requires-python` excludes, and a package without a file
# for this platform. Neither is a fault here: reading tells which interpreter suits, and the index has more.
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

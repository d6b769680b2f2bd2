"""Read Pipenv's lock, `Pipfile.lock`, with all its categories, including `develop`.

Its markers include the Python versions that the distributions require. On an interpreter older than that of
the lock, few distributions remain. Those that are left out are therefore listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypedDict

from packaging.utils import canonicalize_name

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.lockfiles.lock import Content, PassedOver, is_elsewhere, passed_over, pin, shaped
from bisect_asgi.core.model import Distribution
from bisect_asgi.core.releases.interpreters import holds


class _Meta(TypedDict, total=False):
    requires: dict[str, str]


_Entry = dict[str, object]


def read(document: Mapping[str, object], environment: Mapping[str, str], *, file: str) -> Content:
    """Return the entries of all categories whose markers hold.

    Raises:
        UsageError: an entry is not pinned, or not as expected.
    """
    meta = shaped(document["_meta"], _Meta, file=file)
    entries = list(_entries(document, environment, file))
    return Content(
        pins=tuple(entry for entry in entries if isinstance(entry, Distribution)),
        passed_over=tuple(entry for entry in entries if isinstance(entry, PassedOver)),
        requires_python=_requires_python(meta.get("requires", {})),
    )


def _entries(
    document: Mapping[str, object], environment: Mapping[str, str], file: str
) -> Iterator[Distribution | PassedOver]:
    categories = {key: value for key, value in document.items() if key != "_meta"}
    for category in shaped(categories, dict[str, dict[str, _Entry]], file=file).values():
        for name, entry in category.items():
            marker = shaped(entry.get("markers", ""), str, file=file)
            origin = next((key for key in entry if is_elsewhere(key)), None)
            if not holds(marker, environment, file=file):
                yield PassedOver(name=canonicalize_name(name), reason=f"`{marker}` does not hold here")
            elif origin:
                yield passed_over(canonicalize_name(name), origin)
            else:
                yield pin(name, _version(name, entry, file), file=file)


def _version(name: str, entry: _Entry, file: str) -> str:
    version = shaped(entry.get("version", "*"), str, file=file)
    if not version.startswith("==") or "*" in version:
        raise UsageError(
            f"`{name}` is not pinned in `{file}`: `{version}`", hint="`pipenv lock` pins everything"
        )
    return version.lstrip("=").strip()


def _requires_python(requires: Mapping[str, str]) -> str | None:
    if "python_full_version" in requires:
        return f"=={requires['python_full_version']}"
    return f"=={requires['python_version']}.*" if "python_version" in requires else None

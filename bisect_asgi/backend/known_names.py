"""Find packages that this machine knows: near one that no index has, and those that provide a module.

An index can only list all of its names at once, and that list is too large to request. The packages that this
machine has used before are more likely to be meant anyway.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

from packaging.utils import canonicalize_name

_OF_A_PAGE = re.compile(rb'"project":"([A-Za-z0-9._-]+)"')
_HEAD_BYTES = 512
_MOST = 3


def near_names(name: str, pages: Path) -> list[str]:
    """Return the known names that are spelled nearly as `name`, the nearest first.

    Args:
        name: the normalized name that no index has.
        pages: the directory of cached pages.
    """
    known = {*_of_pages(pages), *_of_uv(), *_installed()} - {name}
    return difflib.get_close_matches(name, sorted(known), n=_MOST, cutoff=0.75)


def providers(module: str) -> list[str]:
    """Return the normalized names of the packages that provide a module, as far as this machine has them.

    uv keeps the files of each wheel that it has installed for any command of this user.
    """
    files = (module, f"{module}.py", f"{module}.*.so")
    found = {
        canonicalize_name(record.name.split("-")[0])
        for name in files
        for path in _uv_cache().glob(f"archive-v*/*/{name}")
        for record in path.parent.glob("*.dist-info")
    }
    return sorted({*found, *map(canonicalize_name, packages_distributions().get(module, ()))})


def _uv_cache() -> Path:
    """Return the directory of uv's cache."""
    if cache := os.environ.get("UV_CACHE_DIR"):
        return Path(cache)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "uv"


def _of_pages(folder: Path) -> Iterator[str]:
    """Yield the projects whose parsed pages are cached; their names are in the first bytes."""
    for path in folder.glob("*.json"):
        with suppress(OSError), path.open("rb") as file:
            if found := _OF_A_PAGE.search(file.read(_HEAD_BYTES)):
                yield found[1].decode()


def _of_uv() -> Iterator[str]:
    """Yield the projects whose pages uv has cached for any command of this user."""
    return (path.stem for path in _uv_cache().glob("simple-*/**/*.rkyv"))


def _installed() -> Iterable[str]:
    """Return the distributions that are installed together with this tool."""
    return (canonicalize_name(each.name) for each in distributions() if each.name)

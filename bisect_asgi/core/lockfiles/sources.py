"""Find the projects in a lock file that are not releases of an index: directories, files and commits.

Each is a requirement that names such a project, with a path relative to the directory of the lock file.
`Lock.passed_over` shows which of them an interpreter does not get: it has them by the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from packaging.utils import canonicalize_name

from bisect_asgi.core import codec
from bisect_asgi.core.lockfiles import requirements

_FOLDERS = ("editable", "directory", "path")
"""Kinds of a source in `uv.lock` that are on this machine; a `virtual` one is not installed by uv."""


def sources(text: str) -> dict[str, str]:
    """Return the requirements of such projects by their names in `Lock.passed_over`.

    A file that cannot be read has none; `read_lock` says what is wrong with it.
    """
    try:
        document = codec.from_toml(text.removeprefix("\ufeff"))
    except codec.Unreadable:
        return dict(requirements.addresses(text))
    if not document:
        return dict(requirements.addresses(text))
    packages = document.get("package", document.get("packages"))
    tables = [each for each in packages if isinstance(each, dict)] if isinstance(packages, list) else []
    read = _of_pylock if "lock-version" in document else _of_uv_or_poetry
    found = ((canonicalize_name(str(each.get("name"))), read(each)) for each in tables)
    return {name: f"{name} @ {where}" for name, where in found if where}


def _of_uv_or_poetry(package: Mapping[str, object]) -> str:
    source = package.get("source")
    table = source if isinstance(source, dict) else {}
    if isinstance(kind := table.get("type"), str):  # poetry's
        url, subdirectory = str(table.get("url", "")), str(table.get("subdirectory", ""))
        if kind == "git":
            return _git(url, str(table.get("resolved_reference", "")), subdirectory)
        return _place(url) if kind in ("directory", "file") else ""
    for kind in _FOLDERS:
        if isinstance(path := table.get(kind), str):
            return _place(path)
    if isinstance(address := table.get("git"), str):
        parts = urlsplit(address)
        said = dict(part.partition("=")[::2] for part in parts.query.split("&"))
        url = parts._replace(query="", fragment="").geturl()
        return _git(url, parts.fragment, said.get("subdirectory", ""))
    return ""


def _of_pylock(package: Mapping[str, object]) -> str:
    for key in ("directory", "archive"):
        table = package.get(key)
        if isinstance(table, dict) and isinstance(table.get("path"), str):
            return _place(str(PurePosixPath(table["path"], str(table.get("subdirectory") or ""))))
    vcs = package.get("vcs")
    if isinstance(vcs, dict) and vcs.get("type") == "git":
        url = str(vcs.get("url") or vcs.get("path") or "")
        return _git(url, str(vcs.get("commit-id", "")), str(vcs.get("subdirectory") or ""))
    return ""


def _place(path: str) -> str:
    """Return a path as an address that does not look like a name."""
    return quote(path if path.startswith(("/", ".")) else f"./{path}")


def _git(url: str, commit: str, subdirectory: str) -> str:
    if "://" not in url:
        return ""
    below = f"#subdirectory={subdirectory}" if subdirectory else ""
    return f"git+{url}@{commit}{below}"

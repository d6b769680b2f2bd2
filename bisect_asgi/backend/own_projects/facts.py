"""Read what the files of a project say of it: nothing of the project is run for that."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from packaging.utils import canonicalize_name

from bisect_asgi.core import codec
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.own_projects import (
    name_in,
    static_facts,
    uv_sources,
)
from bisect_asgi.core.records import Struct

NAMING = ("pyproject.toml", "setup.cfg", "setup.py")
"""The files that say the name of a project."""


class Facts(Struct, frozen=True, kw_only=True):
    """The facts in a project's files, without running them."""

    name: str = ""
    requires_python: str = ""
    has_version: bool = False


def sources_of(document: Mapping[str, object], required: Sequence[str], folder: Path) -> dict[str, str]:
    """Return what `[tool.uv.sources]` of a `pyproject.toml` in `folder` says; see `uv_sources`."""
    tool = document.get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    return (
        uv_sources(document, required, members_of(folder)) if isinstance(uv, dict) and "sources" in uv else {}
    )


def members_of(folder: Path) -> dict[str, str]:
    """Return the directories of the uv workspace that a project is in, by the names of its projects."""
    for root in (folder.absolute(), *folder.absolute().parents):
        value: object = _pyproject(root)
        for key in ("tool", "uv", "workspace", "members"):
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, list):
            places = [root, *(place for pattern in value for place in sorted(root.glob(str(pattern))))]
            return {name: str(place) for place in places if (name := name_in(_pyproject(place)))}
    return {}


def _pyproject(folder: Path) -> Mapping[str, object]:
    """Return what is in a directory's `pyproject.toml`; nothing if it cannot be read."""
    with suppress(OSError, codec.Unreadable):
        return codec.from_toml((folder / "pyproject.toml").read_text("utf-8", "replace"))
    return {}


def document_of(text: str | None, folder: Path) -> Mapping[str, object]:
    """Return what the text of a `pyproject.toml` says; nothing without a text.

    Raises:
        UsageError: it is no TOML.
    """
    try:
        return codec.from_toml(text or "")
    except codec.Unreadable as error:
        raise UsageError(
            f"`{folder / 'pyproject.toml'}` is no valid TOML: {error}", hint="mend it, and run this again"
        ) from error


def is_package(document: Mapping[str, object], texts: Mapping[str, str], files: Sequence[str]) -> bool:
    """Return whether a directory is a package for uv: it names a build system, or is laid out for one."""
    tool = document.get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    said = uv.get("package") if isinstance(uv, dict) else None
    if isinstance(said, bool):
        return said
    is_laid_out = any(name.startswith("src/") for name in files)
    return "build-system" in document or "setup.py" in texts or "setup.cfg" in texts or is_laid_out


def facts_of(texts: Mapping[str, str], document: Mapping[str, object]) -> Facts:
    """Return what `pyproject.toml`, `setup.cfg` and `setup.py` say, the first that says it."""
    project = static_facts(document)
    config = configparser.ConfigParser(interpolation=None)
    with suppress(configparser.Error):
        config.read_string(texts.get("setup.cfg", ""))
    called = _setup_arguments(texts.get("setup.py", ""))
    tool = document.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    versions = (
        project.get("version"),
        poetry.get("version") if isinstance(poetry, dict) and poetry.get("version") != "0.0.0" else None,
        called.get("version"),
    )
    name = name_in(document) or config.get("metadata", "name", fallback="") or called.get("name", "")
    python = project.get("requires-python")
    return Facts(
        name=canonicalize_name(name),
        requires_python=str(python or "")
        or config.get("options", "python_requires", fallback="")
        or called.get("python_requires", ""),
        has_version=any(versions),
    )


def _setup_arguments(source: str) -> dict[str, str]:
    """Return the arguments of `setup()` that are plain texts."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return {}
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "setup":
            for keyword in node.keywords:
                if keyword.arg and isinstance(keyword.value, ast.Constant):
                    found[keyword.arg] = str(keyword.value.value)
    return found

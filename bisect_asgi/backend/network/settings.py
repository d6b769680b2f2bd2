"""Read uv's settings that uv does not print: those of its configuration files, and its switches.

uv merges the files of the project, the user and the system; an earlier one wins. Their `[pip]` tables win
over the rest, because this tool runs `uv pip`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from bisect_asgi.core import codec

T = TypeVar("T")

_ON = ("1", "true", "t", "yes", "y", "on")


def is_on(name: str) -> bool:
    """Return whether a variable of this process is a switch that is on."""
    return os.environ.get(name, "").lower() in _ON


class Settings:
    """The settings of all files, and the directory of the file that each is from."""

    def __init__(self) -> None:
        files = [(path.parent, table) for path in _files() if (table := _table(path))]
        own = [(folder, table["pip"]) for folder, table in files if isinstance(table.get("pip"), dict)]
        self._tables: list[tuple[Path, dict[str, Any]]] = [*own, *files]

    def first(self, name: str, kind: type[T]) -> T | None:
        """Return the value that wins, or None if no file has one of this type."""
        return next((value for _, value in self._all(name) if isinstance(value, kind)), None)

    def every(self, name: str) -> Iterator[tuple[Path, Any]]:
        """Yield each item of a setting that is a list, with the directory of its file."""
        for folder, value in self._all(name):
            yield from ((folder, item) for item in (value if isinstance(value, list) else [value]))

    def is_on(self, *names: str) -> bool:
        """Return whether the variable of a switch, or else the setting of this name, is on."""
        for name in names:
            variable = "UV_" + name.upper().replace("-", "_")
            if variable in os.environ:
                return is_on(variable)
        return any(self.first(name, bool) for name in names)

    def _all(self, name: str) -> Iterator[tuple[Path, Any]]:
        yield from ((folder, table[name]) for folder, table in self._tables if name in table)


def _files() -> Iterator[Path]:
    """Yield the files in the order in which they count."""
    if named := os.environ.get("UV_CONFIG_FILE"):
        yield Path(named).absolute()
        return
    if is_on("UV_NO_CONFIG"):
        return
    here = Path.cwd()
    yield from next(filter(None, map(_of_a_project, (here, *here.parents))), ())
    with suppress(RuntimeError):  # raised if this user has no home
        home = os.environ.get("XDG_CONFIG_HOME")
        yield (Path(home) if home else Path.home() / ".config") / "uv" / "uv.toml"
    machine = os.environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep)
    places = [*(Path(folder) for folder in machine if folder), Path("/etc")]
    yield from [path for folder in places if (path := folder / "uv" / "uv.toml").is_file()][:1]


def _of_a_project(folder: Path) -> tuple[Path, ...]:
    """Return the file of a project's directory, or nothing."""
    paths = (folder / "uv.toml", folder / "pyproject.toml")
    return tuple(path for path in paths if path.is_file() and _table(path) is not None)[:1]


def _table(path: Path) -> dict[str, Any] | None:
    """Return the settings in a file, or None if it has none. What is wrong with it, uv says."""
    try:
        table: dict[str, Any] = codec.from_toml(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if path.name != "pyproject.toml":
        return table
    tool = table.get("tool")
    own = tool.get("uv") if isinstance(tool, dict) else None
    return own if isinstance(own, dict) else None

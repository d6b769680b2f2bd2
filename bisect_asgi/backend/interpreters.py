"""The Python interpreters of this machine, those of pyenv included, as virtualenv finds them."""

from __future__ import annotations

import json
import logging
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from packaging import tags
from packaging.version import Version

from bisect_asgi.backend.files import once_each, write_whole
from bisect_asgi.backend.network.configured import binary
from bisect_asgi.core import codec
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Interpreter
from bisect_asgi.core.plan.parsing import names_several
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.installable import TargetPython
from bisect_asgi.core.text import listing

OLDEST = (3, 6)
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")


class LocalInterpreters:
    """The Pythons of this machine; each is examined at most once in a command.

    Args:
        cache: the directory that caches the facts about each interpreter.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._find_all = once_each(find_all)
        self._find = once_each(partial(find, cache=cache))

    def find_all(self) -> tuple[TargetPython, ...]:
        """Return every CPython from 3.6 on, one for each version."""
        return self._find_all(self._cache)

    def find(self, wish: str) -> TargetPython:
        """Return the interpreter that the user named by version or path; raises as `find`."""
        return self._find(wish)

    def target(self, interpreter: Interpreter) -> TargetPython:
        """Return the interpreter with the tags of the files that it can install."""
        return target_python(interpreter)

    def downloadable(self) -> tuple[TargetPython, ...]:
        """Return the interpreters that uv could download; they have no path yet."""
        return downloadable()


def find_all(cache: Path) -> tuple[TargetPython, ...]:
    """Return every CPython from 3.6 on, one for each version; milliseconds once `cache` knows them."""
    from python_discovery import DiskCache, iter_interpreters

    logging.getLogger("python_discovery").setLevel(logging.CRITICAL)  # it warns of each broken one
    found: dict[str, Interpreter] = {}
    with suppress(PermissionError):  # raised for an unreadable directory; those found before it count
        for info in iter_interpreters(cache=DiskCache(cache), env=_search_environment(os.environ)):
            interpreter = _interpreter(info)
            if interpreter.implementation == "CPython" and interpreter.minor >= OLDEST:
                found.setdefault(interpreter.version, interpreter)
    return tuple(target_python(interpreter) for interpreter in found.values())


def find(wish: str, cache: Path) -> TargetPython:
    """Return the interpreter that the user names by version or path.

    Raises:
        UsageError: there is none, it is older than 3.6, or several are named.
    """
    if names_several(wish):
        raise UsageError(
            f"`--python {wish}` names several Pythons", hint="pass one; only a search runs on several"
        )
    interpreter = _found_before(wish, cache) or _discover(wish, cache)
    if interpreter is None and _is_too_old(wish):
        raise UsageError(f"Python {wish} is too old (`--python`)", hint="pass Python 3.6 or newer")
    if interpreter is None:
        have = listing(sorted({u.interpreter.short for u in find_all(cache)}, key=by_number), most=99)
        raise UsageError(
            f"there is no Python `{wish}` on this machine (`--python`)",
            hint=f"pass one of {have}{_download_offer(wish)}",
        )
    if interpreter.minor < OLDEST:
        raise UsageError(
            f"Python {interpreter.version} is too old (`--python`)", hint="pass Python 3.6 or newer"
        )
    return target_python(interpreter)


def _is_too_old(wish: str) -> bool:
    """Return whether a wish is a version before the oldest one on which probes run."""
    parts = wish.split(".")[:2]
    return all(map(str.isdecimal, parts)) and tuple(map(int, parts)) < OLDEST[: len(parts)]


class _Found(Struct, frozen=True, kw_only=True):
    """The interpreter that was found for a wish, and what its file was then."""

    interpreter: Interpreter
    file: tuple[int, int]


def _found_before(wish: str, cache: Path) -> Interpreter | None:
    """Return the interpreter that an earlier command found, if there is nothing new where it looked."""
    kept = _kept(wish, cache)
    if kept is None:
        return None
    try:
        found = codec.from_json(kept.read_bytes(), _Found)
        return found.interpreter if _state(found.interpreter.path) == found.file else None
    except (OSError, codec.Unreadable):
        return None


def _discover(wish: str, cache: Path) -> Interpreter | None:
    """Look for the interpreter on the machine, and keep what is found for later commands."""
    info = _ask_all(wish, cache, first=_named(wish))
    if info is None:
        return None
    interpreter = _interpreter(info)
    kept = _kept(wish, cache)
    # A program that only starts another interpreter, as a shim does, may start a different one the next time.
    is_itself = os.sep not in wish or os.path.realpath(wish) == os.path.realpath(interpreter.path)
    with suppress(OSError):  # without the cached answer, the next command searches again
        if kept is not None and is_itself:
            found = _Found(interpreter=interpreter, file=_state(interpreter.path))
            write_whole(kept, codec.to_json(found))
    return interpreter


def _ask_all(wish: str, cache: Path, *, first: Sequence[str] = ()) -> object | None:
    """Return what is known of the first interpreter that is as wished; `first` are asked first of all."""
    from python_discovery import DiskCache, get_interpreter

    logging.getLogger("python_discovery").setLevel(logging.CRITICAL)
    try:
        return get_interpreter(
            wish, try_first_with=first, cache=DiskCache(cache), env=_search_environment(os.environ)
        )
    except RuntimeError:  # the file exists, but is no working Python
        return _ask_all(wish, cache) if first else None


def _named(wish: str) -> list[str]:
    """Return the programs on the path that are named for the version.

    Running an interpreter to get its version takes as long as many a probe. So programs that are only called
    `python3` come last. The version of this command's own Python is known without that.
    """
    if not _VERSION.fullmatch(wish) or f"{platform.python_version()}.".startswith(f"{wish}."):
        return []
    name = "python" + ".".join(wish.split(".")[:2])
    folders = _search_environment(os.environ)["PATH"].split(os.pathsep)
    # A version manager's shim runs the version that the current directory asks for, so shims are left out
    # here. The interpreters themselves are found by the discovery.
    found = (os.path.join(folder, name) for folder in folders if not _has_shims(folder))
    return [path for path in found if os.path.isabs(path) and os.access(path, os.X_OK)]


def _kept(wish: str, cache: Path) -> Path | None:
    """Return the file that caches the result for a path, or for a version with the current PATH.

    None for other wishes, and if PATH has a version manager's shims, which depend on the current directory.
    """
    if os.sep in wish:
        return cache / f"found-{codec.digest('path', os.path.abspath(wish), os.path.realpath(wish))}.json"
    folders = _search_environment(os.environ)["PATH"].split(os.pathsep)
    if not _VERSION.fullmatch(wish) or any(map(_has_shims, folders)):
        return None
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    uvs = os.environ.get("UV_PYTHON_INSTALL_DIR") or str(Path(data, "uv", "python"))
    looked_at = [(folder, _state(folder)[0]) for folder in (*folders, uvs) if os.path.exists(folder)]
    return cache / f"found-{codec.digest(wish, sys.executable, platform.python_version(), looked_at)}.json"


def _has_shims(folder: str) -> bool:
    return os.path.basename(folder) == "shims" and any(Path(folder).glob("python*"))


def _state(path: str) -> tuple[int, int]:
    """Return a file's time of change and its size.

    Raises:
        OSError: the file does not exist or cannot be read.
    """
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size


def target_python(interpreter: Interpreter) -> TargetPython:
    """Return the interpreter with the tags of the files that it can install on this machine."""
    minor = interpreter.minor
    short = f"cp{minor[0]}{minor[1]}"
    abi = f"{short}m" if minor < (3, 8) else short  # m: with pymalloc, in the name until 3.7
    platforms = list(tags.platform_tags())
    return TargetPython(
        interpreter=interpreter,
        tags=frozenset(
            (
                *tags.cpython_tags(minor, abis=[abi], platforms=platforms),
                *tags.compatible_tags(minor, interpreter=short, platforms=platforms),
            )
        ),
    )


def _interpreter(info: object) -> Interpreter:
    version = info.version_info  # type: ignore[attr-defined]
    return Interpreter(
        path=str(info.system_executable),  # type: ignore[attr-defined]
        version=f"{version.major}.{version.minor}.{version.micro}",
        implementation=str(info.implementation),  # type: ignore[attr-defined]
    )


def _search_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the user's variables, with pyenv's real interpreters on the path in place of its shims.

    A shim runs only the version that the current directory asks for, and fails for all others.
    """
    root = Path(environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    path = [
        entry for entry in environ.get("PATH", os.defpath).split(os.pathsep) if entry != str(root / "shims")
    ]
    path += [str(folder) for folder in sorted(root.glob("versions/*/bin"))]
    return {
        **environ,
        "PATH": os.pathsep.join(entry for entry in path if os.access(entry, os.R_OK | os.X_OK)),
    }


def downloadable() -> tuple[TargetPython, ...]:
    """Return every CPython, from 3.6 on, that uv could download; they have no path yet."""
    asked = subprocess.run(
        [binary(), "python", "list", "--only-downloads", "--output-format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    offered = json.loads(asked.stdout or "[]")
    versions = {
        entry["version"]
        for entry in offered
        if entry["implementation"] == "cpython" and entry["variant"] == "default"
    }
    final = (version for version in versions if not Version(version).is_prerelease)
    return tuple(target_python(Interpreter(path=f"cpython-{version}", version=version)) for version in final)


def _download_offer(wish: str) -> str:
    """Return the end of a hint with the command that installs it, or "" if uv cannot download it."""
    offered = {name for u in downloadable() for name in (u.interpreter.version, u.interpreter.short)}
    return f"; uv can get it: `uv python install {wish}`" if wish in offered else ""


def by_number(version: str) -> tuple[int, ...]:
    """Return the key by which versions such as `3.8` or `3.8.18` are sorted."""
    return tuple(int(part) for part in version.split("."))

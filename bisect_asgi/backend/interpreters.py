"""The Python interpreters of this machine, those of pyenv included, as virtualenv finds them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from packaging import tags
from packaging.version import Version

from bisect_asgi.backend import uv
from bisect_asgi.backend.files import once_each
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Interpreter
from bisect_asgi.core.plan.parsing import names_several
from bisect_asgi.core.releases import TargetPython
from bisect_asgi.core.text import listing

OLDEST = (3, 6)


class LocalInterpreters:
    """The Pythons of this machine, each question asked once for a command.

    Args:
        cache: the folder that keeps what is known of each interpreter.
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
    with suppress(PermissionError):  # one is in a folder of somebody else's: those before it are known
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
    from python_discovery import DiskCache, get_interpreter

    logging.getLogger("python_discovery").setLevel(logging.CRITICAL)
    try:
        info = get_interpreter(wish, cache=DiskCache(cache), env=_search_environment(os.environ))
    except RuntimeError:  # it is there, and no Python that can be asked
        info = None
    if info is None:
        have = listing(sorted({u.interpreter.short for u in find_all(cache)}, key=by_number), most=99)
        raise UsageError(
            f"there is no Python `{wish}` on this machine (`--python`)",
            hint=f"there are {have}{_download_offer(wish)}",
        )
    interpreter = _interpreter(info)
    if interpreter.minor < OLDEST:
        raise UsageError(
            f"Python {interpreter.version} is too old", hint="probes run on Python 3.6 and newer"
        )
    return target_python(interpreter)


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

    A shim runs whichever version the current folder asks for, and fails for all others.
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
        [uv.binary(), "python", "list", "--only-downloads", "--output-format", "json"],
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

"""Read which distributions a lock file installs on one interpreter, with exact versions.

The kind of a file is recognized by its content, then by its name. A file of another kind is named in the
error, because the commonest mistake is to pass the file with the ranges (`pyproject.toml`, `requirements.in`)
in place of the one with the pins.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from pathlib import PurePath

from bisect_asgi.core import codec
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.lockfiles import pipfile, poetry, pylock, requirements, uv
from bisect_asgi.core.lockfiles.lock import Lock, LockKind, PassedOver, settle
from bisect_asgi.core.releases.interpreters import marker_environment

__all__ = ["Lock", "LockKind", "PassedOver", "decode", "marker_environment", "read_lock"]


_UNDERSTOOD = (
    "understood are requirements with pins (`pip freeze`, pip-compile, exports), `uv.lock`, `poetry.lock`, "
    "`pylock.toml` and `Pipfile.lock`"
)
_READERS = {
    LockKind.UV: uv.read,
    LockKind.POETRY: poetry.read,
    LockKind.PYLOCK: pylock.read,
    LockKind.PIPFILE: pipfile.read,
}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONDA = re.compile(r"(?m)^(@EXPLICIT|# .*conda create|channels:|dependencies:|\w[\w.-]*=[^=\s]+=\S+)")
_PIP_LIST = re.compile(r"(?m)^Package +Version\b.*\n-+ -+")
_MERGE = re.compile(r"(?m)^(<<<<<<< |>>>>>>> )")


def decode(content: bytes, *, name: str) -> str:
    """Return the text of a file in UTF-8, in UTF-16 (which PowerShell's `>` writes), or else in Latin-1.

    Raises:
        UsageError: the file is not text.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    if content[1:2] == b"\0" and b"\0" not in content[::2]:
        return content.decode("utf-16-le", "replace")
    if b"\0" in content:
        raise UsageError(f"`{name}` is no text", hint=_UNDERSTOOD)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        # Names and versions are ASCII. Only comments and paths have other characters, in an encoding of the
        # machine that wrote the file.
        return content.decode("latin-1")


def read_lock(text: str, *, name: str, environment: Mapping[str, str]) -> Lock:
    """Return what the lock file `name` installs in `environment` (see `marker_environment`).

    Raises:
        UsageError: the file is not a lock, cannot be read, or pins nothing.
    """
    text = text.removeprefix("\ufeff")
    if _MERGE.search(text):
        raise UsageError(
            f"`{name}` has the marks of an unfinished merge", hint="resolve it and write the lock file again"
        )
    document = _document(text, name)
    if not document:
        _check_is_requirements(text, name)
        content = requirements.read(text, environment, file=name)
        return settle(content, kind=LockKind.REQUIREMENTS, file=name)
    kind = _kind(document, name)
    return settle(_READERS[kind](document, environment, file=name), kind=kind, file=name)


def _document(text: str, name: str) -> dict[str, object] | None:
    """Return the content of a TOML or JSON file, or None if it is neither."""
    if text.lstrip().startswith("{"):
        try:
            return codec.from_json(text, dict[str, object])
        except codec.Unreadable as error:
            raise UsageError(f"`{name}` is no valid JSON: {error}", hint=_UNDERSTOOD) from error
    try:
        return codec.from_toml(text)
    except codec.Unreadable as error:
        if name.endswith((".toml", "uv.lock", "poetry.lock", "pdm.lock", ".py.lock")):
            raise UsageError(f"`{name}` is no valid TOML: {error}", hint=_UNDERSTOOD) from error
        return None


def _kind(document: Mapping[str, object], name: str) -> LockKind:
    metadata = document.get("metadata")
    tables = metadata if isinstance(metadata, dict) else {}
    if "_meta" in document and "default" in document:
        return LockKind.PIPFILE
    if "lock-version" in document:
        return LockKind.PYLOCK
    if "lock-version" in tables:
        return LockKind.POETRY
    if "version" in document and "requires-python" in document:
        return LockKind.UV
    raise _not_a_lock(document, tables, name)


def _not_a_lock(document: Mapping[str, object], metadata: Mapping[str, object], name: str) -> UsageError:
    """Return the error that says what the file is instead."""
    if "lock_version" in metadata:
        return UsageError(
            f"`{name}` is PDM's lock file", hint="`pdm export --output requirements.txt` writes its pins"
        )
    if document.keys() & {"project", "build-system", "tool"}:
        return UsageError(
            f"`{name}` says which versions a project allows, not which are installed",
            hint="pass its lock file; `uv lock` or `uv pip compile` make one",
        )
    return UsageError(f"`{name}` is no lock file of Python packages", hint=_UNDERSTOOD)


def _check_is_requirements(text: str, name: str) -> None:
    """Raise UsageError if the text only looks like requirements."""
    if not text.strip():
        raise UsageError(f"`{name}` is empty", hint=_UNDERSTOOD)
    if _PIP_LIST.search(text):
        raise UsageError(f"`{name}` is a table of `pip list`", hint="`pip freeze` writes the same as pins")
    if _CONDA.search(text) or PurePath(name).suffix in (".yml", ".yaml"):
        raise UsageError(
            f"`{name}` is conda's or another tool's list; {_UNDERSTOOD}",
            hint="`python -m pip freeze` in that environment writes its Python distributions as pins",
        )

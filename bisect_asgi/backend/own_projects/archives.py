"""Read and unpack wheels and source distributions of the user's."""

from __future__ import annotations

import email
import tarfile
import zipfile
from pathlib import Path, PurePath

from packaging.utils import canonicalize_name, parse_wheel_filename

from bisect_asgi.backend.own_projects.facts import NAMING, Facts, document_of, facts_of


def facts_of_wheel(path: Path) -> Facts:
    """Return what the name and the metadata of a wheel say."""
    name = parse_wheel_filename(path.name)[0]
    with zipfile.ZipFile(path) as archive:
        inner = next((n for n in archive.namelist() if n.endswith(".dist-info/METADATA")), None)
        text = archive.read(inner).decode("utf-8", "replace") if inner else ""
    return Facts(name=name, requires_python=_header(text, "Requires-Python"), has_version=True)


def _header(text: str, name: str) -> str:
    return str(email.message_from_string(text)[name] or "")


def facts_of_sdist(path: Path) -> Facts:
    """Return what `PKG-INFO` says, or in an archive of a repository the files that it is built from."""
    texts = _top_texts(path)
    if "PKG-INFO" in texts:
        info = texts["PKG-INFO"]
        name = canonicalize_name(_header(info, "Name"))
        return Facts(name=name, requires_python=_header(info, "Requires-Python"), has_version=True)
    return facts_of(texts, document_of(texts.get("pyproject.toml"), path))


def _top_texts(path: Path) -> dict[str, str]:
    """Return the files that say a project's name, in the one directory at the top of an archive."""
    wanted = {"PKG-INFO", *NAMING}
    found = {}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                parts = PurePath(name).parts
                if len(parts) == 2 and parts[1] in wanted:
                    found[parts[1]] = archive.read(name).decode("utf-8", "replace")
        return found
    with tarfile.open(path) as packed:
        for member in packed:
            parts = PurePath(member.name).parts
            inner = packed.extractfile(member) if len(parts) == 2 and parts[1] in wanted else None
            if inner:
                found[parts[1]] = inner.read().decode("utf-8", "replace")
    return found


def unpack(archive: Path, target: Path) -> Path:
    """Unpack an archive into `target`, and return the one directory in it."""
    target.mkdir(parents=True, exist_ok=True)
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(target)  # noqa: S202 (its paths are made safe)
    else:
        with tarfile.open(archive) as packed:
            packed.extractall(target, filter="data")
    inside = [entry for entry in target.iterdir() if entry.is_dir()]
    return inside[0] if len(inside) == 1 else target

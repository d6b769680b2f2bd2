"""Wheels and source distributions of projects that a test makes up, byte for byte the same each time."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Mapping, Sequence

Modules = Mapping[str, str]
"""Source text by path: `{"demo.py": "x = 1", "package/__init__.py": ""}`."""


# It has to run on Python 3.6 and later, because a test may build for an old interpreter.
WORKING_BACKEND = '''\
"""Packs every file beside PKG-INFO into a wheel, with PKG-INFO as its metadata."""
import base64, email, hashlib, os, pathlib, zipfile

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    headers = email.message_from_string(pathlib.Path("PKG-INFO").read_text())
    stem = "%s-%s" % (headers["Name"].replace("-", "_"), headers["Version"])
    info = stem + ".dist-info/"
    files = {info + "METADATA": pathlib.Path("PKG-INFO").read_bytes()}
    tag = b"Root-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[info + "WHEEL"] = b"Wheel-Version: 1.0\\nGenerator: minibuild\\n" + tag
    for path in sorted(pathlib.Path(".").rglob("*")):
        if path.is_file() and path.name not in ("PKG-INFO", "pyproject.toml") and path.suffix != ".pyc":
            files[path.as_posix()] = path.read_bytes()
    record = ""
    with zipfile.ZipFile(os.path.join(wheel_directory, stem + "-py3-none-any.whl"), "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            record += "%s,sha256=%s,%d\\n" % (name, digest, len(content))
        archive.writestr(info + "RECORD", record + info + "RECORD,,\\n")
    return stem + "-py3-none-any.whl"
'''


BROKEN_BACKEND = '''\
"""A release of minibuild from before it worked."""

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    raise RuntimeError("minibuild is too old")
'''


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def stem(name: str, version: str) -> str:
    """The beginning of the file names: `my_demo-1.0`."""
    return f"{normalised(name).replace('-', '_')}-{version}"


def default_modules(name: str, version: str) -> dict[str, str]:
    return {f"{normalised(name).replace('-', '_')}.py": f"__version__ = {version!r}\n"}


def metadata_text(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    metadata_version: str = "2.1",
) -> str:
    """METADATA or PKG-INFO; the extras that `requires` mentions are declared too."""
    lines = [f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    extras = {extra for line in requires for extra in re.findall(r"extra\s*==\s*['\"]([^'\"]+)", line)}
    lines += [f"Provides-Extra: {extra}" for extra in sorted(extras)]
    lines += [f"Requires-Dist: {line}" for line in requires]
    return "\n".join(lines) + "\n"


def wheel_bytes(
    stem: str, metadata: str, modules: Modules, entry_points: Mapping[str, str], tag: str
) -> bytes:
    info = f"{stem}.dist-info"
    pure = str(tag.endswith("-any")).lower()
    files = dict(modules)
    files[f"{info}/METADATA"] = metadata
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"
    if entry_points:
        scripts = "".join(f"{script} = {target}\n" for script, target in entry_points.items())
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}"
    lines = [record_line(path, text.encode()) for path, text in files.items()]
    files[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"])
    return zip_bytes(files)


def zip_bytes(files: Modules) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            member = zipfile.ZipInfo(path)  # dated 1980: the same input has the same hash
            member.external_attr = 0o100644 << 16
            archive.writestr(member, text)
    return buffer.getvalue()


def record_line(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return f"{path},sha256={digest},{len(content)}\n"


def sdist_bytes(stem: str, files: Modules) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{stem}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)

"""Lock files: the ones in `core/lockfiles/data`, small ones to fill, and how they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.lockfiles import Lock, marker_environment, read_lock

DATA = Path(__file__).parents[1] / "core" / "lockfiles" / "data"


LINUX = {
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_machine": "x86_64",
    "platform_system": "Linux",
    "platform_release": "6.1.0",
    "platform_version": "#1 SMP",
}


WINDOWS = {**LINUX, "os_name": "nt", "sys_platform": "win32", "platform_system": "Windows"}


HERE = marker_environment("3.11.7", platform=LINUX)


REPOSITORY = "it is built from a repository, not taken from the index"


ADDRESS = "it comes from an address, not from the index"


LOCAL_FILE = "it is a local file, not a release of the index"


LOCAL = "it is a local file or directory, not a release of the index"


FOLDER = "it is a local directory, not a release of the index"


def read(text: str, name: str = "requirements.txt", environment: dict[str, str] = HERE) -> Lock:
    """The lock of that name and content, by default on CPython 3.11 on Linux."""
    return read_lock(text, name=name, environment=environment)


def read_data(name: str, environment: dict[str, str] = HERE) -> Lock:
    """One of the files in `data/locks`."""
    return read((DATA / name).read_text("utf-8"), name, environment)


def pins(lock: Lock) -> list[str]:
    """The distributions as people write them."""
    return [str(distribution) for distribution in lock.distributions]


def refusal(text: str, name: str = "requirements.txt", environment: dict[str, str] = HERE) -> str:
    """The message with which a lock is refused; all refusals have a hint."""
    with pytest.raises(UsageError) as caught:
        read(text, name, environment)
    assert caught.value.hint
    return str(caught.value)


def uv_lock(*packages: str, head: str = "") -> str:
    """A lock of uv's with a project `app` and what else is given: the body of a package each."""
    return "\n".join(
        [
            "version = 1",
            'requires-python = ">=3.9"',
            head,
            *(f"[[package]]\n{package}" for package in packages),
        ]
    )


def uv_package(name: str, version: str = "1.0", *rest: str) -> str:
    """The body of a package from the index."""
    source = 'source = { registry = "https://index.example.org/simple" }'
    return "\n".join([f'name = "{name}"', f'version = "{version}"', source, *rest])


def poetry_lock(*packages: str, version: str = "2.0", pythons: str = "*", extras: str = "") -> str:
    """A lock of Poetry's with these bodies of packages."""
    bodies = [f"[[package]]\n{package}\n" for package in packages]
    metadata = f'[metadata]\nlock-version = "{version}"\npython-versions = "{pythons}"\n'
    return "\n".join([*bodies, f"[extras]\n{extras}\n", metadata])


def poetry_package(name: str, version: str = "1.0", *rest: str) -> str:
    """The body of a package."""
    return "\n".join([f'name = "{name}"', f'version = "{version}"', *rest])


# pylock.toml


PYLOCK = 'lock-version = "1.0"\ncreated-by = "x"\n'


HASHES = 'hashes = { sha256 = "00" }'


def standard_package(name: str, version: str = "1", *rest: str) -> str:
    """A package of a standard lock, with a source distribution."""
    sdist = f'sdist = {{ url = "https://example.org/{name}-{version}.tar.gz", {HASHES} }}'
    return "\n".join(["[[packages]]", f'name = "{name}"', f'version = "{version}"', sdist, *rest, ""])

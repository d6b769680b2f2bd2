"""The two indexes of `bench.py`: the one that is configured here, and a mirror of it on this machine.

Variables set the index of a contender, as a user would set them. The configuration files of uv and pip are
read only with the configured index. The mirror is a separate process, so that no contender is charged with
its processor time.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from packaging.specifiers import SpecifierSet
from work import PYTHON, Work

from bisect_asgi.backend.index import IndexClient
from bisect_asgi.backend.network.configured import binary, configured_indexes

REAL, MIRROR = "real", "mirror"
_SERVER = ("uvicorn==0.54.0", "httptools==0.9.0", "uvloop==0.23.0")
_START_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index as the contenders see it."""

    name: str
    environ: Mapping[str, str]
    counts_at: str = ""
    """The address where it reports the bytes that it sent; empty if there is none."""

    def counts(self) -> dict[str, int] | None:
        """Requests answered, bytes sent, and how often the mirror had to ask the real index."""
        if not self.counts_at:
            return None
        counted: dict[str, int] = httpx.get(self.counts_at).raise_for_status().json()
        return counted


def real() -> Index:
    """Return the index that is configured here; pip gets the same addresses as uv."""
    *others, default = configured_indexes().urls
    environ = {
        "PIP_INDEX_URL": default,
        "PIP_EXTRA_INDEX_URL": " ".join(others),
        "PIP_CONFIG_FILE": os.devnull,
    }
    # These variables may be part of the configuration by which uv finds its index.
    ours = {name: value for name, value in os.environ.items() if name.startswith("UV_") and "INDEX" in name}
    return Index(name=REAL, environ=environ | ours)


@contextmanager
def mirror(folder: Path, delay_s: float) -> Iterator[Index]:
    """Run a mirror that keeps its pages and files in a directory, as long as the context is open."""
    server = _server(folder / "server")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen(128)
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        process = subprocess.Popen(
            [
                *(sys.executable, str(Path(__file__).with_name("mirror.py")), "--fd", str(bound.fileno())),
                *("--folder", str(folder), "--delay", str(delay_s)),
            ],
            env=os.environ | {"PYTHONPATH": str(server)},
            pass_fds=[bound.fileno()],
        )
        try:
            _wait_for(f"{url}/-/counts", process)
            yield Index(
                name=MIRROR,
                environ={
                    "UV_DEFAULT_INDEX": f"{url}/simple/",
                    "UV_NO_CONFIG": "1",
                    "PIP_INDEX_URL": f"{url}/simple/",
                    # Without this, pip caches nothing that it gets without TLS.
                    "PIP_TRUSTED_HOST": "127.0.0.1",
                    "PIP_CONFIG_FILE": os.devnull,
                },
                counts_at=f"{url}/-/counts",
            )
        finally:
            process.terminate()
            process.wait()


def _server(folder: Path) -> Path:
    """Install the mirror's server into a directory of its own, outside of the project's environment."""
    if not folder.exists():
        install = [binary(), "pip", "install", "--quiet", "--python", sys.executable]
        subprocess.run([*install, "--target", str(folder), *_SERVER], check=True)
    return folder


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(url).is_success:
                return
        time.sleep(0.05)
    raise SystemExit("error: the mirror does not start")


def releases(work: Work, folder: Path) -> tuple[str, ...]:
    """The releases that a user would list: final ones in the range that were not yanked, oldest first."""
    with closing(IndexClient(configured_indexes(), folder)) as client:
        found = [
            release.version
            for release in client.releases(work.package)
            if not all(file.yanked is not None for file in release.files)
        ]
    return tuple(SpecifierSet(work.releases).filter(found))


def fill(index: Index, works: Mapping[str, tuple[Work, Sequence[str]]], python: str, folder: Path) -> None:
    """Have the mirror fetch all that any release of the works needs: no measured run waits for that."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "UV_CACHE_DIR": str(folder / "uv")}
    asked = [
        (f"{work.package}=={release}", *work.held) for work, listed in works.values() for release in listed
    ]
    base = index.environ["UV_DEFAULT_INDEX"]

    def resolved(requirements: Sequence[str], *how: str) -> str:
        command = [binary(), "pip", "compile", "-", "--format", "pylock.toml", "--quiet", "--no-header"]
        return subprocess.run(
            [*command, "--python", python, *how],
            input="\n".join(requirements),
            env=environ | index.environ,
            capture_output=True,
            text=True,
            check=False,
        ).stdout

    def files(requirements: Sequence[str]) -> set[str]:
        # If there are no wheels, uv builds a release to resolve it, and so fetches the build tools as well.
        lock = resolved(requirements, "--only-binary", ":all:") or resolved(requirements)
        return {
            wheel["url"]
            for each in tomllib.loads(lock).get("packages", [])
            for wheel in each.get("wheels", ())
        }

    with ThreadPoolExecutor(8) as pool, httpx.Client(timeout=120, base_url=base) as client:
        urls = set[str]().union(*pool.map(files, asked))
        for response in pool.map(client.get, sorted(_runnable(urls))):
            response.raise_for_status()


def _runnable(urls: set[str]) -> Iterator[str]:
    """Of a project's wheels those that may be installed here: the others are listed in a lock file, too."""
    ours = f"cp{PYTHON.replace('.', '')}-"
    for url in urls:
        is_for_python = ours in url or "-abi3-" in url
        if "-none-any" in url or (is_for_python and "linux" in url and os.uname().machine in url):
            yield url

"""Whether a machine can make trials: what there is of everything that they need, and what follows from it.

`examine` gathers, on the machine in question; `complaints` judges, anywhere.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from bisect_asgi.backend import interpreters, uv
from bisect_asgi.backend.executors.dask.calls import WorkerKind, mismatch, own_kind
from bisect_asgi.backend.index import IndexClient
from bisect_asgi.backend.process.helper import run_helper
from bisect_asgi.backend.uv import Indexes
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BisectError, UsageError
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import size

LEAST_FREE_BYTES = 2 * 2**30
"""Some dozens of environments of middling size."""


class Health(Struct, frozen=True, kw_only=True):
    """What was found on a machine; a fault is what is wrong with something, empty: nothing is."""

    kind: WorkerKind
    host: str
    cores: int
    python: str
    """The version of the Python that bisect-asgi itself runs on."""
    uv: str
    """Its version; empty: its program does not run."""
    uv_fault: str
    git: str
    """Its version; empty: it is not there."""
    interpreters: tuple[str, ...]
    """Their versions, for probes."""
    cache: str
    cache_fault: str
    free_bytes: int
    index_faults: tuple[str, ...]


class Complaint(Struct, frozen=True, kw_only=True):
    """Something that is wrong with a machine."""

    text: str
    hint: str


def examine(cache: Path, indexes: Indexes) -> Health:
    """Look at this machine: runs uv and git, asks the indexes, looks for interpreters; takes seconds."""
    uv_version, uv_fault = _uv()
    cache_fault, free_bytes = _room(cache)
    return Health(
        kind=own_kind(),
        host=platform.node(),
        cores=os.cpu_count() or 1,
        python=platform.python_version(),
        uv=uv_version,
        uv_fault=uv_fault,
        git=_version_of(["git", "--version"])[0],
        interpreters=() if cache_fault else _interpreters(cache),
        cache=str(cache),
        cache_fault=cache_fault,
        free_bytes=free_bytes,
        index_faults=tuple(fault for url in indexes.urls if (fault := _index_fault(url, cache))),
    )


def complaints(health: Health, ours: WorkerKind) -> tuple[Complaint, ...]:
    """What is wrong with a machine that is to work for a command of kind `ours`, the worst first."""
    return tuple(Complaint(text=text, hint=hint) for text, hint in _faults(health, ours))


def _faults(health: Health, ours: WorkerKind) -> Iterator[tuple[str, str]]:
    if other := mismatch(health.kind, ours):
        yield other, "install the same bisect-asgi there, on the same kind of machine"
    if health.uv_fault:
        yield f"uv does not run: {health.uv_fault}", "install bisect-asgi again; uv comes with it"
    if health.cache_fault:
        yield (
            f"the cache folder cannot be written: `{health.cache}` ({health.cache_fault})",
            "make it writable, or name another one in `BISECT_ASGI_CACHE_DIR`",
        )
    elif health.free_bytes < LEAST_FREE_BYTES:
        yield (
            f"only {size(health.free_bytes)} are free for `{health.cache}`",
            "free some room, or name another folder in `BISECT_ASGI_CACHE_DIR`",
        )
    if not health.interpreters and not health.cache_fault:
        yield "there is no Python for probes", "`uv python install 3.12`, say, installs one"
    if not health.git:
        yield "git is missing", "install it; commits (`--over commits`, `--drill`) need it"
    for fault in health.index_faults:
        yield fault, "check network, proxy and credentials there"


def missing_interpreters(healths: Mapping[str, Health]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """What some of several machines have and others lack, and who lacks it: they get no trials with those."""
    looked = {
        name: health for name, health in healths.items() if not health.cache_fault
    }  # else nobody looked
    everywhere = {version for health in looked.values() for version in health.interpreters}
    lacking: dict[tuple[str, ...], tuple[str, ...]] = {}
    for name, health in looked.items():
        if lacks := everywhere - set(health.interpreters):
            versions = tuple(sorted(lacks, key=_by_number))
            lacking[versions] = (*lacking.get(versions, ()), name)
    return lacking


def _by_number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _uv() -> tuple[str, str]:
    try:
        return _version_of([uv.binary(), "--version"])
    except BisectError as error:
        return "", str(error)


def _version_of(argv: Sequence[str]) -> tuple[str, str]:
    """The version that a program says it is, or what is wrong with it."""
    try:
        asked = run_helper(argv, environ=os.environ, token=CancelToken())
    except (OSError, subprocess.SubprocessError) as error:
        return "", str(error)
    if asked.exit_code != 0:
        return "", asked.stderr.strip() or f"exit code {asked.exit_code}"
    words = asked.stdout.split()
    return next((word for word in words if word[0].isdigit()), "?"), ""


def _room(cache: Path) -> tuple[str, int]:
    """What keeps the cache folder from being written, and how much room there is."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache) as file:
            file.write(b"bisect-asgi")
        return "", shutil.disk_usage(cache).free
    except OSError as error:
        return error.strerror or str(error), 0


def _interpreters(cache: Path) -> tuple[str, ...]:
    found = interpreters.find_all(cache / "interpreters")
    return tuple(sorted((target.interpreter.version for target in found), key=_by_number))


def _index_fault(url: str, cache: Path) -> str:
    """Why the index cannot be asked; that it has no project of a name is an answer."""
    try:
        with closing(IndexClient(Indexes(urls=(url,)), cache / "index")) as index:
            index.releases("bisect-asgi")
    except UsageError:
        return ""
    except BisectError as error:
        return str(error)
    return ""

"""Check whether a machine can run trials.

`examine` collects the facts on the machine in question; `complaints` judges them, here or elsewhere.
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

from bisect_asgi.backend import interpreters
from bisect_asgi.backend.executors.dask.calls import WorkerKind, mismatch, own_kind
from bisect_asgi.backend.index import IndexClient
from bisect_asgi.backend.network.configured import binary
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.process.helper import run_helper
from bisect_asgi.backend.process.sandbox import Found, Sandbox
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BisectError, UsageError
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.text import size

LEAST_FREE_BYTES = 2 * 2**30
"""Room for some dozens of environments of medium size."""


class Health(Struct, frozen=True, kw_only=True):
    """The state of a machine for running trials; a fault is "" if nothing is wrong."""

    kind: WorkerKind
    host: str
    cores: int
    python: str
    """The version of the Python that bisect-asgi itself runs on."""
    uv: str
    """The version of uv, or "" if it does not run."""
    uv_fault: str
    git: str
    """The version of git, or "" if it is not installed."""
    interpreters: tuple[str, ...]
    """The versions of the Pythons that probes can run on."""
    cache: str
    cache_fault: str
    free_bytes: int
    index_faults: tuple[str, ...]
    is_offline: bool = False
    """Whether the indexes were not asked, as the user wants it."""
    sandbox: Found
    """The strongest confinement of runs."""


class Complaint(Struct, frozen=True, kw_only=True):
    """Something that is wrong with a machine."""

    text: str
    hint: str


def examine(cache: Path, indexes: Indexes) -> Health:
    """Return what this machine has; takes seconds, because it runs uv and git and asks the indexes."""
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
        index_faults=tuple(fault for alone in _each(indexes) if (fault := _index_fault(alone, cache))),
        is_offline=indexes.offline,
        sandbox=Sandbox(cache).try_anew(),
    )


def complaints(health: Health, ours: WorkerKind) -> tuple[Complaint, ...]:
    """Return what is wrong with a machine as a worker for a command of kind `ours`, the worst first."""
    return tuple(Complaint(text=text, hint=hint) for text, hint in _faults(health, ours))


def _faults(health: Health, ours: WorkerKind) -> Iterator[tuple[str, str]]:
    if other := mismatch(health.kind, ours):
        yield other, "install the same bisect-asgi there, on the same kind of machine"
    if health.uv_fault:
        yield f"uv does not run: {health.uv_fault}", "install bisect-asgi again; uv comes with it"
    if health.cache_fault:
        yield (
            f"the cache directory cannot be written: `{health.cache}` ({health.cache_fault})",
            "make it writable, or set `BISECT_ASGI_CACHE_DIR` to another directory",
        )
    elif health.free_bytes < LEAST_FREE_BYTES:
        yield (
            f"only {size(health.free_bytes)} is free for `{health.cache}`",
            "free some disk space, or set `BISECT_ASGI_CACHE_DIR` to another directory",
        )
    if not health.interpreters and not health.cache_fault:
        yield "there is no Python for probes", "`uv python install 3.12`, say, installs one"
    if not health.git:
        yield "git is missing", "install it; commits (`--over commits`, `--drill`) need it"
    for fault in health.index_faults:
        yield fault, "check network, proxy and credentials there"


def missing_interpreters(healths: Mapping[str, Health]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Map Python versions that some machines lack, and others have, to the machines that lack them."""
    # Interpreters are not looked for if the cache directory cannot be written.
    examined = {name: health for name, health in healths.items() if not health.cache_fault}
    present = {version for health in examined.values() for version in health.interpreters}
    lacking: dict[tuple[str, ...], tuple[str, ...]] = {}
    for name, health in examined.items():
        if lacks := present - set(health.interpreters):
            versions = tuple(sorted(lacks, key=interpreters.by_number))
            lacking[versions] = (*lacking.get(versions, ()), name)
    return lacking


def _uv() -> tuple[str, str]:
    try:
        return _version_of([binary(), "--version"])
    except BisectError as error:
        return "", str(error)


def _version_of(argv: Sequence[str]) -> tuple[str, str]:
    """Return the version that a program prints and "", or "" and why it does not run."""
    try:
        asked = run_helper(argv, environ=os.environ, token=CancelToken())
    except (OSError, subprocess.SubprocessError) as error:
        return "", str(error)
    if asked.exit_code != 0:
        return "", asked.stderr.strip() or f"exit code {asked.exit_code}"
    words = asked.stdout.split()
    return next((word for word in words if word[0].isdigit()), "?"), ""


def _room(cache: Path) -> tuple[str, int]:
    """Return why the cache directory cannot be written ("" if it can), and the free bytes."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache) as file:
            file.write(b"bisect-asgi")
        return "", shutil.disk_usage(cache).free
    except OSError as error:
        return error.strerror or str(error), 0


def _interpreters(cache: Path) -> tuple[str, ...]:
    found = interpreters.find_all(cache / "interpreters")
    return tuple(sorted((target.interpreter.version for target in found), key=interpreters.by_number))


def _each(indexes: Indexes) -> Iterator[Indexes]:
    """Yield each index, and each list of files, alone; none of them if nothing may be asked."""
    if indexes.offline:
        return
    for number, url in enumerate(indexes.urls):
        yield replace(indexes, urls=(url,), traits=(indexes.of(number),), find_links=())
    for url in indexes.find_links:
        yield replace(indexes, urls=(), traits=(), find_links=(url,))


def _index_fault(alone: Indexes, cache: Path) -> str:
    """Return why the index cannot be read, or ""."""
    try:
        with closing(IndexClient(alone, cache / "index")) as index:
            index.releases("bisect-asgi")
    except UsageError:  # the index answered that it has no such project, so it can be reached
        return ""
    except BisectError as error:
        return str(error)
    return ""

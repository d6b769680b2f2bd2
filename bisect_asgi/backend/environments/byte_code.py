"""Compile what the first run in an environment imported, because a confined run cannot write byte-code.

To compile everything would take seconds, and most of it is never imported. The hook in the environment writes
the paths of imported modules into the run's report, until the environment's note says that this was done.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from bisect_asgi.backend.environments.templates import site_packages
from bisect_asgi.backend.process.run import NoResult, run_supervised
from bisect_asgi.backend.process.usage import spending
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import Step

NOTE = "bisect-asgi-compiled"
"""The file in an environment's folder that says that its modules are compiled."""
_PROGRAM = """\
import py_compile, sys
for path in sys.argv[1:]:
    try:
        py_compile.compile(path, doraise=True)
    except Exception:
        pass
"""
_LONGEST_S = 60.0
_AT_ONCE = 2000
"""Paths on one command line."""


def compile_imported(folder: Path, imported: Iterable[str], token: CancelToken) -> None:
    """Compile those of the paths that are installed modules of the environment and have no byte-code.

    The paths come from a run and may be anything. Nothing of the environment runs: `py_compile` only reads.
    What cannot be compiled is left, because byte-code only saves time.

    Raises:
        Cancelled: the token was cancelled.
    """
    paths = [path for path in imported if path]
    with spending(Step.LINK), suppress(OSError, NoResult):
        wanted = list(_not_compiled(folder, paths))
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            run_supervised(
                [str(folder / "bin" / "python"), "-I", "-S", "-c", _PROGRAM, *some],
                cwd=folder,
                report=folder,
                environ={},
                timeout_s=_LONGEST_S,
                token=token,
            )
        if paths:
            (folder / NOTE).touch()


def _not_compiled(folder: Path, paths: Iterable[str]) -> Iterator[str]:
    site = f"{site_packages(folder)}/"
    lacking = [path for path in paths if path.startswith(site) and path.endswith(".py") and _lacks(path)]
    if lacking:
        known = set(_recorded(Path(site)))
        yield from sorted({path for path in lacking if path.removeprefix(site) in known})


def _lacks(path: str) -> bool:
    """Return whether a module has no byte-code of any Python."""
    parent, _, name = path.rpartition("/")
    stem = name.removesuffix(".py")
    try:
        return not any(found.startswith(f"{stem}.") for found in os.listdir(f"{parent}/__pycache__"))
    except OSError:
        return True


def _recorded(site: Path) -> Iterator[str]:
    """Yield the paths of all installed files, relative to the folder that they are in."""
    for record in site.glob("*.dist-info/RECORD"):
        with (
            suppress(OSError, csv.Error, UnicodeDecodeError),
            record.open(newline="", encoding="utf-8") as rows,
        ):
            yield from (row[0] for row in csv.reader(rows) if row)

"""From a suite's file, or a folder of probes, to the entries of a suite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bisect_asgi.cli import probe_files as probes
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan import suites
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.suites import Entry, Suite


def read_suite(path: Path) -> Suite:
    """Read a suite's file, its paths taken from its folder; or take all probes of a folder that have a table.

    Raises:
        UsageError: there is nothing there, the file is malformed, or the folder has no such probe.
    """
    if path.is_dir():
        return Suite(entries=tuple(Entry(probe=str(probe)) for probe in _with_tables(path)))
    text = probes.read_bytes(path, "suite").decode("utf-8", errors="replace")
    suite = suites.read(text, name=path.name)
    entries = tuple(_beside(entry, path.parent) for entry in suite.entries)
    return replace(suite, entries=entries, defaults=probes.beside(suite.defaults, path.parent))


def _with_tables(folder: Path) -> list[Path]:
    found = [path for path in sorted(folder.glob("*.py")) if _has_table(path)]
    if not found:
        raise UsageError(
            f"there is no probe in `{folder}`",
            hint="a probe of a suite is a `.py` file with its options in a `[tool.bisect-asgi]` table; "
            "`bisect-asgi new FILE` writes one",
        )
    return found


def _has_table(path: Path) -> bool:
    try:
        return probes.read_metadata(path).options != Options()
    except UsageError:  # it is meant to have one; what is wrong with it is said in its turn
        return True


def _beside(entry: Entry, folder: Path) -> Entry:
    repository = entry.options.repo
    if repository is not None and (folder / repository).is_dir():
        repository = str(folder / repository)
    options = replace(probes.beside(entry.options, folder), repo=repository)
    return Entry(probe=None if entry.probe is None else str(folder / entry.probe), options=options)

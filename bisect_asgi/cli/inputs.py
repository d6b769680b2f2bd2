"""Read the files that options name, and make the plan of a probe, or of each probe of a suite."""

from __future__ import annotations

from pathlib import Path

from bisect_asgi.cli import probe_files as probes
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan import suites
from bisect_asgi.core.plan.options import Options, merge
from bisect_asgi.core.plan.plan import LockText, Plan
from bisect_asgi.core.plan.planning import make_plan
from bisect_asgi.core.plan.suites import Suite
from bisect_asgi.core.plan.tables import ProbeMetadata
from bisect_asgi.core.records import replace
from bisect_asgi.session.axes import AXES


def read_lock_text(path: Path) -> LockText:
    """Return the text of a lock file with its name.

    Raises:
        UsageError: the file cannot be read, or is no text.
    """
    from bisect_asgi.core import lockfiles

    content = probes.read_bytes(path, "locks")
    return LockText(name=str(path), text=lockfiles.decode(content, name=path.name))


def read_plan(
    given: Options,
    *,
    locks: tuple[LockText, ...] = (),
    defaults: Options = Options(),  # noqa: B008 (frozen)
) -> Plan:
    """Join the options of a command line with the probe's own table and with `defaults`; return the plan.

    Raises:
        UsageError: something is missing, malformed, or cannot be read.
    """
    path = Path(given.probe) if given.probe else None
    stated = probes.read_metadata(path) if path else ProbeMetadata()
    options = merge(given, merge(stated.options, defaults))
    options = replace(options, with_=(*options.with_, *probes.read_requirements(options.with_requirements)))
    loaded = probes.load(options)
    return make_plan(options, loaded, stated, axes=AXES, probe_path=str(path) if path else "", locks=locks)


def read_suite(path: Path) -> Suite:
    """Return the suite of a file, its paths relative to the file, or of a folder: all probes with a table.

    Raises:
        UsageError: there is no such file, it is malformed, or the folder has no such probe.
    """
    if path.is_dir():
        return Suite(entries=tuple(Options(probe=str(probe)) for probe in with_tables(path)))
    text = probes.read_bytes(path, "suite").decode("utf-8", errors="replace")
    suite = suites.read(text, name=path.name)
    return replace(
        suite,
        entries=tuple(_from_file(entry, path.parent) for entry in suite.entries),
        defaults=probes.relative_to(path.parent, suite.defaults),
    )


def _from_file(entry: Options, folder: Path) -> Options:
    """Return the options with their paths joined to `folder`; `repo` may be an address instead."""
    is_folder = entry.repo is not None and (folder / entry.repo).is_dir()
    return replace(
        probes.relative_to(folder, entry), repo=str(folder / str(entry.repo)) if is_folder else entry.repo
    )


def with_tables(folder: Path) -> list[Path]:
    """Return the scripts in a folder that have a table of options, perhaps a faulty one.

    Raises:
        UsageError: there is none.
    """
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
    except UsageError:  # It is meant to have one; the fault is reported when its turn comes.
        return True

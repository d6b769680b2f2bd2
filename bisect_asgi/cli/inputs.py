"""From a command's arguments to a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bisect_asgi.cli import probe_files as probes
from bisect_asgi.core import codec
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan import options as metadata
from bisect_asgi.core.plan import suites
from bisect_asgi.core.plan.options import Options, ProbeMetadata
from bisect_asgi.core.plan.plan import LockText, Plan
from bisect_asgi.core.plan.planning import make_plan
from bisect_asgi.core.plan.suites import Entry, Suite
from bisect_asgi.core.records import fields, replace
from bisect_asgi.session.axes import AXES

Setting = str | int | float | bool | None


def read_settings(settings: Sequence[str]) -> dict[str, Setting]:
    """Read `KEY=VALUE` pairs; a value is a number, `true`, `false`, `none`, or else text.

    Raises:
        UsageError: one has no `=`.
    """
    found: dict[str, Setting] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise UsageError(
                f"`{setting}` cannot be read (--uvicorn)", hint="it is `KEY=VALUE`, such as `http=h11`"
            )
        words: dict[str, Setting] = {"true": True, "false": False, "none": None}
        found[key] = words[value.lower()] if value.lower() in words else _number_or_text(value)
    return found


_NAMED_OTHERWISE = {"app": "app_file", "all": "all_"}
"""Arguments of commands whose option's name means something else in Python."""


def collect_options(arguments: Mapping[str, object], **more: object) -> Options:
    """Take the options out of a command's arguments, which have the names of `Options`; `more` wins.

    Raises:
        UsageError: a setting of uvicorn's cannot be read.
    """
    found: dict[str, object] = {}
    for option in fields(Options):
        value = arguments.get(_NAMED_OTHERWISE.get(option.name, option.name))
        if isinstance(value, list):
            value = read_settings(value) if option.name == "uvicorn" else tuple(value)
        if value is not None:
            found[option.name] = value
    return codec.convert(found | more, Options)


def _number_or_text(value: str) -> Setting:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def read_lock_text(path: Path) -> LockText:
    """Read a lock file.

    Raises:
        UsageError: it cannot be read, or is no text.
    """
    from bisect_asgi.core import lockfiles

    content = probes.read_bytes(path, "locks")
    return LockText(name=str(path), text=lockfiles.decode(content, name=path.name))


def read_plan(
    said: Options,
    probe: Path | None,
    *,
    locks: tuple[LockText, ...] = (),
    defaults: Options = Options(),  # noqa: B008 (frozen)
) -> Plan:
    """Join the command line with the probe's own table, and with the `defaults` of all, and check everything.

    Raises:
        UsageError: something is missing, malformed, or cannot be read.
    """
    stated = probes.read_metadata(probe) if probe else ProbeMetadata()
    options = metadata.merge(said, metadata.merge(stated.options, defaults))
    options = replace(options, with_=(*options.with_, *probes.read_requirements(options.with_requirements)))
    loaded = probes.load(probe, options)
    return make_plan(options, loaded, stated, axes=AXES, probe_path=str(probe) if probe else "", locks=locks)


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

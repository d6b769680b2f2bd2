"""Read a probe and its files from the disk, with its metadata."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bisect_asgi.cli.files import read_bytes
from bisect_asgi.cli.output import say
from bisect_asgi.cli.requirements import read_locked, read_wanted, relative_requirements
from bisect_asgi.core.errors import BisectError, UsageError
from bisect_asgi.core.model import Confinement, Probe, ProbeFile, ReadyMadeLoad, SandboxLevel, Served
from bisect_asgi.core.plan import DEFAULT_TIMEOUT_S, LockText, Plan, suites, tables
from bisect_asgi.core.plan.amounts import read_duration
from bisect_asgi.core.plan.defaults import PROJECT_FILE, read_project_table, read_variables, used
from bisect_asgi.core.plan.limit_options import read_limits
from bisect_asgi.core.plan.options import OPTIONS, Options, merge
from bisect_asgi.core.plan.own_projects import Wanted
from bisect_asgi.core.plan.planning import make_plan
from bisect_asgi.core.plan.suites import Suite
from bisect_asgi.core.plan.tables import ProbeMetadata
from bisect_asgi.core.records import replace
from bisect_asgi.session.axes import AXES


def read_metadata(path: Path) -> ProbeMetadata:
    """Return the probe's metadata; paths in its table are relative to the probe's directory.

    Raises:
        UsageError: the file does not exist or cannot be read, or its metadata is malformed.
    """
    source = read_bytes(path, "--probe").decode("utf-8", errors="replace")
    stated = tables.read_probe(source, name=path.name)
    return replace(stated, options=relative_to(path.parent, stated.options))


def relative_to(folder: Path, options: Options) -> Options:
    """Return the options of a file in `folder`, with the paths in them joined to it."""
    paths: dict[str, Any] = {}
    for name, option in OPTIONS.items():
        value = getattr(options, name)
        if option.is_path and value:
            is_many = option.is_repeatable
            paths[name] = tuple(str(folder / one) for one in value) if is_many else str(folder / value)
    if options.with_ or options.group:
        options = relative_requirements(folder, options)
    return replace(options, **paths)


def load(
    options: Options, copied: Sequence[ProbeFile] = (), decided_by: tuple[str, str] | None = None
) -> Probe:
    """Return the probe with all files that its runs need, including the `copied` ones.

    `decided_by`: what decides in place of the exit code, and its name for users; a script is then optional.

    Raises:
        UsageError: the options name neither a script, nor a command, nor a load, or a file cannot be read.
    """
    path = Path(options.probe) if options.probe else None
    decider, decider_name = decided_by or ("", "")
    if path is None and not options.command and options.load is None and not decider:
        if options.app is not None:
            raise UsageError(
                f"nothing drives `--app {options.app}`", hint="pass the request to send: `--load 'GET /'`"
            )
        if options.package is not None and Path(options.package).is_file():
            raise UsageError(
                "no probe given", hint=f"pass the file as an option: `--probe {options.package}`"
            )
        raise UsageError(
            "no probe given",
            hint="pass `--probe FILE`, `--command 'python -m pytest test_x.py'`, "
            "or `--app app.py --load 'GET /'`",
        )
    files = [*copied, *_included(options.include)]
    script = path.name if path and not options.command else None
    if path is not None:
        files.append(ProbeFile(name=path.name, content=read_bytes(path, "--probe")))
        if script:
            _check_imports(path, files[-1].content)
    served = _served(path, options)
    if options.app is not None:
        file = Path(options.app.rpartition(":")[0] or options.app)
        files.append(ProbeFile(name=file.name, content=read_bytes(file, "--app")))
    said = options.timeout
    timeout_s = DEFAULT_TIMEOUT_S if said is None else read_duration(said, "--timeout")
    return Probe(
        name=options.command or (path.name if path else options.app or decider_name),
        script=script,
        command=options.command,
        files=tuple({file.name: file for file in files}.values()),
        served=served,
        environ=tuple((name, _variable(name)) for name in options.env),
        timeout_s=timeout_s,
        confinement=Confinement(
            level=SandboxLevel(options.sandbox or "auto"), network=not options.no_network
        ),
        limits=read_limits(options),
        decided_by=decider,
    )


def _check_imports(path: Path, content: bytes) -> None:
    """Raise UsageError if a script imports a module of its own name: Python would find the script."""
    source = content.decode("utf-8", "replace")
    if path.stem in source and "sys.path" not in source and path.stem in imported_names(source):
        raise UsageError(
            f"`{path}` imports itself: it has the name of the module `{path.stem}` (`--probe`)",
            hint=f"rename it, for example to `{path.with_name(f'test_{path.name}')}`",
        )


def _check_one_probe(given: Options) -> None:
    """Raise UsageError if two options give a probe; but a command may run the script of `--probe`."""
    command = given.command
    if command is None:
        return
    for option, value in (("--probe", given.probe), ("--app", given.app)):
        if value is not None and Path(value.partition(":")[0]).name not in command:
            raise UsageError(
                f"`{option} {value}` and `--command {command}` name two probes",
                hint=f"drop one of them; for a file that the command needs, pass `--include {value}`",
            )


def _served(path: Path | None, options: Options) -> Served | None:
    """Return how the app is served: that of `--app`, or of a probe that defines both `app` and `probe`."""
    workers = options.uvicorn.get("workers") or 1
    if not isinstance(workers, int) or workers < 1:
        raise UsageError(f"`workers = {workers}` is out of range (`--uvicorn`)", hint="pass 1 or more")
    load = _ready_made(options)
    script = path if options.command is None else None
    names = defined_names(read_bytes(script, "--probe").decode("utf-8", "replace")) if script else frozenset()
    is_served = {"app", "probe"} <= names
    if load is not None and options.app is None and not is_served:
        raise UsageError(
            f"`--load '{load.request}'` has no app to drive",
            hint=f"name it: `--app {script if 'app' in names else 'FILE[:NAME]'}`",
        )
    if options.app is not None:
        file, _, name = options.app.rpartition(":")
        return Served(
            file=Path(file or name).name, name=name if file else "app", load=load, options=options.uvicorn
        )
    if script is not None and is_served:
        return Served(file=script.name, load=load, options=options.uvicorn)
    return None


def _ready_made(options: Options) -> ReadyMadeLoad | None:
    if options.load is None:
        return None
    if not options.load.rpartition(" ")[2].startswith("/"):
        raise UsageError(f"`--load '{options.load}'` has no path", hint="write it as `--load 'GET /'`")
    return ReadyMadeLoad(
        request=options.load,
        requests=1000 if options.requests is None else options.requests,
        concurrency=1 if options.concurrency is None else options.concurrency,
        keep_alive=options.keep_alive is not False,
    )


def defined_names(source: str) -> frozenset[str]:
    """Return the names that a script defines at its top level; none if it is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return frozenset()
    found: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=targets):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case _:
                pass
    return frozenset(found)


def imported_names(source: str) -> frozenset[str]:
    """Return the top-level modules that a script imports anywhere; none if it is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {alias.name.partition(".")[0] for alias in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module.partition(".")[0])
            case _:
                pass
    return frozenset(found)


def _variable(name: str) -> str:
    if name not in os.environ:
        raise UsageError(
            f"environment variable `{name}` is not set (`--env`)", hint=f"set it, or drop `--env {name}`"
        )
    return os.environ[name]


def _included(names: Sequence[str]) -> Iterator[ProbeFile]:
    """Yield the files of `--include`, and those in its directories."""
    for name in names:
        path = Path(name)
        if not path.is_dir():
            yield _file(path, path.resolve().name)
            continue
        inner = path.name == ""  # `.` means the files in the directory, without the directory itself
        path = path.resolve()
        for found in sorted(path.rglob("*")):
            if found.is_file() and "__pycache__" not in found.parts:
                yield _file(found, found.relative_to(path if inner else path.parent).as_posix())


def _file(path: Path, name: str) -> ProbeFile:
    return ProbeFile(name=name, content=read_bytes(path, "--include"), executable=os.access(path, os.X_OK))


def read_lock_text(path: Path) -> LockText:
    """Return the text of a lock file with its name, and the projects in it that are built here.

    Raises:
        UsageError: the file cannot be read, or is no text.
    """
    from bisect_asgi.core import lockfiles

    content = read_bytes(path, "locks")
    text = lockfiles.decode(content, name=path.name)
    return LockText(name=str(path), text=text, own=read_locked(text, path.parent))


def read_plan(
    given: Options,
    *,
    locks: tuple[LockText, ...] = (),
    defaults: Options | None = None,
    decided_by: tuple[str, str] | None = None,
) -> Plan:
    """Join the options of a command line with the probe's own table and with all defaults; return the plan.

    `defaults`: the options of a suite, which apply to each of its probes; `decided_by`: see `load`.

    Raises:
        UsageError: an option or a file is missing, malformed or unreadable.
    """
    _check_one_probe(given)
    path = Path(given.probe) if given.probe else None
    stated = read_metadata(path) if path else ProbeMetadata()
    said = merge(given, merge(stated.options, defaults or Options()))
    options = merge(said, read_defaults(said, in_suite=defaults is not None))
    if options.ask:
        decided_by = (f"a person: {options.ask}", options.ask)
    wanted = read_wanted(options, stated, path.parent if path else None)
    plan = make_plan(
        options,
        load(options, wanted.files, decided_by),
        stated,
        axes=AXES,
        probe_path=str(path) if path else "",
        locks=locks,
        wanted=wanted,
    )
    return replace(plan, by_table=_by_table(given, stated, options, wanted, plan.named))


def _by_table(
    given: Options, stated: ProbeMetadata, options: Options, wanted: Wanted, package: str
) -> Options | None:
    """Return what `check` would do with this probe and package and no other option; None without a table."""
    if given.probe is None or stated == ProbeMetadata():
        return None
    own = merge(Options(probe=given.probe, package=package or None), stated.options)
    try:
        if not _wants_the_same(own, options):
            wanted = read_wanted(own, stated, Path(given.probe).parent)
        plan = make_plan(own, load(own, wanted.files), stated, axes=AXES, wanted=wanted)
    except BisectError:  # The table alone may be no plan: for lock files, it has no package.
        return None
    return replace(plan.of_check(), probe=None, python=plan.only_python or None)


def _wants_the_same(one: Options, other: Options) -> bool:
    """Return whether environments get the same: reading that again may ask a repository."""
    names = ("with_", "with_requirements", "constraint", "group")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def read_defaults(said: Options, *, in_suite: bool = False) -> Options:
    """Return the options that variables and the current directory's `pyproject.toml` add to those `said`.

    In a suite, `jobs` counts the suite's probes, so a variable for it does not apply to the trials of one
    probe.

    Raises:
        UsageError: a variable or the table cannot be read.
    """
    variables = read_variables(os.environ)
    if in_suite:
        variables = replace(variables, jobs=None)
    file = Path(PROJECT_FILE)
    text = read_bytes(file, PROJECT_FILE).decode("utf-8", "replace") if file.is_file() else ""
    project = read_project_table(text)
    if said.probe or said.command or said.app or said.load:  # this probe replaces the project's
        project = replace(project, command=None, app=None, load=None)
    if said.verbose:
        for where, flags in (
            ("the environment", used(variables, said)),
            (PROJECT_FILE, used(project, said, variables)),
        ):
            if flags:
                say(f"note: from {where}: {' '.join(flags)}")
    return merge(variables, project)


def _show_origin(where: str, flags: Sequence[str]) -> None:
    if flags:
        say(f"note: from {where}: {' '.join(flags)}")


def read_suite(path: Path) -> Suite:
    """Return the suite of a file, its paths relative to the file, or of a directory: all probes with a table.

    Raises:
        UsageError: the file does not exist or is malformed, or the directory has no probe with a table.
    """
    if path.is_dir():
        return Suite(entries=tuple(Options(probe=str(probe)) for probe in with_tables(path)))
    text = read_bytes(path, "suite").decode("utf-8", errors="replace")
    suite = suites.read(text, name=path.name)
    return replace(
        suite,
        entries=tuple(_from_file(entry, path.parent) for entry in suite.entries),
        defaults=relative_to(path.parent, suite.defaults),
    )


def _from_file(entry: Options, folder: Path) -> Options:
    """Return the options with their paths joined to `folder`; `repo` may be an address instead."""
    is_folder = entry.repo is not None and (folder / entry.repo).is_dir()
    return replace(
        relative_to(folder, entry), repo=str(folder / str(entry.repo)) if is_folder else entry.repo
    )


def with_tables(folder: Path) -> list[Path]:
    """Return the scripts in a directory that have a table of options, perhaps an invalid one.

    Raises:
        UsageError: the directory has no such script.
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
        return read_metadata(path).options != Options()
    except UsageError:  # It has an invalid table; the error is reported when the probe's turn comes.
        return True

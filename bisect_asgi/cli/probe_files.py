"""Read a probe and its files from the disk, with its metadata."""

from __future__ import annotations

import ast
import difflib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Confinement, Probe, ProbeFile, ReadyMadeLoad, SandboxLevel, Served
from bisect_asgi.core.plan import DEFAULT_TIMEOUT_S, LockText, Plan, suites, tables
from bisect_asgi.core.plan.amounts import read_duration
from bisect_asgi.core.plan.limit_options import read_limits
from bisect_asgi.core.plan.options import OPTIONS, Options, merge
from bisect_asgi.core.plan.planning import make_plan
from bisect_asgi.core.plan.suites import Suite
from bisect_asgi.core.plan.tables import ProbeMetadata
from bisect_asgi.core.records import replace
from bisect_asgi.core.text import listing
from bisect_asgi.session.axes import AXES

_LARGEST_BYTES = 100 * 1024 * 1024


def read_metadata(path: Path) -> ProbeMetadata:
    """Return the probe's metadata; paths in its table are relative to the probe's folder.

    Raises:
        UsageError: there is no such file, it cannot be read, or its metadata is malformed.
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
    return replace(options, **paths)


def load(options: Options) -> Probe:
    """Return the probe with all the files that its runs need.

    Raises:
        UsageError: the options name neither a script, nor a command, nor a load, or a file cannot be read.
    """
    path = Path(options.probe) if options.probe else None
    if path is None and not options.command and options.load is None:
        raise UsageError(
            "no probe given",
            hint="pass `--probe FILE`, `--command 'python -m pytest test_x.py'`, "
            "or `--app app.py --load 'GET /'`",
        )
    files = list(_included(options.include))
    script = path.name if path and not options.command else None
    if path is not None:
        files.append(ProbeFile(name=path.name, content=read_bytes(path, "--probe")))
    served = _served(path, options)
    if options.app is not None:
        file = Path(options.app.rpartition(":")[0] or options.app)
        files.append(ProbeFile(name=file.name, content=read_bytes(file, "--app")))
    said = options.timeout
    timeout_s = DEFAULT_TIMEOUT_S if said is None else read_duration(said, "--timeout")
    return Probe(
        name=options.command or (path.name if path else options.app or ""),
        script=script,
        command=options.command,
        files=tuple(dict.fromkeys(files)),
        served=served,
        environ=tuple((name, _variable(name)) for name in options.env),
        timeout_s=timeout_s,
        confinement=Confinement(
            level=SandboxLevel(options.sandbox or "auto"), network=not options.no_network
        ),
        limits=read_limits(options),
    )


def read_requirements(paths: Sequence[str]) -> tuple[str, ...]:
    """Return the requirements in requirements files, without comments and hashes.

    Raises:
        UsageError: a file cannot be read, or has a line with an option.
    """
    found: list[str] = []
    for path in paths:
        text = read_bytes(Path(path), "--with-requirements").decode("utf-8", errors="replace")
        for line in text.replace("\\\n", " ").splitlines():
            words = re.split(r"(?:^|\s)#|\s--hash", line)[0].strip()
            if words.startswith("-"):
                raise UsageError(
                    f"`{path}` has a line that is no requirement: `{words}`",
                    hint="options have no place in it; write requirements alone, one each line",
                )
            if words:
                found.append(words)
    return tuple(found)


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


def _variable(name: str) -> str:
    if name not in os.environ:
        raise UsageError(
            f"there is no variable `{name}` in this shell (`--env`)", hint="set it, or drop the option"
        )
    return os.environ[name]


def _included(names: Sequence[str]) -> Iterator[ProbeFile]:
    """Yield the files of `--include`, and those in its folders."""
    for name in names:
        path = Path(name)
        if not path.is_dir():
            yield _file(path, path.resolve().name)
            continue
        inner = path.name == ""  # `.` stands for the files in it, not for the folder
        path = path.resolve()
        for found in sorted(path.rglob("*")):
            if found.is_file() and "__pycache__" not in found.parts:
                yield _file(found, found.relative_to(path if inner else path.parent).as_posix())


def _file(path: Path, name: str) -> ProbeFile:
    return ProbeFile(name=name, content=read_bytes(path, "--include"), executable=os.access(path, os.X_OK))


def read_bytes(path: Path, option: str) -> bytes:
    """Return the content of a file that the user named with `option`.

    Raises:
        UsageError: the file is missing, cannot be read, is none, has a name that is no text, or is larger
            than 100 MiB.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not path.is_dir():  # a FIFO would be waited for
            raise UsageError(f"`{path}` is no regular file (`{option}`)", hint="copy its content into a file")
        if status.st_size > _LARGEST_BYTES:
            raise UsageError(f"`{path}` is larger than 100 MiB (`{option}`)", hint="have the probe make it")
        path.name.encode()
        return path.read_bytes()
    except ValueError as error:
        raise UsageError(
            f"the name of `{path}` is not UTF-8 (`{option}`)", hint="rename the file, in ASCII for example"
        ) from error
    except FileNotFoundError as error:
        raise UsageError(f"there is no file `{path}` (`{option}`)", hint=_near(path)) from error
    except OSError as error:
        raise UsageError(
            f"`{path}` cannot be read (`{option}`): {error.strerror}", hint="name a file that can be read"
        ) from error


def _near(path: Path) -> str:
    """Return what to name instead of a file that is not there."""
    try:
        there = sorted(other.name for other in path.parent.iterdir() if other.is_file())
    except OSError:
        return f"name a file that is there: there is no directory `{path.parent}` that can be read"
    near = difflib.get_close_matches(path.name, there, n=3, cutoff=0.7)
    like = near or [name for name in there if name.endswith(path.suffix or ".py")]
    if not like:
        return f"name a file that is there: `{path.parent}` has no `*{path.suffix or '.py'}`"
    return f"name a file that is there: {listing((f'`{path.parent / name}`' for name in like), most=6)}"


def read_lock_text(path: Path) -> LockText:
    """Return the text of a lock file with its name.

    Raises:
        UsageError: the file cannot be read, or is no text.
    """
    from bisect_asgi.core import lockfiles

    content = read_bytes(path, "locks")
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
    stated = read_metadata(path) if path else ProbeMetadata()
    options = merge(given, merge(stated.options, defaults))
    options = replace(options, with_=(*options.with_, *read_requirements(options.with_requirements)))
    loaded = load(options)
    return make_plan(options, loaded, stated, axes=AXES, probe_path=str(path) if path else "", locks=locks)


def read_suite(path: Path) -> Suite:
    """Return the suite of a file, its paths relative to the file, or of a folder: all probes with a table.

    Raises:
        UsageError: there is no such file, it is malformed, or the folder has no such probe.
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
        return read_metadata(path).options != Options()
    except UsageError:  # It is meant to have one; the fault is reported when its turn comes.
        return True

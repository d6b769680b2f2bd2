"""Read a probe and its files from the disk, with what the probe says of itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bisect_asgi import metadata
from bisect_asgi.errors import UsageError
from bisect_asgi.format import listing
from bisect_asgi.metadata import Options, ProbeMetadata
from bisect_asgi.model import Probe, ProbeFile

DEFAULT_TIMEOUT_S = 120.0
_LARGEST_BYTES = 100 * 1024 * 1024


def read_metadata(path: Path) -> ProbeMetadata:
    """Read the probe's metadata; paths in its table are taken from the probe's folder.

    Raises:
        UsageError: there is no such file, it cannot be read, or its metadata is malformed.
    """
    stated = metadata.read(_read(path, "--probe").decode("utf-8", errors="replace"), name=path.name)
    options = stated.options
    here = path.parent
    return replace(
        stated,
        options=replace(
            options,
            include=tuple(str(here / name) for name in options.include),
            with_requirements=tuple(str(here / name) for name in options.with_requirements),
        ),
    )


def load(path: Path | None, options: Options) -> Probe:
    """Return the probe with all the files that its runs need.

    Raises:
        UsageError: there is neither a script nor a command, or a file cannot be read.
    """
    if path is None and options.command is None:
        raise UsageError(
            "there is no probe",
            hint="name a script, `--probe FILE`, or a command, `--command 'pytest -x test_x.py'`",
        )
    files = list(_included(options.include))
    if path is not None:
        files.append(ProbeFile(name=path.name, content=_read(path, "--probe")))
    timeout_s = DEFAULT_TIMEOUT_S if options.timeout is None else options.timeout
    if timeout_s <= 0:
        raise UsageError(f"`--timeout {timeout_s:g}` is out of range", hint="it is in seconds, above 0")
    return Probe(
        name=options.command or (path.name if path else ""),
        script=None if options.command else path.name if path else None,
        command=options.command,
        files=tuple(files),
        environ=tuple((name, _variable(name)) for name in options.env),
        timeout_s=timeout_s,
    )


def read_requirements(paths: Sequence[str]) -> tuple[str, ...]:
    """Read the requirements of requirements files: one each line, comments and blank lines passed over.

    Raises:
        UsageError: a file cannot be read, or has an option in it.
    """
    found: list[str] = []
    for path in paths:
        text = _read(Path(path), "--with-requirements").decode("utf-8", errors="replace")
        for line in text.replace("\\\n", " ").splitlines():
            words = line.split(" #")[0].split(" --hash")[0].strip()
            if words.startswith("-"):
                raise UsageError(
                    f"`{path}` has a line that is no requirement: `{words}`",
                    hint="options have no place in it; write requirements alone, one each line",
                )
            if words and not words.startswith("#"):
                found.append(words)
    return tuple(found)


def _variable(name: str) -> str:
    if name not in os.environ:
        raise UsageError(
            f"there is no variable `{name}` in this shell (`--env`)", hint="set it, or drop the option"
        )
    return os.environ[name]


def _included(names: Sequence[str]) -> Iterator[ProbeFile]:
    """The files that `--include` names, and those below the folders that it names."""
    for name in names:
        path = Path(name)
        if not path.is_dir():
            yield _file(path, path.name)
            continue
        for found in sorted(path.rglob("*")):
            if found.is_file() and "__pycache__" not in found.parts:
                yield _file(found, found.relative_to(path.parent).as_posix())


def _file(path: Path, name: str) -> ProbeFile:
    return ProbeFile(name=name, content=_read(path, "--include"), executable=os.access(path, os.X_OK))


def _read(path: Path, option: str) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise UsageError(f"`{path}` is larger than 100 MiB (`{option}`)", hint="have the probe make it")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"there is no file `{path}` (`{option}`)", hint=_near(path)) from error
    except OSError as error:
        raise UsageError(
            f"`{path}` cannot be read (`{option}`): {error.strerror}", hint="it has to be a readable file"
        ) from error


def _near(path: Path) -> str:
    try:
        scripts = sorted(other.name for other in path.parent.glob(f"*{path.suffix or '.py'}"))
    except OSError:
        scripts = []
    if not scripts:
        return f"`{path.parent}` has no such files"
    return f"`{path.parent}` has {listing((f'`{name}`' for name in scripts), most=6)}"

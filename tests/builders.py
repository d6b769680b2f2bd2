"""Values that several tests need: observations, releases and interpreters with the usual things filled in."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from packaging.tags import Tag

from bisect_asgi import signature
from bisect_asgi.environments import cache
from bisect_asgi.environments.cache import Environment
from bisect_asgi.model import (
    Interpreter,
    Observation,
    Outcome,
    Phase,
    Probe,
    ProbeFile,
    Release,
    ReleaseFile,
    Signature,
)
from bisect_asgi.releases import Usable

PURE = Tag("py3", "none", "any")
LINUX_38 = Tag("cp38", "cp38", "manylinux_2_17_x86_64")

ASSERTION = signature.of_exception("AssertionError", "expected 200, got 500", phase=Phase.CHECK)
TYPE_ERROR = signature.of_exception("TypeError", "unexpected keyword argument 'lifespan'", phase=Phase.CHECK)
IMPORT_ERROR = signature.of_exception("ImportError", "cannot import name 'Lifespan'", phase=Phase.IMPORT)
CONFLICT = signature.of_environment(Phase.RESOLVE, "the requirements conflict")
LOST_WORKER = signature.of_environment(Phase.INSTALL, "no space left on device")


def day(text: str) -> datetime:
    """Midnight UTC of `2021-10-07`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def passed(output: str = "") -> Observation:
    """A run in which all was well."""
    return Observation(outcome=Outcome.PASSED, phase=Phase.CHECK, exit_code=0, output_tail=output)


def failed(failure: Signature = ASSERTION, output: str = "") -> Observation:
    """A run in which the probe failed."""
    return Observation(
        outcome=Outcome.FAILED, phase=failure.phase, signature=failure, exit_code=1, output_tail=output
    )


def untestable(failure: Signature = CONFLICT) -> Observation:
    """A candidate for which no environment could be had."""
    return Observation(outcome=Outcome.UNTESTABLE, phase=failure.phase, signature=failure)


def broken(failure: Signature = LOST_WORKER) -> Observation:
    """A run that could not be made, which is nobody's fault but ours."""
    return Observation(outcome=Outcome.BROKEN, phase=failure.phase, signature=failure)


def file(filename: str, *, requires_python: str | None = None, yanked: str | None = None) -> ReleaseFile:
    """One file of a release."""
    return ReleaseFile(filename=filename, uploaded=None, requires_python=requires_python, yanked=yanked)


def wheel(*, requires_python: str | None = None, tag: str = "py3-none-any") -> ReleaseFile:
    """A wheel; its version is of no importance."""
    return file(f"fastapi-1.0-{tag}.whl", requires_python=requires_python)


def sdist(*, requires_python: str | None = None) -> ReleaseFile:
    """A source distribution."""
    return file("fastapi-1.0.tar.gz", requires_python=requires_python)


def release(version: str, *files: ReleaseFile, uploaded: str | None = None) -> Release:
    """A release, with one pure wheel where no files are named."""
    return Release(
        project="fastapi",
        version=version,
        uploaded=day(uploaded) if uploaded else None,
        files=files or (wheel(),),
    )


def usable(version: str = "3.8.20", *tags: Tag, path: str | None = None) -> Usable:
    """An interpreter that installs pure wheels and what else `tags` say."""
    interpreter = Interpreter(path=path or f"/opt/python-{version}/bin/python", version=version)
    return Usable(interpreter=interpreter, tags=frozenset({PURE, *tags}))


def probe() -> Probe:
    """A probe that is a script."""
    return Probe(
        name="leak.py", script="leak.py", command=None, files=(ProbeFile(name="leak.py", content=b"pass\n"),)
    )


def environment(folder: Path, python: str = sys.executable) -> Environment:
    """A real environment with nothing installed but the hook, for the Python at that path."""
    cache._make_skeleton(folder, Interpreter(path=python, version="3.11.7"))
    cache._place_hook(folder)
    return Environment(folder=folder, distributions=())

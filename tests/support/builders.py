"""Values that several tests need: observations, releases and interpreters with the usual things filled in."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from packaging.tags import Tag

import bisect_asgi
from bisect_asgi.backend.environments import Environment
from bisect_asgi.backend.environments.templates import make_template, place_hook
from bisect_asgi.core import events
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import (
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
from bisect_asgi.core.plan import DependencyPolicy, History, HistoryKind, Plan, PolicyKind, planning
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.installable import TargetPython
from bisect_asgi.session.axes import AXES
from bisect_asgi.session.axes.dependency import Dependency
from bisect_asgi.session.axes.releases import Releases
from bisect_asgi.session.culprit.mixing import Mixes

PURE = Tag("py3", "none", "any")
LINUX_38 = Tag("cp38", "cp38", "manylinux_2_17_x86_64")

ASSERTION = signature.of_exception("AssertionError", "expected 200, got 500", phase=Phase.CHECK)
TYPE_ERROR = signature.of_exception("TypeError", "unexpected keyword argument 'lifespan'", phase=Phase.CHECK)
IMPORT_ERROR = signature.of_exception("ImportError", "cannot import name 'Lifespan'", phase=Phase.IMPORT)
CONFLICT = signature.of_environment(Phase.RESOLVE, "the requirements conflict")
LOST_WORKER = signature.of_environment(Phase.INSTALL, "no space left on device")


AUTO, ALL, NONE = (History(kind=kind) for kind in (HistoryKind.AUTO, HistoryKind.ALL, HistoryKind.NONE))
"""How much of a history is looked at; NONE where a test counts runs."""


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
    return Observation(outcome=Outcome.ERROR, phase=failure.phase, signature=failure)


def file(filename: str, *, requires_python: str | None = None, yanked: str | None = None) -> ReleaseFile:
    """One file of a release."""
    return ReleaseFile(filename=filename, uploaded=None, requires_python=requires_python, yanked=yanked)


def wheel(*, requires_python: str | None = None, tag: str = "py3-none-any") -> ReleaseFile:
    """A wheel; its version is of no importance."""
    return file(f"fastapi-1.0-{tag}.whl", requires_python=requires_python)


def sdist(*, requires_python: str | None = None) -> ReleaseFile:
    """A source distribution."""
    return file("fastapi-1.0.tar.gz", requires_python=requires_python)


def release(
    version: str, *files: ReleaseFile, uploaded: str | None = None, project: str = "fastapi"
) -> Release:
    """A release, with one pure wheel of the same moment where no files are named."""
    moment = day(uploaded) if uploaded else None
    return Release(
        project=project,
        version=version,
        uploaded=moment,
        files=files or (replace(wheel(), uploaded=moment),),
    )


def target(version: str = "3.8.20", *tags: Tag, path: str | None = None) -> TargetPython:
    """An interpreter that installs pure wheels and what else `tags` say."""
    interpreter = Interpreter(path=path or f"/opt/python-{version}/bin/python", version=version)
    return TargetPython(interpreter=interpreter, tags=frozenset({PURE, *tags}))


def probe() -> Probe:
    """A probe that is a script."""
    return Probe(
        name="leak.py", script="leak.py", command=None, files=(ProbeFile(name="leak.py", content=b"pass\n"),)
    )


make_plan = partial(planning.make_plan, axes=AXES)
"""Makes plans with all axes at hand, as the command does."""

RELEASE_WORDS = replace(Releases.words, subject="demo")
DEPENDENCY_WORDS = replace(Dependency.words, subject="engine", context="with demo==1")
MIX_WORDS = Mixes.words
"""What axes say of a search, in the first event of a log."""


def run_started(**said: Any) -> events.RunStarted:
    """The first event of a run about `demo`, with what is `said` otherwise."""
    usual: dict[str, Any] = {
        "tool_version": "1.0",
        "started": datetime(2024, 5, 1, tzinfo=UTC),
        "project": "demo",
        "requirement": "demo=={version}",
        "probe": "leak.py",
        "command": None,
        "order": "version",
        "dependencies": "latest",
        "held": (),
        "good": None,
        "bad": None,
        "releases": None,
        "jobs": 1,
    }
    return events.RunStarted(**{**usual, **said})


def command_environ(folder: Path, index_url: str) -> dict[str, str]:
    """The variables of the command: caches below `folder`, one index, nothing of the user's configuration."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        # The measuring lock is in TMPDIR: with a separate one, the test waits for no other command.
        "TMPDIR": str(folder),
        "PYENV_ROOT": os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv")),
        "BISECT_ASGI_CACHE_DIR": str(folder / "cache"),
        "UV_CACHE_DIR": str(folder / "uv-cache"),
        "UV_DEFAULT_INDEX": index_url,
        "UV_HTTP_RETRIES": "0",
        "UV_NO_CONFIG": "1",
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(Path(bisect_asgi.__file__).parent.parent), os.environ.get("PYTHONPATH")])
        ),
    }


def environment(folder: Path, python: str = sys.executable) -> Environment:
    """A real environment with nothing installed but the hook, for the Python at that path."""
    make_template(folder, Interpreter(path=python, version="3.11.7"))
    place_hook(folder)
    return Environment(folder=folder, distributions=())


def a_plan(**fields: Any) -> Plan:
    """A plan for `app` with the newest dependencies, one job, and no spot checks.

    If a test gives more jobs, that is also the most that the search may use.
    """
    usual: dict[str, Any] = {
        "project": "app",
        "extras": (),
        "probe": probe(),
        "probe_path": "leak.py",
        "policy": DependencyPolicy(kind=PolicyKind.LATEST),
        "history": NONE,
        "most_jobs": fields.get("jobs", 1),
    }
    return Plan(**{**usual, **fields})

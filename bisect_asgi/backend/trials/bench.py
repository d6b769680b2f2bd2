"""A copy of a candidate's environment with the probe's files, for a person to work in.

The copy shares no file by hard links. So whatever a person does in it, such as installing a package, changes
neither the cached environment nor others that share its files.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bisect_asgi.backend.environments import Environment
from bisect_asgi.backend.files import locked, remove
from bisect_asgi.backend.process.person import run_for_person
from bisect_asgi.backend.process.sandbox import Sandbox
from bisect_asgi.backend.trials.probe_run import BOX, LOCK, environ_of, lay_out, new_folder
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unavailable, not_writable
from bisect_asgi.core.model import Probe
from bisect_asgi.core.records import Struct, replace

_PASSED_ON = ("TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES")


class Bench(Struct, frozen=True, kw_only=True):
    """A copy of an environment, and a working directory with the files of a probe."""

    environment: Environment
    work: Path
    environ: Mapping[str, str]
    confine: Mapping[str, object] | None
    probe_line: str
    """The command line that runs the probe here; empty without one."""

    def run(self, argv: Sequence[str], token: CancelToken, **more: str) -> int:
        """Run a command here with the streams of this process, and return its exit code as a shell has it.

        `more`: further variables.

        Raises:
            Cancelled: the token was cancelled.
            Unavailable: the command could not be run.
        """
        try:
            return run_for_person(
                argv, cwd=self.work, environ={**self.environ, **more}, confine=self.confine, token=token
            )
        except OSError as error:
            raise Unavailable(
                f"`{argv[0]}` could not be run: {error}", hint="`bisect-asgi doctor` checks this machine"
            ) from error

    def shell(self, prompt: str, token: CancelToken) -> int:
        """Open the user's shell here, without the user's own files of settings; return its exit code."""
        program = os.environ.get("SHELL") or "/bin/sh"
        plain = {"bash": ("--norc", "--noprofile"), "zsh": ("-f",), "fish": ("--no-config",)}
        argv = [program, *plain.get(Path(program).name, ()), "-i"]
        return self.run(argv, token, PS1=f"({prompt}) $ ", PROMPT=f"({prompt}) $ ", SHELL=program)


@contextmanager
def open_bench(
    probe: Probe, environment: Environment, runs: Path, sandbox: Sandbox, token: CancelToken
) -> Iterator[Bench]:
    """Copy an environment that is held, and lay out the probe's files beside it, below `runs`.

    Raises:
        Unavailable: it cannot be copied, or not be confined as asked.
        Cancelled: the token was cancelled.
    """
    folder = new_folder(runs)
    try:
        with locked(folder / LOCK, waiting=token.check):
            try:
                work = lay_out(folder, probe)
                copy = replace(environment, folder=folder / BOX / "environment", is_own=True)
                shutil.copytree(environment.folder, copy.folder, symlinks=True, copy_function=_copy_writable)
            except (OSError, shutil.Error) as error:
                raise not_writable("a copy of the environment", folder, _first(error)) from error
            passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
            yield Bench(
                environment=copy,
                work=work,
                environ={**environ_of(probe, copy, folder / BOX), **passed_on},
                confine=sandbox.rules(probe.confinement, folder / BOX),
                probe_line=_line(probe),
            )
    finally:
        remove(folder)


def _copy_writable(source: str, target: str) -> None:
    """Copy a file, and make the copy writable: the original is not, because other environments share it."""
    shutil.copy2(source, target)
    os.chmod(target, os.stat(target).st_mode | stat.S_IWUSR)


def _line(probe: Probe) -> str:
    """Return the command line that a person types to run a probe, or ""."""
    if probe.served:
        module = probe.served.file.removesuffix(".py").replace("/", ".")
        return shlex.join(["python", "-m", "uvicorn", f"{module}:{probe.served.name}"])
    if probe.command:
        return probe.command
    return shlex.join(["python", probe.script]) if probe.script else ""


def _first(error: OSError | shutil.Error) -> OSError:
    """Return the error itself, or one with the first reason of several."""
    reasons = error.args[0] if isinstance(error, shutil.Error) else None
    return OSError(str(reasons[0][2])) if isinstance(reasons, list) and reasons else error

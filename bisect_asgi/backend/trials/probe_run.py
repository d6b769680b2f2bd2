"""Run a probe once: its directories, its variables, and the observation of its run.

A command may run a program of the machine although the environment's was meant. If an environment has no
`pytest`, `pytest -q` runs the machine's, on another Python with other packages. That shows nothing about the
candidate. So a Python script of the machine makes the run untestable, if no Python of the environment ran.
Other programs of the system (`grep`, `curl`, `egrep`) are meant to be the machine's.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path

from bisect_asgi.backend.environments import Environment
from bisect_asgi.backend.files import locked, locked_if_free, remove
from bisect_asgi.backend.process.run import Run, run_supervised
from bisect_asgi.backend.process.sandbox import Sandbox
from bisect_asgi.backend.process.usage import is_alive, move, spending
from bisect_asgi.backend.served.request import RESULT, UNREADABLE_METRIC, Driven, DriveRequest
from bisect_asgi.backend.trials import junit, reports
from bisect_asgi.backend.trials.killed import is_of_sigkill
from bisect_asgi.backend.trials.reports import Reports
from bisect_asgi.core import codec, metrics
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import NoResult, Unavailable, UsageError
from bisect_asgi.core.judge import runners, signature
from bisect_asgi.core.metrics import MarkedLines, Reported
from bisect_asgi.core.model import (
    UNTESTABLE_EXIT,
    Observation,
    Outcome,
    Phase,
    Probe,
    Served,
    Signature,
    Step,
)
from bisect_asgi.core.records import Struct, replace

# Only these are passed on: a probe may need them, and they contain no secrets.
_PASSED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
_LONGEST_SIZE = 18
"""Digits of a size in bytes: a probe may write anything there."""
_METRICS = "metrics.json"
LOCK = "lock"
BOX = "box"
"""The directory in which a run may write; locks and requests lie beside it."""
_numbers = count()

Output = Callable[[str], None]


def run_probe(
    probe: Probe,
    environment: Environment,
    runs: Path,
    token: CancelToken,
    output: Output | None,
    sandbox: Sandbox,
    *,
    on_imported: Callable[[Iterable[str]], object] = tuple,
    on_killed: Callable[[], object] = bool,
) -> Observation:
    """Run the probe once, in a working directory below `runs` that is removed afterwards.

    `on_imported` is called with the paths of the modules that the run has imported, as it reported them.
    `on_killed` is called if something other than this tool has killed the run with SIGKILL.

    Raises:
        Unavailable: the probe could not be started or not be confined as asked, or the disk is full.
        Cancelled: the token was cancelled.
    """
    held = ExitStack()
    folder = None
    try:
        folder = new_folder(runs)
        held.enter_context(locked(folder / LOCK, waiting=token.check))
        work = lay_out(folder, probe)
        report = held.enter_context(reports.opened(folder / BOX / "report"))
        environ = environ_of(probe, environment, folder / BOX)
        served = probe.served
        marked = MarkedLines()
        with spending(Step.START):
            run = run_supervised(
                _drive(probe, served, environment, work, environ) if served else _argv(probe, environment),
                cwd=work,
                report=report.folder,
                environ=environ,
                timeout_s=probe.timeout_s,
                token=token,
                confine=sandbox.rules(probe.confinement, folder / BOX),
                limits=probe.limits,
                on_output=output,
                on_chunk=marked.add,
                is_driver=served is not None,
            )
            move(run.wall_s, to=Step.RUN)
        if not folder.is_dir():  # the run may have failed only because its directory was removed
            raise OSError(f"`{folder}` was removed while it ran")
        if is_of_sigkill(run.exit_code, of_shell=probe.command is not None):
            on_killed()
        seen = _observe_driven(probe, run, report, on_killed) if served else _observe(probe, run, report)
        if probe.command and not report.named("stacks-*.txt"):
            seen = _of_the_machine(seen, host_script(probe.command, environ["PATH"], environment.folder))
        on_imported(_imported(report))
        seen = replace(seen, sandbox=sandbox.level(probe.confinement))
        return _with_reported(seen, _reported(marked, report))
    except NoResult as error:
        sign = signature.of_environment(Phase.CHECK, str(error))
        return Observation(outcome=Outcome.ERROR, phase=Phase.CHECK, signature=sign)
    except OSError as error:
        sandbox.doubt()
        raise Unavailable(
            f"the probe could not be run: {error}",
            hint="check the disk and the cache directory, then run the same command again",
        ) from error
    finally:
        if folder:
            remove(folder)
        held.close()


def new_folder(runs: Path) -> Path:
    """Make a new directory; in a container, the last command may have had the same process number."""
    while True:
        folder = runs / f"{os.getpid()}-{next(_numbers)}"
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder


def lay_out(folder: Path, probe: Probe) -> Path:
    """Make the directories of one run; return its working directory."""
    for name in ("work", "home", "tmp", "report"):
        (folder / BOX / name).mkdir(parents=True)
    work = folder / BOX / "work"
    for file in probe.files:
        path = work / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        if file.executable:
            path.chmod(0o755)
    return work


def _argv(probe: Probe, environment: Environment) -> list[str]:
    if probe.command is not None:
        return ["/bin/sh", "-c", probe.command]
    script = str(probe.script)
    # Python would read a name that begins with a dash as an option.
    return [str(environment.bin / "python"), f"./{script}" if script.startswith("-") else script]


def environ_of(probe: Probe, environment: Environment, box: Path) -> dict[str, str]:
    """Return the variables of a run; of the user's it has the path, the language and the certificates."""
    return {
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        "PATH": os.pathsep.join([str(environment.bin), os.environ.get("PATH", os.defpath)]),
        "VIRTUAL_ENV": str(environment.folder),
        "HOME": str(box / "home"),
        "TMPDIR": str(box / "tmp"),
        "PYTHONUNBUFFERED": "1",  # so that the output is complete even if the probe is killed
        "BISECT_ASGI_REPORT": str(box / "report"),
        "BISECT_ASGI_METRICS": str(box / "report" / _METRICS),
        **dict(probe.environ),
        **junit.variables(probe, box / "report", dict(probe.environ)),
    }


def _drive(
    probe: Probe, served: Served, environment: Environment, work: Path, environ: dict[str, str]
) -> list[str]:
    """Return the driver's command line, after writing its request beside the run's box."""
    request = DriveRequest(
        python=str(environment.bin / "python"),
        environ=environ,
        app_file=str(work / served.file),
        app_name=served.name,
        probe_file=str(work / probe.script) if probe.script else None,
        load=served.load,
        options=served.options,
        startup_s=served.startup_s,
        report=environ["BISECT_ASGI_REPORT"],
    )
    path = work.parent.with_name("request.json")
    path.write_bytes(codec.to_json(request))
    # With -P, a file next to the probe cannot shadow a module of the driver.
    return [sys.executable, "-P", "-m", "bisect_asgi.backend.served.drive", str(path)]


def _observe_driven(probe: Probe, run: Run, report: Reports, on_killed: Callable[[], object]) -> Observation:
    """Return the observation of a served probe; without a result file, the driver was stopped or failed.

    `on_killed` is called if the server was killed; that of the driver is in `run`.
    """
    base = _observe(probe, run, report)
    if run.over_limit:
        return base
    try:
        driven = codec.from_json(report.read(RESULT) or b"", Driven)
    except codec.Unreadable:
        return base if run.timed_out else replace(base, outcome=Outcome.ERROR)
    if driven.server_killed:
        on_killed()
    if driven.outcome is Outcome.ERROR:
        raise UsageError(
            f"the driver half of `{probe.script}` does not load: {driven.type}: {driven.message}",
            hint="it is imported without the package under test: import what the app needs inside the "
            "function that makes it",
        )
    sign = None
    if driven.outcome is Outcome.FAILED:
        sign = signature.of_exception(
            driven.type, driven.message, phase=driven.phase, frames=driven.frames, probe_files=_own(probe)
        )
        if driven.server_raised:
            sign = signature.with_server_error(sign, driven.server_raised, probe_files=_own(probe))
        if driven.stacks:
            sign = signature.with_server_stacks(sign, driven.stacks, probe_files=_own(probe))
    elif driven.outcome is Outcome.UNTESTABLE and driven.type != UNREADABLE_METRIC:
        sign = signature.of_environment(driven.phase, driven.message)
    return replace(
        base,
        outcome=Outcome.PASSED if driven.type == UNREADABLE_METRIC else driven.outcome,
        phase=driven.phase,
        signature=sign,
        complaint=driven.message if driven.type == UNREADABLE_METRIC else "",
        cpu_s=max(0.0, base.cpu_s - driven.own_cpu_s),
        metrics=driven.metrics,
        units=driven.units,
        frames=driven.frames,
        stacks=driven.stacks or base.stacks,
    )


def _observe(probe: Probe, run: Run, report: Reports) -> Observation:
    """Return the observation of a run, from how it ended and from its reports."""
    outcome, sign = _outcome(run), None
    exception = _exception(run, report, of_script=probe.command is None)
    if run.over_limit:
        outcome, sign = Outcome.UNTESTABLE, signature.of_limit(run.over_limit)
    elif untested := _untested(run):
        outcome, sign = Outcome.UNTESTABLE, untested
    elif outcome is not Outcome.PASSED:
        sign = _signature(probe, run, report, exception)
    return Observation(
        outcome=outcome,
        phase=sign.phase if sign else Phase.CHECK,
        signature=sign,
        exit_code=run.exit_code,
        wall_s=run.wall_s,
        cpu_s=run.cpu_s,
        peak_bytes=max([run.peak_bytes, *_peaks(report)]) or None,
        output_tail=run.output_tail,
        other_load=run.other_load,
        frames=exception.frames if exception else (),
        stacks=_stacks(report),
    )


def _peaks(report: Reports) -> Iterator[int]:
    """Yield the peak memory of each process that reported it, in bytes."""
    for name in report.named("peak-*.txt"):
        if (text := report.text(name)).isdecimal() and len(text) <= _LONGEST_SIZE:
            yield int(text)


def _imported(report: Reports) -> Iterator[str]:
    """Yield the paths of the modules that the run's processes imported."""
    for name in report.named("imported-*.txt"):
        yield from os.fsdecode(report.read(name) or b"").split("\n")


def _stacks(report: Reports) -> str:
    """Return the stacks of all processes of a run that hung."""
    return "\n".join(report.text(name) for name in sorted(report.named("stacks-*.txt"))).strip()


def _reported(marked: MarkedLines, report: Reports) -> Reported:
    """Return the metrics that the probe printed or wrote into its file; the file wins."""
    printed = metrics.of_lines(marked.end())
    if not report.has(_METRICS):
        return printed
    content = report.read(_METRICS, metrics.FILE_BYTES + 1)
    if content is None:
        return printed.then(Reported(problem="the file of metrics is no file"))
    return printed.then(metrics.of_json(content))


def _with_reported(seen: Observation, reported: Reported) -> Observation:
    """Return the observation with the metrics that the run reported.

    If a metric cannot be read, a passed run still counts as passed, because it is not known here which metric
    decides. The complaint is stored: it is the judge's reason if the deciding metric is missing.
    """
    units = {name: unit for name, unit in reported.units.items() if name not in seen.metrics}
    seen = replace(seen, metrics={**reported.values, **seen.metrics}, units={**units, **seen.units})
    if seen.outcome is not Outcome.PASSED or seen.complaint:
        return seen
    return replace(seen, complaint=reported.problem)


def _outcome(run: Run) -> Outcome:
    """Return the outcome of an exit code, as `git bisect run`: 0 passed, 125 untestable, others failed."""
    if run.exit_code == 0:
        return Outcome.PASSED
    return Outcome.UNTESTABLE if run.exit_code == UNTESTABLE_EXIT else Outcome.FAILED


class _ReportedException(Struct, frozen=True, kw_only=True):
    type: str
    message: str
    importing: bool
    frames: tuple[tuple[str, int, str], ...]


def _exception(run: Run, report: Reports, *, of_script: bool) -> _ReportedException | None:
    """Return the exception that ended the script, or the last that ended a Python process of a command."""
    if run.exit_code != 1:
        return None
    pattern = f"exception-{run.pid}.json" if of_script else "exception-*.json"
    names = report.named(pattern)
    try:
        return codec.from_json(report.read(names[-1]) or b"", _ReportedException) if names else None
    except codec.Unreadable:  # the process was killed while it wrote
        return None


def _of_the_machine(seen: Observation, program: Path | None) -> Observation:
    """Return the observation, or an untestable one if the command ran `program` of another Python."""
    if program is None:
        return seen
    reason = f"`{program.name}` is no program of this environment; `{program}` runs on another Python"
    sign = signature.of_environment(Phase.CHECK, reason)
    return replace(seen, outcome=Outcome.UNTESTABLE, phase=sign.phase, signature=sign)


def _untested(run: Run) -> Signature | None:
    """Return why a run of tests tested nothing, whatever its exit code, or None."""
    if run.timed_out or run.exit_code is None:
        return None
    return runners.untested(run.output_tail, run.exit_code)


def _signature(probe: Probe, run: Run, report: Reports, exception: _ReportedException | None) -> Signature:
    if run.timed_out:
        return signature.of_timeout(probe.timeout_s, _stacks(report), probe_files=_own(probe))
    exit_code = run.exit_code if run.exit_code is not None else -9
    if _may_be_of_tests(probe, exception) and (
        failed := runners.failure(
            run.output_tail, exit_code, junit_file=junit.read(report), probe_files=_own(probe)
        )
    ):
        return failed
    if exception:
        return signature.of_exception(
            exception.type,
            exception.message,
            phase=Phase.IMPORT if exception.importing else Phase.CHECK,
            frames=exception.frames,
            probe_files=_own(probe),
        )
    printed = signature.from_output(run.output_tail, probe_files=_own(probe)) if exit_code == 1 else None
    return printed or signature.of_exit(exit_code, run.output_tail)


def _may_be_of_tests(probe: Probe, exception: _ReportedException | None) -> bool:
    """Return whether the output of tests tells more than the exception.

    For a command it does, because the exception may come from a process that a test started. A script's own
    exception tells more, unless it only says that a process failed.
    """
    return probe.command is not None or exception is None or exception.type == "CalledProcessError"


def _own(probe: Probe) -> dict[str, bytes]:
    """Return the probe's files by name."""
    return {file.name: file.content for file in probe.files}


def clean_up(runs: Path) -> None:
    """Remove the directories that runs of a killed tool left behind.

    The lock of a directory shows whether its run is still going on. A process number would not, because
    containers that share a cache may have processes with the same number.
    """
    for folder in runs.glob("*-*"):
        owner, lock = folder.name.partition("-")[0], folder / LOCK
        if not owner.isdigit() or (not lock.exists() and is_alive(int(owner))):
            continue
        with suppress(OSError), locked_if_free(lock) as free:  # another command may remove it meanwhile
            if free:
                remove(folder)


_BETWEEN = frozenset("();<>|&")
_HEAD_BYTES = 4096
_PYTHON = re.compile(r"(?:python|pypy|graalpy)[\w.-]*")


def host_script(command: str, environ_path: str, folder: Path) -> Path | None:
    """Return the first Python script outside the environment's `folder` that a shell's `command` runs.

    None if there is none. `environ_path`: the PATH that the command has.
    """
    for word in _programs(command):
        found = shutil.which(word, path=environ_path) if "/" not in word else None
        if found and not Path(found).is_relative_to(folder) and any(map(_is_python, _behind(Path(found)))):
            return Path(found)
    return None


def _programs(command: str) -> Iterator[str]:
    """Yield the first word of each simple command, as far as that can be known without a shell."""
    is_first = True
    try:
        for word in shlex.shlex(command.replace("\n", ";"), posix=True, punctuation_chars=True):
            if _BETWEEN.issuperset(word):
                is_first = not set("<>") & set(word)
            elif is_first and not _is_assignment(word):
                yield word
                is_first = False
    except ValueError:  # an unclosed quote: the shell reports it
        return


def _is_assignment(word: str) -> bool:
    return word.partition("=")[0].isidentifier() and "=" in word


def _behind(program: Path) -> list[Path]:
    """Return the programs that one may start: itself, unless it is the shim of a version manager.

    A shim, for example of pyenv or asdf, starts the program of its name in one of the installed versions. The
    version depends on the directory in which the shim runs.
    """
    if program.parent.name != "shims":
        return [program]
    versions = ("versions/*", "installs/*/*")
    found = [path for v in versions for path in program.parent.parent.glob(f"{v}/bin/{program.name}")]
    return found or [program]


def _is_python(program: Path) -> bool:
    """Return whether a program is a script that a Python runs.

    If a shebang would be too long, installers write a shell script whose second line starts its Python by
    `exec`, as wrappers do. These count as well. A shell script that starts another program (`egrep`) does
    not.
    """
    try:
        with program.open("rb") as stream:
            first, *lines = stream.read(_HEAD_BYTES).decode("utf-8", "replace").splitlines() or [""]
    except OSError:
        return False
    if not first.startswith("#!"):
        return False
    # Installers write `'''exec'`: for a shell this is an empty string and `exec`, for Python the start of a
    # string.
    handing = (line for line in lines if line.lstrip("'").startswith("exec"))
    return any(_names_python(line) for line in (first, *handing))


def _names_python(line: str) -> bool:
    words = line.replace("#!", " ", 1).replace("'", " ").replace('"', " ").split()
    return any(_PYTHON.fullmatch(word.rpartition("/")[2]) for word in words)

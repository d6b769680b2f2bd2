"""A trial: one candidate's environment built or reused, and the probe run in it.

It returns observations whatever the probe does. What cannot be tested (no set of releases, no build) is an
observation too; what could not be asked raises `Unavailable`, and one environment that is not what it says
is a *broken* observation: nothing was learnt about that candidate.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from time import monotonic

from bisect_asgi import codec, signature
from bisect_asgi.environments.cache import Environment, EnvironmentCache, NotProved
from bisect_asgi.environments.resolution import Resolution, Resolver
from bisect_asgi.errors import BuildFailed, Unavailable, Unresolvable
from bisect_asgi.events import Activity
from bisect_asgi.locks import locked
from bisect_asgi.model import (
    BuiltEnvironment,
    EnvironmentSpec,
    Observation,
    Outcome,
    Phase,
    Probe,
    Signature,
    Trial,
    TrialRequest,
)
from bisect_asgi.process import Lifeline, Run, is_alive, run_supervised
from bisect_asgi.store import Store

UNTESTABLE_EXIT = 125
_RECENT = timedelta(days=1)
_KEPT_FOR = timedelta(minutes=10)
# What a probe may need of the user's shell and that is no secret.
_PASSED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
_numbers = count()

Progress = Callable[[Activity], None]
Output = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What a worker has on its own machine: caches and the store."""

    store: Store
    resolver: Resolver
    environments: EnvironmentCache
    runs: Path
    locks: Path


def run_trial(
    request: TrialRequest,
    workshop: Workshop,
    *,
    lifeline: Lifeline,
    progress: Progress = lambda _: None,
    output: Output | None = None,
) -> Trial:
    """Return what the candidate showed; observations that the store has are not made again.

    Raises:
        Unavailable: the index, the disk or uv failed; nothing was learnt.
        Cancelled: the lifeline was cancelled.
    """
    started = monotonic()
    progress(Activity.RESOLVING)
    try:
        resolution = _resolve(request, workshop, lifeline)
    except (Unresolvable, BuildFailed) as error:
        return _untestable(request, workshop.store, error, started)
    key = observation_key(request.probe, resolution)
    if request.fresh and not request.already:
        workshop.store.forget_observations(key)
    # Two processes that want the same observation: the second waits, and finds it in the store.
    with locked(workshop.locks / f"run-{key}.lock", waiting=lifeline.check):
        known = workshop.store.observations(key)[request.already : request.already + request.runs]
        if len(known) == request.runs:
            return _finished(request, resolution, known, (), started, built=started)
        try:
            progress(Activity.BUILDING)
            with workshop.environments.holding(resolution, request.spec, lifeline) as environment:
                built = monotonic()
                progress(Activity.RUNNING)
                made = []
                for _ in range(request.runs - len(known)):
                    made.append(_run(request.probe, environment, workshop.runs, lifeline, output))
                    workshop.store.add_observation(key, made[-1])
        except BuildFailed as error:
            return _untestable(request, workshop.store, error, started)
        except NotProved as error:
            return _without_runs(request, Outcome.BROKEN, Phase.INSTALL, str(error), started)
    return _finished(request, resolution, known, tuple(made), started, built=built)


def recall(request: TrialRequest, store: Store) -> Trial | None:
    """Return what earlier commands observed of the candidate, all of it; None: nothing."""
    if known_failure := _known_failure(request.spec, store):
        return _untestable(request, store, known_failure, 0.0)
    if resolution := _known_resolution(request.spec, store):
        known = store.observations(observation_key(request.probe, resolution))
        return _finished(request, resolution, known, (), 0.0, built=0.0) if known else None
    return None


def observation_key(probe: Probe, resolution: Resolution) -> str:
    """Name everything that can change what a run shows: the probe, the exact environment, the platform."""
    return codec.digest("run", probe, resolution.digest, sys.platform, os.uname().machine)


def _resolve(request: TrialRequest, workshop: Workshop, lifeline: Lifeline) -> Resolution:
    """The resolution from the store, or a new one; a past date's does not change any more."""
    store, spec = workshop.store, request.spec
    if request.already or not request.fresh:
        if failure := _known_failure(spec, store):
            raise failure
        if known := _known_resolution(spec, store):
            return known
    resolution = workshop.resolver.resolve(spec, lifeline)
    store.keep_resolution(_resolution_key(spec), resolution)
    return resolution


def _resolution_key(spec: EnvironmentSpec) -> str:
    return codec.digest("resolve", spec)


def _known_resolution(spec: EnvironmentSpec, store: Store) -> Resolution | None:
    """A resolution of the store that still holds: a past date's for ever, another for ten minutes."""
    if not (known := store.resolution(_resolution_key(spec))):
        return None
    resolution, made = known
    return resolution if _is_past(spec, made) or made > datetime.now(UTC) - _KEPT_FOR else None


def _known_failure(spec: EnvironmentSpec, store: Store) -> Unresolvable | BuildFailed | None:
    """A remembered failure, where nothing that is uploaded later can change it."""
    if not _is_past(spec, datetime.now(UTC)):
        return None
    for kind in (Unresolvable, BuildFailed):
        if reason := store.failure(_failure_key(spec, kind)):
            return kind(reason)
    return None


def _failure_key(spec: EnvironmentSpec, kind: type[Exception]) -> str:
    return codec.digest("failure", Unresolvable.__name__ if issubclass(kind, Unresolvable) else "", spec)


def _is_past(spec: EnvironmentSpec, made: datetime) -> bool:
    return spec.not_after is not None and spec.not_after < made - _RECENT


def _run(
    probe: Probe, environment: Environment, runs: Path, lifeline: Lifeline, output: Output | None
) -> Observation:
    """Run the probe once, in a working directory of its own that is gone afterwards."""
    folder = runs / f"{os.getpid()}-{next(_numbers)}"
    try:
        work, report = _lay_out(folder, probe)
        run = run_supervised(
            _argv(probe, environment),
            cwd=work,
            report=report,
            environ=_environ(probe, environment, folder),
            timeout_s=probe.timeout_s,
            lifeline=lifeline,
            on_output=output,
        )
        return _observe(probe, run, report)
    except OSError as error:
        raise Unavailable(
            f"the probe could not be run: {error}",
            hint="nothing was learnt about this release; check the disk and the cache folder",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lay_out(folder: Path, probe: Probe) -> tuple[Path, Path]:
    """Make the folders of one run; return where the probe works and where reports are left."""
    for name in ("work", "home", "tmp", "report"):
        (folder / name).mkdir(parents=True)
    work = folder / "work"
    for file in probe.files:
        path = work / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        if file.executable:
            path.chmod(0o755)
    return work, folder / "report"


def _argv(probe: Probe, environment: Environment) -> list[str]:
    if probe.command is not None:
        return ["/bin/sh", "-c", probe.command]
    return [str(environment.bin / "python"), str(probe.script)]


def _environ(probe: Probe, environment: Environment, folder: Path) -> dict[str, str]:
    """The variables of a run: nothing of the user's shell but the path, the language and the certificates."""
    return {
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        "PATH": os.pathsep.join([str(environment.bin), os.environ.get("PATH", os.defpath)]),
        "VIRTUAL_ENV": str(environment.folder),
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONUNBUFFERED": "1",  # what a probe wrote before it was killed is evidence
        "BISECT_ASGI_REPORT": str(folder / "report"),
        **dict(probe.environ),
    }


def _observe(probe: Probe, run: Run, report: Path) -> Observation:
    """Put what the run and its reports say into one observation."""
    outcome = _outcome(run)
    exception = (
        _exception(run, report, of_script=probe.command is None) if outcome is not Outcome.PASSED else None
    )
    sign = None if outcome is Outcome.PASSED else _signature(probe, run, exception)
    return Observation(
        outcome=outcome,
        phase=sign.phase if sign else Phase.CHECK,
        signature=sign,
        exit_code=run.exit_code,
        wall_s=run.wall_s,
        cpu_s=run.cpu_s,
        peak_bytes=max([run.peak_bytes, *(int(p.read_text() or 0) for p in report.glob("peak-*.txt"))]),
        output_tail=run.output_tail,
        frames=exception.frames if exception else (),
        stacks="\n".join(p.read_text(errors="replace") for p in sorted(report.glob("stacks-*.txt"))).strip(),
    )


def _outcome(run: Run) -> Outcome:
    """git bisect's exit codes: 0 passes, 125 cannot tell, all others fail."""
    if run.exit_code == 0:
        return Outcome.PASSED
    return Outcome.UNTESTABLE if run.exit_code == UNTESTABLE_EXIT else Outcome.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReportedException:
    type: str
    message: str
    importing: bool
    frames: tuple[tuple[str, int, str], ...]


def _exception(run: Run, report: Path, *, of_script: bool) -> _ReportedException | None:
    """The exception that ended the script, or the last one that ended any Python process of a command."""
    if run.exit_code != 1:
        return None
    pattern = f"exception-{run.pid}.json" if of_script else "exception-*.json"
    files = sorted(report.glob(pattern), key=lambda path: path.stat().st_mtime_ns)
    try:
        return codec.from_json(files[-1].read_bytes(), _ReportedException) if files else None
    except codec.Unreadable:  # killed while it wrote
        return None


def _signature(probe: Probe, run: Run, exception: _ReportedException | None) -> Signature:
    if run.timed_out:
        return signature.of_timeout(probe.timeout_s)
    if exception:
        return signature.of_exception(exception.type, exception.message, importing=exception.importing)
    exit_code = run.exit_code if run.exit_code is not None else -9
    printed = signature.from_output(run.output_tail) if exit_code == 1 else None
    return printed or signature.of_exit(exit_code)


def _untestable(request: TrialRequest, store: Store, error: Exception, started: float) -> Trial:
    """The trial of a candidate that has no environment; the reason is kept."""
    store.keep_failure(_failure_key(request.spec, type(error)), str(error))
    phase = Phase.RESOLVE if isinstance(error, Unresolvable) else Phase.INSTALL
    return _without_runs(request, Outcome.UNTESTABLE, phase, str(error), started)


def _without_runs(
    request: TrialRequest, outcome: Outcome, phase: Phase, reason: str, started: float
) -> Trial:
    sign = signature.of_environment(phase, reason)
    return Trial(
        key=request.key,
        label=request.label,
        observations=(Observation(outcome=outcome, phase=phase, signature=sign),),
        build_s=monotonic() - started if started else 0.0,
    )


def _finished(
    request: TrialRequest,
    resolution: Resolution,
    known: tuple[Observation, ...],
    made: tuple[Observation, ...],
    started: float,
    *,
    built: float,
) -> Trial:
    return Trial(
        key=request.key,
        label=request.label,
        observations=known + made,
        environment=BuiltEnvironment(
            digest=resolution.digest, distributions=resolution.distributions, step=resolution.step
        ),
        remembered=len(known),
        build_s=built - started,
        run_s=monotonic() - built,
    )


def clean_up(runs: Path) -> None:
    """Remove what runs of a killed tool left behind."""
    for folder in runs.glob("*-*"):
        owner = folder.name.partition("-")[0]
        if owner.isdigit() and not is_alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)

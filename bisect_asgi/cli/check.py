"""`bisect-asgi check PACKAGE==VERSION --probe FILE`: run the probe on one release, as a search would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bisect_asgi.cli.output import say
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.records import replace

if TYPE_CHECKING:
    from bisect_asgi.core.model import Observation, Trial
    from bisect_asgi.core.plan import Plan
    from bisect_asgi.core.releases.interpreters import InterpreterChoice


_NO_LIMIT = (
    "no limit: a share, or none, means something between releases only; "
    "--bad-above '250 ms' is a limit for one"
)


def check(
    options: Options,
    package: Annotated[str, typer.Argument(metavar="PACKAGE==VERSION", help="The release: fastapi==0.69.0.")],
) -> None:
    """Run the probe on one release, with git bisect's exit codes.

    The exit code is 0 if the probe passes, 1 if it fails, and 125 if the release is untestable. Without a
    verdict it is 128 or above.
    """
    from bisect_asgi.cli.probe_files import read_plan
    from bisect_asgi.core.errors import UsageError
    from bisect_asgi.core.plan import pinned_version
    from bisect_asgi.core.plan.parsing import parse_package

    requirement = parse_package(package)
    pin = pinned_version(package)
    if pin is None:
        raise UsageError(f"`{package}` names no single release", hint="write it as `fastapi==0.69.0`")
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    plan = read_plan(replace(options, package=requirement.name + extras, jobs=1))
    raise typer.Exit(_check(plan, str(pin[1]), options.executor, verbose=bool(options.verbose)))


def _check(plan: Plan, version: str, where: str | None, *, verbose: bool) -> int:
    from bisect_asgi import session
    from bisect_asgi.backend.executors import open_executor
    from bisect_asgi.cli.wiring.local import open_trials
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.cli.wiring.services import open_services
    from bisect_asgi.report.progress.plain import PlainSink

    emit = PlainSink(say, verbose=verbose)
    places = CachePaths.configured()
    with (
        open_trials(places, emit, show_output=verbose, building=plan.building) as runner,
        open_executor(where, 1) as executor,
        open_services(places, runner, executor) as services,
    ):
        choice, trial = session.check(plan, version, services)
    return _show(plan, choice, trial)


def _show(plan: Plan, choice: InterpreterChoice, trial: Trial) -> int:
    """Print what the run showed, and return git bisect's exit code for it."""
    from bisect_asgi.core.errors import Unavailable
    from bisect_asgi.core.model import Outcome
    from bisect_asgi.session import rule_on

    # Nothing is compared here: a probe that fails is bad, although it says nothing about a metric.
    criteria = replace(
        plan.criteria, any_failure=plan.criteria.any_failure or plan.criteria.metric is not None
    )
    ruling, run = rule_on(replace(plan, criteria=criteria), trial), trial.observations[-1]
    sign = (ruling.signature if ruling else None) or run.signature
    seen = f"{sign.phase}: {sign.shown}" if sign else f"{run.phase}: {run.complaint}" if run.complaint else ""
    if ruling is None:
        raise Unavailable(
            f"nothing was learnt about {plan.project} {trial.label}: {seen}",
            hint="run the same command again; if that fails, too, `bisect-asgi cache --clear` first",
        )
    words = {Outcome.PASSED: (plan.term_old, 0), Outcome.FAILED: (plan.term_new, 1)}
    word, exit_code = words.get(ruling.outcome, ("skip", 125))
    is_limited = plan.criteria.metric is None or plan.criteria.limit is not None
    if ruling.outcome is Outcome.PASSED and not is_limited:
        word, exit_code = "cannot tell", 125
        seen = _NO_LIMIT
    print(f"{plan.project} {trial.label} on Python {choice.interpreter.version}: {word}")
    if seen:
        print(f"  {seen}")
    _show_run(run, with_output=ruling.outcome is not Outcome.PASSED)
    return exit_code


def _show_run(run: Observation, *, with_output: bool) -> None:
    """Print the time, the memory, the metrics and, with `with_output`, the output of a run."""
    from bisect_asgi.core.metrics.quantities import show
    from bisect_asgi.core.text import duration, size

    if run.exit_code is not None or run.wall_s:
        memory = f", peak memory {size(run.peak_bytes)}" if run.peak_bytes else ""
        print(f"  run in {duration(run.wall_s)}, {duration(run.cpu_s)} of CPU time{memory}")
    for name, value in run.metrics.items():
        print(f"  {name} = {show(value, run.units.get(name, ''))}")
    for title, text in (("stacks", run.stacks), ("output", run.output_tail)):
        if text and with_output:
            print(f"  {title}:")
            print("\n".join(f"    {line}" for line in text.splitlines()[-30:]))

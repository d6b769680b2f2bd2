"""`bisect-asgi check PACKAGE==VERSION --probe FILE`: run the probe on one release, as a search would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bisect_asgi.cli.output import say
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.records import replace

if TYPE_CHECKING:
    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.core.model import Observation, Trial
    from bisect_asgi.core.plan import Plan
    from bisect_asgi.report.commands import CheckDocument
    from bisect_asgi.report.forms import Form
    from bisect_asgi.session.checked import Checked


def check(
    options: Options,
    package: Annotated[str, typer.Argument(metavar="PACKAGE==VERSION", help="The release: fastapi==0.69.0.")],
) -> None:
    """Run the probe on one release, with git bisect's exit codes.

    The exit code is 0 if the probe passes, 1 if it fails, and 125 if the release is untestable. Without a
    verdict it is 128 or above.
    """
    from bisect_asgi.cli.probe_files import read_plan
    from bisect_asgi.core.plan import named_release

    name, version = named_release(package)
    output = _output(options)
    plan = read_plan(replace(options, package=name, jobs=1))
    raise typer.Exit(_check(plan, version, options, output))


def _output(options: Options) -> OutputOptions:
    """Return the output options of `check`.

    Raises:
        UsageError: the result of one release cannot be written in this form.
    """
    from bisect_asgi.cli.output import OutputOptions
    from bisect_asgi.core.errors import UsageError

    output = OutputOptions.of(options)
    for form in (output.form, *(file.form for file in output.files)):
        if form and form not in _FORMS:
            raise UsageError(
                f"`check` has no form `{form}`", hint="pass `json`, `junit` or `markdown`, or a file of these"
            )
    return output


_FORMS = ("json", "junit", "markdown")


def _check(plan: Plan, version: str, options: Options, output: OutputOptions) -> int:
    from bisect_asgi import session
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.cli.wiring.sessions import open_session
    from bisect_asgi.report.progress.plain import PlainSink
    from bisect_asgi.session.checked import checked

    verbose = bool(options.verbose)
    emit = PlainSink(say, verbose=verbose)
    with open_session(plan, CachePaths.configured(), emit, where=options.executor, show_output=verbose) as (
        _,
        services,
    ):
        choice, trial = session.check(plan, version, services, emit)
    return _show(checked(plan, choice, trial), trial, plan, output)


def _show(found: Checked, trial: Trial, plan: Plan, output: OutputOptions) -> int:
    """Print what the run showed, and return git bisect's exit code for it."""
    from bisect_asgi.core.model import Outcome

    if output.form or output.files:
        document = _document(found, trial)
        probe = plan.probe_path or plan.probe.name
        output.write_forms(lambda form: _rendered(document, probe, form))
    if output.form:
        return found.exit_code
    print(f"{found.package} {found.version} on Python {found.python}: {found.verdict}")
    if found.reason:
        print(f"  {found.reason}")
    _show_run(found.run, with_output=found.outcome is not Outcome.PASSED)
    return found.exit_code


def _rendered(document: CheckDocument, probe: str, form: Form) -> str:
    from bisect_asgi.core import codec
    from bisect_asgi.core.text import printable_json
    from bisect_asgi.report import check_forms

    if form == "json":
        return f"{printable_json(codec.to_json(document).decode())}\n"
    if form == "markdown":
        return check_forms.as_markdown(document)
    return check_forms.as_junit(document, probe)


def _document(found: Checked, trial: Trial) -> CheckDocument:
    from bisect_asgi.report.commands import CheckDocument

    return CheckDocument(
        exit_code=found.exit_code,
        package=found.package,
        version=found.version,
        python=found.python,
        verdict=found.verdict,
        seen=found.reason,
        observations=trial.observations,
    )


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

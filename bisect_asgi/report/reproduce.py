"""The commands that reproduce a side of the boundary: by hand with uv, or with `bisect-asgi check`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from bisect_asgi.core.events import RunStarted
from bisect_asgi.core.model import Distribution
from bisect_asgi.core.plan import DATE, PYTHON, RELEASES
from bisect_asgi.core.plan.parsing import show_moment
from bisect_asgi.report.rows import Row


def check_again(plan: RunStarted, row: Row) -> str:
    """Return the shortest command that runs the probe on a candidate as the search did, or "" without one.

    Options from the probe's own table are omitted, because `check` reads that table, too. A commit or the
    environment of a lock file has no such command, because `check` takes only releases.
    """
    own = next((d for d in row.distributions if d.name == plan.project), None)
    version = row.version if plan.over == RELEASES else own.version if own else None
    is_dependency = plan.axis.has_versions and plan.axis.subject == plan.over
    is_probe = bool(plan.probe or plan.command or "--app" in plan.check_options)  # not a function
    if version is None or not is_probe or not (plan.over in (RELEASES, DATE, PYTHON) or is_dependency):
        return ""
    said = plan.check_options if plan.check_beside_table is None else plan.check_beside_table
    words = ["bisect-asgi check", shlex.quote(plan.requirement.format(version=version))]
    words += _python(plan, row)
    if plan.over == RELEASES:
        return " ".join((*words, *said))
    return " ".join((*words, *_without_deps(said), *_moved(plan, row)))


def _python(plan: RunStarted, row: Row) -> Iterator[str]:
    """Yield `--python 3.8`, unless the probe's table has `check` take the same one."""
    if row.python is None:
        return
    known = plan.check_python
    if not known or not f"{row.python}.".startswith(f"{known}."):
        is_path = "/" in plan.python
        minor = ".".join(row.python.split(".")[:2])
        yield from (
            "--python",
            shlex.quote(plan.python) if is_path else row.python if plan.over == PYTHON else minor,
        )


def _without_deps(words: Sequence[str]) -> Iterator[str]:
    """Yield options without the policy for dependencies, which another one replaces."""
    for place, word in enumerate(words):
        if word != "--deps" and not (place and words[place - 1] == "--deps"):
            yield word


def _moved(plan: RunStarted, row: Row) -> Iterator[str]:
    """Yield the options that set the axis to this candidate, and the date that goes with it."""
    if plan.over not in (DATE, PYTHON):  # then it is the name of a dependency
        pin = shlex.quote(f"{plan.over}=={row.version}")
        yield from ("--with", pin, "--override", pin)
    if row.exclude_newer is None:
        yield from ("--deps", "latest")
    elif plan.over != PYTHON or plan.dependencies != "as-of-release":
        yield from ("--deps", shlex.quote(f"as-of {show_moment(row.exclude_newer)}"))


def reproduce(
    plan: RunStarted,
    distributions: Sequence[Distribution],
    *,
    python: str,
    exact: bool = False,
    source: str | None = None,
) -> str:
    """Return the command: `uv run`, or `bisect-asgi check` for a served probe, which uv alone cannot drive.

    Args:
        plan: the plan of the run.
        distributions: the distributions that the candidate's environment has installed.
        python: the version of its interpreter, in a form that uv accepts.
        exact: the packages contradict each other's requirements, so they are installed without resolving.
        source: the requirement that builds the candidate again, if it was built from a commit.
    """
    if plan.served:
        return _check(plan, distributions, python=python, exact=exact)
    pins = [shlex.quote(installs(distribution, source, plan.projects)) for distribution in distributions]
    # `uv run FILE` would resolve the requirements in the script's inline metadata as of today.
    if not exact:
        target = f"sh -c {shlex.quote(plan.command)}" if plan.command else _run_by("python", plan.probe)
        told = " ".join(f"--with {pin}" for pin in pins)
        return f"uv run --isolated --no-project --python {python} {told} {target}"
    target = (
        f'PATH="$PWD/mixed/bin:$PATH" sh -c {shlex.quote(plan.command)}'
        if plan.command
        else _run_by("mixed/bin/python", plan.probe)
    )
    make = f"uv venv --clear --python {python} mixed"
    return f"{make} && uv pip install --python mixed --no-deps {' '.join(pins)} && {target}"


def _run_by(program: str, probe: str) -> str:
    """Return the words that run the probe; without a file, only its environment's Python can be started."""
    return f"{program} {shlex.quote(probe)}" if probe else program


def installs(distribution: Distribution, source: str | None, projects: Mapping[str, str]) -> str:
    """Return the requirement that installs a distribution again: a pin, a commit, or a project of the user's.

    A project of the user's has no pin: the index may have another package of the same name.
    """
    is_built = source is not None and source.split(" @ ")[0] == distribution.name
    own = projects.get(distribution.name, str(distribution))
    return source if source and is_built else own


def _check(plan: RunStarted, distributions: Sequence[Distribution], *, python: str, exact: bool) -> str:
    own = next((d for d in distributions if d.name == plan.project), None)
    release = shlex.quote(plan.requirement.format(version=own.version) if own else str(distributions[0]))
    words = ["bisect-asgi check", release, f"--python {python}", *plan.check_options]
    built = (plan.projects.get(distribution.name) for distribution in distributions)
    words += [f"--with {shlex.quote(text)}" for text in built if text and shlex.quote(text) not in words]
    if exact:  # `--override` installs each package whatever the others require
        others = [d for d in distributions if d != (own or distributions[0]) and d.name not in plan.projects]
        words += [shlex.quote(f"--with={distribution}") for distribution in others]
        words += [shlex.quote(f"--override={distribution}") for distribution in others]
    return " ".join(words)

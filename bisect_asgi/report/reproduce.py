"""The command that runs the probe on one candidate by hand, with exactly the packages that it had."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from bisect_asgi.core.events import RunStarted
from bisect_asgi.core.model import Distribution


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
        plan: what was asked.
        distributions: what the candidate's environment has installed.
        python: the version of its interpreter, as uv takes it.
        exact: the packages contradict each other's requirements, so they are installed without resolving.
        source: the requirement that builds the candidate again, if it was built from a commit.
    """
    if plan.served:
        return _check(plan, distributions, python=python, exact=exact)
    pins = [_pin(distribution, source) for distribution in distributions]
    # For `FILE` alone uv would install what the script's inline metadata requires, as of today.
    if not exact:
        target = f"sh -c {shlex.quote(plan.command)}" if plan.command else f"python {shlex.quote(plan.probe)}"
        told = " ".join(f"--with {pin}" for pin in pins)
        return f"uv run --isolated --no-project --python {python} {told} {target}"
    target = (
        f'PATH="$PWD/mix/bin:$PATH" sh -c {shlex.quote(plan.command)}'
        if plan.command
        else f"mix/bin/python {shlex.quote(plan.probe)}"
    )
    make = f"uv venv --clear --python {python} mix"
    return f"{make} && uv pip install --python mix --no-deps {' '.join(pins)} && {target}"


def _pin(distribution: Distribution, source: str | None) -> str:
    is_built = source is not None and source.split(" @ ")[0] == distribution.name
    return shlex.quote(source if source and is_built else str(distribution))


def _check(plan: RunStarted, distributions: Sequence[Distribution], *, python: str, exact: bool) -> str:
    own = next((d for d in distributions if d.name == plan.project), None)
    release = shlex.quote(plan.requirement.format(version=own.version) if own else str(distributions[0]))
    words = ["bisect-asgi check", release, f"--python {python}", *plan.check_options]
    if exact:  # `--override` has each package installed whatever others require of it
        others = [d for d in distributions if d != (own or distributions[0])]
        words += [shlex.quote(f"--with={distribution}") for distribution in others]
        words += [shlex.quote(f"--override={distribution}") for distribution in others]
    return " ".join(words)

"""The one interpreter of a run: the user's choice, else the probe's wish, else what suits the range best."""

from __future__ import annotations

from collections.abc import Sequence

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Release
from bisect_asgi.core.plan.plan import Plan
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases import ReleaseRange, TargetPython
from bisect_asgi.core.releases.interpreters import InterpreterChoice, best_interpreter
from bisect_asgi.core.services import Services


def choose_interpreter(
    plan: Plan,
    services: Services,
    span: ReleaseRange,
    *,
    pinned: Sequence[Release] = (),
    newest: Sequence[Release] = (),
) -> InterpreterChoice:
    """Return the interpreter that installs the named ends; if possible also what is pinned, and `newest`.

    Raises:
        UsageError: there is none that can install the named ends.
    """
    if plan.python is not None:
        return InterpreterChoice(
            target=services.interpreters.find(plan.python), reason=f"`--python {plan.python}`"
        )
    found = admitted(plan, services, ReleaseRange(releases=span.releases))
    for required in ([*span.ends, *pinned], span.ends):
        if choice := best_interpreter(found, span.releases, required=required, wished=newest):
            if not plan.requires_python:
                return choice
            return replace(choice, reason=f"the probe requires {plan.requires_python}; {choice.reason}")
    names = " and ".join(f"{release.project} {release.version}" for release in span.ends)
    raise UsageError(f"no Python on this machine can install {names}", hint=_offer(plan, services, span))


def admitted(plan: Plan, services: Services, span: ReleaseRange) -> list[TargetPython]:
    """Return the interpreters that the probe's `requires-python` admits.

    Raises:
        UsageError: there is none.
    """
    found = [
        u for u in services.interpreters.find_all() if plan.requires_python.contains(u.interpreter.version)
    ]
    if not found:
        raise UsageError(
            f"no Python on this machine satisfies the probe's `requires-python`: `{plan.requires_python}`",
            hint=_offer(plan, services, span),
        )
    return found


def _offer(plan: Plan, services: Services, span: ReleaseRange) -> str:
    """Which interpreter to get, if uv has one that would do."""
    offered = [
        u
        for u in services.interpreters.downloadable()
        if plan.requires_python.contains(u.interpreter.version)
    ]
    if best := best_interpreter(offered, span.releases, required=span.ends):
        return f"uv can get one that does: `uv python install {best.interpreter.short}`"
    return "`bisect-asgi releases` shows which Python each release requires"

"""The result of one release by itself, with git bisect's exit codes."""

from __future__ import annotations

from bisect_asgi.core import hints
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.model import UNTESTABLE_EXIT, Observation, Outcome, Trial
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.releases.interpreters import InterpreterChoice
from bisect_asgi.session import rule_on

NO_LIMIT = (
    "no threshold: a percentage, or none, needs two releases; "
    "pass one with a unit, such as --bad-above '250 ms'"
)
"""The reason of a release that passes, if nothing says which values of its metric are bad."""


class Checked(Struct, frozen=True, kw_only=True):
    """One release with its verdict."""

    package: str
    version: str
    python: str
    """The version of its Python."""
    verdict: str
    """`good` or `bad`, or the user's words for these; `skip` if the release is untestable."""
    outcome: Outcome
    exit_code: int
    """0 if the probe passes, 1 if it fails, 125 if the release is untestable, as for `git bisect run`."""
    reason: str
    """The failure, or why the release is untestable; empty if it passes."""
    run: Observation
    """The last run."""


def checked(plan: Plan, choice: InterpreterChoice, trial: Trial) -> Checked:
    """Return the verdict on a release by its trial.

    Raises:
        Unavailable: there is no result.
    """
    # A check compares no releases, so a probe that fails is bad, although it has no value of the metric.
    criteria = replace(
        plan.criteria, any_failure=plan.criteria.any_failure or plan.criteria.metric is not None
    )
    ruling, run = rule_on(replace(plan, criteria=criteria), trial), trial.observations[-1]
    sign = (ruling.signature if ruling else None) or run.signature
    seen = f"{sign.phase}: {sign.shown}" if sign else f"{run.phase}: {run.complaint}" if run.complaint else ""
    if ruling is None:
        raise Unavailable(
            f"no result for {plan.project} {trial.label}: {seen}",
            hint=hints.no_result(seen),
        )
    words = {Outcome.PASSED: (plan.term_old, 0), Outcome.FAILED: (plan.term_new, 1)}
    word, exit_code = words.get(ruling.outcome, ("skip", UNTESTABLE_EXIT))
    is_limited = plan.criteria.metric is None or plan.criteria.threshold is not None
    if ruling.outcome is Outcome.PASSED and not is_limited:
        word, exit_code, seen = "skip", UNTESTABLE_EXIT, NO_LIMIT
    return Checked(
        package=plan.project,
        version=trial.label,
        python=choice.interpreter.version,
        verdict=word,
        outcome=ruling.outcome,
        exit_code=exit_code,
        reason=seen,
        run=run,
    )

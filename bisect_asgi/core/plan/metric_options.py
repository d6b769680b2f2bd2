"""Read the options about which runs are bad, which metric decides, and how sure the result has to be."""

from __future__ import annotations

import re
import string

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.metrics import BUILT_IN, BUILT_IN_UNITS
from bisect_asgi.core.metrics.criteria import DEFAULT_EFFECT, Criteria, Threshold, ThresholdSearch
from bisect_asgi.core.metrics.quantities import Quantity, parse, show
from bisect_asgi.core.model import SamplingMode
from bisect_asgi.core.plan import Budget
from bisect_asgi.core.plan.amounts import read_duration
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.parsing import malformed
from bisect_asgi.core.records import replace


def read_rules(options: Options) -> Criteria:
    """Return what makes a run bad: its failure, or a metric, perhaps with a threshold to be searched.

    Raises:
        UsageError: an option is malformed, or two of them contradict each other.
    """
    criteria = Criteria(any_failure=bool(options.any_failure), match=_pattern(options.match))
    if not _is_measured(options):
        return criteria
    if criteria.match is not None:
        raise UsageError("`--metric` conflicts with `--match`", hint="drop one of them")
    metric = options.metric or "value"
    above = _quantity(options.bad_above, "--bad-above")
    below = _quantity(options.bad_below, "--bad-below")
    bound = above or below
    if bound is None or bound.unit == "%":
        return replace(criteria, threshold_search=_aim(metric, above, below, options.effect))
    if options.effect is not None:
        raise UsageError(
            f"`--effect {options.effect}` conflicts with a threshold",
            hint="drop `--effect`, or the threshold",
        )
    return replace(criteria, threshold=_limit(metric, bound, is_above=above is not None))


def _is_measured(options: Options) -> bool:
    """Return whether the options name a metric or a threshold.

    Raises:
        UsageError: they contradict each other.
    """
    if options.bad_above is not None and options.bad_below is not None:
        raise UsageError(
            f"`--bad-above {options.bad_above}` conflicts with `--bad-below {options.bad_below}`",
            hint="drop one of them",
        )
    named = options.metric is not None or options.bad_above is not None or options.bad_below is not None
    if options.effect is not None and not named:
        raise UsageError(
            f"`--effect {options.effect}` has no effect without a metric",
            hint="add `--metric wall`, for example",
        )
    return named


def _limit(metric: str, bound: Quantity, *, is_above: bool) -> Threshold:
    """Return the user's threshold, in the unit of the metric if that is known."""
    known = BUILT_IN_UNITS.get(metric, "")
    if known and bound.unit and known != bound.unit:
        written = show(bound.value, bound.unit)
        raise UsageError(
            f"`{metric}` is in {known}, and its threshold is not: `{written}`",
            hint="pass a time, such as `250 ms`" if known == "s" else "pass a size, such as `8 MiB`",
        )
    unit = bound.unit or known
    if is_above:
        return Threshold(metric=metric, above=bound.value, unit=unit)
    return Threshold(metric=metric, below=bound.value, unit=unit)


def _aim(
    metric: str, above: Quantity | None, below: Quantity | None, effect: float | str | None
) -> ThresholdSearch:
    for option, bound in (("--bad-above", above), ("--bad-below", below)):
        if bound and bound.value <= 0:
            raise UsageError(
                f"`{option} {show(bound.value, bound.unit)}` is out of range",
                hint="pass a percentage above 0%, such as `15%`",
            )
    smallest = _quantity(effect, "--effect") or Quantity(value=DEFAULT_EFFECT, unit="%")
    # `--effect 5` hardly means 500%, so a number without a unit has to be a fraction below 1.
    most = {"%": 10, "": 1}.get(smallest.unit, 0)
    if not 0 <= smallest.value < most:
        raise UsageError(
            f"`--effect {effect}` is out of range", hint="pass a percentage of the metric, such as `5%`"
        )
    return ThresholdSearch(
        metric=metric,
        above=above.value if above else None,
        below=below.value if below else None,
        effect=smallest.value,
    )


def _quantity(said: float | str | None, option: str) -> Quantity | None:
    """Read a number with or without a unit; None stands for an option that is not given."""
    if said is None:
        return None
    try:
        return parse(str(said))
    except ValueError as error:
        raise malformed(
            option, str(said), "a number, with or without a unit: `8 MiB`, `250 ms`, `15%`"
        ) from error


def measuring_of(criteria: Criteria) -> SamplingMode | None:
    """Return how samples are taken: with a warm-up if compiling byte code and cold caches change the metric.

    A probe that reports bytes, or numbers of its own, is expected to warm up by itself.
    """
    if criteria.metric is None:
        return None
    is_cold = criteria.threshold is None or criteria.metric in BUILT_IN or criteria.threshold.unit == "s"
    return SamplingMode(needs_warm_up=is_cold)


def read_confidence(said: float | str | None) -> float:
    """Read the confidence required of the boundary: `0.99` or `99%`.

    Raises:
        UsageError: it is no number, or out of range.
    """
    if said is None:
        return 0.99
    try:
        quantity = parse(str(said))
    except ValueError as error:
        form = "a probability from 0.5 to 0.9999: `0.99` or `99%`"
        raise malformed("--confidence", str(said), form) from error
    if quantity.unit not in ("", "%") or not 0.5 <= quantity.value <= 0.9999:
        raise UsageError(
            f"`--confidence {said}` is out of range",
            hint="pass a probability from 0.5 to 0.9999, such as `99%`",
        )
    return quantity.value


_RUNS = ("run", "runs")


def read_budget(said: int | str | None) -> Budget:
    """Read a number of runs, or a time.

    Raises:
        UsageError: it is neither, or less than one run or one second.
    """
    if said is None:
        return Budget()
    form = "a number of runs, `200`, or a time, `30 min`"
    amount = read_duration(said, "--budget", form=form, least=1, counted=_RUNS)
    is_counted = str(said).strip().endswith((*string.digits, *_RUNS))
    return Budget(runs=int(amount)) if is_counted else Budget(runs=None, seconds=amount)


def _pattern(text: str | None) -> str | None:
    try:
        re.compile(text or "")
    except re.error as error:
        raise malformed("--match", text, "a regular expression of Python's `re`") from error
    return text

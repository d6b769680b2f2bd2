"""Tell what is wrong with the samples of a search, as `findings` says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from statistics import median

from bisect_asgi.core import events
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.metrics.criteria import RATIO, TIMES, Limit, values
from bisect_asgi.core.metrics.readings import unit_of
from bisect_asgi.core.metrics.warnings import Drift, findings, sentence
from bisect_asgi.core.model import Observation
from bisect_asgi.core.search import Found
from bisect_asgi.session.bisection.engine import Engine


def tell_quality(engine: Engine, labels: Sequence[str]) -> None:
    """Say what makes the samples doubtful: outliers, drift, growth from run to run, a busy machine."""
    rules = engine.question.rules
    if rules.metric is None:
        return
    samples = {labels[key]: values(runs, rules) for key, runs in sorted(engine.observed.items())}
    runs = [run for run in engine.taken if not run.is_warm_up]
    limit = rules.limit or Limit(metric=rules.metric)
    unit = unit_of(runs, rules.metric) if limit.unit == RATIO else limit.unit
    found = findings(
        {label: own for label, own in samples.items() if own},
        reference=_reference(runs, rules.metric),
        busy=[run.busy for run in runs if run.busy is not None and unit in TIMES],
        cores=os.cpu_count() or 1,
    )
    of_itself = Limit(metric=rules.metric, unit=unit)
    for finding in found:
        shown = of_itself if isinstance(finding, Drift) else limit
        engine.emit(events.Noted(text=sentence(finding, show=shown.show)))


def tell_share(engine: Engine, found: Found, ends: Expectation, labels: Sequence[str]) -> None:
    """Say so where the step at a boundary is less than half of what the ends differ by: there are others."""
    rules = engine.question.rules
    if ends.good is None or ends.bad is None or rules.limit is None:
        return
    samples = [values(engine.observed[key], rules) for key in (found.low, found.high, ends.good, ends.bad)]
    if not all(samples):
        return
    low, high, good, bad = map(median, samples)
    step, whole = abs(high - low), abs(bad - good)
    if step < whole / 2:
        show = rules.limit.show
        told = f"`{rules.metric}` crosses the limit at {labels[found.high]}, but by {show(step)} of the "
        engine.emit(
            events.Noted(text=f"{told}{show(whole)} that the ends differ by; `--all` tells every step")
        )


def _reference(runs: Sequence[Observation], metric: str) -> list[float]:
    """What the reference's runs measured, in the order in which they were made; none without a reference."""
    beside = (run.beside.get(metric) for run in runs)
    return [value for value in beside if value is not None]

"""Confidence, thresholds, samples and levels of a report in words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.metrics import measured, unit_of
from bisect_asgi.core.metrics.criteria import RATIO, Threshold, samples
from bisect_asgi.core.metrics.quantities import show
from bisect_asgi.core.model import NamedBoundary, Observation
from bisect_asgi.core.tally import Rate
from bisect_asgi.core.text import listing, plural
from bisect_asgi.report.document import Report
from bisect_asgi.report.rows import NamedLevel, ReportedEnds, Row

_NUMBER = re.compile(r"\S*\d")


def facts(report: Report) -> Iterator[tuple[str, str]]:
    """Yield the named lines about the confidence, the threshold and the levels."""
    title = "Confidence" if report.exit_code is ExitCode.FOUND else "Likely"
    if report.belief:
        yield title, _sure(report)
    elif report.error_bound is not None and report.error_bound < 1:
        yield title, agreement(report, report.error_bound)
    if report.ends:
        yield "Threshold", _limit(report.ends)
    yield from levels(report)


def threshold(report: Report) -> float | None:
    """Return the value beyond which the metric is bad: the user's own, or the one found between the ends."""
    if report.ends is None:
        return report.plan.threshold
    return report.ends.above if report.ends.above is not None else report.ends.below


def are_changes_shown(report: Report) -> bool:
    """Return whether changes are shown as well as levels, because they are not the steps between those."""
    return not report.levels or not are_steps(report.changes, report.levels, report.ends)


def are_steps(
    changes: Sequence[NamedBoundary], levels: Sequence[NamedLevel], ends: ReportedEnds | None
) -> bool:
    """Return whether the changes are the steps between levels, which is so if the user gave no threshold.

    The threshold was then set between the two candidates of the newest step.
    """
    steps = [(before.last, after.first) for before, after in pairwise(levels)]
    places = [(change.last, change.first) for change in changes]
    return bool(steps) and places == steps and ends is not None and (ends.old, ends.new) == steps[-1]


def levels(report: Report) -> Iterator[tuple[str, str]]:
    """Yield the steps between levels without the gradual change, and that change itself."""
    pairs = list(pairwise(report.levels))
    steps = report.steps or [(before.value, after.value) for before, after in pairs]
    for (before, after), (old, new) in zip(pairs, steps, strict=True):
        yield "Level", f"{before.last} → {after.first}: {step(old, new, report.unit)}{sure(after)}"
    if pairs and report.creep is not None:
        span = f"from {report.levels[0].first} to {report.levels[-1].last}"
        yield "Trend", f"{short(report.creep, report.unit)} {span}, not counting steps"


def sure(of: NamedLevel | NamedBoundary) -> str:
    """Return its probability as ` (99.1% probability)`; empty if it has none."""
    return "" if of.probability is None else f" ({percent(of.probability)} probability)"


def step(old: float, new: float, unit: str) -> str:
    """Return a step as `12.1 MiB → 18.3 MiB (+51%)`."""
    share = f" ({(new - old) / abs(old) * 100:+.3g}%)" if old else ""
    return f"{short(old, unit)} → {short(new, unit)}{share}"


def short(value: float, unit: str) -> str:
    """Return a value for a table: a ratio without the name of its baseline."""
    return f"{value:.3g} ×" if unit == RATIO else Threshold(metric="", unit=unit).show(value)


def seen(row: Row, report: Report) -> str:
    """Return the samples of a row as `wall 1.02 × (0.98 to 1.05)`; empty if there are none."""
    if not row.samples:
        return ""
    least, middle, most = (short(of(row.samples), report.unit) for of in (min, _median, max))
    if least == most:
        return f"{report.plan.metric} {middle}"
    (low, unit), (high, other) = (_split(text) for text in (least, most))
    span = f"{low} to {high}" if unit == other else f"{least} to {most}"  # the median shows the unit
    return f"{report.plan.metric} {middle} ({span})"


def _split(text: str) -> tuple[str, str]:
    """Return the number of a value, and the unit that follows it."""
    number = _NUMBER.match(text)
    end = number.end() if number else 0
    return text[:end], text[end:]


def _median(values: Sequence[float]) -> float:
    from statistics import median  # most reports have no metric, and importing it takes long

    return median(values)


def evidence(row: Row, report: Report) -> str:
    """Return the same with the number of samples and, for ratios, the median in the metric's own unit."""
    parts = [seen(row, report)]
    if report.unit == RATIO and report.plan.metric:
        parts.append(_in_units(row.observations, report.plan.metric))
    return ", ".join([*parts, plural(len(row.samples), "sample")])


def _in_units(runs: Sequence[Observation], metric: str) -> str:
    """Return the median of the metric itself, if its samples are ratios: `160 ms`."""
    sampled = [run for run in runs if samples([run], metric)]
    own = [value for run in sampled if (value := measured(run, metric)) is not None]
    return show(_median(own), unit_of(sampled, metric))


def _sure(report: Report) -> str:
    """Return the probability of the boundary, and the failure rates on both sides."""
    belief = report.belief
    if belief is None:
        return ""
    what = "samples beyond the threshold" if report.plan.metric else "runs failed"
    old, new = belief.old, belief.new
    sides = f"{_rate(old, what)} up to {belief.last}, {_rate(new, '')} from {belief.first} on"
    return f"{percent(belief.probability)} probability: {sides}"


def agreement(report: Report, error_bound: float) -> str:
    """Return the confidence in a boundary that all runs agree with."""
    runs = sum(row.passed + row.failed for row in report.rows if row.verdict != "skip")
    return f"at least {percent(1 - error_bound)} (all {plural(runs, 'run')} agree)"


def percent(probability: float) -> str:
    """Return a probability as a percentage, rounded down, and never as a certainty."""
    return f"{min(math.floor(probability * 1000 + 1e-9) / 10, 99.9):.1f}%"


def _rate(rate: Rate, what: str) -> str:
    """Return a rate as `9 of 12 runs failed (47% to 91%)`."""
    counted = f"{rate.failed} of {rate.runs} {what}".rstrip()
    return f"{counted} ({rate.low * 100:.0f}% to {rate.high * 100:.0f}%)"


def _limit(ends: ReportedEnds) -> str:
    """Return the threshold, with the samples of both ends."""
    limit = Threshold(metric=ends.metric, unit=ends.unit, above=ends.above, below=ends.below)
    sampled = [(ends.old, ends.old_samples), (ends.new, ends.new_samples)]
    medians = " and ".join(
        f"{short(_median(own), ends.unit)} in {version}" for version, own in sampled if own
    )
    counts = listing(dict.fromkeys(str(len(own)) for _, own in sampled))
    samples = f"{medians} (medians of {counts}; rank test p = {ends.p:.2g})"
    if ends.above is None and ends.below is None:
        return f"none: {ends.metric} is {samples}"
    ratio = f"the ratio of {ends.metric} to {ends.reference}'s" if ends.unit == RATIO else ends.metric
    bound = limit.bound.replace(" × the baseline's", " ×")
    return f"{ratio} {bound} is bad: {samples}"

"""What the user said about which runs are bad: limits in words and units, and how samples are compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import broken, failed, passed, untestable

from bisect_asgi.core.metrics.criteria import RATIO, Criteria, Threshold, ThresholdSearch, samples, values
from bisect_asgi.core.metrics.quantities import parse
from bisect_asgi.core.model import FailureKind, Observation, Phase
from bisect_asgi.core.records import replace

NUMBERS = st.floats(-1e12, 1e12)


def measured(
    wall_s: float = 0.0, *, reference_metrics: dict[str, float] | None = None, **metrics: float
) -> Observation:
    """A run that passed."""
    return replace(passed(), wall_s=wall_s, metrics=metrics, reference_metrics=reference_metrics or {})


def warm_up(run: Observation) -> Observation:
    return replace(run, is_warm_up=True)


@pytest.mark.parametrize(
    ("limit", "run", "value"),
    [
        pytest.param(Threshold(metric="growth"), measured(growth=8.0), 8.0, id="its-own"),
        pytest.param(Threshold(metric="wall"), measured(2.0), 2.0, id="of-every-run"),
        pytest.param(Threshold(metric="growth"), measured(2.0), None, id="not-reported"),
        pytest.param(
            Threshold(metric="growth"),
            measured(growth=8.0, reference_metrics={"growth": 4.0}),
            8.0,
            id="not-as-a-ratio",
        ),
        pytest.param(
            Threshold(metric="wall", unit=RATIO),
            measured(3.0, reference_metrics={"wall": 2.0}),
            1.5,
            id="as-a-ratio",
        ),
        pytest.param(
            Threshold(metric="wall", unit=RATIO),
            measured(3.0, reference_metrics={"wall": 2.0}, wall=5.0),
            2.5,
            id="a-ratio-of-what-the-probe-reports",
        ),
        pytest.param(Threshold(metric="wall", unit=RATIO), measured(3.0), None, id="no-reference"),
        pytest.param(
            Threshold(metric="wall", unit=RATIO),
            measured(3.0, reference_metrics={"cpu": 2.0}),
            None,
            id="another-metric-beside",
        ),
        pytest.param(
            Threshold(metric="lost", unit=RATIO),
            measured(lost=3.0, reference_metrics={"lost": 0.0}),
            None,
            id="a-share-of-nought",
        ),
        pytest.param(
            Threshold(metric="lost", unit=RATIO),
            measured(reference_metrics={"lost": 2.0}),
            None,
            id="the-reference-alone",
        ),
        pytest.param(
            Threshold(metric="lost", unit=RATIO),
            measured(lost=0.0, reference_metrics={"lost": 2.0}),
            0.0,
            id="nought-is-a-value",
        ),
    ],
)
def test_what_is_compared_is_the_metric_or_its_ratio_to_the_references(
    limit: Threshold, run: Observation, value: float | None
) -> None:
    assert limit.value(run) == value


@given(NUMBERS, NUMBERS)
def test_what_lies_on_the_bad_side_is_beyond_one_limit_and_not_the_other(value: float, bound: float) -> None:
    above, below = Threshold(metric="m", above=bound), Threshold(metric="m", below=bound)

    assert above.is_crossed(value) is (value > bound)
    assert below.is_crossed(value) is (value < bound)
    assert not Threshold(metric="m").is_crossed(value)


@pytest.mark.parametrize(
    ("limit", "bound", "text", "shown"),
    [
        pytest.param(
            Threshold(metric="wall", above=1.2, unit="s"),
            "above 1.2 s",
            "wall above 1.2 s",
            "wall = 2.5 s, above 1.2 s",
            id="a-time",
        ),
        pytest.param(
            Threshold(metric="growth", above=8.0 * 2**20, unit="B"),
            "above 8.0 MiB",
            "growth above 8.0 MiB",
            "growth = 2.5 B, above 8.0 MiB",
            id="bytes",
        ),
        pytest.param(
            Threshold(metric="rate", below=1200.0, unit="1/s"),
            "below 1200/s",
            "rate below 1200/s",
            "rate = 2.5/s, below 1200/s",
            id="from-below",
        ),
        pytest.param(
            Threshold(metric="n", below=0.0), "below 0", "n below 0", "n = 2.5, below 0", id="nought"
        ),
        pytest.param(
            Threshold(metric="wall", above=1.3, unit=RATIO),
            "above 1.3 × the baseline's",
            "wall above 1.3 × the baseline's",
            "wall = 2.5 × the baseline's, above 1.3 × the baseline's",
            id="a-ratio",
        ),
    ],
)
def test_a_limit_is_told_in_its_unit(limit: Threshold, bound: str, text: str, shown: str) -> None:
    failure = limit.signature(2.5)

    assert limit.bound == bound
    assert (failure.kind, failure.phase) == (FailureKind.METRIC, Phase.CHECK)
    assert (failure.text, failure.shown) == (text, shown)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_crossing_a_limit_is_one_failure_whatever_the_value(one: float, other: float) -> None:
    limit = Threshold(metric="wall", above=1.0, unit="s")

    assert limit.signature(one).is_same_failure(limit.signature(other))
    assert not limit.signature(one).is_same_failure(replace(limit, above=2.0).signature(one))


@given(st.floats(1e-9, 1e12), st.sampled_from(["", "s", "B", "1/s"]))
def test_a_value_that_is_shown_reads_back_nearly_as_it_was(value: float, unit: str) -> None:
    read = parse(Threshold(metric="m", unit=unit).show(value))

    assert read.unit == unit
    # Three digits, and whole bytes.
    assert read.value == pytest.approx(value, rel=0.006, abs=0.5 if unit == "B" else 0)


@pytest.mark.parametrize(
    ("criteria", "metric"),
    [
        pytest.param(Criteria(), None, id="passes-or-fails"),
        pytest.param(Criteria(match="x", any_failure=True), None, id="a-pattern"),
        pytest.param(Criteria(threshold=Threshold(metric="p95")), "p95", id="limit"),
        pytest.param(Criteria(threshold_search=ThresholdSearch(metric="wall")), "wall", id="aim"),
        pytest.param(
            Criteria(
                threshold=Threshold(metric="wall", unit=RATIO),
                threshold_search=ThresholdSearch(metric="wall"),
            ),
            "wall",
            id="a-limit-that-was-found",
        ),
    ],
)
def test_the_metric_that_decides_has_a_limit_or_gets_one(criteria: Criteria, metric: str | None) -> None:
    assert criteria.metric == metric


RUNS = (
    warm_up(measured(9.0, reference_metrics={"wall": 1.0})),
    measured(2.0, reference_metrics={"wall": 1.0}),
    failed(),
    untestable(),
    broken(),
    replace(failed(), wall_s=7.0, reference_metrics={"wall": 1.0}),
    measured(3.0),
    measured(6.0, reference_metrics={"wall": 4.0}),
)


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        pytest.param(Criteria(), (), id="nothing-is-measured"),
        pytest.param(Criteria(threshold_search=ThresholdSearch(metric="wall")), (2.0, 3.0, 6.0), id="aim"),
        pytest.param(Criteria(threshold=Threshold(metric="wall", above=1.0)), (2.0, 3.0, 6.0), id="limit"),
        pytest.param(
            Criteria(
                threshold=Threshold(metric="wall", unit=RATIO),
                threshold_search=ThresholdSearch(metric="wall"),
            ),
            (2.0, 1.5),
            id="ratios",
        ),
        pytest.param(Criteria(threshold_search=ThresholdSearch(metric="growth")), (), id="never-reported"),
    ],
)
def test_samples_are_of_runs_that_passed_and_are_no_warm_ups(
    criteria: Criteria, expected: tuple[float, ...]
) -> None:
    assert values(RUNS, criteria) == expected


def test_samples_are_ratios_where_any_was_taken_beside_a_reference() -> None:
    alone = [replace(run, reference_metrics={}) for run in RUNS]

    assert samples(RUNS, "wall") == (2.0, 1.5)
    assert samples(alone, "wall") == (2.0, 3.0, 6.0)
    assert samples((), "wall") == ()

"""The options about what is bad, what is measured and how sure an answer has to be; every refusal whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.metrics.criteria import DEFAULT_EFFECT, Criteria, Threshold, ThresholdSearch
from bisect_asgi.core.model import SamplingMode
from bisect_asgi.core.plan import Budget
from bisect_asgi.core.plan.metric_options import measuring_of, read_budget, read_confidence, read_rules
from bisect_asgi.core.plan.options import Options

QUANTITY_FORM = "pass a number, with or without a unit: `8 MiB`, `250 ms`, `15%`"
BUDGET_FORM = "pass a number of runs, `200`, or a time, `30 min`"


@pytest.mark.parametrize(
    ("options", "criteria"),
    [
        pytest.param(Options(), Criteria(), id="nothing"),
        pytest.param(Options(any_failure=True), Criteria(any_failure=True), id="any-failure"),
        pytest.param(Options(match="a+b"), Criteria(match="a+b"), id="a-pattern"),
        pytest.param(
            Options(metric="growth", bad_above=8e6),
            Criteria(threshold=Threshold(metric="growth", above=8e6)),
            id="number",
        ),
        pytest.param(
            Options(metric="p95", bad_above="250 ms"),
            Criteria(threshold=Threshold(metric="p95", above=0.25, unit="s")),
            id="a-time",
        ),
        pytest.param(
            Options(metric="growth", bad_above="8 MiB"),
            Criteria(threshold=Threshold(metric="growth", above=8.0 * 2**20, unit="B")),
            id="a-size",
        ),
        pytest.param(
            Options(metric="rate", bad_below="1200/s"),
            Criteria(threshold=Threshold(metric="rate", below=1200.0, unit="1/s")),
            id="a-rate-from-below",
        ),
        pytest.param(
            Options(bad_below="-3"),
            Criteria(threshold=Threshold(metric="value", below=-3.0)),
            id="the-value-a-probe-returns",
        ),
        pytest.param(
            Options(bad_above="0"),
            Criteria(threshold=Threshold(metric="value", above=0.0)),
            id="nought-is-a-limit",
        ),
        pytest.param(
            Options(metric="wall", bad_above="2"),
            Criteria(threshold=Threshold(metric="wall", above=2.0, unit="s")),
            id="a-plain-number-in-seconds",
        ),
        pytest.param(
            Options(metric="peak-memory", bad_below=2e6),
            Criteria(threshold=Threshold(metric="peak-memory", below=2e6, unit="B")),
            id="a-plain-number-in-bytes",
        ),
        pytest.param(
            Options(metric="wall", bad_above="8%", effect="5%"),
            Criteria(threshold_search=ThresholdSearch(metric="wall", above=0.08, effect=0.05)),
            id="a-share-and-an-effect",
        ),
        pytest.param(
            Options(metric="wall"), Criteria(threshold_search=ThresholdSearch(metric="wall")), id="no-limit"
        ),
        pytest.param(
            Options(metric="wall", bad_above="15%"),
            Criteria(threshold_search=ThresholdSearch(metric="wall", above=0.15)),
            id="so-much-more",
        ),
        pytest.param(
            Options(metric="rate", bad_below="15%"),
            Criteria(threshold_search=ThresholdSearch(metric="rate", below=0.15)),
            id="so-much-less",
        ),
        pytest.param(
            Options(metric="wall", effect="5%"),
            Criteria(threshold_search=ThresholdSearch(metric="wall", effect=0.05)),
            id="an-effect",
        ),
        pytest.param(
            Options(metric="wall", effect=0.05),
            Criteria(threshold_search=ThresholdSearch(metric="wall", effect=0.05)),
            id="a-plain-share",
        ),
        pytest.param(
            Options(metric="wall", effect="0"),
            Criteria(threshold_search=ThresholdSearch(metric="wall", effect=0.0)),
            id="any-effect",
        ),
        pytest.param(
            Options(metric="wall", effect="250%"),
            Criteria(threshold_search=ThresholdSearch(metric="wall", effect=2.5)),
            id="a-large-effect",
        ),
    ],
)
def test_options_say_what_is_bad(options: Options, criteria: Criteria) -> None:
    assert read_rules(options) == criteria


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        pytest.param(
            Options(metric="wall", bad_above="8 s", bad_below=3.0),
            "`--bad-above 8 s` conflicts with `--bad-below 3.0`",
            "drop one of them",
            id="two-limits",
        ),
        pytest.param(
            Options(bad_above=0.0, bad_below=0.0),
            "`--bad-above 0.0` conflicts with `--bad-below 0.0`",
            "drop one of them",
            id="two-limits-at-nought",
        ),
        pytest.param(
            Options(effect="5%"),
            "`--effect 5%` has no effect without a metric",
            "add `--metric wall`, for example",
            id="an-effect-on-nothing",
        ),
        pytest.param(
            Options(metric="wall", bad_above="slow"),
            "`slow` cannot be read (`--bad-above`)",
            QUANTITY_FORM,
            id="above-what",
        ),
        pytest.param(
            Options(metric="wall", bad_below="3 parsecs"),
            "`3 parsecs` cannot be read (`--bad-below`)",
            QUANTITY_FORM,
            id="a-unit-of-another-kind",
        ),
        pytest.param(
            Options(metric="wall", bad_above="0%"),
            "`--bad-above 0%` is out of range",
            "pass a percentage above 0%, such as `15%`",
            id="no-more-than-the-good-end",
        ),
        pytest.param(
            Options(metric="wall", bad_below="-15%"),
            "`--bad-below -15%` is out of range",
            "pass a percentage above 0%, such as `15%`",
            id="a-share-below-nought",
        ),
        pytest.param(
            Options(metric="wall", effect="some"),
            "`some` cannot be read (`--effect`)",
            QUANTITY_FORM,
            id="an-effect-that-is-none",
        ),
        pytest.param(
            Options(metric="wall", effect="-1%"),
            "`--effect -1%` is out of range",
            "pass a percentage of the metric, such as `5%`",
            id="an-effect-below-nought",
        ),
        pytest.param(
            Options(metric="wall", effect="1000%"),
            "`--effect 1000%` is out of range",
            "pass a percentage of the metric, such as `5%`",
            id="an-effect-of-ten-times",
        ),
        pytest.param(
            Options(metric="wall", effect=5.0),
            "`--effect 5.0` is out of range",
            "pass a percentage of the metric, such as `5%`",
            id="an-effect-without-its-per-cent",
        ),
        pytest.param(
            Options(metric="wall", effect="3 ms"),
            "`--effect 3 ms` is out of range",
            "pass a percentage of the metric, such as `5%`",
            id="an-effect-with-a-unit",
        ),
        pytest.param(
            Options(metric="wall", bad_above="8 s", effect="5%"),
            "`--effect 5%` conflicts with a threshold",
            "drop `--effect`, or the threshold",
            id="an-effect-beside-a-limit",
        ),
        pytest.param(
            Options(metric="wall", bad_above="8 MiB"),
            "`wall` is in s, and its threshold is not: `8.0 MiB`",
            "pass a time, such as `250 ms`",
            id="seconds-with-a-limit-in-bytes",
        ),
        pytest.param(
            Options(metric="peak-memory", bad_below="2 s"),
            "`peak-memory` is in B, and its threshold is not: `2.0 s`",
            "pass a size, such as `8 MiB`",
            id="bytes-with-a-limit-in-seconds",
        ),
        pytest.param(
            Options(match="("),
            "`(` cannot be read (`--match`)",
            "pass a regular expression of Python's `re`",
            id="no-pattern",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_users_value(
    options: Options, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_rules(options)

    assert (str(caught.value), caught.value.hint) == (message, hint)


@given(st.floats(min_value=0.001, max_value=9.0), st.booleans())
def test_per_cents_ask_for_a_limit_and_all_else_is_one(share: float, above: bool) -> None:
    said = {"bad_above" if above else "bad_below": f"{share * 100:.6f}%"}
    criteria = read_rules(Options(metric="wall", **said))  # type: ignore[arg-type]

    assert criteria.threshold is None
    assert criteria.threshold_search is not None
    assert (criteria.threshold_search.above if above else criteria.threshold_search.below) == pytest.approx(
        share, rel=1e-3
    )
    assert (criteria.threshold_search.below if above else criteria.threshold_search.above) is None
    assert criteria.threshold_search.effect == DEFAULT_EFFECT


@pytest.mark.parametrize(
    ("criteria", "sampling"),
    [
        pytest.param(Criteria(), None, id="passes-or-fails"),
        pytest.param(Criteria(match="x"), None, id="a-pattern"),
        pytest.param(
            Criteria(threshold=Threshold(metric="growth", above=8.0)),
            SamplingMode(needs_warm_up=False),
            id="own",
        ),
        pytest.param(
            Criteria(threshold=Threshold(metric="growth", above=8.0, unit="B")),
            SamplingMode(needs_warm_up=False),
            id="own-bytes",
        ),
        pytest.param(
            Criteria(threshold=Threshold(metric="p95", above=8.0, unit="s")),
            SamplingMode(needs_warm_up=True),
            id="own-time",
        ),
        pytest.param(
            Criteria(threshold=Threshold(metric="wall", above=8.0)),
            SamplingMode(needs_warm_up=True),
            id="wall",
        ),
        pytest.param(
            Criteria(threshold=Threshold(metric="peak-memory", above=8.0, unit="B")),
            SamplingMode(needs_warm_up=True),
            id="peak-memory",
        ),
        pytest.param(
            Criteria(threshold_search=ThresholdSearch(metric="growth")),
            SamplingMode(needs_warm_up=True),
            id="no-limit-yet",
        ),
    ],
)
def test_what_byte_code_and_caches_show_in_is_measured_warm(
    criteria: Criteria, sampling: SamplingMode | None
) -> None:
    assert measuring_of(criteria) == sampling


@pytest.mark.parametrize(
    ("said", "confidence"),
    [
        pytest.param(None, 0.99, id="default"),
        pytest.param(0.5, 0.5, id="least"),
        pytest.param(0.9999, 0.9999, id="most"),
    ],
)
def test_a_confidence_is_a_probability_that_can_be_had(said: float | None, confidence: float) -> None:
    assert read_confidence(said) == confidence


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        pytest.param(0.49, "0.49", id="less-than-a-coin"),
        pytest.param(1.0, "1.0", id="certainty"),
        pytest.param("99", "99", id="per-cents-without-their-sign"),
        pytest.param("100%", "100%", id="all-of-it"),
        pytest.param("5 s", "5 s", id="a-time"),
    ],
)
def test_another_confidence_is_refused(said: float | str, shown: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_confidence(said)

    assert str(caught.value) == f"`--confidence {shown}` is out of range"
    assert caught.value.hint == "pass a probability from 0.5 to 0.9999, such as `99%`"


@pytest.mark.parametrize(
    ("said", "budget"),
    [
        pytest.param(None, Budget(), id="default"),
        pytest.param(200, Budget(runs=200), id="number"),
        pytest.param("200", Budget(runs=200), id="text"),
        pytest.param("200 runs", Budget(runs=200), id="runs"),
        pytest.param("1 run", Budget(runs=1), id="one-run"),
        pytest.param(" 1e3runs ", Budget(runs=1000), id="as-it-is-typed"),
        pytest.param("30 min", Budget(runs=None, seconds=1800.0), id="minutes"),
        pytest.param("2h", Budget(runs=None, seconds=7200.0), id="hours"),
    ],
)
def test_a_budget_is_runs_or_time(said: int | str | None, budget: Budget) -> None:
    assert read_budget(said) == budget


@pytest.mark.parametrize(
    ("said", "message"),
    [
        pytest.param("all day", "`all day` cannot be read (`--budget`)", id="no-number"),
        pytest.param("many runs", "`many runs` cannot be read (`--budget`)", id="no-number-of-runs"),
        pytest.param("", "`` cannot be read (`--budget`)", id="nothing"),
        pytest.param("5 MiB", "`5 MiB` cannot be read (`--budget`)", id="neither-runs-nor-time"),
        pytest.param("20%", "`20%` cannot be read (`--budget`)", id="a-share"),
        pytest.param(0, "`--budget 0` is out of range", id="nothing-at-all"),
        pytest.param("-3 runs", "`--budget -3 runs` is out of range", id="less-than-nothing"),
        pytest.param("100 ms", "`--budget 100 ms` is out of range", id="no-time"),
    ],
)
def test_another_budget_is_refused(said: int | str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_budget(said)

    assert (str(caught.value), caught.value.hint) == (message, BUDGET_FORM)


def test_a_confidence_may_be_written_in_per_cents() -> None:
    assert read_confidence("95%") == pytest.approx(0.95)


def test_a_confidence_that_is_no_number_is_refused() -> None:
    with pytest.raises(UsageError, match="`sure` cannot be read"):
        read_confidence("sure")


def test_a_metric_and_a_pattern_are_two_ways_to_say_what_is_bad() -> None:
    with pytest.raises(UsageError, match="`--metric` conflicts with `--match`"):
        read_rules(Options(metric="wall", match="lost"))

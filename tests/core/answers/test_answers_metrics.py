"""Answers to questions about a metric."""

from __future__ import annotations

import pytest
from support.answers import BELIEVED, FAILS, FLAKY, PASSES, a_case, judged
from support.builders import ASSERTION

from bisect_asgi.core.answers import result_of
from bisect_asgi.core.model import Ruling
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import NoBoundary, Open, StopReason


@pytest.mark.parametrize(
    ("ruling", "said"),
    [
        pytest.param(PASSES, "`size` of starlette 0.5 is beyond its threshold in 0 of 1 sample", id="within"),
        pytest.param(
            replace(FAILS, passed=1),
            f"`size` of starlette 0.1 is beyond its threshold in 1 of 2 samples: {ASSERTION.shown}",
            id="beyond",
        ),
    ],
)
def test_an_end_that_is_measured_is_told_by_its_samples(ruling: Ruling, said: str) -> None:
    is_good = ruling is not PASSES
    case = replace(a_case(good=0, bad=4), metric="size", is_settled=True)

    answered = result_of(case, Open(low=None, high=None), judged(**{"k0" if is_good else "k4": ruling}))

    assert answered.message == f"the {'good end fails' if is_good else 'bad end passes'}: {said}"


def test_a_metric_that_is_on_one_side_of_its_limit_everywhere_is_told_as_that() -> None:
    case = replace(a_case(), metric="size", limit="above 115 s")

    within = result_of(case, NoBoundary(reason=StopReason.ALL_OLD), judged(k0=PASSES, k4=PASSES))
    beyond = result_of(case, NoBoundary(reason=StopReason.ALL_NEW), judged(k0=FAILS, k4=FAILS))

    assert within.message.startswith("`size` is within its threshold on every release of starlette")
    assert within.message.endswith("from 0.1 to 0.5 (above 115 s is bad)")
    assert beyond.message.startswith("`size` is beyond its threshold on every release of starlette")


def test_samples_that_are_as_often_beyond_the_limit_everywhere_are_told_as_samples() -> None:
    case = replace(a_case(), metric="size", believed=BELIEVED)

    said = result_of(case, NoBoundary(reason=StopReason.SAME), judged(k0=FLAKY, k4=FLAKY))

    assert said.message == "`size` is beyond its threshold as often everywhere: 8 of 20 runs, from 0.1 to 0.5"

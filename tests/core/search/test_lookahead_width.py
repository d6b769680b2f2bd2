"""How many trials run side by side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisect_asgi.core.search.lookahead import MOST_PER_CORE, parallel_trials


@pytest.mark.parametrize(
    ("cores", "waiting", "trials"),
    [
        pytest.param(2, 0.0, 2, id="computing-as-many-as-cores"),
        pytest.param(2, 0.5, 6, id="half-waiting"),
        pytest.param(4, 1 / 3, 8, id="a-third-waiting-twice-the-cores"),
        pytest.param(2, 1.0, 2 * MOST_PER_CORE, id="waiting-as-many-as-are-allowed"),
        pytest.param(2, 0.999, 2 * MOST_PER_CORE, id="next-to-nothing-computes"),
        pytest.param(0.2, 0.0, 1, id="a-part-of-a-core-still-runs-one"),
        pytest.param(2, -0.3, 2, id="more-cpu-seconds-than-seconds"),
        pytest.param(2, 1.5, 2 * MOST_PER_CORE, id="a-share-above-one"),
    ],
)
def test_how_many_trials_run_side_by_side(cores: float, waiting: float, trials: int) -> None:
    assert parallel_trials(cores, waiting) == trials


@given(cores=st.integers(1, 64), waiting=st.floats(0, 1), more=st.floats(0, 1))
def test_more_waiting_never_means_fewer_trials(cores: int, waiting: float, more: float) -> None:
    assert (
        cores
        <= parallel_trials(cores, waiting)
        <= parallel_trials(cores, min(1.0, waiting + more))
        <= cores * MOST_PER_CORE
    )

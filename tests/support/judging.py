"""Rulings on runs that are written down as observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bisect_asgi.core.judge.judge import Expectation, Judgement, judge
from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.metrics.criteria import Criteria
from bisect_asgi.core.model import Observation, Verdict

OLD, NEW, SKIP = Verdict.OLD, Verdict.NEW, Verdict.SKIP


Runs = Mapping[int, Sequence[Observation]]


NOTHING_NAMED = Expectation()


def judged(
    observed: Runs,
    *,
    size: int = 10,
    expectation: Expectation = NOTHING_NAMED,
    criteria: Criteria = Criteria(),
    noise: Noise | None = None,
) -> Judgement:
    """Judge ten candidates of which the user said nothing."""
    return judge(observed, size=size, expectation=expectation, criteria=criteria, noise=noise)

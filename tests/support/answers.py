"""Cases of which an answer is made."""

from __future__ import annotations

from bisect_asgi.core.answers.result import ResultContext
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.events import BeliefUpdated
from bisect_asgi.core.judge.judge import Expectation, Judgement
from bisect_asgi.core.model import Outcome, Ruling, Verdict
from bisect_asgi.core.tally import Tally
from support.builders import ASSERTION

STARLETTE = AxisWords(subject="starlette")


LABELS = ("0.1", "0.2", "0.3", "0.4", "0.5")


PASSES = Ruling(verdict=Verdict.OLD, outcome=Outcome.PASSED, passed=1)


FAILS = Ruling(verdict=Verdict.NEW, outcome=Outcome.FAILED, signature=ASSERTION, failed=1)


def a_case(
    *, good: int | None = None, bad: int | None = None, errors: dict[int, str] | None = None
) -> ResultContext:
    """Five releases of starlette."""
    return ResultContext(
        axis=STARLETTE,
        probe="leak.py",
        labels=LABELS,
        expectation=Expectation(good=good, bad=bad),
        errors=errors or {},
    )


def judged(**rulings: Ruling) -> Judgement:
    """A judgement of a regression; `k3=FAILS` rules on candidate 3."""
    return Judgement(
        rulings={int(name[1:]): ruling for name, ruling in rulings.items()}, new_is=Outcome.FAILED
    )


FLAKY = Ruling(verdict=Verdict.NEW, outcome=Outcome.FAILED, signature=ASSERTION, passed=2, failed=1)


BELIEVED = BeliefUpdated(
    low=1,
    high=2,
    probability=0.612,
    old=Tally(passed=9, failed=1).rate,
    new=Tally(passed=3, failed=7).rate,
    first=2,
    last=4,
    confidence=0.95,
)

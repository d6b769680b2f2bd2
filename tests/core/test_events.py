"""Facts of a log that only mean something after those before them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bisect_asgi.core.events import RulingsChanged
from bisect_asgi.core.model import Outcome, Ruling, Verdict

RULINGS = st.builds(
    lambda passed: Ruling(verdict=Verdict.OLD, outcome=Outcome.PASSED, passed=passed), st.integers(1, 3)
)
ALL_RULINGS = st.dictionaries(st.integers(0, 9), RULINGS)


def changed(rulings: dict[int, Ruling], *withdrawn: int) -> RulingsChanged:
    return RulingsChanged(
        rulings=tuple(rulings.items()),
        withdrawn=withdrawn,
        new_is=Outcome.FAILED,
        reference=(),
        low=None,
        high=None,
        left=0,
    )


@given(before=ALL_RULINGS, new=ALL_RULINGS)
def test_new_rulings_replace_those_of_the_same_candidates(
    before: dict[int, Ruling], new: dict[int, Ruling]
) -> None:
    after = changed(new).after(before)

    assert after == {key: new.get(key, before.get(key)) for key in before.keys() | new.keys()}
    assert list(after) == sorted(after)


@given(before=ALL_RULINGS, withdrawn=st.sets(st.integers(0, 9)))
def test_withdrawn_rulings_are_gone(before: dict[int, Ruling], withdrawn: set[int]) -> None:
    after = changed({}, *withdrawn).after(before)

    assert after.keys() == before.keys() - withdrawn

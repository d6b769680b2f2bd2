"""On which side a candidate's runs belong, of a probe that does not always answer the same."""

from __future__ import annotations

from math import exp, log, pi, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisect_asgi.core.judge.noise import Noise
from bisect_asgi.core.model import Outcome, Verdict
from bisect_asgi.core.records import replace
from bisect_asgi.core.tally import Tally

OLD, NEW = Verdict.OLD, Verdict.NEW
OPPOSITE = {OLD: NEW, NEW: OLD, None: None}


def runs(passed: int = 0, failed: int = 0) -> Tally:
    return Tally(passed=passed, failed=failed)


REGRESSION = Noise(new_is=Outcome.FAILED, old=runs(passed=12), new=runs(passed=3, failed=9))

COUNTS = st.integers(0, 40)
TALLIES = st.builds(Tally, passed=COUNTS, failed=COUNTS)
CONFIDENCES = st.floats(0.5, 0.9999)
NOISES = st.builds(Noise, new_is=st.just(Outcome.FAILED), old=TALLIES, new=TALLIES, confidence=CONFIDENCES)


@pytest.mark.parametrize(
    ("new_is", "old_is"),
    [
        pytest.param(Outcome.FAILED, Outcome.PASSED, id="a-regression"),
        pytest.param(Outcome.PASSED, Outcome.FAILED, id="a-fix"),
    ],
)
def test_what_the_older_side_does_is_the_other_thing(new_is: Outcome, old_is: Outcome) -> None:
    assert replace(REGRESSION, new_is=new_is).old_is is old_is


@pytest.mark.parametrize("new_is", [Outcome.FAILED, Outcome.PASSED])
def test_a_candidates_own_runs_do_not_bear_out_where_it_is_placed(new_is: Outcome) -> None:
    # 21 others of the older side failed, all of them; the newer side fails in one of five runs.
    seen, newer = runs(passed=12, failed=6), runs(passed=68, failed=19)
    noise = Noise(new_is=Outcome.PASSED, old=runs(failed=21) + seen, new=newer, low=4, high=5)
    if new_is is Outcome.FAILED:
        noise = replace(noise, new_is=new_is, old=noise.new, new=noise.old)
    key, placed, own = (0, OLD, NEW) if new_is is Outcome.PASSED else (9, NEW, OLD)

    assert noise.side(key, seen) is placed
    assert noise.by_itself(key, seen, confidence=0.9999) is own
    assert noise.by_itself(key, runs(failed=6), confidence=0.99) is placed
    assert noise.by_itself(key, runs(), confidence=0.99) is None


def test_more_runs_count_for_the_side_on_which_their_candidate_is() -> None:
    noise = replace(REGRESSION, low=3, high=6)

    more = noise.with_more(
        {0: runs(passed=1), 3: runs(failed=2), 4: runs(failed=40), 6: runs(passed=3), 9: runs()}
    )

    assert more == replace(
        noise, old=noise.old + runs(passed=1, failed=2), new=noise.new + runs(passed=3)
    )  # of what is between, nobody knows


@pytest.mark.parametrize(
    ("noise", "seen", "side"),
    [
        pytest.param(REGRESSION, runs(), None, id="nothing-was-seen"),
        pytest.param(REGRESSION, runs(passed=1), None, id="one-pass"),
        pytest.param(REGRESSION, runs(passed=20), OLD, id="many-passes"),
        pytest.param(REGRESSION, runs(failed=2), NEW, id="two-failures"),
        pytest.param(REGRESSION, runs(passed=1, failed=3), NEW, id="failures-beside-a-pass"),
        pytest.param(
            replace(REGRESSION, old=runs(passed=1), new=runs(failed=1)), runs(failed=1), None, id="young"
        ),
        pytest.param(replace(REGRESSION, new=REGRESSION.old), runs(passed=5, failed=5), None, id="alike"),
        pytest.param(
            Noise(new_is=Outcome.PASSED, old=runs(passed=3, failed=9), new=runs(passed=12)),
            runs(failed=2),
            OLD,
            id="a-fix",
        ),
        pytest.param(replace(REGRESSION, confidence=0.9999), runs(failed=2), None, id="a-higher-confidence"),
    ],
)
def test_runs_belong_to_the_side_that_explains_them_once_the_odds_are_clear(
    noise: Noise, seen: Tally, side: Verdict | None
) -> None:
    assert noise.side(0, seen) is side


@pytest.mark.parametrize(
    ("seen", "side"),
    [
        pytest.param(runs(passed=1000, failed=1000), None, id="half-way"),
        pytest.param(runs(passed=990, failed=1010), NEW, id="rather-new"),
        pytest.param(runs(passed=1010, failed=990), OLD, id="rather-old"),
    ],
)
def test_runs_that_fit_neither_of_two_clear_sides_belong_to_the_nearer_one(
    seen: Tally, side: Verdict | None
) -> None:
    noise = replace(REGRESSION, old=runs(passed=2000), new=runs(failed=2000))

    assert noise.side(0, seen) is side


@pytest.mark.parametrize(
    ("key", "side"),
    [
        pytest.param(0, OLD, id="the-oldest"),
        pytest.param(3, OLD, id="the-last-old-one"),
        pytest.param(4, None, id="between"),
        pytest.param(5, NEW, id="the-first-new-one"),
        pytest.param(9, NEW, id="the-newest"),
    ],
)
@pytest.mark.parametrize("seen", [runs(), runs(passed=1), runs(failed=1)], ids=["none", "pass", "failure"])
def test_a_place_outside_the_boundary_tells_whatever_a_run_says(
    key: int, seen: Tally, side: Verdict | None
) -> None:
    assert replace(REGRESSION, low=3, high=5).side(key, seen) is side


@given(NOISES, st.integers(-5, 15), TALLIES)
def test_places_win_over_runs(noise: Noise, key: int, seen: Tally) -> None:
    placed = replace(noise, low=3, high=6)

    if key <= 3 or key >= 6:
        assert placed.side(key, seen) is (OLD if key <= 3 else NEW)
    else:
        assert placed.side(key, seen) is noise.side(key, seen)


@given(NOISES, st.integers(0, 9), TALLIES, st.sampled_from([OLD, NEW]))
def test_what_is_known_otherwise_wins_over_places(
    noise: Noise, key: int, seen: Tally, verdict: Verdict
) -> None:
    assert replace(noise, low=3, high=6, placed={key: verdict}).side(key, seen) is verdict


@given(NOISES, TALLIES)
def test_sides_are_exchanged_with_what_was_seen_on_them(noise: Noise, seen: Tally) -> None:
    exchanged = replace(noise, new_is=noise.old_is, old=noise.new, new=noise.old)

    assert exchanged.side(0, seen) is OPPOSITE[noise.side(0, seen)]


@given(NOISES, TALLIES)
def test_failures_are_treated_as_passes_are(noise: Noise, seen: Tally) -> None:
    mirrored = replace(
        noise,
        new_is=noise.old_is,
        old=runs(noise.old.failed, noise.old.passed),
        new=runs(noise.new.failed, noise.new.passed),
    )

    assert mirrored.side(0, runs(seen.failed, seen.passed)) is noise.side(0, seen)


@pytest.mark.parametrize("new_is", [Outcome.FAILED, Outcome.PASSED])
def test_a_tie_has_no_winner_by_rounding(new_is: Outcome) -> None:
    noise = Noise(new_is=new_is, old=runs(0, 0), new=runs(0, 0), confidence=0.5)

    assert noise.side(0, runs(1, 1)) is None


@given(NOISES, TALLIES, CONFIDENCES)
def test_a_lower_confidence_is_content_with_no_more(noise: Noise, seen: Tally, confidence: float) -> None:
    low, high = sorted([noise.confidence, confidence])
    content, sure = (replace(noise, confidence=each).side(0, seen) for each in (low, high))

    assert sure in (content, None)


@given(
    st.integers(0, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n))),
    TALLIES,
    CONFIDENCES,
)
def test_another_failure_speaks_for_the_side_that_fails_oftener(
    sides: tuple[int, int, int], seen: Tally, confidence: float
) -> None:
    n, one, other = sides
    rarely, often = sorted([one, other])
    noise = Noise(
        new_is=Outcome.FAILED,
        old=runs(n - rarely, rarely),
        new=runs(n - often, often),
        confidence=confidence,
    )

    order = {OLD: 0, None: 1, NEW: 2}
    assert order[noise.side(0, seen + runs(failed=1))] >= order[noise.side(0, seen)]
    assert order[noise.side(0, seen + runs(passed=1))] <= order[noise.side(0, seen)]


def test_at_even_odds_no_confidence_is_little_enough_to_tell() -> None:
    assert replace(REGRESSION, confidence=0.5).side(0, runs()) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(runs(passed=10), runs(passed=70, failed=30), id="old-0-of-10-new-30-of-100"),
        pytest.param(runs(passed=3), runs(passed=9, failed=3), id="old-0-of-3-new-3-of-12"),
    ],
)
def test_what_always_fails_is_not_on_the_side_that_never_did(old: Tally, new: Tally) -> None:
    assert replace(REGRESSION, old=old, new=new).side(0, runs(failed=50)) is NEW


@pytest.mark.parametrize("few", [runs(), runs(passed=1), runs(failed=1), runs(passed=2)], ids=str)
@pytest.mark.parametrize("many", [runs(400), runs(0, 400), runs(300, 100)], ids=str)
def test_one_side_hardly_known_beside_one_well_known_does_not_turn_them_round(
    few: Tally, many: Tally
) -> None:
    for old, new in ((few, many), (many, few)):
        noise = replace(REGRESSION, old=old, new=new)
        assert noise.side(0, runs(failed=60)) is not OLD
        assert noise.side(0, runs(passed=60)) is not NEW


def test_sides_that_were_seen_the_other_way_round_without_a_doubt_tell_by_their_runs() -> None:
    # No rates in order explain that: 2000 failures of the side that fails more rarely, none of the other.
    noise = replace(REGRESSION, old=runs(failed=2000), new=runs(passed=2000))

    assert noise.side(0, runs(failed=20)) is OLD
    assert noise.side(0, runs(passed=20)) is NEW


def log_odds(seen: Tally, old: Tally, new: Tally) -> float:
    """The odds for the newer side by a double integral over both rates, the older one's the lower.

    Jeffreys' prior is even in the angle whose squared sine is the rate, so that the integrand is smooth
    in both angles, up to the ends.
    """
    steps = 200
    rates = [sin((step + 0.5) / steps * pi / 2) ** 2 for step in range(steps)]
    low, high, both = (
        [rate**side.failed * (1 - rate) ** side.passed for rate in rates] for side in (old, new, seen)
    )
    on_old = on_new = 0.0
    for at_old in range(steps):
        for at_new in range(at_old, steps):
            weight = low[at_old] * high[at_new] / (2 if at_old == at_new else 1)
            on_old += weight * both[at_old]
            on_new += weight * both[at_new]
    return log(on_new / on_old)


@pytest.mark.parametrize(
    "seen", [runs(1, 0), runs(0, 1), runs(0, 2), runs(2, 1), runs(1, 2), runs(8, 1), runs(0, 9)], ids=str
)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(runs(12), runs(3, 9), id="clear"),
        pytest.param(runs(11, 1), runs(3, 9), id="both-now-and-then"),
        pytest.param(runs(1), runs(0, 1), id="hardly-known"),
        pytest.param(runs(), runs(), id="unknown"),
        pytest.param(runs(5, 5), runs(5, 5), id="alike"),
        pytest.param(runs(2, 3), runs(4, 1), id="seen-the-other-way-round"),
        pytest.param(runs(60, 1), runs(5, 60), id="well-known"),
    ],
)
def test_the_odds_are_those_of_predictions_by_two_rates_in_order(seen: Tally, old: Tally, new: Tally) -> None:
    odds = log_odds(seen, old, new)
    noise = Noise(new_is=Outcome.FAILED, old=old, new=new)
    # A tenth is what a grid of rates may be wrong by; a confidence that asks for more or less than that.
    less, more = (1 / (1 + exp(-(abs(odds) + by))) for by in (-0.1, 0.1))

    assert replace(noise, confidence=less).side(0, seen) is (NEW if odds > 0 else OLD)
    assert replace(noise, confidence=more).side(0, seen) is None

"""Mixes of a boundary whose sides contradict themselves."""

from __future__ import annotations

import pytest
from support.builders import (
    TYPE_ERROR,
    failed,
    passed,
)
from support.mixing import NAMES, Shows, bench, fails_with, mixes_of, newer
from support.services import Installed

from bisect_asgi.core.model import (
    Observation,
)
from bisect_asgi.core.tally import Tally


def flaking(after: int) -> Shows:
    """What has the newer beta fails, but for its first runs."""

    def shows(installed: Installed, run: int) -> Observation:
        if newer(installed) == set(NAMES):
            return failed()
        return failed() if "beta" in newer(installed) and run >= after else passed()

    return shows


@pytest.mark.parametrize("after", [1, 2])
def test_mixes_of_a_flaky_boundary_are_run_until_clear_from_the_start(after: int) -> None:
    # Half of the newer side's runs pass: a single run that passes says hardly anything.
    seen = (Tally(passed=40), Tally(passed=20, failed=20))
    flaky, steady = bench(flaking(after), seen=seen), bench(flaking(0))

    culprit = flaky.mixing.find()
    steady.mixing.find()

    assert mixes_of(culprit) == {frozenset({"beta"})}
    assert flaky.mixing.problem == ""
    assert all(runs > 1 for mix, runs in flaky.runs.items() if "beta" not in mix)
    assert min(steady.runs.values()) == 1


def test_sides_that_did_not_contradict_themselves_are_no_reason_to_run_mixes_oftener() -> None:
    seen = (Tally(passed=40), Tally(failed=40))
    tried = bench(fails_with({"beta"}), seen=seen)

    tried.mixing.find()

    assert max(tried.runs.values()) == 2
    assert 1 in tried.runs.values()


@pytest.mark.parametrize("other", ["old", "new"])
def test_a_side_whose_runs_say_nothing_is_no_crash(other: str) -> None:
    def shows(installed: Installed, run: int) -> Observation:
        is_new = newer(installed) == set(NAMES)
        if other == "old" and not newer(installed) and run == 0:
            return failed(TYPE_ERROR)  # of another kind than the newer side's: it has no tally
        if other == "new" and is_new and run == 0:
            return failed(TYPE_ERROR)
        return failed() if "beta" in newer(installed) else passed()

    tried = bench(shows, seen=(Tally(passed=30, failed=2), Tally(passed=2, failed=30)))

    culprit = tried.mixing.find()

    assert mixes_of(culprit) == {frozenset({"beta"})}
    assert tried.mixing.problem == ""

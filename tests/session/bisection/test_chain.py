"""Failures between what works and the bad end: which release works last, and what fails from where on."""

from __future__ import annotations

import math
from itertools import groupby
from random import Random

import pytest
from support.builders import ALL, NONE, failed, passed, untestable
from support.noisy_world import NoisyWorld

from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import Observation, Phase

FAILURES = {
    letter: signature.of_exception(name, "raised", phase=Phase.CHECK)
    for letter, name in {"B": "AssertionError", "X": "KeyError", "Y": "TypeError", "Z": "ValueError"}.items()
}
LACKS = signature.of_exception("ModuleNotFoundError", "No module named 'distutils'", phase=Phase.IMPORT)
SEEN = {".": passed(), "s": untestable(), "m": failed(LACKS)} | {
    letter: failed(sign) for letter, sign in FAILURES.items()
}


def world(history: str) -> NoisyWorld:
    """Releases 1, 2, … that show what the letters say: `.` passes, `s` is untestable, the others fail."""

    def shows(number: int, _: Random) -> Observation:
        return SEEN[history[number - 1]]

    return NoisyWorld(size=len(history), shows=shows)


def told(made_up: NoisyWorld) -> list[tuple[str, int, int]]:
    """The failures that the result names, with the first and the last release that shows each."""
    letters = {sign.text: letter for letter, sign in FAILURES.items()}
    listed = made_up.listed
    return [
        (letters[each.signature.text], int(listed[each.first]), int(listed[each.last]))
        for each in made_up.finished.failures
        if each.signature
    ]


CHAINS = [
    f"{'.' * good}{'X' * first}{'Y' * second}{'Z' * third}{'B' * bad}"
    for good in (1, 3, 20)
    for first in (1, 5, 14)
    for second in (0, 2, 9)
    for third in (0, 1)
    for bad in (1, 7)
]


@pytest.mark.parametrize("history", CHAINS)
def test_each_failure_is_placed_in_few_runs(history: str) -> None:
    made_up = world(history)

    finished = made_up.bisect(good="1", bad=str(len(history)), history=NONE)

    first_bad = history.index("X") + 1
    kinds = [letter for letter, _ in groupby(history) if letter != "."]
    assert finished.kind is ResultKind.FOUND
    assert made_up.boundary == (first_bad - 1, first_bad)
    assert [(letter, first) for letter, first, _ in told(made_up)] == [
        (letter, history.index(letter) + 1) for letter in kinds
    ]
    # A bisection for each beginning, and what confirms them.
    assert made_up.runs <= 2 + len(kinds) * (math.ceil(math.log2(len(history))) + 5) + 8


def test_a_fix_has_the_first_release_that_works() -> None:
    made_up = world("BBBBXXXYY.....")

    finished = made_up.bisect(good="14", bad="1")

    assert finished.kind is ResultKind.FOUND
    assert made_up.boundary == (9, 10)
    assert told(made_up) == [("B", 1, 4), ("X", 5, 7), ("Y", 8, 9)]
    assert made_up.report.headline.startswith(
        "app 10 is the first good release; it fails up to 4 (AssertionError"
    )


@pytest.mark.parametrize("history", ["...XX..BBBB", "..XYX...X.BBBBBB", "X..X....XX..BB"])
def test_where_what_works_comes_right_before_the_bad_end_other_failures_do_not_matter(history: str) -> None:
    made_up = world(history)

    finished = made_up.bisect(good="2", bad=str(len(history)), history=NONE)

    assert finished.kind is ResultKind.FOUND
    assert made_up.boundary == (history.index("BB"), history.index("BB") + 1)
    assert told(made_up) == []
    assert made_up.report.headline == f"app broke in {history.index('BB') + 1}"


def test_what_python_lacks_between_both_is_no_failure_that_counts() -> None:
    made_up = world("....mmmBBB")

    finished = made_up.bisect(good="1", bad="10")

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert finished.boundary is not None
    assert made_up.boundary == (4, 8)
    assert [made_up.listed[key] for key in finished.boundary.skipped] == ["5", "6", "7"]
    assert all(made_up.made[str(number)] for number in (5, 6, 7))


def test_untestable_releases_before_the_first_failure_stay_a_gap() -> None:
    made_up = world("...ssXXBB")

    finished = made_up.bisect(good="1", bad="9")

    assert finished.kind is ResultKind.INCONCLUSIVE
    assert made_up.boundary == (3, 6)
    assert "the change is in one of 4, 5 and 6" in finished.message


def test_a_chain_that_is_mended_in_between_is_told_with_all_changes() -> None:
    made_up = world("...X..XXYYBB")

    made_up.bisect(good="1", bad="12", history=ALL)

    assert made_up.boundary == (6, 7)
    assert made_up.changes == [(3, 4), (4, 5), (6, 7)]
    assert made_up.report.headline == (
        "app broke in 4, was fixed in 5, and fails from 7 on (KeyError: raised), "
        "from 9 on (TypeError: raised) and from 11 on (AssertionError: raised)"
    )


def test_a_first_failure_that_was_mended_is_no_part_of_the_chain() -> None:
    # The search runs 5 on its way, so that it ends there; the look at the history finds the rest.
    made_up = world("....X....XXYYBB")

    made_up.bisect(good="1", bad="15", history=ALL)

    assert made_up.changes == [(4, 5), (5, 6), (9, 10)]
    assert told(made_up) == [("X", 10, 11), ("Y", 12, 13), ("B", 14, 15)]


def test_a_good_release_among_the_failures_is_the_last_that_works() -> None:
    # The search for where Y begins runs 9, which passes: so it is not 3 that is the last.
    made_up = world("...XXXXX.YYYYBBB")

    made_up.bisect(good="1", bad="16")

    assert made_up.finished.kind is ResultKind.FOUND
    assert made_up.boundary == (9, 10)


def test_failures_of_which_each_is_another_are_not_placed_one_by_one() -> None:
    def shows(number: int, _: Random) -> Observation:
        if number <= 30 or number > 90:
            return passed() if number <= 30 else failed(FAILURES["B"])
        name = chr(ord("A") + number % 26) + chr(ord("a") + number // 26)
        return failed(signature.of_exception(f"{name}Error", "", phase=Phase.CHECK))

    made_up = NoisyWorld(size=100, shows=shows)

    made_up.bisect(good="1", bad="100", history=NONE)

    assert made_up.boundary == (30, 31)
    assert made_up.runs < 60

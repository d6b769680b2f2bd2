"""Which candidates are taken for untestable, and which may wait, by those that are known to be so."""

from __future__ import annotations

from itertools import product

import pytest

from bisect_asgi.core.search.untestable_stretches import assumed, exhausted, likely, postponed


def read(history: str) -> tuple[dict[int, str], set[int]]:
    """The skips with their reasons (a, b), and the tested ones (.); the others are unknown."""
    skips = {key: what for key, what in enumerate(history) if what in "ab"}
    return skips, {key for key, what in enumerate(history) if what == "."}


@pytest.mark.parametrize(
    ("history", "inferred"),
    [
        pytest.param("????", set(), id="nothing-is-known"),
        pytest.param("a??a.", {1, 2}, id="between-two-for-one-reason"),
        pytest.param("a??b.", set(), id="between-two-for-two-reasons"),
        pytest.param("a?.?a", set(), id="something-between-was-tested"),
        pytest.param("a??.", set(), id="one-skip-alone"),
        pytest.param("a?a?a.", {1, 3}, id="three-of-them"),
        pytest.param("??a", set(), id="beyond-the-outermost"),
    ],
)
def test_what_lies_between_two_skips_for_one_reason_is_assumed_to_be_like_them(
    history: str, inferred: set[int]
) -> None:
    skips, tested = read(history)

    assert assumed(skips, tested) == inferred


@pytest.mark.parametrize(
    ("history", "waiting"),
    [
        pytest.param("????", set(), id="no-skip"),
        pytest.param("a????.", {1}, id="newer-than-a-skip"),
        pytest.param(".????a", {3, 4}, id="older-than-a-skip"),
        pytest.param("a?????b", {1, 2, 4, 5}, id="between-two"),
        pytest.param("a?.", set(), id="the-last-one"),
        pytest.param("a??????", {1, 2}, id="up-to-the-newest"),
    ],
)
def test_what_is_nearer_to_a_skip_than_to_the_middle_waits(history: str, waiting: set[int]) -> None:
    skips, tested = read(history)

    assert postponed(skips, tested, size=len(history)) == waiting


def test_every_unknown_stretch_has_one_that_does_not_wait() -> None:
    for history in map("".join, product("a.?", repeat=7)):
        skips, tested = read(history)
        waiting = postponed(skips, tested, size=len(history))
        places = "".join("w" if key in waiting else what for key, what in enumerate(history))
        stretches = places.replace("a", " ").replace(".", " ").split()
        assert all("?" in stretch for stretch in stretches), (history, places)
        assert waiting <= {key for key, what in enumerate(history) if what == "?"}


@pytest.mark.parametrize(
    ("history", "later"),
    [
        pytest.param("????", set(), id="nothing-is-known"),
        pytest.param("?a??.??", set(), id="one-skip"),
        pytest.param("?a?a?.??", {0, 2, 4}, id="two-for-one-reason"),
        pytest.param("?a?b?.??", set(), id="two-for-two-reasons"),
        pytest.param("?a?.?a?", set(), id="something-between-was-tested"),
        pytest.param("??.?b?b", {3, 5}, id="at-the-newer-end"),
        pytest.param("a?a", {1}, id="nothing-was-tested"),
    ],
)
def test_after_two_skips_for_one_reason_a_stretch_comes_after_others(history: str, later: set[int]) -> None:
    skips, tested = read(history)

    assert exhausted(skips, tested, size=len(history)) == later


def test_each_further_skip_makes_it_less_likely_that_the_next_one_can_be_tested() -> None:
    assert likely({3: "a"}, {9}, size=12) == {}
    assert set(likely({3: "a", 6: "a"}, {9}, size=12).values()) == {1 / 4}
    assert set(likely({3: "a", 6: "a", 7: "a"}, {9}, size=12).values()) == {1 / 5}

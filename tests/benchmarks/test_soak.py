"""What the soak takes for lost, and for made in vain."""

from __future__ import annotations

import pytest
from soak import Told, disagreement
from support.builders import failed, passed

from bisect_asgi.core.records import replace

A, B, C = (replace(passed(), wall_s=0.1), replace(passed(), wall_s=0.2), replace(failed(), wall_s=0.3))


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        pytest.param([[Told("one", 0, (A,)), Told("two", 0, (C,))]], [[A], [C]], id="one-command"),
        pytest.param([[Told("one", 0, (A,))], [Told("one", 1, (A, B))]], [[A, B]], id="goes-on"),
        pytest.param([[Told("one", 0, (A,)), Told("one", 0, (B,))]], [[A, B]], id="further-runs"),
        pytest.param([[], [Told("one", 1, (A, B))]], [[A, B]], id="killed-before-it-told"),
        pytest.param([[Told("one", 1, (A,))]], [[A]], id="remembered"),
        pytest.param([[Told("one", 0, (A,))]], [[A, B]], id="killed-while-it-ran"),
    ],
)
def test_searches_that_know_of_each_other_agree(told: list[list[Told]], kept: list[list[object]]) -> None:
    assert disagreement(told, kept) == ""  # type: ignore[arg-type]


def test_what_a_command_told_of_and_nobody_kept_is_lost() -> None:
    assert disagreement([[Told("one", 0, (A, B))]], [[A]]).startswith("lost ")


def test_what_is_made_although_the_same_was_there_is_made_in_vain() -> None:
    assert disagreement([[Told("one", 0, (A,))], [Told("one", 0, (B,))]], [[A, B]]).startswith("made ")


def test_what_is_kept_twice_is_told() -> None:
    assert disagreement([], [[A, A]]) == "an observation is kept twice"

"""Which yanked releases are run beside a result."""

from __future__ import annotations

import pytest

from bisect_asgi.core.releases.yanked import MOST_RUN, Place, place_of, worth_running

LABELS = ("1.0", "1.2", "1.4", "1.6", "1.8")


@pytest.mark.parametrize(
    ("version", "place"),
    [
        ("1.3", Place.INSIDE),
        ("1.1", Place.BESIDE),
        ("1.5", Place.BESIDE),
        ("1.7", Place.ELSEWHERE),
        ("0.9", Place.ELSEWHERE),
        ("1.9", Place.ELSEWHERE),
    ],
)
def test_a_yanked_release_stands_at_a_change_or_not(version: str, place: Place) -> None:
    assert place_of(version, LABELS, [("1.2", "1.4")]) is place


def test_those_at_a_change_come_first_and_then_those_yanked_for_a_fault() -> None:
    yanked = {"1.1": "", "1.3": "", "1.7": "Regression in OpenSSL.", "1.9": "wrong name of the author"}

    assert worth_running(yanked, LABELS, [("1.2", "1.4")]) == ("1.3", "1.1", "1.9")


@pytest.mark.parametrize(
    ("reason", "is_run"),
    [
        ("broken wheel", True),
        ("Breaks on Python 3.7", True),
        ("this release has a bug", True),
        ("CVE-2021-1", True),
        ("", False),
        ("released too early", False),
        ("debug build", False),
    ],
)
def test_elsewhere_only_a_fault_is_worth_a_run(reason: str, is_run: bool) -> None:
    assert bool(worth_running({"1.7": reason}, LABELS, [("1.0", "1.2")])) is is_run


def test_without_a_change_each_may_be_the_one_that_differs_and_few_are_run() -> None:
    yanked = {f"1.{minor}": "" for minor in range(1, 20, 2)}

    assert worth_running(yanked, LABELS, []) == ("1.19", "1.17", "1.15")
    assert MOST_RUN == 3

"""Affected releases as specifiers, which select exactly the bad ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from bisect_asgi.report.document import specifiers

reproducible = settings(derandomize=True, deadline=None, max_examples=150)

VERSIONS = ("1.0", "1.4.2", "1.5", "1.6.0", "2.0")


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        pytest.param(".....", (), id="none"),
        pytest.param("BBBBB", ("*",), id="all"),
        pytest.param(".BB..", (">=1.4.2,<1.6.0",), id="in-the-middle"),
        pytest.param("BB...", ("<1.5",), id="from-the-oldest"),
        pytest.param("...BB", (">=1.6.0",), id="to-the-newest"),
        pytest.param("B.B.B", ("<1.4.2", ">=1.5,<1.6.0", ">=2.0"), id="several-runs-oldest-first"),
        pytest.param("B....", ("<1.4.2",), id="the-oldest-alone"),
        pytest.param("....B", (">=2.0",), id="the-newest-alone"),
        pytest.param(".B?B.", (">=1.4.2,<1.5", ">=1.6.0,<2.0"), id="unknown-ends-a-run"),
        pytest.param("?????", (), id="nothing-known"),
        pytest.param("?BBB?", (">=1.4.2,<2.0",), id="unknown-ends-of-the-range-are-bounds"),
    ],
)
def test_each_run_of_bad_releases_is_a_specifier(bad: str, expected: tuple[str, ...]) -> None:
    flags = [{"B": True, ".": False, "?": None}[letter] for letter in bad]

    assert specifiers(VERSIONS, flags) == expected


def test_of_no_releases_none_is_affected() -> None:
    assert specifiers([], []) == ()


def test_one_release_that_is_bad_is_all_of_them() -> None:
    assert specifiers(["1.0"], [True]) == ("*",)


@reproducible
@given(bad=st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=30))
def test_the_specifiers_select_exactly_the_bad_releases(bad: list[bool | None]) -> None:
    versions = [f"0.{key // 4}.{key % 4}" for key in range(len(bad))]

    found = [SpecifierSet("" if text == "*" else text) for text in specifiers(versions, bad)]

    assert [any(version in each for each in found) for version in versions] == [flag is True for flag in bad]


def test_a_bad_pre_release_below_a_good_final_one_is_selected() -> None:
    (found,) = specifiers(["1.0", "1.1", "2.0rc1", "2.0"], [False, True, True, False])

    assert SpecifierSet(found).contains("2.0rc1", prereleases=True)

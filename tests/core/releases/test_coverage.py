"""Which releases of a compiled package are left to which Python, and which Pythons come next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import Tag
from support.builders import release, sdist, target, wheel

from bisect_asgi.core.model import Release
from bisect_asgi.core.releases.coverage import left_to_others, next_pythons
from bisect_asgi.core.releases.installable import TargetPython, has_wheel, unusable

PYTHONS = {minor: target(f"3.{minor}.0", Tag(f"cp3{minor}", f"cp3{minor}", "any")) for minor in range(8, 13)}


def compiled(*minors: int, source: bool = True) -> list:  # type: ignore[type-arg]
    """The files of a release: a wheel for each Python 3.MINOR, and the source distribution."""
    return [*(wheel(tag=f"cp3{m}-cp3{m}-any") for m in minors), *([sdist()] if source else [])]


def history(*wheels_for: str) -> list[Release]:
    """Releases with wheels for Pythons: `"8 9"` for 3.8 and 3.9, `""` for none, `"pure"` for all."""
    return [
        release(
            f"1.{place}",
            *([wheel()] if minors == "pure" else compiled(*map(int, minors.split()))),
        )
        for place, minors in enumerate(wheels_for)
    ]


def others(minor: int) -> list[TargetPython]:
    return [each for own, each in PYTHONS.items() if own != minor]


@pytest.mark.parametrize(
    ("minor", "wheels_for", "left"),
    [
        pytest.param(12, ["8", "8 9", "9 12", "12"], 2, id="older-than-its-wheels"),
        pytest.param(12, ["", "", "8", "9 12", "12"], 3, id="what-is-older-still-as-well"),
        pytest.param(12, ["", "", "12", "12"], 0, id="no-python-has-wheels"),
        pytest.param(12, ["8", "", "12", "12"], 1, id="a-source-release-beside-its-own-wheels"),
        pytest.param(8, ["8", "8 9", "9", "12"], 0, id="newer-ones-are-not"),
        pytest.param(8, ["8", "9", "8"], 0, id="nor-those-inside"),
        pytest.param(12, ["pure", "pure", "pure"], 0, id="pure"),
        pytest.param(12, ["8", "8", "12"], 0, id="one-alone-is-no-range"),
        pytest.param(12, ["8", "8", "8"], 0, id="it-has-no-wheels"),
    ],
)
def test_old_releases_are_left_to_pythons_with_wheels(minor: int, wheels_for: list[str], left: int) -> None:
    assert left_to_others(history(*wheels_for), PYTHONS[minor], others(minor)) == left


def test_where_no_other_python_may_run_the_probe_nothing_is_left() -> None:
    assert left_to_others(history("8", "8 9", "9 12", "12"), PYTHONS[12], ()) == 0


@pytest.mark.parametrize(
    ("minor", "wheels_for", "then"),
    [
        pytest.param(12, ["8", "8", "8 9", "9 12", "12"], [9, 8], id="overlapping-before-most"),
        pytest.param(12, ["8", "8 9", "9 12", "9 12"], [9, 8], id="to-the-oldest"),
        pytest.param(8, ["8", "8", "8 10", "10"], [10], id="newer-ones"),
        pytest.param(12, ["8", "8", "12", "12"], [8], id="apart-if-none-overlaps"),
        pytest.param(12, ["12", "12", "9 12"], [], id="it-has-them-all"),
        pytest.param(12, ["8", "12", "12"], [], id="one-alone-is-no-range"),
        pytest.param(12, ["pure", "pure"], [], id="pure"),
        pytest.param(12, ["8", "8", "8"], [], id="nothing-to-go-on-from"),
    ],
)
def test_the_next_pythons_have_wheels_for_what_is_left(
    minor: int, wheels_for: list[str], then: list[int]
) -> None:
    found = next_pythons(history(*wheels_for), PYTHONS[minor], others(minor))

    assert [each.interpreter.minor[1] for each in found] == then


ANY_HISTORY = st.lists(
    st.lists(st.sampled_from(sorted(PYTHONS)), unique=True).map(lambda own: " ".join(map(str, own))),
    min_size=2,
    max_size=12,
).map(lambda wheels_for: history(*wheels_for))


@given(ANY_HISTORY, st.sampled_from(sorted(PYTHONS)))
def test_what_is_left_has_no_wheel_here_and_what_stays_begins_no_later_than_the_wheels(
    releases: list[Release], minor: int
) -> None:
    left = left_to_others(releases, PYTHONS[minor], others(minor))

    assert not any(has_wheel(each, PYTHONS[minor]) for each in releases[:left])
    assert not left or any(has_wheel(releases[left - 1], each) for each in others(minor))
    assert len(releases) - left >= 2


@given(ANY_HISTORY, st.sampled_from(sorted(PYTHONS)))
def test_each_further_python_adds_releases(releases: list[Release], minor: int) -> None:
    covered = {each.version for each in releases if has_wheel(each, PYTHONS[minor])}
    found = next_pythons(releases, PYTHONS[minor], others(minor))

    for each in found:
        own = {one.version for one in releases if has_wheel(one, each)}
        assert own - covered
        assert all(unusable(one, each) is None for one in releases if one.version in own)
        covered |= own
    assert len(set(found)) == len(found) <= 3

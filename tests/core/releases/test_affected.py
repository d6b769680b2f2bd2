"""What is known of each release, and specifiers that never select a release that is good."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from bisect_asgi.core.releases.affected import ReleaseState, Status, affected, searched, states

reproducible = settings(derandomize=True, deadline=None, max_examples=300)

VERDICTS = {"B": True, ".": False, "s": None}
NOT_LOOKED_AT = "_"
LETTERS = {
    (ReleaseState.RUN, True): "B",
    (ReleaseState.RUN, False): ".",
    (ReleaseState.INFERRED, True): "b",
    (ReleaseState.INFERRED, False): ",",
    (ReleaseState.UNTESTABLE, None): "s",
    (ReleaseState.NOT_RUN, None): "?",
}
STATES = {letter: state for state, letter in LETTERS.items()}


def looked_at(history: str) -> dict[int, bool | None]:
    """Of each candidate of a history: B bad, . good, s untestable, _ not looked at."""
    return {key: VERDICTS[letter] for key, letter in enumerate(history) if letter != NOT_LOOKED_AT}


def releases(known: str, versions: tuple[str, ...] = ()) -> list[Status]:
    """Releases 1.0, 1.1, …, by letters; x is excluded."""
    found = []
    for number, letter in enumerate(known):
        state, is_bad = STATES.get(letter, (ReleaseState.NOT_RUN, None))
        version = versions[number] if versions else f"1.{number}"
        found.append(Status(version=version, state=state, is_bad=is_bad, is_candidate=letter != "x"))
    return found


def specifiers(known: str, versions: tuple[str, ...] = ()) -> list[str]:
    return [stretch.specifier for stretch in affected(releases(known, versions))]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param(".__.", ".,,.", id="between-two-good-ones"),
        pytest.param("B__B", "BbbB", id="between-two-bad-ones"),
        pytest.param("._B", ".?B", id="between-two-that-differ"),
        pytest.param("__.", "??.", id="beyond-the-oldest-that-was-run"),
        pytest.param(".__", ".??", id="beyond-the-newest-that-was-run"),
        pytest.param(".s_.", ".s,.", id="beside-one-untestable"),
        pytest.param(".s_s.", ".s?s.", id="between-two-untestable-ones"),
        pytest.param(".s_s_.", ".s?s?.", id="nor-beside-such-a-one"),
        pytest.param("._ss_.", ".,ss,.", id="around-untestable-neighbors"),
        pytest.param("s_.", "s?.", id="nothing-testable-on-one-side"),
        pytest.param("___", "???", id="nothing-was-run"),
    ],
)
def test_a_release_that_was_not_run_is_inferred_only_between_two_that_agree(
    history: str, expected: str
) -> None:
    found = states(len(history), looked_at(history))

    assert "".join(LETTERS[state] for state in found) == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param("....", [], id="none"),
        pytest.param("BBBB", ["*"], id="all"),
        pytest.param(".BB.", [">=1.1,<1.3"], id="in-the-middle"),
        pytest.param("BB..", ["<1.2"], id="from-the-oldest-that-exists"),
        pytest.param("..BB", [">=1.2"], id="to-the-newest-that-exists"),
        pytest.param(".BbbB.", [">=1.1,<1.5"], id="inferred-ones-are-inside"),
        pytest.param("?.BB", [">=1.2"], id="older-ones-that-were-not-run"),
        pytest.param("..BB?", [">=1.2,<=1.3"], id="a-newer-one-that-was-not-run"),
        pytest.param("?BB.", [">=1.1,<1.3"], id="an-older-one-that-was-not-run"),
        pytest.param("..BBs", [">=1.2,<=1.3"], id="an-untestable-newest"),
        pytest.param("sBB.", [">=1.1,<1.3"], id="an-untestable-oldest"),
        pytest.param(".BBs.", [">=1.1,<=1.2"], id="fixed-in-one-that-nobody-knows"),
        pytest.param(".BsB.", [">=1.1,<1.4"], id="an-untestable-one-inside"),
        pytest.param(".Bs?sB.", [">=1.1,<=1.1", ">=1.5,<1.6"], id="not-run-behind-untestable-ones"),
        pytest.param(".BxB.", [">=1.1,<1.4"], id="an-excluded-one-inside"),
        pytest.param(".BBx.", [">=1.1,<=1.2"], id="an-excluded-one-before-the-fix"),
        pytest.param("B.B.B", ["<1.1", ">=1.2,<1.3", ">=1.4"], id="several"),
        pytest.param("????", [], id="nothing-known"),
    ],
)
def test_a_specifier_is_bounded_by_releases_that_were_run(known: str, expected: list[str]) -> None:
    assert specifiers(known) == expected


@pytest.mark.parametrize(
    ("known", "versions", "expected"),
    [
        pytest.param(".B.", ("1.0", "2.0rc1", "2.0"), [">=2.0rc1,<=2.0rc1"], id="a-bad-pre-release"),
        pytest.param(".Bx", ("1.0", "1.1", "2.0b1"), [">=1.1"], id="a-newer-pre-release-does-not-count"),
        pytest.param("xB.", ("0.9a1", "1.0", "1.1"), ["<1.1"], id="nor-an-older-one"),
        pytest.param(".Bx.", ("1.0", "1.1", "1.2rc1", "1.2"), [">=1.1,<1.2"], id="nor-one-before-the-fix"),
        pytest.param(".Bx", ("1.0", "1.1", "never"), [">=1.1"], id="nor-what-is-no-version"),
    ],
)
def test_pre_releases_are_selected_only_where_they_were_run(
    known: str, versions: tuple[str, ...], expected: list[str]
) -> None:
    assert specifiers(known, versions) == expected


def test_what_was_run_and_what_follows_from_it_are_kept_apart() -> None:
    (stretch,) = affected(releases(".BbsxB."))

    assert stretch.run == ("1.1", "1.5")
    assert stretch.inferred == ("1.2", "1.3", "1.4")


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param("?s.b,B?", ("1.2", "1.5"), id="some"),
        pytest.param("?s?", None, id="none"),
    ],
)
def test_what_was_searched_is_what_was_run(known: str, expected: tuple[str, str] | None) -> None:
    assert searched(releases(known)) == expected


def _selected(version: str, known: str) -> bool:
    return any(SpecifierSet("" if each == "*" else each).contains(version) for each in specifiers(known))


def test_every_short_history_selects_the_bad_releases_that_were_run_and_no_good_one() -> None:
    for size in range(1, 7):
        for history in map("".join, product("B.s_", repeat=size)):
            known = "".join(LETTERS[state] for state in states(size, looked_at(history)))
            for number, letter in enumerate(known):
                is_selected = _selected(f"1.{number}", known)
                assert is_selected or letter not in "Bb", (history, number)
                assert not is_selected or letter not in ".,?", (history, number)


@reproducible
@given(truth=st.text("B.s", min_size=1, max_size=40), seed=st.integers(0, 2**40 - 1))
def test_a_release_that_was_run_and_is_good_is_never_selected(truth: str, seed: int) -> None:
    history = "".join(letter if seed >> key & 1 else "_" for key, letter in enumerate(truth))
    known = "".join(LETTERS[state] for state in states(len(history), looked_at(history)))

    wrong = [key for key, letter in enumerate(history) if letter == "." and _selected(f"1.{key}", known)]

    assert wrong == []


@pytest.mark.parametrize(
    ("known", "versions", "inferred"),
    [
        pytest.param(".BxbB", ("1.0", "1.1", "1.2rc1", "1.2", "1.3"), ("1.2",), id="excluded"),
        pytest.param("BxB", ("1.0", "1.1rc1", "1.1"), (), id="in-every-release"),
        pytest.param(".BbB", ("1.0", "1.1", "1.2rc1", "1.2"), ("1.2rc1",), id="a-candidate"),
        pytest.param(".BxB", ("1.0", "1.1rc1", "1.1rc2", "1.1"), ("1.1rc2",), id="behind-a-named-one"),
        pytest.param(".BxB", ("1.0", "1.1", "1.2", "1.3"), ("1.2",), id="excluded-for-another-reason"),
    ],
)
def test_a_pre_release_is_affected_only_if_the_specifier_selects_it(
    known: str, versions: tuple[str, ...], inferred: tuple[str, ...]
) -> None:
    (stretch,) = affected(releases(known, versions))

    assert stretch.inferred == inferred

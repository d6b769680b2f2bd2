"""The plot of a metric: what each line of it is, and that every release with samples is on it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from bisect_asgi.core.text import size
from bisect_asgi.report.text.plot import plot

reproducible = settings(derandomize=True, deadline=None, max_examples=80)
number = "{:g}".format
MIB = 1024.0**2


def drawn(samples: list[list[float]], *, limit: float | None = None, width: int = 60) -> list[str]:
    labels = [f"1.{key}" for key in range(len(samples))]
    lines = plot(labels, samples, marks=["good"] * len(samples), show=number, limit=limit, width=width)
    return [line.plain for line in lines]


def test_a_line_has_label_dots_median_value_and_mark() -> None:
    (row, axis, ticks) = drawn([[0, 0, 5, 10, 10, 10, 10]], width=40)

    assert row == "1.0  •" + " " * 11 + "·" + " " * 11 + "◆  10  good"
    assert axis == "     ┬" + "─" * 11 + "┬" + "─" * 11 + "┬"
    assert ticks == "     0" + " " * 11 + "5" + " " * 10 + "10"


def test_dots_tell_one_sample_from_two_and_from_four() -> None:
    (row, *_) = drawn([[0, 3, 3, 6, 6, 6, 6, 4, 4, 4, 4]])

    assert [cell for cell in row if cell in "·•●◆"] == ["·", "•", "◆", "●"]


def test_the_limit_is_a_line_through_all_rows_and_is_named() -> None:
    title, *rows, axis, _ = drawn([[1, 2], [], [9, 10]], limit=6.5)

    place = axis.index("┴")
    assert title.strip() == "limit 6.5"
    assert title.index("limit 6.5") + 4 == place
    assert [row[place] for row in rows] == ["│"] * 3


def test_releases_without_samples_are_counted_in_one_line() -> None:
    lines = drawn([[], [1, 2], [], [], [], [3]])

    assert lines[0] == "… 1 release not measured"
    assert lines[2] == "… 3 releases not measured"
    assert len(lines) == 6


def test_a_limit_at_the_words_of_a_gap_leaves_them_readable() -> None:
    _, _, gap, *_ = drawn([[1, 2], [], [9, 10]], limit=1)

    assert gap == "… 1 release not measured"


def test_marks_are_coloured_and_readable_without() -> None:
    lines = plot(["1", "2", "3"], [[1], [2], [3]], marks=["good", "bad", "odd"], show=number)

    assert [line.plain.split()[-1] for line in lines[:3]] == ["good", "bad", "odd"]
    assert [[str(span.style) for span in line.spans] for line in lines[:3]] == [["green"], ["red"], []]


@pytest.mark.parametrize("value", [5.0, 0.0, -3.0, 1e-12, 1e300])
def test_equal_values_stand_in_the_middle(value: float) -> None:
    row, axis, ticks = drawn([[value] * 5])

    assert abs(row.index("◆") - (5 + len(axis) - 1) / 2) <= 1
    assert ticks.split()


@pytest.mark.parametrize(
    ("samples", "is_log"),
    [
        pytest.param([[1, 2], [49]], False, id="near"),
        pytest.param([[1, 2], [51]], True, id="far"),
        pytest.param([[0, 2], [51]], False, id="zero"),
        pytest.param([[-1, 2], [51]], False, id="negative"),
        pytest.param([[1e-9], [1e12]], True, id="many-decades"),
    ],
)
def test_far_values_are_on_a_logarithmic_axis_that_says_so(samples: list[list[float]], is_log: bool) -> None:
    *_, axis, ticks = drawn(samples)

    assert axis.startswith("log scale") == is_log
    assert 2 <= len(ticks.split()) <= 7


def test_ticks_are_round_in_the_units_of_the_metric() -> None:
    lines = plot(["1"], [[41.3 * 2**20, 57.1 * 2**20]], marks=["good"], show=lambda v: size(int(v)))

    assert lines[-1].plain.split() == ["45", "MiB", "50", "MiB", "55", "MiB"]


def three_digits(value: float) -> str:
    """As metrics are shown: in MiB, and never more than three digits."""
    return f"{value / MIB:.3g} MiB"


@reproducible
@given(low=st.floats(0.1, 300.0), span=st.floats(0.02, 20.0))
def test_labels_at_equal_distances_read_so(low: float, span: float) -> None:
    values = [low * MIB, low * (1 + span) * MIB]

    *_, axis, ticks = plot(["1"], [values], marks=["good"], show=three_digits, width=100)

    places = [place for place, cell in enumerate(axis.plain) if cell in "┬┼"]
    read = [float(word) for word in ticks.plain.split() if word != "MiB"]
    cells = len(axis.plain) - len("1  ") - 1
    for word in read:
        place = len("1  ") + (word / low - 1) / span * cells
        assert min(abs(place - tick) for tick in places) <= 1


def test_labels_that_three_digits_cannot_tell_apart_have_one_more() -> None:
    values = [1000.1 * MIB, 1000.8 * MIB]

    *_, ticks = plot(["1"], [values], marks=["good"], show=three_digits, width=100)

    read = [float(word) for word in ticks.plain.split() if word != "MiB"]
    assert len(read) >= 3
    assert len({round(after - before, 9) for before, after in pairwise(read)}) == 1


@pytest.mark.parametrize(
    ("width", "words"),
    [(80, ["5", "good"]), (40, ["5", "good"]), (37, ["good"]), (30, [])],
    ids=["wide", "enough", "narrow", "narrower"],
)
def test_where_it_is_narrow_the_values_are_left_out_and_then_the_marks(width: int, words: list[str]) -> None:
    (row, *_) = drawn([[1, 5, 5]], width=width)

    assert row.partition("◆")[2].split() == words


def test_long_labels_are_cut() -> None:
    (row, *_) = plot(["a" * 30], [[1]], marks=[""], show=number)

    assert row.plain.startswith("a" * 23 + "…  ")


def test_without_samples_there_is_nothing_to_draw() -> None:
    assert drawn([]) == drawn([[], []]) == []


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^only finite values can be drawn$"):
        drawn([[1.0, float("inf")]])
    with pytest.raises(ValueError, match="shorter"):
        plot(["1", "2"], [[1]], marks=["good", "good"], show=number)


@reproducible
@given(
    samples=st.lists(
        st.lists(st.floats(-1e15, 1e15) | st.floats(1e-9, 1e15), max_size=6), min_size=1, max_size=8
    ),
    limit=st.none() | st.floats(-1e15, 1e15),
    width=st.integers(60, 120),
)
def test_every_line_fits_and_every_release_with_samples_has_its_own(
    samples: list[list[float]], limit: float | None, width: int
) -> None:
    lines = drawn(samples, limit=limit, width=width)

    assert max(map(cell_len, lines), default=0) <= width
    assert sum("◆" in line for line in lines) == sum(bool(own) for own in samples)

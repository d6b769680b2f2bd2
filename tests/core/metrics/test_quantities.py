"""Numbers with units are read as people write them, and shown so that they can be read again."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bisect_asgi.core.metrics.quantities import Number, parse, show

KIB, MIB, GIB = 2**10, 2**20, 2**30
UNITS = ("", "s", "B", "%", "1/s")


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        pytest.param("8 MiB", 8 * MIB, "B", id="binary"),
        pytest.param("8MiB", 8 * MIB, "B", id="no-space"),
        pytest.param("8 mib", 8 * MIB, "B", id="lower-case"),
        pytest.param("512 KiB", 512 * KIB, "B", id="kibi"),
        pytest.param("0.5 GiB", GIB / 2, "B", id="gibi"),
        pytest.param("1 TiB", 1024 * GIB, "B", id="tebi"),
        pytest.param("1.5 MB", 1_500_000, "B", id="decimal"),
        pytest.param("512 kB", 512_000, "B", id="kilo"),
        pytest.param("512 KB", 512_000, "B", id="kilo-in-capitals"),
        pytest.param("3 GB", 3_000_000_000, "B", id="giga"),
        pytest.param("2 TB", 2_000_000_000_000, "B", id="tera"),
        pytest.param("100 B", 100, "B", id="bytes"),
        pytest.param("1e3b", 1000, "B", id="bytes-after-an-exponent"),
        pytest.param("250 ms", 0.25, "s", id="milliseconds"),
        pytest.param("250MS", 0.25, "s", id="milliseconds-in-capitals"),
        pytest.param("3 us", 3e-6, "s", id="microseconds-in-ascii"),
        pytest.param("3 \u00b5s", 3e-6, "s", id="microseconds-by-the-micro-sign"),
        pytest.param("3 \u03bcs", 3e-6, "s", id="microseconds-by-the-greek-letter"),
        pytest.param("10 ns", 1e-8, "s", id="nanoseconds"),
        pytest.param("1.5 s", 1.5, "s", id="seconds"),
        pytest.param("2 min", 120, "s", id="minutes"),
        pytest.param("1 h", 3600, "s", id="hours"),
        pytest.param("15%", 0.15, "%", id="share"),
        pytest.param("15 %", 0.15, "%", id="share-with-a-space"),
        pytest.param("-2.5 %", -0.025, "%", id="negative-share"),
        pytest.param("1200/s", 1200, "1/s", id="rate"),
        pytest.param("1200 /s", 1200, "1/s", id="rate-with-a-space"),
        pytest.param("1200 1/s", 1200, "1/s", id="rate-by-its-unit"),
        pytest.param("1e6", 1_000_000, "", id="exponent"),
        pytest.param("1E-3", 0.001, "", id="negative-exponent"),
        pytest.param("-3", -3, "", id="negative"),
        pytest.param("+3", 3, "", id="positive"),
        pytest.param("0.25", 0.25, "", id="fraction"),
        pytest.param(".5", 0.5, "", id="no-whole-part"),
        pytest.param("5.", 5, "", id="no-decimals"),
        pytest.param(" 7\n", 7, "", id="white-space-around"),
    ],
)
def test_a_quantity_is_read_in_base_units(text: str, value: float, unit: str) -> None:
    found = parse(text)

    assert found.unit == unit
    assert found.value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "ms", "nan", "inf", "-inf", "infinity", "NaN s", "--3", "1,000", "1,5 s", "3.5.2", "."),
        *("3 4", "1 2 1/s", "5 1/h", "٣"),
    ],
)
def test_what_is_no_number_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no number, with or without a unit$") as caught:
        parse(text)

    assert str(caught.value).startswith(f"`{text}` ")


@pytest.mark.parametrize("text", ["5 m", "5 parsecs", "1e", "3 ms later", "2 MiB/s", "0x10", "1_000", "7 k"])
def test_an_unknown_unit_is_answered_with_those_that_are_known(text: str) -> None:
    with pytest.raises(ValueError, match="unknown unit") as caught:
        parse(text)

    message, known = str(caught.value).split("; known are ")
    assert message == f"`{text}` has an unknown unit"
    assert {parse(f"1 {unit}").unit for unit in known.split(", ")} == {"s", "B", "%", "1/s"}


@pytest.mark.parametrize("text", ["1e400", "-1e400 s", "1e308 GiB"])
def test_what_is_beyond_all_numbers_is_too_large(text: str) -> None:
    with pytest.raises(ValueError, match=r"is too large$"):
        parse(text)


def test_a_long_text_is_cut_in_the_message() -> None:
    with pytest.raises(ValueError, match=r"^`x{39}…` is no number"):
        parse("x" * 10_000)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        pytest.param(8 * MIB, "B", "8.0 MiB", id="mebibytes"),
        pytest.param(1.25 * MIB, "B", "1.25 MiB", id="three-digits-of-bytes"),
        pytest.param(200.4 * MIB, "B", "200 MiB", id="hundreds-of-mebibytes"),
        pytest.param(512, "B", "512 B", id="bytes"),
        pytest.param(5, "B", "5 B", id="few-bytes"),
        pytest.param(1023.4, "B", "1023 B", id="just-below-a-kibibyte"),
        pytest.param(1023.6, "B", "1.0 KiB", id="rounded-to-a-kibibyte"),
        pytest.param(-3 * KIB, "B", "-3.0 KiB", id="shrunk"),
        pytest.param(3 * GIB * 1024 * 1024, "B", "3072 TiB", id="beyond-the-largest-unit"),
        pytest.param(0.25, "s", "250 ms", id="milliseconds"),
        pytest.param(1.52, "s", "1.52 s", id="seconds"),
        pytest.param(-1.52, "s", "-1.52 s", id="negative-seconds"),
        pytest.param(2, "s", "2.0 s", id="even-seconds"),
        pytest.param(125.2, "s", "125 s", id="hundreds-of-seconds"),
        pytest.param(750, "s", "12.5 min", id="minutes"),
        pytest.param(45_000, "s", "12.5 h", id="hours"),
        pytest.param(0.9996, "s", "1.0 s", id="rounded-to-a-second"),
        pytest.param(0.00032, "s", "320 µs", id="microseconds"),
        pytest.param(4.5e-8, "s", "45 ns", id="nanoseconds"),
        pytest.param(1e-12, "s", "0.001 ns", id="below-the-smallest-unit"),
        pytest.param(0.15, "%", "15%", id="share"),
        pytest.param(0.0123, "%", "1.23%", id="small-share"),
        pytest.param(-0.05, "%", "-5%", id="negative-share"),
        pytest.param(1210.4, "1/s", "1210/s", id="rate"),
        pytest.param(12.34, "", "12.3", id="plain"),
        pytest.param(3, "", "3", id="whole"),
        pytest.param(99.96, "", "100", id="rounded-up"),
        pytest.param(123_456, "", "123456", id="all-digits-of-whole-numbers"),
        pytest.param(0.000123, "", "0.000123", id="small"),
        pytest.param(1.23e-7, "", "1.23e-07", id="very-small"),
        pytest.param(1.23e20, "", "1.23e+20", id="very-large"),
        pytest.param(1.3, "requests", "1.3 requests", id="a-unit-that-is-not-ours"),
        *[
            pytest.param(0.0, unit, text, id=f"zero-{unit}")
            for unit, text in zip(UNITS, ("0", "0 s", "0 B", "0%", "0/s"), strict=True)
        ],
        pytest.param(-0.0, "s", "0 s", id="negative-zero"),
    ],
)
def test_a_quantity_is_shown_with_three_digits(value: float, unit: str, text: str) -> None:
    assert show(value, unit) == text


@pytest.mark.parametrize(("one", "other"), [(1.21, 1.27), (0.0121, 0.0127), (601, 607), (-1.21, -1.22)])
@pytest.mark.parametrize("unit", UNITS)
def test_what_differs_in_the_third_digit_looks_different(one: float, other: float, unit: str) -> None:
    assert show(one, unit) != show(other, unit)


magnitudes = st.floats(min_value=1e-12, max_value=1e17)


@given(value=magnitudes | magnitudes.map(float.__neg__), unit=st.sampled_from(UNITS))
@example(value=599.9, unit="s")
@example(value=9.995, unit="s")
@example(value=1023.5 * MIB, unit="B")
def test_what_is_shown_is_read_back_to_half_a_per_cent(value: float, unit: str) -> None:
    found = parse(show(value, unit))

    assert found.unit == unit
    assert found.value == pytest.approx(value, rel=0.0051)


@given(value=st.floats(min_value=-1e300, max_value=1e300), unit=st.sampled_from(UNITS))
def test_a_shown_quantity_is_shown_the_same_after_it_was_read(value: float, unit: str) -> None:
    text = show(value, unit)

    assert show(parse(text).value, unit) == text


@given(
    number=st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    unit=st.sampled_from(["ns", "us", "ms", "s", "min", "h", "B", "kB", "MB", "KiB", "MiB", "%", "1/s", ""]),
    space=st.sampled_from([" ", "  "]),
)
def test_capitals_and_spaces_make_no_difference(number: object, unit: str, space: str) -> None:
    plain = parse(f"{number} {unit}")

    assert parse(f"{space}{number}{space}{unit.upper()}") == parse(f"{number} {unit.lower()}") == plain


@given(text=st.text(max_size=12) | st.text(alphabet="0123456789.eE+-% msMiBKu/", max_size=8))
def test_any_text_is_a_finite_quantity_or_an_error_that_names_it(text: str) -> None:
    try:
        found = parse(text)
    except ValueError as error:
        assert str(error).startswith(f"`{text}` ")  # noqa: PT017
    else:
        assert abs(found.value) < float("inf")
        assert found.unit in UNITS


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(UNITS))
def test_a_number_that_knows_its_unit_is_still_a_number(value: float, unit: str) -> None:
    number = Number(value, unit)

    assert number == value
    assert number.unit == unit
    assert type(number + 1) is float

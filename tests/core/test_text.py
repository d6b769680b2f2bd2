"""Numbers, dates and lists as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisect_asgi.core import text as formats
from bisect_asgi.core.model import Distribution, Move


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        pytest.param(0, "release", "0 releases", id="none"),
        pytest.param(1, "release", "1 release", id="one"),
        pytest.param(2, "release", "2 releases", id="several"),
        pytest.param(12345, "run", "12,345 runs", id="thousands"),
        pytest.param(1, "process", "1 process", id="one-ending-in-s"),
        pytest.param(2, "process", "2 processes", id="ending-in-s"),
        pytest.param(2, "index", "2 indexes", id="ending-in-x"),
        pytest.param(2, "branch", "2 branches", id="ending-in-ch"),
        pytest.param(3, "dependency", "3 dependencies", id="ending-in-y"),
        pytest.param(3, "day", "3 days", id="ending-in-y-after-a-vowel"),
    ],
)
def test_a_noun_agrees_with_its_count(count: int, noun: str, text: str) -> None:
    assert formats.plural(count, noun) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(0.0, "0.00 s", id="nothing"),
        pytest.param(0.07, "0.07 s", id="hundredths"),
        pytest.param(1.0, "1.0 s", id="one-second"),
        pytest.param(3.2, "3.2 s", id="tenths"),
        pytest.param(9.94, "9.9 s", id="below-ten"),
        pytest.param(9.96, "10 s", id="rounded-to-ten"),
        pytest.param(48.3, "48 s", id="seconds"),
        pytest.param(59, "59 s", id="most-seconds"),
        pytest.param(59.7, "1 min", id="rounded-to-a-minute"),
        pytest.param(108, "1 min 48 s", id="minutes"),
        pytest.param(3599, "59 min 59 s", id="most-minutes"),
        pytest.param(3599.7, "1 h", id="rounded-to-an-hour"),
        pytest.param(7500, "2 h 5 min", id="hours"),
    ],
)
def test_a_duration_has_the_digits_that_matter(seconds: float, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (0.6, "1 s"), (7.2, "7 s"), (59.6, "1 min"), (108.0, "1 min 48 s"), (7500.0, "2 h 5 min")],
)
def test_an_elapsed_time_is_in_whole_seconds(seconds: float, text: str) -> None:
    assert formats.elapsed(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1 s"),
        (2.1, "3 s"),
        (9.5, "10 s"),
        (36.0, "40 s"),
        (54.9, "55 s"),
        (55.1, "1 min"),
        (130.0, "3 min"),
        (3540.0, "59 min"),
        (5400.0, "1.5 h"),
    ],
)
def test_an_estimate_is_rounded_up(seconds: float, text: str) -> None:
    assert formats.roughly(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        pytest.param(0, "0 B", id="nothing"),
        pytest.param(5, "5 B", id="few-bytes"),
        pytest.param(1023, "1023 B", id="bytes"),
        pytest.param(1024, "1.0 KiB", id="one-unit"),
        pytest.param(9 * 1024, "9.0 KiB", id="nine"),
        pytest.param(10138, "9.9 KiB", id="below-ten"),
        pytest.param(10200, "10 KiB", id="rounded-to-ten"),
        pytest.param(10 * 1024, "10 KiB", id="ten"),
        pytest.param(1_468_006, "1.4 MiB", id="tenths"),
        pytest.param(31 * 2**20, "31 MiB", id="whole"),
        pytest.param(3 * 2**30, "3.0 GiB", id="larger"),
        pytest.param(5000 * 2**40, "5000 TiB", id="beyond-the-last-unit"),
    ],
)
def test_a_size_has_the_unit_that_fits(count: int, text: str) -> None:
    assert formats.size(count) == text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        pytest.param(datetime(2021, 10, 7, 23, 59, tzinfo=UTC), "2021-10-07", id="utc"),
        pytest.param(
            datetime(2021, 10, 8, 1, 30, tzinfo=timezone(timedelta(hours=2))), "2021-10-07", id="other-zone"
        ),
        pytest.param(None, "-", id="unknown"),
    ],
)
def test_a_date_is_the_day_in_utc(moment: datetime | None, text: str) -> None:
    assert formats.date(moment) == text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("a", "a", id="one"),
        pytest.param("ab", "a and b", id="two"),
        pytest.param("abcd", "a, b, c and d", id="all-that-fit"),
        pytest.param("abcde", "a, b, c and 2 more", id="more"),
    ],
)
def test_a_listing_ends_in_and(words: str, text: str) -> None:
    assert formats.listing(iter(words)) == text


def test_a_listing_is_as_long_as_it_may_be() -> None:
    assert formats.listing("abcde", most=5) == "a, b, c, d and e"
    assert formats.listing("abcde", most=2) == "a and 4 more"


def test_a_distribution_is_written_as_a_requirement() -> None:
    assert str(Distribution(name="h11", version="0.9")) == "h11==0.9"


@pytest.mark.parametrize(
    ("move", "text"),
    [
        pytest.param(Move(name="anyio", old="3.7.1", new="4.0.0"), "anyio 3.7.1 → 4.0.0", id="moved"),
        pytest.param(Move(name="anyio", old=None, new="3.0.0"), "anyio 3.0.0 (added)", id="added"),
        pytest.param(Move(name="anyio", old="3.0.0", new=None), "anyio 3.0.0 (removed)", id="removed"),
    ],
)
def test_a_move_says_where_from_and_where_to(move: Move, text: str) -> None:
    assert str(move) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain text", "plain text", id="plain"),
        pytest.param("naïve ☃ 日本", "naïve ☃ 日本", id="letters-of-any-script"),
        pytest.param("a\tb", "a b", id="a-tab-is-a-blank"),
        pytest.param("\x1b[31mred", "�[31mred", id="a-sequence-that-colours"),
        pytest.param("one\rtwo\x07\x00", "one�two��", id="what-moves-the-cursor-or-rings"),
        pytest.param("\u202etxt.exe", "�txt.exe", id="what-turns-the-direction"),
        pytest.param("\x9b2J", "�2J", id="a-control-character-of-eight-bits"),
        pytest.param("", "", id="nothing"),
        pytest.param("one\n\ttwo\x1b\n\nthree\n", "one\n two�\n\nthree\n", id="lines"),
        pytest.param("one\r\ntwo\u2028three", "one�\ntwo�three", id="other-ends-of-lines"),
    ],
)
def test_text_of_others_has_nothing_that_a_terminal_obeys(text: str, shown: str) -> None:
    assert formats.printable(text) == shown


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://example.org/simple/", "https://example.org/simple/"),
        ("https://me:secret@example.org/simple/", "https://example.org/simple/"),
        ("https://token@example.org/a.git", "https://example.org/a.git"),
        ("HTTPS://token@example.org/a.git", "HTTPS://example.org/a.git"),
        ("https://me:se@cret@example.org/a@1", "https://example.org/a@1"),
        ("ssh://git@example.org/a.git", "ssh://git@example.org/a.git"),
        ("ssh://git:secret@example.org/a.git", "ssh://git@example.org/a.git"),
        ("git@example.org:a.git", "git@example.org:a.git"),
        ("https://me:se/cret@example.org/simple", "https://example.org/simple"),
        ("https://me:se@c/ret@example.org/simple", "https://example.org/simple"),
        ("https://me:12/34@example.org:8443/simple", "https://example.org:8443/simple"),
        ("ssh://git:se/cret@example.org/a.git", "ssh://git@example.org/a.git"),
        ("http://localhost:8080/simple/@scope", "http://localhost:8080/simple/@scope"),
        ("http://[::1]:8080/simple/@scope", "http://[::1]:8080/simple/@scope"),
        ("http://index/simple/@scope", "http://index/simple/@scope"),
        ("https://me:secret@index/simple", "https://index/simple"),
        ("/srv/me:a@b", "/srv/me:a@b"),
    ],
)
def test_an_address_is_shown_without_what_lets_others_in(address: str, expected: str) -> None:
    assert formats.without_credentials(address) == expected


# With a dot as well, what is behind the `@` could be a host with a path.
@given(st.text(st.sampled_from("ab1:@/%"), min_size=1, max_size=12))
def test_no_password_is_shown_whatever_is_in_it(password: str) -> None:
    assert "SECRET" not in formats.without_credentials(
        f"https://me:SECRET{password}@index.example.org/simple"
    )
    assert "SECRET" not in formats.without_credentials(
        f"https://me:{password}SECRET@index.example.org/simple"
    )


@given(st.text(st.sampled_from("ab1:@/%"), min_size=1, max_size=12))
def test_no_password_is_shown_in_a_text_of_another_program(password: str) -> None:
    said = "error: invalid value 'https://me:{}@index.example.org:99999999/simple': invalid port number"

    assert "SECRET" not in formats.hide_credentials(said.format(f"SECRET{password}"))
    assert "SECRET" not in formats.hide_credentials(said.format(f"{password}SECRET"))


def test_a_text_without_a_password_stays_as_it_is() -> None:
    said = "a @ b: `https://index.example.org/a@1/b`, see git+ssh://host.example/x (c://)"

    assert formats.hide_credentials(said) == said


def test_secrets_in_a_text_are_masked() -> None:
    assert (
        formats.masked("hunter2 and hunter22, swordfish", ["hunter2", "swordfish"]) == "**** and ****2, ****"
    )
    assert formats.masked("nothing", []) == "nothing"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        pytest.param("error: it is short", 40, ["error: it is short"], id="fits"),
        pytest.param("error: one two three", 12, ["error: one", "two three"], id="between-words"),
        pytest.param("\nhint: one two", 9, ["", "hint: one", "two"], id="an-empty-line"),
        pytest.param("hint: run `a b c d`", 12, ["hint: run", "`a b c d`"], id="a-command-stays-whole"),
        pytest.param("pass `--with x`, or", 12, ["pass", "`--with x`,", "or"], id="with-its-comma"),
        pytest.param("run `a b c d e f`", 8, ["run `a b", "c d e f`"], id="a-command-that-does-not-fit"),
        pytest.param("see /a/very/long/path now", 9, ["see", "/a/very/long/path", "now"], id="a-long-word"),
        pytest.param("  indented words here", 12, ["  indented", "words here"], id="indented"),
        pytest.param("a ` alone stays here", 9, ["a ` alone", "stays", "here"], id="a-backtick-alone"),
    ],
)
def test_a_text_is_folded_between_words(text: str, width: int, lines: list[str]) -> None:
    assert formats.folded(text, width).split("\n") == lines


@given(st.text(st.sampled_from("ab `\n")), st.integers(1, 20))
def test_a_folded_text_has_the_same_words_and_fits_as_far_as_they_do(text: str, width: int) -> None:
    folded = formats.folded(text, width)

    assert folded.split() == text.split()
    assert all(len(line) <= width or len(line.split()) < 2 for line in folded.split("\n"))

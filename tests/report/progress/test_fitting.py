"""Text is fitted by the cells that it takes, not by its characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bisect_asgi.report.progress.fitting import cut, fit, wrapped

TEXTS = st.text(st.characters() | st.sampled_from("日本語 \n\t\x1b\u202e"), max_size=60)
WIDTHS = st.integers(min_value=0, max_value=40)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        pytest.param("0.69.0 bad", 10, "0.69.0 bad", id="fits"),
        pytest.param("0.69.0 bad", 9, "0.69.0 b…", id="cut"),
        pytest.param("0.69.0 bad", 8, "0.69.0…", id="no-blank-before-the-ellipsis"),
        pytest.param("日本語", 5, "日本…", id="wide"),
        pytest.param("日本語", 4, "日…", id="half-of-a-wide-one"),
        pytest.param("one\ntwo", 9, "one two", id="several-lines"),
        pytest.param("bad", 1, "…", id="one-cell"),
        pytest.param("bad", 0, "", id="no-cell"),
        pytest.param("\x1b[2J", 9, "�[2J", id="control-code"),
    ],
)
def test_a_text_is_cut_with_an_ellipsis(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        pytest.param(46, "0.69.0 bad (expected 200, got 500), run in 4 s", id="fits"),
        pytest.param(45, "0.69.0 bad (expected 200, got 5…), run in 4 s", id="reason-cut"),
        pytest.param(36, "0.69.0 bad (expected 2…), run in 4 s", id="reason-cut-further"),
        pytest.param(30, "0.69.0 bad, run in 4 s", id="reason-left-out"),
        pytest.param(20, "0.69.0 bad", id="times-left-out"),
        pytest.param(10, "0.69.0 bad", id="verdict-kept"),
        pytest.param(9, "0.69.0 b…", id="too-narrow-for-both"),
    ],
)
def test_the_verdict_is_cut_last(width: int, shown: str) -> None:
    assert fit("0.69.0", " bad", " (expected 200, got 500)", ", run in 4 s", width) == shown


def test_a_long_label_is_cut_before_its_verdict() -> None:
    label = "fastapi 0.69.0 with the dependencies of fastapi 0.68.2"

    assert fit(label, " bad", "", ", run in 4 s", 30) == "fastapi 0.69.0 with the d… bad"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        pytest.param("one two three", 7, ["one two", "three"], id="between-words"),
        pytest.param("one twothree", 5, ["one", "twoth", "ree"], id="a-word-that-is-too-long"),
        pytest.param("", 7, [""], id="empty"),
    ],
)
def test_a_sentence_is_broken_between_words(text: str, width: int, lines: list[str]) -> None:
    assert list(wrapped(text, width)) == lines


@given(TEXTS, TEXTS, TEXTS, TEXTS, WIDTHS)
def test_nothing_is_wider_than_it_may_be(head: str, verdict: str, reason: str, tail: str, width: int) -> None:
    for line in (cut(head, width), fit(head, verdict, reason, tail, width)):
        assert cell_len(line) <= width
        assert line.isprintable()


@given(TEXTS, st.integers(min_value=2, max_value=40))
def test_a_wrapped_sentence_has_all_its_words_in_lines_that_fit(text: str, width: int) -> None:
    lines = list(wrapped(text, width))

    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(cut(text, 10**6).split())

"""Whatever a field of a report has in it, only text that does nothing reaches a terminal or a pipe."""

from __future__ import annotations

import enum
import json
from io import StringIO
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text
from support.documents import REGRESSION

from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import printable_json
from bisect_asgi.report import document
from bisect_asgi.report.folding import report_of
from bisect_asgi.report.progress.console import Color, SafeConsole, color_of, use_color
from bisect_asgi.report.projection import Projection
from bisect_asgi.report.text import render

HOSTILE = ["\x1b[2J", "\x1b]0;owned\x07", "\r", "\x00", "\x7f", "\x9b31m", "\u202e", "\u2066", "\u2028"]


def with_evil(value: Any, evil: str) -> Any:
    """Return a value like `value`, with `evil` at the end of each text in it."""
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return value + evil
    if isinstance(value, Struct):
        fields = {name: with_evil(getattr(value, name), evil) for name in value.__struct_fields__}
        return msgspec.structs.replace(value, **fields)
    if isinstance(value, (tuple, list)):
        return type(value)(with_evil(each, evil) for each in value)
    return value


def report() -> document.Report:
    projection = Projection()
    for event in REGRESSION:
        projection(event)
    return report_of(projection)


def shown(what: document.Report) -> str:
    out = StringIO()
    render(what, SafeConsole(file=out, width=120))
    return out.getvalue()


@pytest.mark.parametrize("evil", HOSTILE)
def test_no_field_of_a_report_reaches_the_terminal_as_more_than_text(evil: str) -> None:
    text = shown(with_evil(report(), evil))

    assert "0.12.1" in text
    assert text.replace("\n", "").isprintable()


@given(st.text(st.characters(categories=["Cc", "Cf", "Zl", "Zp", "Co"]), min_size=1, max_size=3))
def test_a_document_has_escapes_and_means_the_same(evil: str) -> None:
    hostile = with_evil(report(), evil)

    text = printable_json(document.render(hostile))

    assert text.isprintable()
    assert json.loads(text) == json.loads(document.render(hostile))


def test_colors_of_our_own_stay() -> None:
    out = StringIO()
    console = SafeConsole(file=out, force_terminal=True, color_system="standard", _environ={})

    console.print(Text("red\x1b[32m", style="red"))

    assert out.getvalue() == "\x1b[31mred�[32m\x1b[0m\n"


@pytest.mark.parametrize(
    ("choice", "environ", "color"),
    [
        pytest.param("auto", {}, "auto", id="nothing-said"),
        pytest.param("auto", {"NO_COLOR": "1"}, "never", id="no-color"),
        pytest.param("auto", {"NO_COLOR": ""}, "auto", id="no-color-empty"),
        pytest.param("auto", {"FORCE_COLOR": "1"}, "always", id="force"),
        pytest.param("auto", {"FORCE_COLOR": "0"}, "never", id="force-zero"),
        pytest.param("auto", {"CLICOLOR_FORCE": "1"}, "always", id="clicolor-force"),
        pytest.param("auto", {"CLICOLOR_FORCE": "0"}, "auto", id="clicolor-force-zero"),
        pytest.param("auto", {"CLICOLOR": "0"}, "never", id="clicolor-zero"),
        pytest.param("auto", {"CLICOLOR": "1"}, "auto", id="clicolor"),
        pytest.param("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, "never", id="both"),
        pytest.param("always", {"NO_COLOR": "1"}, "always", id="option-before-no-color"),
        pytest.param("never", {"FORCE_COLOR": "1"}, "never", id="option-before-force"),
    ],
)
def test_the_option_comes_before_the_environment(
    choice: Color, environ: dict[str, str], color: Color
) -> None:
    assert color_of(choice, environ) == color


@pytest.mark.parametrize(("choice", "escapes"), [("always", True), ("auto", False), ("never", False)])
def test_a_pipe_has_colors_only_if_they_are_asked_for(choice: Color, escapes: bool) -> None:
    out = StringIO()
    use_color(choice)
    try:
        SafeConsole(file=out, _environ={}).print(Text("bad", style="bold red"))
    finally:
        use_color("auto")

    assert ("\x1b[" in out.getvalue()) is escapes
    assert "bad" in out.getvalue()

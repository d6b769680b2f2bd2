"""The manual page shows text as it is, with all options of each command."""

from __future__ import annotations

import pytest

from bisect_asgi.core.plan.help_pages import HelpPage, HelpPanel
from bisect_asgi.core.plan.man_page import man_page

OVERVIEW = HelpPage(usage=("tool NAME", "tool --version"), text="Do it.\n\nTwice.", panels=())


def page(text: str, *, examples: tuple[tuple[str, str], ...] = ()) -> str:
    command = HelpPage(
        usage=("tool run",), text=text, panels=(HelpPanel("First", (("--one N", text),)),), examples=examples
    )
    return "\n".join(man_page(OVERVIEW, {"run": command}, {0: "Found.", 130: "Interrupted."}))


def test_a_page_has_its_parts_in_order() -> None:
    titles = [line for line in page("Run it.").splitlines() if line.startswith((".SH", ".SS"))]

    assert titles == [
        ".SH NAME",
        ".SH SYNOPSIS",
        ".SH DESCRIPTION",
        ".SH COMMANDS",
        '.SS "run"',
        ".SH EXIT STATUS",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param("--one", "\\-\\-one", id="dashes"),
        pytest.param(r"a\b", r"a\eb", id="backslash"),
        pytest.param("'quoted'", "\\(aqquoted\\(aq", id="quotes"),
        pytest.param("`typed`", "\\(gatyped\\(ga", id="backticks"),
        pytest.param(".hidden", "\\&.hidden", id="request"),
    ],
)
def test_no_text_is_a_request(text: str, shown: str) -> None:
    assert f".TP\n.B \\-\\-one N\n{shown}\n" in page(text)


def test_examples_are_lines_of_their_own() -> None:
    assert ".nf\ntool run x\n.fi" in page("Run it.", examples=(("tool run x", "Do it."),))
    assert ".I Examples" not in page("Run it.")

"""The help of each command has all its options, once, in lines that fit."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest

from bisect_asgi.core.plan.help_pages import HelpPage, HelpPanel, panels_of, plain_lines, variables_of
from bisect_asgi.core.plan.option import Command, Section
from bisect_asgi.core.plan.options import OPTIONS

each_command = pytest.mark.parametrize("command", get_args(Command))

PAGE = HelpPage(
    usage=("tool NAME [OPTIONS]", "tool --version"),
    text="Do a thing.\n\nThe second paragraph says\nwhat else there is.",
    panels=(
        HelpPanel("First", (("-o, --one N", "One of many things that there are (default: 1)."),)),
        HelpPanel("Second", (("--a-very-long-option-name VALUE", "Short."),)),
    ),
    examples=(("tool x --one 2", "Do it twice."),),
)


def page(command: Command) -> HelpPage:
    return HelpPage(usage=(f"tool {command}",), text="Do it.", panels=panels_of(command))


def test_a_page_is_usage_text_panels_and_examples() -> None:
    assert list(plain_lines(PAGE, 44)) == [
        "Usage: tool NAME [OPTIONS]",
        "       tool --version",
        "",
        "  Do a thing.",
        "",
        "  The second paragraph says what else there",
        "  is.",
        "",
        "First:",
        "  -o, --one N  One of many things that there",
        "               are (default: 1).",
        "",
        "Second:",
        "  --a-very-long-option-name VALUE",
        "               Short.",
        "",
        "Examples:",
        "  # Do it twice.",
        "  tool x --one 2",
    ]


def test_a_page_of_long_names_only_has_room_for_them_and_no_examples() -> None:
    long = HelpPage(usage=("tool",), text="Do it.", panels=PAGE.panels[1:])

    assert list(plain_lines(long, 60))[-2:] == ["  --a-very-long-option-name VALUE", " " * 31 + "Short."]


@each_command
def test_each_option_of_a_command_is_shown_once(command: Command) -> None:
    shown = Counter(name for panel in panels_of(command) for name, _ in panel.entries)

    assert shown == Counter(each.spelling for each in OPTIONS.values() if command in each.commands)


@each_command
@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_of_a_help_is_wider_than_the_terminal(command: Command, width: int) -> None:
    assert all(len(line) <= width for line in plain_lines(page(command), width))


def test_the_ten_options_of_a_search_that_matter_most_come_first() -> None:
    first, *others = panels_of("run")

    assert (first.title, len(first.entries)) == ("Most used", 10)
    assert [panel.title for panel in others] == [each for each in Section if each not in ("Claim", "Other")]


def test_few_options_are_not_divided_by_use() -> None:
    assert [panel.title for panel in panels_of("releases")] == [
        "Range",
        "Environment",
        "How trials run",
        "Output",
    ]


def test_the_options_with_a_variable_are_named() -> None:
    (panel,) = variables_of("releases")

    assert panel.entries == (("BISECT_ASGI_OPTION", "Default of its option: --python."),)
    assert not list(variables_of("completion"))

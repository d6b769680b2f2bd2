"""Every option is declared once, and what is derived from that holds together."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import pytest

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.option import Option, Place
from bisect_asgi.core.plan.options import OPTIONS, Options, command_line, merge
from bisect_asgi.core.plan.tables import read_table


def a_value(option: Option) -> Any:
    """A value that the option accepts in a table."""
    if get_origin(option.kind) is Literal:
        return get_args(option.kind)[-1]
    values = {bool: True, int: max(option.least or 0, 1), float: 1.5}
    kinds = get_args(option.kind) or (option.kind,)
    if option.is_settings:
        return {"http": "h11"}
    return ["text"] if option.is_repeatable else values.get(kinds[0], "text")


each_option = pytest.mark.parametrize("option", OPTIONS.values(), ids=list(OPTIONS))


@each_option
def test_a_help_is_one_short_phrase(option: Option) -> None:
    for text, default in [(option.help, option.default), *option.variants.values()]:
        assert 0 < len(text) <= 72
        assert text[0].isupper()
        assert not text.endswith(".")
        assert "default" not in text + default


@each_option
def test_an_option_with_a_value_has_a_word_for_it(option: Option) -> None:
    choices = get_args(option.kind) if get_origin(option.kind) is Literal else ()
    has_none = option.is_switch or 0 < len(choices) <= 5  # more are named in its help
    assert all(choice in option.help for choice in choices if option.metavar)

    assert (option.metavar == "") is has_none


@each_option
def test_an_option_is_spelled_as_it_is_written_on_a_command_line_or_in_a_table(option: Option) -> None:
    assert (option.flag in option.spelling) is bool(option.commands)
    assert option.key in option.spelling


@each_option
def test_an_option_can_stand_somewhere(option: Option) -> None:
    assert option.commands or option.places


@each_option
@pytest.mark.parametrize("place", Place)
def test_an_option_is_accepted_where_it_may_stand_and_refused_elsewhere(option: Option, place: Place) -> None:
    table = {option.key: a_value(option)}

    if place in option.places:
        assert getattr(read_table(table, place, where="it"), option.name) != getattr(Options(), option.name)
        return
    with pytest.raises(UsageError, match=f"^`{option.key}` cannot stand in it$") as caught:
        read_table(table, place, where="it")
    assert str(caught.value.hint).startswith(
        f"pass `{option.flag}` on the command line of {option.commands[0]}"
    )


@pytest.mark.parametrize(
    "option",
    [option for option in OPTIONS.values() if option.least is not None and option.places],
    ids=lambda option: option.key,
)
def test_a_number_below_the_smallest_is_refused_wherever_it_stands(option: Option) -> None:
    least = option.least or 0

    assert getattr(read_table({option.key: least}, Place.PROBE, where="it"), option.name) == least
    with pytest.raises(UsageError) as caught:
        read_table({option.key: least - 1}, Place.PROBE, where="it")
    assert str(caught.value) == f"`{option.flag} {least - 1}` is out of range"
    assert caught.value.hint == f"pass {least} or more"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(Options(), (), id="nothing"),
        pytest.param(Options(probe="my leak.py"), ("--probe", "'my leak.py'"), id="a-value"),
        pytest.param(Options(timeout=0.1 + 0.2), ("--timeout", "0.3"), id="a-number"),
        pytest.param(Options(requests=5), ("--requests", "5"), id="a-whole-number"),
        pytest.param(Options(fresh=True), ("--fresh",), id="a-switch"),
        pytest.param(Options(fresh=False), (), id="a-switch-that-cannot-be-turned-off"),
        pytest.param(Options(keep_alive=False), ("--no-keep-alive",), id="a-switch-turned-off"),
        pytest.param(Options(with_=("a<1", "b")), ("--with", "'a<1'", "--with", "b"), id="several-values"),
        pytest.param(
            Options(uvicorn={"http": "h11", "workers": 2}),
            ("--uvicorn", "http=h11", "--uvicorn", "workers=2"),
            id="pairs",
        ),
        pytest.param(Options(good="1.0", source="notes"), (), id="what-check-has-not"),
    ],
)
def test_options_become_a_command_line_again(options: Options, words: tuple[str, ...]) -> None:
    assert command_line(options, "check") == words


@pytest.mark.parametrize(
    ("command_line", "table", "merged"),
    [
        pytest.param(Options(), Options(), Options(), id="nothing-said"),
        pytest.param(Options(), Options(good="1", jobs=2), Options(good="1", jobs=2), id="table-alone"),
        pytest.param(Options(good="1"), Options(), Options(good="1"), id="command-line-alone"),
        pytest.param(Options(good="2"), Options(good="1"), Options(good="2"), id="command-line-wins"),
        pytest.param(Options(pre=False), Options(pre=True), Options(pre=False), id="a-no-wins-too"),
        pytest.param(Options(confirm=0), Options(confirm=2), Options(confirm=0), id="a-zero-wins-too"),
        pytest.param(
            Options(bad_above="10%", budget="1 h"),
            Options(bad_above=8.0, budget=200, effect="5%"),
            Options(bad_above="10%", budget="1 h", effect="5%"),
            id="quantities-whether-with-units-or-not",
        ),
        pytest.param(
            Options(culprit=True, drill=False),
            Options(culprit=False, drill=True, first_parent=False),
            Options(culprit=True, drill=False, first_parent=False),
            id="each-switch-by-itself",
        ),
        pytest.param(
            Options(fixed_in="2"),
            Options(broken_in="1", source="notes", jobs=2),
            Options(fixed_in="2", jobs=2),
            id="a-fix-stands-for-the-tables-break",
        ),
        pytest.param(
            Options(broken_in="2"),
            Options(fixed_in="1", source="notes"),
            Options(broken_in="2"),
            id="a-break-stands-for-the-tables-fix",
        ),
        pytest.param(
            Options(fixed_in="2"),
            Options(fixed_in="1", source="notes"),
            Options(fixed_in="2", source="notes"),
            id="a-claim-of-the-same-kind-wins",
        ),
        pytest.param(
            Options(confidence="95%"),
            Options(confidence=0.9),
            Options(confidence="95%"),
            id="a-probability-however-it-is-written",
        ),
        pytest.param(
            Options(override=("h11<1",)),
            Options(override=("anyio<4",), over="anyio"),
            Options(override=("anyio<4", "h11<1"), over="anyio"),
            id="overrides-are-joined",
        ),
        pytest.param(
            Options(with_=("h11",), env=("A=2",)),
            Options(with_=("anyio",), env=("A=1",), include=("data",)),
            Options(with_=("anyio", "h11"), env=("A=1", "A=2"), include=("data",)),
            id="lists-are-joined-the-command-line-last",
        ),
    ],
)
def test_the_command_line_wins_over_the_probes_table(
    command_line: Options, table: Options, merged: Options
) -> None:
    assert merge(command_line, table) == merged

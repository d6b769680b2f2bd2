"""How much of the history is looked at."""

from __future__ import annotations

import pytest

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan import (
    History,
    HistoryKind,
)
from bisect_asgi.core.plan.planning import parse_history


@pytest.mark.parametrize(
    ("text", "history"),
    [
        pytest.param("auto", History(), id="auto"),
        pytest.param("all", History(kind=HistoryKind.ALL), id="all"),
        pytest.param("none", History(kind=HistoryKind.NONE), id="none"),
        pytest.param("30 s", History(kind=HistoryKind.TIME, seconds=30.0), id="seconds"),
        pytest.param("2min", History(kind=HistoryKind.TIME, seconds=120.0), id="minutes"),
        pytest.param("45", History(kind=HistoryKind.TIME, seconds=45.0), id="a-number-of-seconds"),
    ],
)
def test_how_much_of_the_history_is_looked_at_is_a_word_or_a_time(text: str, history: History) -> None:
    assert parse_history(text) == history


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("some", "`some` cannot be read", id="no-word"),
        pytest.param("8 MiB", "`8 MiB` cannot be read", id="a-size"),
        pytest.param("", "`` cannot be read", id="nothing"),
        pytest.param("-3 s", "`--history -3 s` is out of range", id="negative"),
    ],
)
def test_another_history_is_refused_with_what_may_be_said(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}") as caught:
        parse_history(text)

    assert "`auto`, `all`, `none`, or a time, such as `30 s`" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("history", "search_s", "most_s"),
    [
        pytest.param(History(), 1.0, 60.0, id="a-short-search"),
        pytest.param(History(), 90.0, 90.0, id="as-long-as-the-search"),
        pytest.param(History(kind=HistoryKind.TIME, seconds=7.0), 90.0, 7.0, id="as-long-as-was-said"),
    ],
)
def test_a_change_that_shows_is_placed_in_the_time_of_one_more_search(
    history: History, search_s: float, most_s: float
) -> None:
    assert history.placing_s(search_s) == most_s

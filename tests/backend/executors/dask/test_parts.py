"""A call that is made in parts ends as one call does: with a result, with one error, or cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

import pytest

from bisect_asgi.backend.executors.dask.parts import joined
from bisect_asgi.core.errors import Cancelled, Unavailable


def parts(count: int = 3) -> list[Future[Any]]:
    return [Future() for _ in range(count)]


def together(results: Sequence[Any]) -> list[Any]:
    return list(results)


def test_the_results_are_joined_in_the_order_of_the_parts_when_the_last_is_there() -> None:
    first, second, third = own = parts()
    whole = joined(own, together)

    third.set_result("c")
    first.set_result("a")
    before = whole.done()
    second.set_result("b")

    assert not before
    assert whole.result(0) == ["a", "b", "c"]


def test_the_first_error_is_that_of_the_whole_and_ends_the_other_parts() -> None:
    first, second, third = own = parts()
    whole = joined(own, together)
    error = Unavailable("the workers are gone")

    second.set_exception(error)

    assert whole.exception(0) is error
    assert first.cancelled()
    assert third.cancelled()


def test_a_part_that_fails_later_changes_nothing() -> None:
    first, second, _ = own = parts()
    for part in own:
        part.set_running_or_notify_cancel()  # it cannot be cancelled any more
    whole = joined(own, together)

    first.set_exception(Unavailable("first"))
    second.set_exception(Unavailable("second"))

    assert str(whole.exception(0)) == "first"


def test_a_part_that_is_cancelled_ends_the_whole_as_cancelled() -> None:
    first, second, third = own = parts()
    whole = joined(own, together)

    third.cancel()

    assert isinstance(whole.exception(0), Cancelled)
    assert first.cancelled()
    assert second.cancelled()


def test_cancelling_the_whole_cancels_all_parts_and_nobody_waits_for_it() -> None:
    own = parts()
    whole = joined(own, together)

    assert whole.cancel()

    assert all(part.cancelled() for part in own)
    assert wait([whole], timeout=0, return_when=FIRST_COMPLETED).done == {whole}


def test_what_cannot_be_joined_is_the_error_of_the_whole() -> None:
    def refuse(_: Sequence[Any]) -> Any:
        raise ValueError("they do not belong together")

    own = parts(1)
    whole = joined(own, refuse)
    own[0].set_result("a")

    with pytest.raises(ValueError, match="they do not belong together"):
        whole.result(0)

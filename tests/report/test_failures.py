"""Failures behind a boundary, as headlines tell them."""

from __future__ import annotations

import pytest
from support.builders import ASSERTION, TYPE_ERROR

from bisect_asgi.core.model import FailureStretch
from bisect_asgi.report.failures import NamedFailure, fails, named

LABELS = ("1.0", "1.1", "1.2", "1.3", "1.4")
BOTH = named(
    (
        FailureStretch(first=1, last=2, signature=TYPE_ERROR),
        FailureStretch(first=3, last=4, signature=ASSERTION),
    ),
    LABELS,
)


def test_failures_are_told_by_the_releases_that_show_them() -> None:
    assert (
        NamedFailure(first="1.1", last="1.2", signature=TYPE_ERROR),
        NamedFailure(first="1.3", last="1.4", signature=ASSERTION),
    ) == BOTH


@pytest.mark.parametrize(
    ("first", "cause", "expected"),
    [
        ("1.1", "", "fails from 1.1 on ({x}) and from 1.3 on ({b})"),
        ("1.1", ", by itself", "fails from 1.1 on ({x}), by itself, and from 1.3 on ({b})"),
        ("1.5", ", by itself", "fails up to 1.2 ({x}) and up to 1.4 ({b}), by itself"),
    ],
)
def test_the_cause_stands_beside_the_failure_at_the_boundary(first: str, cause: str, expected: str) -> None:
    shown = expected.format(x=TYPE_ERROR.shown, b=ASSERTION.shown)

    assert fails(BOTH, first=first, cause=cause) == shown


def test_an_unknown_failure_has_no_words() -> None:
    (unknown,) = named((FailureStretch(first=0, last=0, signature=None),), LABELS)

    assert fails([unknown], first="1.0") == "fails from 1.0 on"

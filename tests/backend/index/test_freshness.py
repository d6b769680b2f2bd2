"""An answer is used without asking for no longer than its headers, and ten minutes, allow."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisect_asgi.backend.index.freshness import LONGEST_S, fresh

NOW_S = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
SOON = "Tue, 14 Nov 2023 22:15:20 GMT"


@pytest.mark.parametrize(
    ("headers", "lasts_s"),
    [
        pytest.param({"Cache-Control": "max-age=300"}, 300, id="max-age"),
        pytest.param({"cache-control": "PUBLIC, Max-Age=300"}, 300, id="any-spelling"),
        pytest.param({"cache-control": 'max-age="300"'}, 300, id="quoted"),
        pytest.param({"cache-control": "max-age=300", "age": "100"}, 200, id="age-counts"),
        pytest.param({"cache-control": "max-age=300, must-revalidate"}, 300, id="fresh-needs-no-validation"),
        pytest.param({"cache-control": "max-age=86400"}, LONGEST_S, id="never-longer-than-ten-minutes"),
        pytest.param({"date": DATE, "expires": SOON}, 120, id="expires"),
        pytest.param({"date": DATE, "expires": SOON, "age": "20"}, 100, id="expires-and-age"),
        pytest.param({"cache-control": "max-age=30", "date": DATE, "expires": SOON}, 30, id="max-age-wins"),
    ],
)
def test_an_answer_lasts_as_long_as_its_headers_say(headers: dict[str, str], lasts_s: float) -> None:
    found = fresh(httpx.Headers(headers), asked_s=NOW_S)

    assert found is not None
    assert not found.at(NOW_S - 1)  # the clock was set back
    assert found.at(NOW_S)
    assert found.at(NOW_S + lasts_s - 1)
    assert not found.at(NOW_S + lasts_s)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing-said"),
        pytest.param({"last-modified": "Sun, 01 Jan 2012 00:00:00 GMT", "date": DATE}, id="no-guess"),
        pytest.param({"cache-control": "max-age=0"}, id="zero"),
        pytest.param({"cache-control": "max-age=-1"}, id="negative"),
        pytest.param({"cache-control": "max-age=soon"}, id="no-number"),
        pytest.param({"cache-control": "max-age"}, id="no-value"),
        pytest.param({"cache-control": "s-maxage=600"}, id="of-a-shared-cache"),
        pytest.param({"cache-control": "max-age=600, no-cache"}, id="no-cache"),
        pytest.param({"cache-control": 'no-cache="set-cookie, x", max-age=600'}, id="no-cache-of-fields"),
        pytest.param({"cache-control": "no-store,max-age=600"}, id="no-store"),
        pytest.param({"cache-control": "max-age=600", "vary": "*"}, id="varies-by-anything"),
        pytest.param({"cache-control": "max-age=600", "age": "600"}, id="as-old-as-it-may-be"),
        pytest.param({"cache-control": "max-age=600", "age": "old"}, id="of-an-unknown-age"),
        pytest.param({"expires": SOON}, id="expires-without-a-date"),
        pytest.param({"date": DATE, "expires": "0"}, id="no-moment"),
        pytest.param({"date": SOON, "expires": DATE}, id="expired"),
        pytest.param({"date": DATE, "expires": "Tue, 14 Nov 2023 22:15:20 -0000"}, id="without-a-zone"),
    ],
)
def test_an_answer_that_does_not_say_so_is_asked_for_again(headers: dict[str, str]) -> None:
    assert fresh(httpx.Headers(headers), asked_s=NOW_S) is None


@given(st.dictionaries(st.sampled_from(["cache-control", "age", "date", "expires", "vary"]), st.text()))
def test_whatever_a_header_says_no_answer_lasts_longer_than_ten_minutes(headers: dict[str, str]) -> None:
    found = fresh(headers, asked_s=NOW_S)

    assert found is None or found.until_s <= NOW_S + LONGEST_S

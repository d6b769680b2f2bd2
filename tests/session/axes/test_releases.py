"""Which lists of releases will do: one of minutes ago only where nothing newer can matter."""

from __future__ import annotations

from typing import Any

import pytest
from support.builders import a_plan, release, target, wheel
from support.services import FakeIndex, FakeInterpreters, fake_services

from bisect_asgi.core.plan import History, HistoryKind
from bisect_asgi.session.axes import releases
from bisect_asgi.session.axes.base import pinned_releases

RELEASES = [release(version, project="app") for version in ("1.0", "1.1", "2.0")]


def asked(**fields: Any) -> object:
    """With what a list of the package's releases had to be."""
    index = FakeIndex(RELEASES)
    releases.AXIS.prepare(a_plan(**fields), fake_services(index=index))
    ((_, having),) = index.asked
    return having


def test_a_list_with_both_ends_will_do_if_nothing_beyond_them_is_looked_at() -> None:
    assert asked(good="1.0", bad="2.0") == ("1.0", "2.0")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"good": "1.0"}, id="the-newest-is-an-end"),
        pytest.param({"bad": "2.0"}, id="no-good-end"),
        pytest.param({}, id="no-end"),
        pytest.param({"good": "1.0", "bad": "latest"}, id="the-latest-is-an-end"),
        pytest.param({"good": "1.0", "bad": "2.0", "fresh": True}, id="everything-anew"),
        pytest.param(
            {"good": "1.0", "bad": "2.0", "history": History(kind=HistoryKind.AUTO)},
            id="newer-ones-are-looked-at",
        ),
        pytest.param(
            {"good": "1.0", "bad": "2.0", "history": History(kind=HistoryKind.ALL)}, id="all-are-looked-at"
        ),
    ],
)
def test_a_list_may_lack_nothing_where_a_newer_release_could_matter(fields: dict[str, Any]) -> None:
    assert asked(**fields) is None


@pytest.mark.parametrize(
    ("requirements", "having"),
    [
        pytest.param(["app==1.0"], ("1.0",), id="pinned"),
        pytest.param(["app==1.0", "App===1.0"], ("1.0", "1.0"), id="pinned-twice"),
        pytest.param(["app>=1.0"], None, id="any-newer-one"),
        pytest.param(["app==1.0", "app<3"], None, id="pinned-and-limited"),
        pytest.param(["app==1.*"], None, id="any-with-this-beginning"),
    ],
)
def test_a_list_with_what_is_pinned_will_do(requirements: list[str], having: object) -> None:
    index = FakeIndex(RELEASES)

    pinned_releases(requirements, index)

    assert index.asked == [("app", having)]


def out_of_reach(*newest: str, pythons: tuple[str, ...] = ("3.6.15", "3.9.1"), **fields: Any) -> str:
    """The note on six releases for every Python and newer ones that require Python 3.9."""
    old = [release(f"1.{minor}", wheel(), uploaded="2019-01-01", project="app") for minor in range(6)]
    new = [
        release(version, wheel(requires_python=">=3.9"), uploaded="2022-01-01", project="app")
        for version in newest
    ]
    services = fake_services(
        index=FakeIndex([*old, *new]), interpreters=FakeInterpreters(*map(target, pythons))
    )
    return releases.AXIS.prepare(a_plan(**fields), services).out_of_reach


@pytest.mark.parametrize(
    ("newest", "counted"),
    [
        pytest.param(("2.0",), "1 newer release (2.0)", id="one"),
        pytest.param(("2.0", "2.1", "2.2"), "3 newer releases (2.0 to 2.2)", id="several"),
    ],
)
def test_newer_releases_that_need_another_python_are_noted(newest: tuple[str, ...], counted: str) -> None:
    expected = f"{counted} cannot be installed on Python 3.6; pass `--python 3.9`"
    assert out_of_reach(*newest, bad="1.5") == expected


@pytest.mark.parametrize(
    ("newest", "fields"),
    [
        pytest.param((), {}, id="none"),
        pytest.param(("2.0",), {}, id="a-python-for-all"),
        pytest.param(("2.0",), {"python": "3.6"}, id="the-user-chose"),
        pytest.param(("2.0",), {"pythons": ("3.6.15", "3.7.1")}, id="no-python-for-them"),
    ],
)
def test_no_newer_release_is_noted_where_no_other_python_was_left(
    newest: tuple[str, ...], fields: dict[str, Any]
) -> None:
    assert out_of_reach(*newest, **fields) == ""

"""Held requirements are looked up before anything runs: one that no release satisfies is a mistake."""

from __future__ import annotations

import pytest
from support.builders import release
from support.services import FakeIndex

from bisect_asgi.core.errors import UsageError
from bisect_asgi.session.axes.base import pinned_releases

WHERE = "(in `--with`, `--override`, or the probe's `dependencies`)"
INDEX = FakeIndex([release(version, project="dep") for version in ("1.0", "1.1", "2.0", "3.0rc1")])


@pytest.mark.parametrize(
    ("requirement", "versions"),
    [
        pytest.param("dep", [], id="any"),
        pytest.param("dep>=1.1", [], id="several"),
        pytest.param("dep==1.1", ["1.1"], id="pinned"),
        pytest.param("Dep===1.0", ["1.0"], id="pinned-exactly"),
        pytest.param("dep[extra]==2.0", ["2.0"], id="with-an-extra"),
        pytest.param("dep==3.0rc1", ["3.0rc1"], id="a-pre-release"),
        pytest.param("nowhere; python_version < '3'", [], id="perhaps-not-installed"),
        pytest.param("nowhere @ file:///nowhere", [], id="of-no-index"),
    ],
)
def test_the_releases_that_are_pinned_are_looked_up(requirement: str, versions: list[str]) -> None:
    assert [each.version for each in pinned_releases([requirement], INDEX)] == versions


@pytest.mark.parametrize(
    ("requirement", "message", "hint"),
    [
        pytest.param(
            "nowhere",
            f"there is no package `nowhere` on the index {WHERE}",
            "look at its spelling",
            id="no-package",
        ),
        pytest.param(
            "nowhere==1.0",
            f"there is no package `nowhere` on the index {WHERE}",
            "look at its spelling",
            id="no-package-pinned",
        ),
        pytest.param(
            "dep==1.5",
            "no release of `dep` satisfies `dep==1.5`",
            "write `dep==1.1` or `dep==2.0`",
            id="no-version",
        ),
        pytest.param(
            "dep==99",
            "no release of `dep` satisfies `dep==99`",
            "write `dep==3.0rc1`",
            id="above-all",
        ),
        pytest.param(
            "dep==1.7.*",
            "no release of `dep` satisfies `dep==1.7.*`",
            "write `dep==3.0rc1`",
            id="no-such-series",
        ),
    ],
)
def test_what_no_release_satisfies_is_refused_with_what_is_near(
    requirement: str, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        pinned_releases(["dep==1.0", requirement], INDEX)

    assert (str(caught.value), caught.value.hint) == (message, hint)

"""Which files of a release an interpreter can install."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.builders import LINUX_38, day, file, release, sdist, target, wheel

from bisect_asgi.core.model import Release, ReleaseFile
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.installable import available_since, has_wheel, unusable

PYTHON_38 = target("3.8.20", LINUX_38)


def test_a_wheel_whose_name_cannot_be_read_is_no_wheel_for_this_python() -> None:
    odd = release("1.0", file("fastapi.whl"), file("fastapi-not.a.version!-py3-none-any.whl"))

    assert unusable(odd, PYTHON_38) == "no wheel for Python 3.8 on this platform, and no sdist"


def test_all_the_pythons_that_its_files_require_are_named() -> None:
    split = release("1.0", wheel(requires_python=">=3.9"), sdist(requires_python="<3.8"))

    assert unusable(split, PYTHON_38) == "requires Python <3.8 and >=3.9, not 3.8"


def test_a_patch_release_of_python_can_be_required() -> None:
    needs_patch: ReleaseFile = wheel(requires_python=">=3.8.5")

    assert unusable(release("1.0", needs_patch), target("3.8.4")) == "requires Python >=3.8.5, not 3.8"
    assert unusable(release("1.0", needs_patch), target("3.8.5")) is None


def test_a_pre_release_of_python_is_admitted_where_its_predecessor_is() -> None:
    assert unusable(release("1.0", wheel(requires_python=">=3.13")), target("3.14.0rc2")) is None


def test_a_pre_release_of_python_counts_as_its_release_as_for_pip() -> None:
    assert unusable(release("1.0", wheel(requires_python=">=3.14")), target("3.14.0rc2")) is None


def uploaded(each: ReleaseFile, hours: int | None) -> ReleaseFile:
    """A file that came so many hours after midnight; None: nobody knows when."""
    moment = None if hours is None else day("2021-10-07") + timedelta(hours=hours)
    return replace(each, uploaded=moment)


@pytest.mark.parametrize(
    ("files", "hours"),
    [
        pytest.param([uploaded(wheel(), 3)], 3, id="a-wheel"),
        pytest.param([uploaded(sdist(), 1), uploaded(wheel(), 3)], 3, id="a-wheel-and-not-the-earlier-sdist"),
        pytest.param([uploaded(sdist(), 1)], 1, id="an-sdist-alone"),
        pytest.param(
            [uploaded(wheel(tag="cp39-cp39-win32"), 1), uploaded(sdist(), 2)], 2, id="another-platforms-wheel"
        ),
        pytest.param(
            [uploaded(wheel(requires_python=">=3.9"), 1), uploaded(sdist(), 2)], 2, id="another-pythons-wheel"
        ),
        pytest.param(
            [uploaded(wheel(), 5), uploaded(wheel(tag="cp38-cp38-manylinux_2_17_x86_64"), 4)],
            4,
            id="the-first-of-two-that-fit",
        ),
        pytest.param([uploaded(wheel(), None), uploaded(wheel(), 4)], 4, id="one-without-a-date"),
        pytest.param([uploaded(wheel(), None), uploaded(sdist(), 4)], None, id="the-wheel-has-no-date"),
        pytest.param([uploaded(wheel(requires_python=">=3.9"), 1)], None, id="nothing-that-fits"),
        pytest.param([uploaded(file("fastapi-1.0.egg"), 1)], None, id="no-kind-that-can-be-installed"),
        pytest.param([], None, id="no-files"),
    ],
)
def test_a_release_is_there_since_the_first_file_that_would_be_installed(
    files: list[ReleaseFile], hours: int | None
) -> None:
    listed = Release(project="fastapi", version="1.0", uploaded=None, files=tuple(files))

    expected = None if hours is None else day("2021-10-07") + timedelta(hours=hours)
    assert available_since(listed, PYTHON_38) == expected


@pytest.mark.parametrize(
    ("files", "has_any", "has_own"),
    [
        pytest.param([wheel()], True, True, id="pure"),
        pytest.param([sdist()], False, False, id="sdist"),
        pytest.param([wheel(tag="cp39-cp39-win32"), sdist()], True, False, id="another-platforms"),
        pytest.param([wheel(requires_python=">=3.9")], True, False, id="another-pythons"),
    ],
)
def test_a_release_has_a_wheel_for_this_python_or_for_any(
    files: list[ReleaseFile], has_any: bool, has_own: bool
) -> None:
    assert has_wheel(release("1.0", *files)) is has_any
    assert has_wheel(release("1.0", *files), PYTHON_38) is has_own

"""Which releases are candidates, in which order, and why the others are not."""

from __future__ import annotations

import pytest
from builders import LINUX_38, day, file, release, sdist, usable, wheel
from packaging.specifiers import SpecifierSet

from bisect_asgi.errors import UsageError
from bisect_asgi.model import LeftOut, Release, ReleaseFile
from bisect_asgi.releases import Selection, Wanted, select, unusable

PYTHON_38 = usable("3.8.20", LINUX_38)


def yanked(version: str, *reasons: str | None) -> Release:
    """A release of one file for each of `reasons`."""
    return release(version, *(file(f"fastapi-{version}-{i}.tar.gz", yanked=r) for i, r in enumerate(reasons)))


def versions(selection: Selection) -> list[str]:
    """The versions of the candidates."""
    return [kept.version for kept in selection.kept]


@pytest.mark.parametrize(
    ("left_out", "wanted", "reason"),
    [
        pytest.param(release("2004-final"), Wanted(), "its version is not PEP 440", id="version"),
        pytest.param(
            release("0.59.0"),
            Wanted(within=SpecifierSet(">=0.60")),
            "not in `--releases >=0.60`",
            id="range",
        ),
        pytest.param(release("1.0rc1"), Wanted(), "pre-release (`--pre` brings it in)", id="pre-release"),
        pytest.param(release("1.0.dev3"), Wanted(), "pre-release (`--pre` brings it in)", id="development"),
        pytest.param(
            yanked("1.0", "broken metadata", "broken metadata"),
            Wanted(),
            "yanked: broken metadata (`--yanked` brings it in)",
            id="yanked",
        ),
        pytest.param(
            yanked("1.0", ""), Wanted(), "yanked (`--yanked` brings it in)", id="yanked-without-reason"
        ),
        pytest.param(
            release("1.0", wheel(requires_python=">=3.9"), sdist(requires_python=">=3.9")),
            Wanted(),
            "requires Python >=3.9, not 3.8",
            id="python",
        ),
        pytest.param(
            release("1.0", wheel(tag="cp39-cp39-manylinux_2_17_x86_64")),
            Wanted(),
            "no wheel for Python 3.8 on this platform, and no sdist",
            id="tags",
        ),
        pytest.param(
            release("1.0", file("fastapi-1.0-py3.egg"), file("fastapi-1.0.win32.exe")),
            Wanted(),
            "no wheel and no sdist (only .egg and .exe)",
            id="kinds-of-files",
        ),
    ],
)
def test_each_release_that_is_left_out_has_its_reason(left_out: Release, wanted: Wanted, reason: str) -> None:
    selection = select([release("0.60"), left_out], wanted, PYTHON_38)

    assert versions(selection) == ["0.60"]
    assert selection.left_out == (LeftOut(version=left_out.version, uploaded=None, reason=reason),)


def test_a_release_without_files_is_left_out() -> None:
    empty = Release(project="fastapi", version="1.0", uploaded=day("2021-10-07"), files=())

    selection = select([empty], Wanted(yanked=False), PYTHON_38)

    assert selection.left_out == (LeftOut(version="1.0", uploaded=day("2021-10-07"), reason="no files"),)


@pytest.mark.parametrize(
    ("candidate", "wanted"),
    [
        pytest.param(release("1.0rc1"), Wanted(pre=True), id="pre-releases-wanted"),
        pytest.param(yanked("1.0", "bad"), Wanted(yanked=True), id="yanked-wanted"),
        pytest.param(yanked("1.0", "bad", None), Wanted(), id="one-file-not-yanked"),
        pytest.param(release("1.0.post1"), Wanted(), id="post-release"),
        pytest.param(release("1.0+ubuntu1"), Wanted(), id="local-version"),
        pytest.param(release("0.60rc1"), Wanted(pre=True, within=SpecifierSet(">=0.59")), id="pre-in-range"),
        pytest.param(release("1.0", sdist()), Wanted(), id="sdist-only"),
        pytest.param(release("1.0", file("fastapi-1.0.zip")), Wanted(), id="zip-only"),
        pytest.param(
            release("1.0", wheel(tag="cp38-cp38-manylinux_2_17_x86_64")), Wanted(), id="platform-wheel"
        ),
        pytest.param(release("1.0", wheel(tag="py2.py3-none-any")), Wanted(), id="wheel-of-several-tags"),
        pytest.param(
            release("1.0", wheel(tag="cp39-cp39-win32"), sdist()), Wanted(), id="sdist-beside-foreign-wheel"
        ),
        pytest.param(release("1.0", wheel(requires_python=">=3.6,<4")), Wanted(), id="python-admitted"),
        pytest.param(
            release("1.0", wheel(requires_python=">=3.9"), sdist(requires_python=">=3.6")),
            Wanted(),
            id="one-file-admits-python",
        ),
        pytest.param(release("1.0", wheel(requires_python=">=3.6.*")), Wanted(), id="unreadable-python"),
        pytest.param(release("1.0", wheel(requires_python="")), Wanted(), id="empty-python"),
    ],
)
def test_these_releases_are_candidates(candidate: Release, wanted: Wanted) -> None:
    selection = select([candidate], wanted, PYTHON_38)

    assert selection == Selection(kept=(candidate,), left_out=())


@pytest.mark.parametrize(
    "named",
    [
        pytest.param(release("1.0rc1"), id="pre-release"),
        pytest.param(yanked("1.0", "bad"), id="yanked"),
        pytest.param(release("0.59.0"), id="out-of-range"),
    ],
)
def test_what_the_user_names_comes_in_whatever_the_switches_say(named: Release) -> None:
    wanted = Wanted(within=SpecifierSet(">=0.60,<0.99"), named=(named.version,))

    selection = select([named, release("0.61")], wanted, PYTHON_38)

    assert named in selection.kept


def test_what_the_user_names_is_still_left_out_where_it_cannot_be_installed() -> None:
    named = release("1.0rc1", wheel(requires_python=">=3.9"))

    selection = select([named], Wanted(named=("1.0rc1",)), PYTHON_38)

    assert [out.reason for out in selection.left_out] == ["requires Python >=3.9, not 3.8"]


def test_without_an_interpreter_any_python_will_do() -> None:
    selection = select([release("1.0", wheel(requires_python=">=3.99"))], Wanted(), None)

    assert versions(selection) == ["1.0"]


def test_candidates_are_ordered_by_version_and_not_as_text() -> None:
    listed = ["1!0.1", "0.10", "0.9", "0.9.post1", "0.10rc1", "0.9+local", "0.10.dev1"]

    selection = select([release(version) for version in listed], Wanted(pre=True), PYTHON_38)

    assert versions(selection) == ["0.9", "0.9+local", "0.9.post1", "0.10.dev1", "0.10rc1", "0.10", "1!0.1"]


def test_candidates_can_be_ordered_by_upload_those_without_a_date_first() -> None:
    listed = [
        release("2.0", uploaded="2021-03-01"),
        release("1.9.1", uploaded="2021-04-01"),
        release("1.9", uploaded="2021-03-01"),
        release("3.0"),
        release("0.1"),
    ]

    by_version = select(listed, Wanted(), PYTHON_38)
    by_upload = select(listed, Wanted(by_upload=True), PYTHON_38)

    assert versions(by_version) == ["0.1", "1.9", "1.9.1", "2.0", "3.0"]
    assert versions(by_upload) == ["0.1", "3.0", "1.9", "2.0", "1.9.1"]


def test_a_wheel_whose_name_cannot_be_read_is_no_wheel_for_this_python() -> None:
    odd = release("1.0", file("fastapi.whl"), file("fastapi-not.a.version!-py3-none-any.whl"))

    assert unusable(odd, PYTHON_38) == "no wheel for Python 3.8 on this platform, and no sdist"


def test_all_the_pythons_that_its_files_require_are_named() -> None:
    split = release("1.0", wheel(requires_python=">=3.9"), sdist(requires_python="<3.8"))

    assert unusable(split, PYTHON_38) == "requires Python <3.8 and >=3.9, not 3.8"


def test_a_patch_release_of_python_can_be_required() -> None:
    needs_patch: ReleaseFile = wheel(requires_python=">=3.8.5")

    assert unusable(release("1.0", needs_patch), usable("3.8.4")) == "requires Python >=3.8.5, not 3.8"
    assert unusable(release("1.0", needs_patch), usable("3.8.5")) is None


def test_a_pre_release_of_python_is_admitted_where_its_predecessor_is() -> None:
    assert unusable(release("1.0", wheel(requires_python=">=3.13")), usable("3.14.0rc2")) is None


def test_a_pre_release_of_python_counts_as_its_release_as_for_pip() -> None:
    assert unusable(release("1.0", wheel(requires_python=">=3.14")), usable("3.14.0rc2")) is None


@pytest.mark.parametrize("text", ["0.60.0", "0.60", "v0.60"])
def test_a_release_is_found_by_any_spelling_of_its_version(text: str) -> None:
    selection = select([release("0.61"), release("0.60.0"), release("0.59")], Wanted(), PYTHON_38)

    assert selection.position(text, option="--good") == 1


KEPT = (release("0.58"), release("0.59"), release("0.62"), release("0.63"))
SKIPPED = (
    LeftOut(version="2004-final", uploaded=None, reason="its version is not PEP 440"),
    LeftOut(version="0.60.0", uploaded=None, reason="requires Python >=3.9, not 3.8"),
)


@pytest.mark.parametrize(
    ("kept", "version", "message", "hint"),
    [
        pytest.param(
            KEPT,
            "0.60",
            "`--bad 0.60` cannot be tested: requires Python >=3.9, not 3.8",
            "the nearest that can: `0.59` and `0.62`",
            id="left-out",
        ),
        pytest.param(
            KEPT,
            "0.61",
            "there is no release `0.61` (`--bad`)",
            "the nearest ones: `0.59` and `0.62`",
            id="unknown",
        ),
        pytest.param(
            KEPT, "0.1", "there is no release `0.1` (`--bad`)", "the nearest ones: `0.58`", id="below-all"
        ),
        pytest.param(
            KEPT, "7", "there is no release `7` (`--bad`)", "the nearest ones: `0.63`", id="above-all"
        ),
        pytest.param((), "7", "there is no release `7` (`--bad`)", "the nearest ones: none", id="nothing"),
    ],
)
def test_a_named_release_that_is_no_candidate_is_refused_with_its_neighbours(
    kept: tuple[Release, ...], version: str, message: str, hint: str
) -> None:
    selection = Selection(kept=kept, left_out=SKIPPED)

    with pytest.raises(UsageError) as caught:
        selection.position(version, option="--bad")

    assert (str(caught.value), caught.value.hint) == (message, hint)

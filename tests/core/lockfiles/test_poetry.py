"""Poetry's lock, in its formats, and its export."""

from __future__ import annotations

import pytest
from support.lockfiles import (
    ADDRESS,
    FOLDER,
    LINUX,
    LOCAL_FILE,
    REPOSITORY,
    WINDOWS,
    pins,
    poetry_lock,
    poetry_package,
    read,
    read_data,
    refusal,
)

from bisect_asgi.core.lockfiles import LockKind, PassedOver, marker_environment

# Poetry


@pytest.mark.parametrize("name", ["poetry-1.lock", "poetry-2.lock"])
@pytest.mark.parametrize(
    ("version", "platform"),
    [
        pytest.param("3.9.18", LINUX, id="3.9-linux"),
        pytest.param("3.11.7", LINUX, id="3.11-linux"),
        pytest.param("3.11.7", WINDOWS, id="3.11-windows"),
    ],
)
def test_poetrys_lock_and_its_export_are_the_same_set(
    name: str, version: str, platform: dict[str, str]
) -> None:
    environment = marker_environment(version, platform=platform)

    lock = read_data(name, environment)

    assert lock.distributions == read_data("poetry-export.txt", environment).distributions
    assert (lock.kind, lock.requires_python) == (LockKind.POETRY, ">=3.9,<4")


def test_a_package_of_format_2_1_is_installed_if_one_of_its_groups_installs_it() -> None:
    both = 'groups = ["main", "dev"]'
    nowhere = "sys_platform == 'win32'"
    text = poetry_lock(
        poetry_package("a", "1.0", both, f'markers = {{ dev = "{nowhere}" }}'),
        poetry_package("b", "1.0", both, f'markers = {{ main = "{nowhere}", dev = "{nowhere}" }}'),
        poetry_package("c", "1.0", both, f'markers = "{nowhere}"'),
        poetry_package("d", "1.0", both, "markers = \"extra == 'x'\""),
        poetry_package("e", "1.0", both, "markers = \"extra == 'not-of-the-project'\""),
        version="2.1",
        extras='x = ["d"]',
    )

    assert pins(read(text, "poetry.lock")) == ["a==1.0", "d==1.0"]


def test_what_only_others_need_and_none_here_is_left_out_and_named() -> None:
    only_windows = '{ version = "*", markers = "sys_platform == \'win32\'" }'
    text = poetry_lock(
        poetry_package("a", "1.0", "[package.dependencies]", f"B_b = {only_windows}", 'c = ">=1"'),
        poetry_package("b-b", "1.0", "[package.dependencies]", 'd = "*"'),
        *(poetry_package(name) for name in "cd"),
    )

    lock = read(text, "poetry.lock")

    assert pins(lock) == ["a==1.0", "c==1.0"]
    assert lock.passed_over == tuple(
        PassedOver(name=name, reason="nothing in the file requires it here") for name in ("b-b", "d")
    )


def test_packages_that_need_each_other_stay() -> None:
    text = poetry_lock(
        poetry_package("a", "1.0", "[package.dependencies]", 'b = "*"'),
        poetry_package("b", "1.0", "[package.dependencies]", 'a = "*"'),
    )

    assert pins(read(text, "poetry.lock")) == ["a==1.0", "b==1.0"]


def test_of_two_versions_in_an_older_format_the_one_for_this_python_and_need_is_read() -> None:
    needs = (
        'b = [{ version = "<2", markers = "python_version < \'3.11\'" }, '
        '{ version = ">=2,<3", markers = "python_version >= \'3.11\'" }]'
    )
    text = poetry_lock(
        poetry_package("a", "1.0", "[package.dependencies]", needs),
        poetry_package("b", "1.0", 'python-versions = ">=3.7"'),
        poetry_package("b", "2.0", 'python-versions = ">=3.9"'),
        poetry_package("c", "1.0", 'python-versions = "<3.11"'),
        poetry_package("c", "2.0", 'python-versions = ">=3.11"'),
    )

    lock = read(text, "poetry.lock")

    assert pins(lock) == ["a==1.0", "b==2.0", "c==2.0"]
    assert lock.passed_over == ()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        pytest.param("git", REPOSITORY, id="git"),
        pytest.param("url", ADDRESS, id="url"),
        pytest.param("file", LOCAL_FILE, id="file"),
        pytest.param("directory", FOLDER, id="directory"),
    ],
)
@pytest.mark.parametrize("groups", [pytest.param("", id="1"), pytest.param('groups = ["main"]', id="2")])
def test_poetrys_sources_outside_the_index_are_passed_over(groups: str, kind: str, reason: str) -> None:
    text = poetry_lock(
        poetry_package("A_b", "1.0", groups, "[package.source]", f'type = "{kind}"', 'url = "x"'),
        poetry_package("c", "1.0", groups, "[package.source]", 'type = "legacy"', 'url = "x"'),
    )

    lock = read(text, "poetry.lock")

    assert pins(lock) == ["c==1.0"]
    assert lock.passed_over == (PassedOver(name="a-b", reason=reason),)


@pytest.mark.parametrize(
    ("stated", "specifiers"),
    [
        pytest.param(">=3.9,<4", ">=3.9,<4", id="specifiers"),
        pytest.param("*", None, id="any"),
        pytest.param("^3.9", ">=3.9,<4", id="caret"),
        pytest.param("^3.9.1, !=3.9.7", ">=3.9.1,<4,!=3.9.7", id="caret-and-more"),
        pytest.param("^0.2.3", ">=0.2.3,<0.3", id="caret-before-1"),
        pytest.param("^0.0", ">=0.0,<0.1", id="caret-of-zero"),
        pytest.param("~2.7 || ^3.6", None, id="alternatives"),
        pytest.param("^three", None, id="nonsense"),
    ],
)
def test_poetrys_python_versions_are_written_as_specifiers(stated: str, specifiers: str | None) -> None:
    lock = read(poetry_lock(poetry_package("a"), pythons=stated), "poetry.lock")

    assert lock.requires_python == specifiers


def test_a_format_of_poetrys_that_is_not_known_is_refused() -> None:
    message = refusal(poetry_lock(poetry_package("a"), version="3.0"), "poetry.lock")

    assert message == "`poetry.lock` is of version 3.0 of its format; 1 and 2 are understood"

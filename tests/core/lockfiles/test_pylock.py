"""The standard lock, pylock.toml."""

from __future__ import annotations

import pytest
from support.lockfiles import (
    FOLDER,
    HASHES,
    PYLOCK,
    REPOSITORY,
    pins,
    read,
    refusal,
    standard_package,
)

from bisect_asgi.core.lockfiles import PassedOver


def test_all_extras_and_groups_of_a_standard_lock_are_installed() -> None:
    text = PYLOCK + 'extras = ["x"]\ndependency-groups = ["dev"]\ndefault-groups = ["main"]\n'
    for name, marker in {
        "a": "'x' in extras",
        "b": "'dev' in dependency_groups",
        "c": "'y' in extras",
        "d": "'main' in dependency_groups",
        "e": "'docs' in dependency_groups",
    }.items():
        text += standard_package(name, "1", f'marker = "{marker}"')

    assert pins(read(text, "pylock.toml")) == ["a==1", "b==1", "d==1"]


def test_a_standard_lock_is_read_for_what_it_pins_and_not_for_the_files_that_it_names() -> None:
    wheel = f'wheels = [{{ url = "https://example.org/b-2-cp27-none-win32.whl", {HASHES} }}]'
    other_python = standard_package("a", "1", 'requires-python = ">=4"')
    text = (
        PYLOCK.replace('"1.0"', '"1.7"')
        + 'requires-python = ">=4"\nenvironments = ["sys_platform == \'win32\'"]\n'
        + f'{other_python}[[packages]]\nname = "b"\nversion = "2"\n{wheel}\n'
    )

    lock = read(text, "pylock.toml")

    assert (pins(lock), lock.requires_python) == (["a==1", "b==2"], ">=4")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param('vcs = { type = "git", url = "x", commit-id = "12" }', REPOSITORY, id="vcs"),
        pytest.param('directory = { path = "." }', FOLDER, id="directory"),
        pytest.param(
            f'archive = {{ path = "a.zip", {HASHES} }}',
            "it comes from an address or a file, not from the index",
            id="archive",
        ),
    ],
)
def test_a_standard_locks_sources_outside_the_index_are_passed_over(source: str, reason: str) -> None:
    text = PYLOCK + f'[[packages]]\nname = "a"\n{source}\n' + standard_package("b")

    lock = read(text, "pylock.toml")

    assert pins(lock) == ["b==1"]
    assert lock.passed_over == (PassedOver(name="a", reason=reason),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            'lock-version = "2.0"',
            "`pylock.toml` is of version 2.0 of its format; 1 is understood",
            id="version",
        ),
        pytest.param(
            PYLOCK + "packages = []",
            "`pylock.toml` pins no package for this Python",
            id="nothing",
        ),
        pytest.param(
            PYLOCK,
            "`pylock.toml` is not as expected: Missing required value in `packages`",
            id="no-packages",
        ),
        pytest.param(
            PYLOCK + standard_package("a").replace('version = "1"\n', ""),
            "`pylock.toml` gives no version of `a`",
            id="missing-version",
        ),
        pytest.param(
            PYLOCK + '[[packages]]\nname = "a"\nversion = "1"\n',
            "`pylock.toml` is not as expected: Exactly one of vcs, directory, archive must be set "
            "if sdist and wheels are not set in `packages[0]`",
            id="nothing-to-install",
        ),
        pytest.param(
            PYLOCK + standard_package("a", "1", 'marker = "python"'),
            "`pylock.toml` is not as expected: Expected a marker variable or quoted string "
            "in `packages[0].marker`",
            id="no-marker",
        ),
        pytest.param(
            PYLOCK + standard_package("a", "1", "marker = \"extras == 'x'\""),
            '`extras == "x"` in `pylock.toml` is no environment marker',
            id="a-marker-that-cannot-be-evaluated",
        ),
    ],
)
def test_a_standard_lock_that_cannot_be_installed_is_refused(text: str, message: str) -> None:
    assert refusal(text, "pylock.toml") == message

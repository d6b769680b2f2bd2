"""uv's own lock, and its exports."""

from __future__ import annotations

import pytest
from support.lockfiles import (
    ADDRESS,
    DATA,
    FOLDER,
    LINUX,
    LOCAL,
    REPOSITORY,
    WINDOWS,
    pins,
    read,
    read_data,
    refusal,
    uv_lock,
    uv_package,
)

from bisect_asgi.core.lockfiles import LockKind, PassedOver, marker_environment

DARWIN = {**LINUX, "sys_platform": "darwin", "platform_machine": "arm64", "platform_system": "Darwin"}


ITSELF = "it is the locked project itself"


# uv


@pytest.mark.parametrize(
    ("version", "platform"),
    [
        pytest.param("3.10.13", LINUX, id="3.10-linux"),
        pytest.param("3.11.7", LINUX, id="3.11-linux"),
        pytest.param("3.13.0", LINUX, id="3.13-linux"),
        pytest.param("3.12.1", DARWIN, id="3.12-darwin"),
    ],
)
def test_uvs_lock_and_both_its_exports_are_the_same_set(version: str, platform: dict[str, str]) -> None:
    environment = marker_environment(version, platform=platform)

    lock = read_data("uv.lock", environment)
    exported = read_data("uv-export.txt", environment)
    standard = read_data("pylock.uv-export.toml", environment)

    assert lock.distributions == exported.distributions == standard.distributions
    assert (lock.kind, lock.requires_python) == (LockKind.UV, ">=3.10")
    assert (standard.kind, standard.requires_python) == (LockKind.PYLOCK, ">=3.10")
    assert lock.passed_over == (
        PassedOver(name="core", reason=ITSELF),
        PassedOver(name="web", reason=ITSELF),
        PassedOver(name="gitdep", reason=REPOSITORY),
    )
    assert exported.passed_over == standard.passed_over == lock.passed_over[2:]


def test_uvs_lock_is_refused_on_a_platform_that_it_does_not_support() -> None:
    message = refusal(
        (DATA / "uv.lock").read_text("utf-8"), "uv.lock", marker_environment("3.11.7", platform=WINDOWS)
    )

    assert message == (
        "`uv.lock` is not for this interpreter: it supports "
        "`sys_platform == 'linux'` and `sys_platform == 'darwin'`"
    )


APP = 'name = "app"\nsource = { virtual = "." }\n'


def test_only_what_the_project_reaches_is_installed() -> None:
    text = uv_lock(
        APP + 'dependencies = [{ name = "a", extra = ["x"] }, { name = "b", marker = "os_name == \'nt\'" }]',
        uv_package(
            *("a", "1.0", 'dependencies = [{ name = "c" }]', "[package.optional-dependencies]"),
            *('x = [{ name = "d" }]', 'y = [{ name = "e" }]'),
        ),
        *(uv_package(name) for name in "bde"),
        uv_package("c", "1.0", 'dependencies = [{ name = "a" }]'),
    )

    assert pins(read(text, "uv.lock")) == ["a==1.0", "c==1.0", "d==1.0"]


def test_an_extra_that_a_package_does_not_have_adds_nothing() -> None:
    text = uv_lock(APP + 'dependencies = [{ name = "a", extra = ["x"] }]', uv_package("a"))

    assert pins(read(text, "uv.lock")) == ["a==1.0"]


def test_all_extras_and_groups_of_the_project_are_installed() -> None:
    text = uv_lock(
        APP
        + '[package.optional-dependencies]\nx = [{ name = "a" }]\n'
        + '[package.dev-dependencies]\ndev = [{ name = "b" }]\n',
        uv_package("a"),
        uv_package("b"),
    )

    assert pins(read(text, "uv.lock")) == ["a==1.0", "b==1.0"]


def test_a_script_has_its_requirements_in_the_manifest() -> None:
    text = uv_lock(
        uv_package("a", "1.0", "[package.optional-dependencies]", 'x = [{ name = "b" }]'),
        uv_package("b"),
        uv_package("c", "1.0", "resolution-markers = [\"python_full_version < '3.11'\"]"),
        uv_package("c", "2.0", "resolution-markers = [\"python_full_version >= '3.11'\"]"),
        head='[manifest]\nrequirements = [{ name = "a", extras = ["x"] }, { name = "c" }]',
    )

    assert pins(read(text, "probe.py.lock")) == ["a==1.0", "b==1.0", "c==2.0"]


def test_an_edge_says_which_of_several_packages_it_means() -> None:
    source = 'source = { registry = "https://index.example.org/simple" }'
    text = uv_lock(
        APP + f'dependencies = [{{ name = "a", version = "2.0", {source} }}]',
        uv_package("a", "1.0"),
        uv_package("a", "2.0"),
        'name = "a"\nversion = "2.0"\nsource = { registry = "https://other.example.org/simple" }',
    )

    assert pins(read(text, "uv.lock")) == ["a==2.0"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param('git = "https://example.org/o/r?rev=1#12"', REPOSITORY, id="git"),
        pytest.param('url = "https://example.org/a.whl"', ADDRESS, id="url"),
        pytest.param('path = "a.whl"', LOCAL, id="path"),
        pytest.param('directory = "lib"', FOLDER, id="directory"),
        pytest.param('editable = "lib"', FOLDER, id="editable"),
        pytest.param('virtual = "lib"', FOLDER, id="virtual"),
    ],
)
def test_what_a_source_outside_the_index_needs_is_installed_but_not_itself(source: str, reason: str) -> None:
    text = uv_lock(
        APP + 'dependencies = [{ name = "a" }]',
        f'name = "a"\nsource = {{ {source} }}\ndependencies = [{{ name = "b" }}]',
        uv_package("b"),
    )

    lock = read(text, "uv.lock")

    assert pins(lock) == ["b==1.0"]
    assert lock.passed_over == (PassedOver(name="app", reason=ITSELF), PassedOver(name="a", reason=reason))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            'version = 2\nrequires-python = ">=3.9"\n',
            "`uv.lock` is of version 2 of its format; 1 is understood",
            id="version",
        ),
        pytest.param(
            uv_lock(
                head='conflicts = [[{ package = "app", extra = "cpu" }, { package = "app", group = "gpu" }]]'
            ),
            "`uv.lock` has choices that exclude each other: `cpu` and `gpu`",
            id="conflicts",
        ),
        pytest.param(
            uv_lock(APP + 'dependencies = [{ name = "a" }]'),
            "`uv.lock` is not whole: `a` is needed and not in it",
            id="missing-package",
        ),
        pytest.param(
            uv_lock(APP + 'dependencies = [{ name = "a" }]', 'name = "a"\nsource = { registry = "x" }'),
            "`uv.lock` gives no version of `a`",
            id="missing-version",
        ),
        pytest.param(
            uv_lock(APP + 'dependencies = [{ name = "a", marker = "nonsense" }]', uv_package("a")),
            "`nonsense` in `uv.lock` is no environment marker",
            id="marker",
        ),
        pytest.param(
            uv_lock('name = "a"\nversion = "1"'),
            "`uv.lock` is not as expected: Object missing required field `source` - at `package[0]`",
            id="missing-source",
        ),
        pytest.param(uv_lock(APP), "`uv.lock` pins no package for this Python", id="nothing"),
        pytest.param(
            uv_lock(
                APP + 'dependencies = [{ name = "a", version = "1" }, { name = "a", version = "2" }]',
                uv_package("a", "1"),
                uv_package("a", "2"),
            ),
            "`uv.lock` pins `a` at two versions for one interpreter: 2 and 1",
            id="two-versions",
        ),
    ],
)
def test_a_lock_of_uvs_that_cannot_be_installed_is_refused(text: str, message: str) -> None:
    assert refusal(text, "uv.lock") == message

"""Which indexes uv is configured for, as uv itself says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.local_index import LocalIndex
from support.uv import DEFAULT, resolve

from bisect_asgi.backend.network.configured import binary, configured_indexes
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core.errors import Unavailable

# --- Which indexes the user has


def test_without_a_configuration_it_is_pypi(here: Path) -> None:
    assert configured_indexes() == Indexes(urls=(DEFAULT,))


@pytest.mark.parametrize(
    ("variables", "urls"),
    [
        pytest.param({"UV_DEFAULT_INDEX": "http://one/simple"}, ("http://one/simple",), id="default"),
        pytest.param(
            {"UV_INDEX": "http://one/simple"}, ("http://one/simple", DEFAULT), id="one-before-the-default"
        ),
        pytest.param(
            {"UV_INDEX": "a=http://one/ http://two/simple", "UV_DEFAULT_INDEX": "http://last/simple"},
            ("http://one/", "http://two/simple", "http://last/simple"),
            id="in-the-order-of-priority",
        ),
        pytest.param(
            {"UV_INDEX_URL": "http://last/simple", "UV_EXTRA_INDEX_URL": "http://one/simple"},
            ("http://one/simple", "http://last/simple"),
            id="names-of-old",
        ),
        pytest.param(
            {"UV_DEFAULT_INDEX": "http://me:hunter2@one/simple"},
            ("http://me:hunter2@one/simple",),
            id="with-credentials",
        ),
    ],
)
def test_the_users_variables_say_which_indexes_are_asked(
    here: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], urls: tuple[str, ...]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert configured_indexes().urls == urls


def test_the_users_files_say_which_indexes_are_asked(here: Path) -> None:
    (here / "uv.toml").write_text(
        '[[index]]\nname = "pinned"\nurl = "http://pinned/simple"\nexplicit = true\n'
        '[[index]]\nurl = "http://last/simple"\ndefault = true\n'
        '[[index]]\nurl = "http://one/simple"\n'
    )

    assert configured_indexes().urls == ("http://one/simple", "http://last/simple")


def test_what_a_project_needs_does_not_matter(here: Path) -> None:
    (here / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.99"\n')
    (here / ".python-version").write_text("3.99\n")

    assert configured_indexes().urls == (DEFAULT,)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("PATH", "/nonexistent", id="no-python-on-the-path"),
        pytest.param("VIRTUAL_ENV", "/nonexistent", id="an-environment-that-went-away"),
        pytest.param("UV_MANAGED_PYTHON", "1", id="uvs-own-pythons-alone"),
    ],
)
def test_no_other_python_is_needed_to_know_them(
    here: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv(name, value)

    assert configured_indexes().urls == (DEFAULT,)


def test_a_configuration_that_cannot_be_read_is_unavailable(here: Path) -> None:
    (here / "uv.toml").write_text("index = 3\n")

    with pytest.raises(Unavailable) as caught:
        configured_indexes()

    assert str(caught.value).startswith("uv cannot read its configuration: ")
    assert "invalid type: integer `3`, expected a sequence" in str(caught.value)
    assert caught.value.hint == "`uv pip compile - --emit-index-url < /dev/null` shows it"


def test_files_beside_the_user_are_found_by_our_uv_as_well(
    here: Path, local_index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = local_index.add_wheel("demo", "1.0")
    (here / "wheels").mkdir()
    (here / "wheels" / wheel.filename).write_bytes(wheel.content)
    with LocalIndex() as empty:
        monkeypatch.setenv("UV_DEFAULT_INDEX", empty.url)
        monkeypatch.setenv("UV_FIND_LINKS", "wheels")

        uv = Uv(here.parent / "state", configured_indexes())

        assert resolve(uv, "demo") == ["demo==1.0"]


def test_the_uv_is_the_one_that_was_installed_with_us() -> None:
    assert Path(binary()).parent == Path(sys.executable).parent

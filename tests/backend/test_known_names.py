"""Names of packages that this machine knows, near to one that no index has."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builders import release

from bisect_asgi.backend.index import PageCache
from bisect_asgi.backend.known_names import near_names, providers

PAGES = ("markupsafe", "jinja2", "fastapi")


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of cached pages, beside a cache of uv that is empty."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    cache = PageCache(tmp_path / "index")
    for name in PAGES:
        cache.put_read(f"https://example.org/{name}/", "digest", (release("1.0", project=name),))
    return cache.folder


@pytest.mark.parametrize(
    ("name", "near"),
    [
        pytest.param("markupsaef", ["markupsafe"], id="letters-exchanged"),
        pytest.param("jinja22x", ["jinja2"], id="letters-too-many"),
        pytest.param("fastap", ["fastapi"], id="a-letter-missing"),
        pytest.param("zzzzzz", [], id="like-nothing"),
        pytest.param("typerr", ["typer"], id="installed-beside-this-tool"),
    ],
)
def test_a_misspelled_name_is_near_to_one_whose_page_is_cached(
    pages: Path, name: str, near: list[str]
) -> None:
    assert near_names(name, pages) == near


@pytest.mark.parametrize("variable", ["UV_CACHE_DIR", "XDG_CACHE_HOME", "HOME"])
def test_what_uv_has_cached_is_known_as_well(
    pages: Path, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("UV_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "there"))
    below = {"UV_CACHE_DIR": "", "XDG_CACHE_HOME": "uv", "HOME": ".cache/uv"}[variable]
    page = tmp_path / "there" / below / "simple-v99" / "index" / "0a1b" / "quartz.rkyv"
    page.parent.mkdir(parents=True)
    page.touch()

    assert near_names("quarz", pages) == ["quartz"]


def test_a_cache_that_is_not_there_or_damaged_knows_nothing(pages: Path) -> None:
    (pages / "damaged.json").write_text("\0")

    assert near_names("fastap", pages / "elsewhere") == []
    assert near_names("fastap", pages) == ["fastapi"]


def test_the_package_of_a_module_is_that_of_a_wheel_that_uv_has_unpacked(pages: Path, tmp_path: Path) -> None:
    for place, parts in {"a": ["yaml", "PyYAML-6.0.dist-info"], "b": ["six.py", "six-1.0.dist-info"]}.items():
        for part in parts:
            (tmp_path / "uv" / "archive-v9" / place / part).mkdir(parents=True)

    assert providers("yaml") == ["pyyaml"]
    assert providers("six") == ["six"]
    assert providers("typer") == ["typer"]  # installed beside this tool
    assert providers("module_of_nobody") == []

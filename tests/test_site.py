"""The documentation as a site: all pages are in it, no link leads nowhere, and it loads nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SITE = ROOT / "docs" / "site"
NAVIGATION: list[dict[str, Any]] = tomllib.loads((SITE / "zensical.toml").read_text("utf-8"))["project"][
    "nav"
]

needs_zensical = pytest.mark.skipif(not find_spec("zensical"), reason="needs zensical: run `make site`")


def _builder() -> Any:
    spec = spec_from_file_location("site_builder", SITE / "build.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILDER = _builder()


class Page(HTMLParser):
    """What a page leads to and loads, and the names of its places."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.names.add(given.get("id", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in ("link", "script", "img", "iframe"):
            self.loads.append(given.get("href") or given.get("src") or "")


def named(entries: list[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        for value in entry.values():
            yield from [value] if isinstance(value, str) else named(value)


def test_every_page_of_the_repository_stands_in_the_navigation_once() -> None:
    assert sorted(named(NAVIGATION)) == sorted(BUILDER.pages().values())


def test_the_navigation_has_four_parts_behind_its_first_page() -> None:
    assert [next(iter(entry)) for entry in NAVIGATION] == [
        "Home",
        "Tutorial",
        "How-to guides",
        "Reference",
        "Explanation",
    ]


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        ("README.md", "[a](docs/options.md)", "[a](options.md)"),
        ("README.md", "[a](benchmarks/README.md)", "[a](benchmarks.md)"),
        ("docs/cause.md", "[a](own-project.md#lock-files)", "[a](own-project.md#lock-files)"),
        ("docs/cause.md", "[a](../SECURITY.md#x)", "[a](security.md#x)"),
        ("docs/cause.md", "[a](../probes/leak.py)", "[a](probes/leak.py)"),
        (
            "docs/cause.md",
            "[a](https://example.org/docs/options.md)",
            "[a](https://example.org/docs/options.md)",
        ),
        ("docs/cause.md", "[a](#here)", "[a](#here)"),
        ("docs/cause.md", "`[a](../SECURITY.md)`", "`[a](../SECURITY.md)`"),
        ("docs/cause.md", "```\n[a](../SECURITY.md)\n```", "```\n[a](../SECURITY.md)\n```"),
        ("docs/report.md", "[a](schema/)", "[a](schema/index.md)"),
        ("docs/cause.md", "[a](nowhere.md)", "[a](nowhere.md)"),
    ],
)
def test_a_link_leads_to_what_the_site_has_of_it(source: str, text: str, expected: str) -> None:
    assert BUILDER.rewritten(text, source, BUILDER.pages(), set()) == expected


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "cases").glob("*.html")), ids=lambda path: path.stem)
def test_the_pages_of_the_cases_have_no_place_of_the_machine_that_made_them(path: Path) -> None:
    assert re.findall(r"/(?:root|home|Users|tmp)/[^<\s]*", path.read_text("utf-8")) == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """The pages of the site by their files, built as `make site` builds them."""
    folder = tmp_path_factory.mktemp("site")
    BUILDER.build(folder)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path: Page(path.read_text("utf-8")) for path in (folder / "site").rglob("*.html")}


@needs_zensical
def test_the_site_has_all_pages_and_those_of_the_cases(site: dict[Path, Page]) -> None:
    names = {path.name for path in site}
    assert {f"{Path(name).stem}.html" for name in named(NAVIGATION)} <= names
    assert {path.name for path in (ROOT / "docs" / "cases").glob("*.html")} <= names


@needs_zensical
def test_no_link_of_the_site_leads_nowhere(site: dict[Path, Page]) -> None:
    lost = [
        f"{path.name}: {link}"
        for path, page in site.items()
        if path.name != "404.html"  # its addresses begin at the root of a server
        for link in page.links
        if not re.match(r"[a-z]+:", link) and not leads_somewhere(path, link, site)
    ]
    assert lost == []


def leads_somewhere(path: Path, link: str, site: dict[Path, Page]) -> bool:
    address, _, anchor = link.partition("#")
    target = (path.parent / address).resolve() if address else path
    target = target / "index.html" if target.is_dir() else target
    return target.exists() and (not anchor or target not in site or anchor in site[target].names)


@needs_zensical
def test_the_site_loads_nothing_from_elsewhere(site: dict[Path, Page]) -> None:
    elsewhere = re.compile(r"(?:https?:)?//")
    assert [load for page in site.values() for load in page.loads if elsewhere.match(load)] == []

"""A headless Chromium in which pages are opened as their readers would."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.browsers import Opened, Opening

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PACKAGES = ("playwright", "axe_playwright_python")
FLAGS = (
    "--no-sandbox",  # Chromium's own cannot be set up by root, nor in most containers.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and skip them by name where there is no browser."""
    missing = [name for name in PACKAGES if not find_spec(name)] + ([] if CHROMIUM else ["chromium"])
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.browser)
            if missing:
                reason = f"needs {', '.join(missing)}: run `make browser`"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for the tests of a module: while it is open, its event loop is the thread's only one."""
    from playwright.sync_api import sync_playwright

    home = str(tmp_path_factory.mktemp("chromium-home"))
    environ = {**os.environ, "HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS), env=environ)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, tmp_path: Path) -> Iterator[Opening]:
    """Open a page from its text, or from a file, without a network; closed when the test ends."""
    opened: list[Opened] = []

    def opening(text: str = "", *, file: Path | None = None, **options: object) -> Opened:
        if file is None:
            file = tmp_path / f"page-{len(opened)}.html"
            file.write_text(text, encoding="utf-8")
        opened.append(Opened.of(chromium, file, **options))
        return opened[-1]

    yield opening
    for each in opened:
        each.page.context.close()

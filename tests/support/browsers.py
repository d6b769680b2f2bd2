"""Pages opened in a browser, with what they asked for and what was wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""WCAG AA as axe-core checks it, and what it recommends beyond."""

WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
"""By how much a page is wider than its window, in JavaScript."""


@dataclass
class Opened:
    """A page, the addresses that it has asked for, and the errors that the browser tells of."""

    page: Page
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, browser: Browser, file: Path, **options: Any) -> Opened:
        """Open a file without a network; `options` are those of a browser's context."""
        return cls.at(browser, file.as_uri(), offline=True, **options)

    @classmethod
    def at(cls, browser: Browser, address: str, **options: Any) -> Opened:
        """Open an address."""
        page = browser.new_context(**options).new_page()
        opened = cls(page)
        page.on("request", lambda request: opened.asked.append(request.url))
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        page.on("console", lambda told: opened.errors.append(told.text) if told.type != "log" else None)
        page.goto(address)
        return opened

    @property
    def loaded(self) -> list[str]:
        """The requests that the page made, without the one for the page itself."""
        return [url for url in self.asked[1:] if not url.startswith("data:")]

    def unfold(self) -> None:
        """Open all parts that are folded."""
        self.page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")

    def violations(self, *, rules: Sequence[str] = ()) -> list[str]:
        """Return axe-core's findings, by all rules or by these: a line for each element, with its rule."""
        from axe_playwright_python.sync_playwright import Axe

        asked = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": TAGS}
        options = {"runOnly": asked, "resultTypes": ["violations"]}
        found = Axe().run(self.page, options=options).response["violations"]
        return [f"{rule['id']}: {node['failureSummary']}" for rule in found for node in rule["nodes"]]


class Opening(Protocol):
    """Open a page from its text, or from a file."""

    def __call__(self, text: str = "", *, file: Path | None = None, **options: Any) -> Opened: ...

"""`--live`: what the command finds as pages, while it runs; without that nothing of it is imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bisect_asgi.cli.output import OutputOptions, say
from bisect_asgi.core.errors import BisectError

if TYPE_CHECKING:
    from bisect_asgi.report.live.board import BoardPages
    from bisect_asgi.report.live.pages import LivePages
    from bisect_asgi.report.log import Sink
    from bisect_asgi.report.suite import SuiteRow


@contextmanager
def live_page(output: OutputOptions, title: str) -> Iterator[Sink]:
    """Yield the sink that shows a search as a page, or does nothing; `title` is its heading until the end.

    Raises:
        Unavailable: the page cannot be served.
    """
    if not output.live:
        yield lambda _: None
        return
    from bisect_asgi.report.live.pages import SearchPages

    with _served(pages := SearchPages(title)):
        yield pages.search


@contextmanager
def live_board(output: OutputOptions, rows: Sequence[SuiteRow]) -> Iterator[BoardPages | None]:
    """Yield the pages that show several probes, or None; `rows` are the probes' rows before they begin.

    Raises:
        Unavailable: the pages cannot be served.
    """
    if not output.live:
        yield None
        return
    from bisect_asgi.report.live.board import BoardPages

    with _served(pages := BoardPages(rows)):
        yield pages


@contextmanager
def _served(pages: LivePages) -> Iterator[None]:
    """Serve the pages and say where; at the end their readers get the last of them."""
    from bisect_asgi.backend.live import serving

    with serving(pages) as address:
        say(f"live: {address}")
        problem = ""
        try:
            yield
        except BisectError as error:
            problem = str(error)
            raise
        finally:
            pages.end(problem)

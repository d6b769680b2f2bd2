"""A console for text that others have written: of probes, packages, indexes and file names."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from bisect_asgi.core.text import printable


class SafeConsole(Console):
    """A console that executes only the control codes of rich's own."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is to be written, the text of it printable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def standard_error() -> Console:
    """Return the console of the standard error.

    It writes to the stream behind the command's gate from the beginning. While a live display runs, rich has
    a stream of its own in front of the gate, and would take the gate for the stream behind: the codes that
    move the cursor would come out as text.
    """
    return SafeConsole(file=getattr(sys.stderr, "rich_proxied_file", sys.stderr))

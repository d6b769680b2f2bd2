"""A console for text that others have written: of probes, packages, indexes and file names."""

from __future__ import annotations

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
    """Return the console of the standard error."""
    return SafeConsole(stderr=True)

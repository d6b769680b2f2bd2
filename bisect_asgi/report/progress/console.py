"""A console for text that others have written: of probes, packages, indexes and file names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from bisect_asgi.core.text import printable

Color = Literal["auto", "always", "never"]


class SafeConsole(Console):
    """A console that executes only the control codes of rich's own, with colors as the user wants them."""

    def __init__(self, **settings: Any) -> None:
        environ = settings.get("_environ", os.environ)
        super().__init__(**{**_SETTINGS[color_of(_chosen[-1], environ)], **settings})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments to write, with their text made printable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


_SETTINGS: dict[Color, dict[str, Any]] = {
    "auto": {},
    "always": {"force_terminal": True, "color_system": "standard"},
    "never": {"color_system": None},
}
_chosen: list[Color] = ["auto"]
"""The choice on the command line, which wins."""


def use_color(choice: Color) -> None:
    """Have all consoles that are made from here on color as the user says."""
    _chosen[:] = [choice]


def color_of(choice: Color, environ: Mapping[str, str]) -> Color:
    """Return whether to color: the user's choice, else that of the usual environment variables.

    The first variable that is set decides: NO_COLOR (no-color.org), FORCE_COLOR (force-color.org), then
    CLICOLOR with CLICOLOR_FORCE (bixense.com/clicolors).
    """
    if choice != "auto":
        return choice
    if environ.get("NO_COLOR"):
        return "never"
    if forced := environ.get("FORCE_COLOR"):
        return "never" if forced == "0" else "always"
    if environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return "always"
    return "never" if environ.get("CLICOLOR") == "0" else "auto"


def standard_error() -> Console:
    """Return the console of the standard error.

    It writes directly to the stream behind the gate that makes text printable. While a live display runs,
    rich replaces the standard error by a stream of its own and writes to the one before, which would be the
    gate. The gate would then print the codes that move the cursor as text.
    """
    return SafeConsole(file=getattr(sys.stderr, "rich_proxied_file", sys.stderr))

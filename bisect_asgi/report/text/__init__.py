"""The report as text: short, for one screen, or whole."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType

from bisect_asgi.report.document import Report
from bisect_asgi.report.text import answer, full
from bisect_asgi.report.text import timings as timings_section
from bisect_asgi.report.text.plot import parts_of
from bisect_asgi.report.text.tables import console_of, write


def render(
    report: Report,
    console: Console | None = None,
    *,
    name: str = "",
    whole: bool = False,
    plot: bool = False,
    timings: bool = False,
    probe: str = "",
) -> None:
    """Print the report, to the standard output unless a console is given.

    Args:
        report: the document.
        console: where to print it.
        name: the run's id, unless it is the newest run.
        whole: print all candidates and everything about the cause, else only what fits on a screen.
        plot: add the plot of its metric.
        timings: add the section about the time.
        probe: the text of the probe, or "" if unknown; the whole report needs it for the script that runs it.
    """
    out = console_of(console, width=full.WIDTH_OF_FILES if whole else answer.WIDTH_OF_FILES)
    width = min(out.width, full.WIDTH_OF_FILES)
    sizes = {"plot_width": width if plot else 0, "timings_width": width if timings else 0}
    write(full.parts(report, **sizes, probe=probe) if whole else _short(report, out, name, **sizes), out)


def _short(
    report: Report, console: Console, name: str, *, plot_width: int, timings_width: int
) -> Iterator[RenderableType]:
    """Yield the report with the plot and the timings, if they are wanted; the result has to stay in view."""
    extra: list[RenderableType] = []
    if plot_width and (drawn := parts_of(report, plot_width)):
        extra += ["", *drawn]
    if timings_width:
        extra += ["", *timings_section.parts(report.timings, width=timings_width)]
    if console.is_terminal and extra:
        yield from (*extra[1:], "")
    yield from answer.parts(report, console, name=name, is_boxed=console.is_terminal)
    if not console.is_terminal:
        yield from extra

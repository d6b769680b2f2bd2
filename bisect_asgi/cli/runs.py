"""`bisect-asgi runs`: list past runs with their results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bisect_asgi.core.plan.options import Options

if TYPE_CHECKING:
    from pathlib import Path

    from bisect_asgi.report.past import PastRun

_MOST = 20


def runs(options: Options) -> None:
    """List past runs with their results."""
    from bisect_asgi.cli.output import OutputOptions, say_sentence, show_json
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.core.text import plural
    from bisect_asgi.report import past

    output = OutputOptions.of(options)
    logs = CachePaths(CachePaths.folder()).past_logs()  # only summaries of runs are written
    shown, older = _newest(logs, options.number or _MOST)
    if output.json:
        show_json(past.render_json(shown))
        return
    from bisect_asgi.report.text import past as past_text

    if shown:
        past_text.render(shown)
    if older:
        say_sentence(f"{plural(older, 'older run')}: `bisect-asgi runs -n {len(logs)}` lists all")
    if not shown:
        say_sentence("there is no run yet: `bisect-asgi PACKAGE --probe FILE` makes one")


def _newest(logs: Sequence[Path], most: int) -> tuple[list[PastRun], int]:
    """Return the summaries of the newest runs for the list, and the number of older logs.

    A command that ended with a usage error does not count as a run.
    """
    from bisect_asgi.cli.past_runs import past_runs
    from bisect_asgi.core.events import ResultKind

    shown: list[PastRun] = []
    for number, log in enumerate(logs):
        if len(shown) == most:
            return shown, len(logs) - number
        shown += (run for run in past_runs([log]) if run.kind is not ResultKind.NOT_ASKED)
    return shown, 0

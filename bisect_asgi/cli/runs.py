"""`bisect-asgi runs`: list past runs with their answers."""

from __future__ import annotations

from bisect_asgi.core.plan.options import Options

_MOST = 20


def runs(options: Options) -> None:
    """List past runs with their results."""
    from bisect_asgi.cli.output import OutputOptions, say, show_json
    from bisect_asgi.cli.past_runs import past_runs
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.core.text import plural
    from bisect_asgi.report import past

    output = OutputOptions.of(options)
    logs = CachePaths(CachePaths.folder()).past_logs()  # nothing is written but what is kept of a run
    shown = past_runs(logs[: options.number or _MOST])
    if output.json:
        show_json(past.render_json(shown))
        return
    from bisect_asgi.report.text import past as past_text

    if shown:
        past_text.render(shown)
    older = len(logs) - len(shown)
    if older:
        say(f"{plural(older, 'older run')}: `bisect-asgi runs -n {len(logs)}` lists all")
    if not logs:
        say("there is no run yet: `bisect-asgi PACKAGE --probe FILE` makes one")

"""The options that several commands share, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Probe = Annotated[
    Path | None, typer.Option("--probe", metavar="FILE", help="The reproduction: a Python script.")
]
Command = Annotated[
    str | None,
    typer.Option(
        "--command",
        metavar="CMD",
        help="Run this in a shell instead, the environment first on PATH: 'python -m pytest test_x.py'.",
    ),
]
App = Annotated[
    str | None,
    typer.Option("--app", metavar="FILE[:NAME]", help="Serve this ASGI app with uvicorn (name: app)."),
]
Load = Annotated[
    str | None,
    typer.Option("--load", metavar="REQUEST", help="Drive the served app with this: 'GET /'."),
]
Requests = Annotated[
    int | None, typer.Option("--requests", metavar="N", help="How many requests of --load (default: 1000).")
]
Concurrency = Annotated[
    int | None, typer.Option("--concurrency", metavar="N", help="How many at a time (default: 1).")
]
KeepAlive = Annotated[
    bool | None,
    typer.Option("--keep-alive/--no-keep-alive", help="Keep connections between requests (default), or not."),
]
Uvicorn = Annotated[
    list[str] | None,
    typer.Option("--uvicorn", metavar="KEY=VALUE", help="An option of uvicorn's Config: http=h11."),
]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="What decides: wall, cpu, peak-memory, or what the probe reports (growth, p50, rate of --load).",
    ),
]
BadAbove = Annotated[
    str | None,
    typer.Option(
        "--bad-above",
        metavar="X",
        help="Bad is a metric above X: 8 MiB, '250 ms', or 15% more than the good end's.",
    ),
]
BadBelow = Annotated[
    str | None, typer.Option("--bad-below", metavar="X", help="Bad is a metric below X, likewise.")
]
Effect = Annotated[
    str | None,
    typer.Option(
        "--effect", metavar="X%", help="Without a limit: the smallest difference that counts (default: 1%)."
    ),
]
Confidence = Annotated[
    str | None,
    typer.Option(
        "--confidence", metavar="P", help="How probable an answer has to be if runs differ (default: 0.99)."
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget", metavar="N|TIME", help="So many runs, or so long, if runs differ (default: 400 runs)."
    ),
]
With = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="REQ", help="Hold a requirement: uvicorn==0.17.6. Repeatable."),
]
WithRequirements = Annotated[
    list[str] | None,
    typer.Option("--with-requirements", metavar="FILE", help="Hold all requirements of a file. Repeatable."),
]
Override = Annotated[
    list[str] | None,
    typer.Option(
        "--override",
        metavar="REQ",
        help="Have this, whatever others require of the project: starlette==0.15.0. Repeatable.",
    ),
]
Deps = Annotated[
    str | None,
    typer.Option(
        "--deps",
        metavar="POLICY",
        help="The other packages: as-of-release (default), latest, or 'as-of 2022-01-10'.",
    ),
]
Python = Annotated[
    str | None,
    typer.Option(
        "--python", metavar="VERSION", help="The interpreter: 3.8 or a path (default: what suits best)."
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="PATH", help="A file or folder that each run finds beside the probe."),
]
Env = Annotated[
    list[str] | None,
    typer.Option(
        "--env", metavar="NAME", help="Let a variable of this shell through to the probe. Repeatable."
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", help="Time limit of one run (default: 120)."),
]
Match = Annotated[
    str | None,
    typer.Option(
        "--match", metavar="REGEX", help="A run is bad if this is found in the last 64 KiB of its output."
    ),
]
AnyFailure = Annotated[
    bool | None, typer.Option("--any-failure", help="Every failure is bad, whatever the bad end's is.")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", "-j", metavar="N", help="Trials side by side (default: the cores, or more where they wait)."
    ),
]
Executor = Annotated[
    str | None,
    typer.Option(
        "--executor",
        metavar="WHERE",
        help="Where trials run: dask://HOST:PORT, a cluster's scheduler; dask, a cluster started here.",
    ),
]
Confirm = Annotated[
    int | None,
    typer.Option(
        "--confirm",
        metavar="N",
        help="Run both sides of the boundary N more times (default: as often as --confidence needs).",
    ),
]
Fresh = Annotated[bool | None, typer.Option("--fresh", help="Ignore what earlier commands found out.")]
Json = Annotated[bool, typer.Option("--json", help="Write the report as one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show the answer alone.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show what the probe writes.")]
Plot = Annotated[bool, typer.Option("--plot", help="Draw the metric against the releases.")]
Timings = Annotated[bool, typer.Option("--timings", help="Show where the time went.")]
Pre = Annotated[bool | None, typer.Option("--pre", help="Bring pre-releases in.")]
Yanked = Annotated[bool | None, typer.Option("--yanked", help="Bring yanked releases in.")]
Releases = Annotated[
    str | None,
    typer.Option("--releases", metavar="SPEC", help="Look at these releases only: '>=0.60,<0.110'."),
]

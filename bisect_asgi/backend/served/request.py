"""What the tool and the driver of a served probe say to each other: one request, one result."""

from __future__ import annotations

from bisect_asgi.core.model import Outcome, Phase, ReadyMadeLoad
from bisect_asgi.core.records import Struct, field

RESULT = "served.json"
"""The result's file in the run's report folder."""

UNREADABLE_METRIC = "metric"
"""The type of a result that is untestable because the message's metric cannot be read."""


class DriveRequest(Struct, frozen=True, kw_only=True):
    """What one run of a served probe needs."""

    python: str
    """The environment's interpreter."""
    environ: dict[str, str]
    """The server's variables."""
    app_file: str
    app_name: str
    probe_file: str | None
    """The file with `probe(server)`; None: the ready-made load."""
    load: ReadyMadeLoad | None
    options: dict[str, str | int | float | bool | None]
    """Of uvicorn's Config."""
    startup_s: float
    report: str


class Driven(Struct, frozen=True, kw_only=True):
    """What one run of a served probe showed."""

    outcome: Outcome
    phase: Phase
    type: str = ""
    message: str = ""
    frames: tuple[tuple[str, int, str], ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    """In base units."""
    units: dict[str, str] = field(default_factory=dict)
    """The base units of metrics that have one."""
    own_cpu_s: float = 0.0
    """The driver's own processor time, which is not the app's."""
    stacks: str = ""

"""The request to the driver of a served probe, and its result."""

from __future__ import annotations

from bisect_asgi.core.judge.tracebacks import LastException
from bisect_asgi.core.model import Outcome, Phase, ReadyMadeLoad
from bisect_asgi.core.records import Struct, field

RESULT = "served.json"
"""The name of the result's file in the run's report directory."""

UNREADABLE_METRIC = "metric"
"""The `type` of an untestable result if a metric, which the message names, cannot be read."""


class DriveRequest(Struct, frozen=True, kw_only=True):
    """One run of a served probe."""

    python: str
    """The path of the environment's interpreter."""
    environ: dict[str, str]
    """The server's environment variables."""
    app_file: str
    app_name: str
    probe_file: str | None
    """The file with `probe(server)`; None for the ready-made load."""
    load: ReadyMadeLoad | None
    options: dict[str, str | int | float | bool | None]
    """Arguments of uvicorn's Config."""
    startup_s: float
    report: str


class Driven(Struct, frozen=True, kw_only=True):
    """The result of one run of a served probe."""

    outcome: Outcome
    phase: Phase
    type: str = ""
    message: str = ""
    frames: tuple[tuple[str, int, str], ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    """Values in base units."""
    units: dict[str, str] = field(default_factory=dict)
    """The base unit of each metric that has one."""
    own_cpu_s: float = 0.0
    """The processor time of the driver, which does not count as the run's."""
    stacks: str = ""
    server_raised: LastException | None = None
    """The exception of the last traceback in the server's log, if the run failed."""
    server_killed: bool = False
    """Whether something other than the driver has killed the server, or a worker of it, with SIGKILL."""

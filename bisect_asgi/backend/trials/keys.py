"""The key of what a probe showed in an environment: equal keys, equal observations."""

from __future__ import annotations

import os
import platform
import sys

from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.core import codec
from bisect_asgi.core.model import (
    Probe,
    SandboxLevel,
    TrialRequest,
)


def observation_key(
    probe: Probe,
    resolution: Resolution,
    against: Resolution | None = None,
    *,
    host: str = "",
    level: SandboxLevel,
) -> str:
    """Return a digest of all that can change what a run shows: probe, exact environment, platform, sandbox.

    Samples next to a reference have another key than those without one, or next to another; samples of one
    `host` have another than those of the next, because only values of one machine are compared.

    The level at which runs are really confined counts, not only the one that was asked for: what writes
    outside its folders fails at one level and passes at the next, and so does what changes the mode of an
    installed file (basic allows it, strong does not), on the same machine after an update of its kernel, too.
    """
    beside = against.digest if against else ""
    machine = (sys.platform, os.uname().machine, *([host] if host else []))
    return codec.digest("run 9", probe, resolution.digest, beside, level, *machine)


def measured_on(request: TrialRequest, host: str | None = None) -> str:
    """Return the host whose values are compared, by default this machine; "" if none are compared."""
    if request.sampling is None:
        return ""
    return platform.node() if host is None else host

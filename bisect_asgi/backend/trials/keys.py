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

    Samples have a different key for each reference, and without one. They have a different key for each
    `host`, because only values of one machine are compared.

    The key includes the level at which runs are really confined, not only the one that the user chose. A
    probe that writes outside its directories, or changes the mode of an installed file, may fail at one level
    and pass at another (basic allows such a change of mode, strong does not). The level may change on one
    machine, after an update of its kernel.
    """
    beside = against.digest if against else ""
    machine = (sys.platform, os.uname().machine, *([host] if host else []))
    return codec.digest("run 9", probe, resolution.digest, beside, level, *machine)


def measured_on(request: TrialRequest, host: str | None = None) -> str:
    """Return the host whose values are compared, by default this machine; "" if none are compared."""
    if request.sampling is None:
        return ""
    return platform.node() if host is None else host

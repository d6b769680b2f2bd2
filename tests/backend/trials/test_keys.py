"""Which observations are the same: those with equal keys."""

from __future__ import annotations

import platform
from functools import partial

from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.backend.trials import keys
from bisect_asgi.core.model import (
    EnvironmentSpec,
    Interpreter,
    Probe,
    SamplingMode,
    SandboxLevel,
    TrialRequest,
)
from bisect_asgi.core.records import replace

SPEC = EnvironmentSpec(
    interpreter=Interpreter(path="/usr/bin/python3.8", version="3.8.18"), requirements=("demo==1.0",)
)
REQUEST = TrialRequest(
    key=3, label="1.0", spec=SPEC, probe=Probe(name="p.py", script="p.py", command=None, files=())
)
MEASURED = replace(REQUEST, sampling=SamplingMode(reference=replace(SPEC, requirements=("demo==0.9",))))


def resolved() -> Resolution:
    return Resolution(
        digest="a1",
        pins=(),
        exclude_newer=None,
        exclude_newer_package=(),
        distributions=(),
        step="latest, wheels only",
    )


def test_only_the_key_of_what_is_measured_has_a_host_in_it() -> None:
    resolution, probe = resolved(), REQUEST.probe

    hosts = [keys.measured_on(request, "far") for request in (REQUEST, MEASURED)]
    strong = partial(keys.observation_key, probe, resolution, level=SandboxLevel.STRONG)
    of_hosts = {strong(host=host) for host in ("", "far", "near")}

    assert hosts == ["", "far"]
    assert keys.measured_on(MEASURED) == platform.node()
    assert len(of_hosts) == 3
    assert strong() == strong(host="")


def test_what_ran_at_another_level_of_the_sandbox_has_another_key() -> None:
    resolution, probe = resolved(), REQUEST.probe

    of_levels = {keys.observation_key(probe, resolution, level=level) for level in SandboxLevel}

    assert len(of_levels) == len(SandboxLevel)

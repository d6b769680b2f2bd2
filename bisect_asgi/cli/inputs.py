"""From a command's arguments to a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bisect_asgi import metadata, probes
from bisect_asgi.metadata import Options, ProbeMetadata
from bisect_asgi.plan import Plan, make_plan


def read_plan(said: Options, probe: Path | None) -> Plan:
    """Join the command line with the probe's own table and check everything.

    Raises:
        UsageError: something is missing, malformed, or cannot be read.
    """
    stated = probes.read_metadata(probe) if probe else ProbeMetadata()
    options = metadata.merge(said, stated.options)
    options = replace(options, with_=(*options.with_, *probes.read_requirements(options.with_requirements)))
    loaded = probes.load(probe, options)
    return make_plan(options, loaded, stated, probe_path=str(probe) if probe else "")

"""From a command's arguments to a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bisect_asgi import metadata, probes
from bisect_asgi.errors import UsageError
from bisect_asgi.metadata import Options, ProbeMetadata
from bisect_asgi.plan import Plan, make_plan

Setting = str | int | float | bool | None


def read_settings(settings: Sequence[str]) -> dict[str, Setting]:
    """Read `KEY=VALUE` pairs; a value is a number, `true`, `false`, `none`, or else text.

    Raises:
        UsageError: one has no `=`.
    """
    found: dict[str, Setting] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise UsageError(
                f"`{setting}` cannot be read (--uvicorn)", hint="it is `KEY=VALUE`, such as `http=h11`"
            )
        words: dict[str, Setting] = {"true": True, "false": False, "none": None}
        found[key] = words[value.lower()] if value.lower() in words else _number_or_text(value)
    return found


def _number_or_text(value: str) -> Setting:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


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

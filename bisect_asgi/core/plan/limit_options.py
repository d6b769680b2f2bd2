"""Read the options that limit what one run may use."""

from __future__ import annotations

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.metrics.quantities import parse
from bisect_asgi.core.model import Limits
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.parsing import malformed
from bisect_asgi.core.records import replace

_SIZE, _TIME = "a size such as `512 MiB` or `2 GiB`", "a time such as `30 s` or `2 min`"


def read_limits(options: Options) -> Limits | None:
    """Return the limits of one run, or None if it has none.

    Raises:
        UsageError: an option is no size or no time, or not above 0.
    """
    memory = _amount(options.limit_memory, "--limit-memory", "B", _SIZE)
    disk = _amount(options.limit_disk, "--limit-disk", "B", _SIZE)
    limits = Limits(
        memory_bytes=None if memory is None else round(memory),
        processes=options.limit_processes,
        disk_bytes=None if disk is None else round(disk),
        cpu_s=_amount(options.limit_cpu, "--limit-cpu", "s", _TIME),
    )
    return None if limits == Limits() else limits


def written_limits(limits: Limits, options: Options) -> Options:
    """Return the options with those of the limits."""
    memory, disk, cpu = limits.memory_bytes, limits.disk_bytes, limits.cpu_s
    return replace(
        options,
        limit_memory=None if memory is None else f"{memory} B",
        limit_processes=limits.processes,
        limit_disk=None if disk is None else f"{disk} B",
        limit_cpu=None if cpu is None else f"{cpu:g} s",
    )


def _amount(text: str | None, option: str, unit: str, form: str) -> float | None:
    if text is None:
        return None
    try:
        found = parse(text)
    except ValueError as error:
        raise malformed(option, text, form) from error
    if found.unit != unit:
        raise malformed(option, text, form)
    if found.value <= 0:
        raise UsageError(f"`{option} {text}` is out of range", hint=f"pass {form}")
    return found.value

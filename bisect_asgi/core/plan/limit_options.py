"""Read the options that limit what one run may use."""

from __future__ import annotations

from bisect_asgi.core.model import Limits
from bisect_asgi.core.plan.amounts import read_duration, read_size
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.records import replace


def read_limits(options: Options) -> Limits | None:
    """Return the limits of one run, or None if it has none.

    Raises:
        UsageError: an option is no size or no time, or not above 0.
    """
    memory, disk, cpu = options.limit_memory, options.limit_disk, options.limit_cpu
    limits = Limits(
        memory_bytes=None if memory is None else read_size(memory, "--limit-memory"),
        processes=options.limit_processes,
        disk_bytes=None if disk is None else read_size(disk, "--limit-disk"),
        cpu_s=None if cpu is None else read_duration(cpu, "--limit-cpu"),
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

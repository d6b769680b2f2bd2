"""Watch what a run uses, against the limits of the user.

The kernel's limits hold for a single process, or for all processes of a user, and a process that reaches one
looks like a failing probe. So the process tree of a run is sampled as a whole, and ended when it is above a
limit. Between two samples it may use more than the limit.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from bisect_asgi.backend.process.usage import tree_memory, tree_processes, tree_seconds
from bisect_asgi.core.metrics.quantities import show
from bisect_asgi.core.model import Limits
from bisect_asgi.core.text import plural


def exceeded(limits: Limits, supervisor: int, box: Path, *, is_driver: bool) -> str:
    """Return which limit the run below a supervisor is over and what it is, or ""."""
    most = limits.memory_bytes
    if most is not None and tree_memory(supervisor, is_driver=is_driver) > most:
        return f"more than {show(most, 'B')} of memory (`--limit-memory`)"
    if limits.processes is not None and tree_processes(supervisor, is_driver=is_driver) > limits.processes:
        return f"more than {plural(limits.processes, 'process')} (`--limit-processes`)"
    if limits.cpu_s is not None and tree_seconds(supervisor) > limits.cpu_s:
        return f"more than {show(limits.cpu_s, 's')} of processor time (`--limit-cpu`)"
    if limits.disk_bytes is not None:
        # Imported here, because only runs need it.
        from bisect_asgi.backend.process.supervisor import descendants

        if written(box, descendants(supervisor)) > limits.disk_bytes:
            return f"more than {show(limits.disk_bytes, 'B')} of disk (`--limit-disk`)"
    return ""


def written(folder: Path, processes: Iterable[int] = ()) -> int:
    """Return the bytes on disk of all files below a directory, each counted once.

    Deleted files count, too, as long as one of the processes has them open on the same disk. Temporary files
    are often deleted in this way.
    """
    sizes: dict[tuple[int, int], int] = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # it may be gone
                found = os.lstat(os.path.join(parent, name))
                sizes[found.st_dev, found.st_ino] = found.st_blocks * 512
    for found in _nameless(processes):
        if found.st_dev == os.stat(folder).st_dev:
            sizes[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(sizes.values())


def _nameless(processes: Iterable[int]) -> Iterator[os.stat_result]:
    """Yield the open files of processes that have no name any more, where the system lists open files."""
    for process in processes:
        with suppress(OSError):
            for descriptor in os.scandir(f"/proc/{process}/fd"):
                with suppress(OSError):
                    found = os.stat(descriptor.path)
                    if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
                        yield found

"""Executors: `concurrent.futures` ones, behind one function."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor


def open_executor(jobs: int) -> Executor:
    """Return an executor that runs `jobs` trials side by side on this machine.

    Threads, not processes: a trial waits for other programs nearly all of its time.
    """
    return ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="trial")

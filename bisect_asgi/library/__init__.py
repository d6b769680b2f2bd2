"""bisect-asgi for other programs: the commands `run`, `check` and `verify` as functions.

Nothing here prints, ends the process, or handles signals. Calls may run in parallel in threads. If an `async`
call is canceled, it ends everything that it has started.
"""

from __future__ import annotations

from typing import Unpack

from bisect_asgi.core.claims import Finding
from bisect_asgi.core.errors import BisectError, Unavailable, UsageError
from bisect_asgi.core.events import Event
from bisect_asgi.library import calls
from bisect_asgi.library.calls import Interruptions, OnEvent, in_thread
from bisect_asgi.library.keywords import BisectOptions, CheckOptions, PathText, VerifyOptions
from bisect_asgi.library.probing import Check, Completed, Environment, Skip
from bisect_asgi.library.report import Report
from bisect_asgi.session.checked import Checked

__all__ = [
    "BisectError",
    "Checked",
    "Completed",
    "Environment",
    "Event",
    "Finding",
    "Report",
    "Skip",
    "Unavailable",
    "UsageError",
    "abisect",
    "acheck",
    "averify",
    "bisect",
    "check",
    "verify",
]


def bisect(
    package: str | None = None,
    *,
    probe: PathText | None = None,
    check: Check | None = None,
    key: str | None = None,
    on_event: OnEvent | None = None,
    **options: Unpack[BisectOptions],
) -> Report:
    """Find the release that broke or fixed the probe, and why, and return the report.

    Args:
        package: the package on the index, unless the probe's table names it.
        probe: the script that reproduces the bug.
        check: a function in place of a probe; it is called in this process, from several threads.
        key: the name of this version of `check`; later calls with the same key reuse the runs of earlier
            ones.
        on_event: a function that gets every event, one at a time, from several threads. An exception that it
            raises ends the search.
        options: those of the command `run`, with underscores; `with_` for `--with`.

    Raises:
        UsageError: something that was passed is wrong.
        Unavailable: the index, the network, the disk or uv failed.
        KeyboardInterrupt: an interrupt in this thread; everything that was started has ended.
    """
    return calls.bisect(Interruptions(), package, probe, check, key, on_event, options)


def check(
    release: str,
    *,
    probe: PathText | None = None,
    check: Check | None = None,
    key: str | None = None,
    on_event: OnEvent | None = None,
    **options: Unpack[CheckOptions],
) -> Checked:
    """Run the probe on one release, such as `fastapi==0.69.0`, and return its verdict.

    The arguments and errors are those of `bisect`.
    """
    return calls.check(Interruptions(), release, probe, check, key, on_event, options)


def verify(
    package: str | None = None,
    *,
    probe: PathText | None = None,
    on_event: OnEvent | None = None,
    **options: Unpack[VerifyOptions],
) -> Finding:
    """Check a claim, `fixed_in` or `broken_in` or that of the probe's table, by running releases.

    The arguments and errors are those of `bisect`.
    """
    return calls.verify(Interruptions(), package, probe, on_event, options)


async def abisect(
    package: str | None = None,
    *,
    probe: PathText | None = None,
    check: Check | None = None,
    key: str | None = None,
    on_event: OnEvent | None = None,
    **options: Unpack[BisectOptions],
) -> Report:
    """Do as `bisect` in a thread; a canceled call ends all that it has started before it returns."""
    return await in_thread(calls.bisect, package, probe, check, key, on_event, options)


async def acheck(
    release: str,
    *,
    probe: PathText | None = None,
    check: Check | None = None,
    key: str | None = None,
    on_event: OnEvent | None = None,
    **options: Unpack[CheckOptions],
) -> Checked:
    """Do as `check` in a thread; a canceled call ends all that it has started before it returns."""
    return await in_thread(calls.check, release, probe, check, key, on_event, options)


async def averify(
    package: str | None = None,
    *,
    probe: PathText | None = None,
    on_event: OnEvent | None = None,
    **options: Unpack[VerifyOptions],
) -> Finding:
    """Do as `verify` in a thread; a canceled call ends all that it has started before it returns."""
    return await in_thread(calls.verify, package, probe, on_event, options)

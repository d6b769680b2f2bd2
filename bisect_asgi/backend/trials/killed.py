"""Make a run again if something else has killed it.

No program ends by SIGKILL on its own: the kernel sends that signal when memory runs out, or a person does. So
such a run says nothing by itself, and it is made again at once. If that run is killed, too, it is no
coincidence: the release may use memory until the kernel kills it. Then the run counts, as a failure.

In a run of a served probe, this holds for the driver, the server and the server's workers. A driver that is
killed twice leaves no result, so the run is an error. A killed worker does not end the others: if a worker is
killed in the repeated run, too, the outcome is what the probe made of it. A process that the probe or the app
itself has started is not watched, because the program that started it decides what its end means.

Other signals (SIGSEGV, SIGABRT) are crashes of the program itself. Where this tool kills a run, at a limit or
because it was canceled, the run has no exit code.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from bisect_asgi.core.model import Observation
from bisect_asgi.core.records import Struct

_IN_A_SHELL = 128 + signal.SIGKILL
"""The exit code of a shell whose last program was killed by SIGKILL."""


class Attempt(Struct, frozen=True, kw_only=True):
    """A run, and whether something else has killed it."""

    seen: Observation
    was_killed: bool


def is_of_sigkill(exit_code: int | None, *, of_shell: bool) -> bool:
    """Return whether an exit code (negative: a signal) says that SIGKILL ended the run.

    `of_shell`: whether it is the exit code of a shell, which also passes on what ended its last program.
    """
    return exit_code == -signal.SIGKILL or (of_shell and exit_code == _IN_A_SHELL)


def until_not_killed(attempt: Callable[[], Attempt], on_repeated: Callable[[], object]) -> Observation:
    """Return what a run showed; one that was killed is made once more.

    `on_repeated` is called if a killed run does not count, because the next one was not killed.
    """
    first = attempt()
    if not first.was_killed:
        return first.seen
    again = attempt()
    if not again.was_killed:
        on_repeated()
    return again.seen

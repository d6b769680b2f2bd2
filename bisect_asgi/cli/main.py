"""The command `bisect-asgi`, and how errors reach the user."""

from __future__ import annotations

import os
import signal
import sys

from bisect_asgi.cli import cache, check, doctor, locks, new, releases, report, run, suite, verify  # noqa: F401 (each adds its command)
from bisect_asgi.cli.app import app
from bisect_asgi.cli.output import show_error
from bisect_asgi.core.errors import BisectError, ExitCode


def main() -> None:
    """Run the command and end the process with its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # of a CI that gives up, of a terminal that is closed
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        app()
    except BisectError as error:
        show_error(str(error), error.hint)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:
        show_error("interrupted", "the same command goes on where this one stopped")
        sys.exit(ExitCode.INTERRUPTED)

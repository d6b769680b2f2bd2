"""The command `bisect-asgi`, and how errors reach the user."""

from __future__ import annotations

import os
import signal
import sys

from bisect_asgi.cli.app import app
from bisect_asgi.cli.output import show_error
from bisect_asgi.core.errors import BisectError, ExitCode


def main() -> None:
    """Run the command and end the process with its exit code."""
    # A CI that gives up sends the first, a terminal that is closed the second.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        app()
    except BisectError as error:
        show_error(str(error), error.hint)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # The reader closed the pipe, as `| head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:
        show_error("interrupted", "the same command goes on where this one stopped")
        sys.exit(ExitCode.INTERRUPTED)

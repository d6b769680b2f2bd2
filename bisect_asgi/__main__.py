"""The `bisect-asgi` command, which `python -m bisect_asgi` is as well."""

import os
import sys

_INTERRUPTED = 130
_BUG_IN_CHECK = 129

try:
    import signal
except KeyboardInterrupt:
    os._exit(_INTERRUPTED)


def main() -> None:
    """Run the command and end the process with its exit code."""
    # The imports take a while, and there is nothing yet that would have to be said or cleaned up.
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as it is under `nohup`
            signal.signal(number, lambda *_: os._exit(_INTERRUPTED))
    try:
        from bisect_asgi.cli.app import main as run

        run()
    except Exception:
        # Python ends with 1 after a traceback, which other tools take for the verdict of `check`.
        if sys.argv[1:2] != ["check"]:
            raise
        import traceback

        traceback.print_exc()
        sys.exit(_BUG_IN_CHECK)


if __name__ == "__main__":
    main()

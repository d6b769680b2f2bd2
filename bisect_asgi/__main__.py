"""The `bisect-asgi` command, which `python -m bisect_asgi` is as well."""

import gc
import os
import sys

_INTERRUPTED = 130
# The default looks for garbage a hundred times while a command is only importing, a tenth of its time.
gc.set_threshold(100_000, 20, 20)
# httpx imports its own command with click, pygments and rich, a third of its time, and does without it too.
sys.modules["httpx._main"] = None  # type: ignore[assignment]

try:
    import errno
    import signal
except KeyboardInterrupt:
    os._exit(_INTERRUPTED)

_LACKS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.EIO)
_BUG, _UNAVAILABLE = 1, 6
_NO_VERDICT = 128
_WITHOUT_INDEX = ("help", "cache", "report", "runs", "new", "completion")
_NO_EARLY_QUESTION = ("-h", "--help", "--version", "--offline")
"""With these nothing is asked, or uv is to be told more than it finds by itself."""


def main() -> None:
    """Run the command and end the process with its exit code."""
    # The imports take a while, and there is nothing yet that would have to be said or cleaned up.
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as it is under `nohup`
            signal.signal(number, _end)
    try:
        if "BISECT_ASGI_COMPLETE" in os.environ:
            from bisect_asgi.cli.completing import main as run
        else:
            if _needs_index(sys.argv[1:]):
                from bisect_asgi.backend.network import question

                question.begin()
            if sys.argv[1:] == ["--version"] and sys.stdout is not None:
                run = _show_version
            else:
                from bisect_asgi.cli.app import main as run

        run()
    except SystemExit as end:
        _leave(end)
    except Exception as error:
        code = _say(error)
        # Other tools take lower codes of `check` for verdicts.
        sys.exit(_NO_VERDICT + code if sys.argv[1:2] in (["check"], ["exec"]) else code)


def _show_version() -> None:
    """Print the version, as the command line does, which takes as long to import as a whole answer."""
    from bisect_asgi import __version__

    try:
        sys.stdout.write(f"bisect-asgi {__version__}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe
        os._exit(_NO_VERDICT + signal.SIGPIPE)
    sys.exit(0)


def _end(*_: object) -> None:
    """End the process at once, and the uv that may have been asked already."""
    question = sys.modules.get("bisect_asgi.backend.network.question")
    if question is not None and hasattr(question, "end"):  # not while it is imported
        question.end()
    os._exit(_INTERRUPTED)


def _needs_index(arguments: list[str]) -> bool:
    """Return whether the command will most probably ask an index, and has streams to begin with."""
    is_open = None not in (sys.stdin, sys.stdout, sys.stderr)
    is_late = any(argument in _NO_EARLY_QUESTION for argument in arguments)
    return is_open and arguments[:1] != [] and arguments[0] not in _WITHOUT_INDEX and not is_late


def _leave(end: SystemExit) -> None:
    """End the process without taking its modules apart, which takes as long as several of them to import."""
    import atexit
    import threading

    others = [thread for thread in threading.enumerate() if not thread.daemon]
    if not isinstance(end.code, int) or others != [threading.main_thread()]:
        raise end
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # nobody reads any more
        raise end from None
    os._exit(end.code)


def _say(error: Exception) -> int:
    """Write what is wrong, without importing or opening anything, and return the exit code."""
    if _is_of_this_machine(error):
        text = f"error: this machine has run out of something: {str(error) or type(error).__name__}\n\n"
        hint = "hint: raise its limits (`ulimit -a`), or free files, memory, processes or room on the disk\n"
        os.write(2, (text + hint).encode(errors="replace"))
        return _UNAVAILABLE
    sys.excepthook(type(error), error, error.__traceback__)
    return _BUG


def _is_of_this_machine(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _LACKS
    # The interpreter raises a plain RuntimeError for a thread, and for the lock of a file or a thread.
    return isinstance(error, MemoryError) or str(error).startswith(
        ("can't start new thread", "can't allocate")
    )


if __name__ == "__main__":
    main()

"""The `bisect-asgi` command, which `python -m bisect_asgi` is as well."""

from __future__ import annotations

import atexit
import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` takes as long to import as all of this
    import threading
    from collections.abc import Callable
    from typing import NoReturn

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
_WITHOUT_TRIALS = ("help", "cache", "report", "runs", "new", "completion")
_HELP = ("-h", "--help", "--version")
_LEAST_MEMORY = 512 * 2**20
"""How many bytes a process has to be allowed. With less, uv does not start each time, and Python may wait for
ever for a thread that had no memory to begin."""


def main() -> None:
    """Run the command and end the process with its exit code."""
    # The imports take a while, and there is nothing yet that would have to be said or cleaned up.
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as it is under `nohup`
            signal.signal(number, _end)
    try:
        _command(sys.argv[1:])()
    except SystemExit as end:
        _leave(end)
    except Exception as error:
        if _is_of_this_machine(error):
            _give_up(error)
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(_code(_BUG))


def _command(arguments: list[str]) -> Callable[[], None]:
    """Return the command, for which uv may be looking up its index already."""
    if "BISECT_ASGI_COMPLETE" in os.environ:
        from bisect_asgi.cli.completing import main as complete

        return complete
    if _needs_trials(arguments):
        _check_memory()
    if _needs_index(arguments):
        from bisect_asgi.backend.network import question

        question.begin()
    if arguments == ["--version"] and sys.stdout is not None:
        return _show_version
    import threading

    from bisect_asgi.cli.app import main as run

    threading.excepthook = _end_of_thread
    return run


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


def _needs_trials(arguments: list[str]) -> bool:
    """Return whether the command will most probably start other programs."""
    is_told = any(argument in _HELP for argument in arguments)
    return bool(arguments) and arguments[0] not in _WITHOUT_TRIALS and not is_told


def _needs_index(arguments: list[str]) -> bool:
    """Return whether the command will most probably ask an index, and has streams to begin with."""
    is_open = None not in (sys.stdin, sys.stdout, sys.stderr)
    # Offline, uv is to be told more than it finds by itself.
    return is_open and _needs_trials(arguments) and "--offline" not in arguments


def _check_memory() -> None:
    """End the process if it may not use as much memory as a search needs."""
    import resource

    limits = [resource.getrlimit(which)[0] for which in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    least = min((limit for limit in limits if limit != resource.RLIM_INFINITY), default=_LEAST_MEMORY)
    if least < _LEAST_MEMORY:
        have, need = least >> 20, _LEAST_MEMORY >> 20
        _end_with(
            f"a process may use {have} MB of memory here, and this command needs {need} MB",
            hint="run it where the limits of `ulimit -v` and `ulimit -d` are higher",
        )


def _leave(end: SystemExit) -> None:
    """End the process without taking its modules apart, which takes as long as several of them to import."""
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


def _end_of_thread(end: threading.ExceptHookArgs) -> None:
    """End the process if a thread could not get what it needs, because others may wait for this thread."""
    if isinstance(end.exc_value, Exception) and _is_of_this_machine(end.exc_value):
        _give_up(end.exc_value)
    import threading

    threading.__excepthook__(end)


def _give_up(error: Exception) -> NoReturn:
    """Say what this machine lacks, and end the process."""
    _end_with(
        f"this machine has run out of something: {str(error) or type(error).__name__}",
        hint="raise its limits (`ulimit -a`), or free files, memory, processes or room on the disk",
    )


def _end_with(message: str, *, hint: str) -> NoReturn:
    """Show an error, clean up and end the process, without importing, opening or waiting for anything."""
    try:
        os.write(2, f"error: {message}\n\nhint: {hint}\n".encode(errors="replace"))
        atexit._run_exitfuncs()
    finally:
        os._exit(_code(_UNAVAILABLE))


def _code(code: int) -> int:
    # Other tools take lower codes of `check` for verdicts.
    return _NO_VERDICT + code if sys.argv[1:2] in (["check"], ["exec"]) else code


def _is_of_this_machine(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _LACKS
    # The interpreter raises a plain RuntimeError for a thread, and for the lock of a file or a thread; and a
    # SystemError where it forgets to raise that it has no memory.
    said = str(error)
    return (
        isinstance(error, MemoryError)
        or said.startswith(("can't start new thread", "can't allocate"))
        or said.endswith(("without exception set", "without setting an exception"))
    )


if __name__ == "__main__":
    main()

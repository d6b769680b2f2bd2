"""Run one command for a person, confined as a run is, and leave no process of it behind.

    python -I -S hand_over.py REQUEST_FD

Like `supervisor.py`, this is a separate program that imports only the standard library. The command inherits
its standard streams. If these are a terminal, it becomes the controlling terminal of this process and the
command. The exit code is that of a shell: the command's, or 128 plus the number of the signal that killed it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import signal
import sys
import termios

if __name__ == "__main__":  # with -I, Python does not find the package
    sys.path.insert(0, __file__.rpartition("/bisect_asgi/backend/")[0])

from bisect_asgi.backend.process import sandbox_calls, supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:  # without importing typing, which takes longer than all the rest
    from typing import Any

_DEATH_SIGNAL = 1
_NOT_FOUND, _NOT_STARTED = 127, 126


def main() -> None:
    """Run the command of the request, and end with its exit code."""
    with os.fdopen(int(sys.argv[1])) as stream:
        request: dict[str, Any] = json.load(stream)
    supervisor.become_subreaper()
    supervisor.forbid_new_privileges()
    end_with_parent()
    wakeup, _ = supervisor.wake_on_child_exit()
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTTOU):  # the command handles them
        signal.signal(number, signal.SIG_IGN)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    child = start(request)

    def end(*_: object) -> None:
        supervisor.kill_everything(child, wakeup)
        os._exit(128 + signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    _, status = os.waitpid(child, 0)
    supervisor.kill_everything(child, wakeup)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def end_with_parent() -> None:
    """Get a signal when the tool ends, however it does (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, int(signal.SIGTERM), 0, 0, 0)


def start(request: dict[str, Any]) -> int:
    """Start the command, and return its process number."""
    rules = request["confine"]
    if rules is not None:
        rules["protected"] += [os.getpid(), os.getppid()]
    os.chdir(request["cwd"])
    child = os.fork()
    if child == 0:
        be_command(request["argv"], request["environ"], rules)
    return child


def be_command(argv: list[str], environ: dict[str, str], rules: dict[str, Any] | None) -> None:
    """Become the command in a forked process; if that fails, write why, and end."""
    code = _NOT_STARTED
    try:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTTOU, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        if rules is not None:
            sandbox_calls.enter(rules)
        os.execvpe(argv[0], argv, environ)  # noqa: S606
    except OSError as error:
        code = _NOT_FOUND if error.errno == errno.ENOENT else _NOT_STARTED
        os.write(2, f"error: `{argv[0]}` cannot be started: {error.strerror}\n".encode(errors="replace"))
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()

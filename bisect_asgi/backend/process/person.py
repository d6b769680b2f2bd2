"""Run a command for a person: at a terminal of its own, or with the streams of this process."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import selectors
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bisect_asgi.backend.files import write_all
from bisect_asgi.core.cancel import CancelToken

_PROGRAM = Path(__file__).with_name("hand_over.py")
_TICK_S = 0.25
"""The seconds after which the size of the terminal is passed on again."""
_MOST = 1 << 16


def run_for_person(
    argv: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    confine: Mapping[str, object] | None,
    token: CancelToken,
) -> int:
    """Run a command until it ends, with nothing left of it, and return its exit code as a shell has it.

    At a terminal the command gets a separate one, so that no process of it can type into the user's terminal.

    Raises:
        Cancelled: the token was cancelled.
        OSError: the command could not be started.
    """
    request = {"argv": list(argv), "environ": dict(environ), "cwd": str(cwd), "confine": confine}
    is_terminal = os.isatty(0) and os.isatty(1)
    master, slave = pty.openpty() if is_terminal else (-1, -1)
    try:
        process = _start(json.dumps(request).encode(), slave)
        try:
            with token.on_cancel(process.terminate):
                if is_terminal:
                    os.close(slave)
                    slave = -1
                    _relay(master)
                code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    finally:
        for descriptor in (master, slave):
            if descriptor >= 0:
                os.close(descriptor)
    token.check()
    return code


def _start(request: bytes, terminal: int) -> subprocess.Popen[bytes]:
    """Start the program that runs the command; `terminal`: the command's, or -1."""
    streams = None if terminal < 0 else terminal
    reader, writer = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_PROGRAM), str(reader)],
            stdin=streams,
            stdout=streams,
            stderr=streams,
            pass_fds=[reader],
            start_new_session=True,  # Ctrl-C must reach either the command or this tool, not both
        )
    except BaseException:
        os.close(writer)
        raise
    finally:
        os.close(reader)
    with os.fdopen(writer, "wb") as stream:
        stream.write(request)
    return process


def _relay(master: int) -> None:
    """Pass on what is typed and printed until the last process of the terminal has closed it."""
    with _raw(0), selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(master, selectors.EVENT_READ)
        size = b""
        while True:
            size = _resize(master, size)
            for key, _ in selector.select(_TICK_S):
                data = _read(key.fd)
                if key.fd == master and not data:
                    return
                if key.fd == 0 and not data:
                    selector.unregister(0)
                    data = b"\x04"  # Ctrl-D: the command's input ends as well
                write_all(master if key.fd == 0 else 1, data)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _MOST)
    except OSError:  # on Linux, the last process has closed the terminal
        return b""


def _resize(master: int, before: bytes) -> bytes:
    """Give the command's terminal the size of the user's if that has changed, and return it."""
    size = fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))
    if size != before:
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)
    return size


@contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    """Have a terminal pass on each key as it is."""
    mode = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        with suppress(termios.error):  # it is gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, mode)

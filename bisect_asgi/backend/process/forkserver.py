"""Fork a supervisor for each run from one process that has already imported everything.

Starting Python and importing a supervisor's modules takes longer than many a probe. So one process of
`supervisor.py` waits and forks a supervisor on request: it receives the ends of three pipes over a socket
(unix(7), SCM_RIGHTS) and answers with the number of the new process. It ends when the socket closes, which
happens however the tool ends. The supervisors do not depend on it: each has its own lifeline.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from bisect_asgi.backend.files import write_all
from bisect_asgi.core.records import Struct

_LONGEST_END_S = 2.0
_LONGEST_START_S, _LONGEST_FORK_S = 60.0, 5.0
"""The longest wait for the first answer, for which Python has to start, and for any other, in seconds."""
_ATTEMPTS = 3
_PROGRAM = Path(__file__).with_name("supervisor.py")


class Supervisor(Struct):
    """A supervisor that waits for its request, and this side's ends of its pipes."""

    pid: int
    lifeline: int
    """The pipe for the request; when it is closed, the supervisor kills its tree and ends."""
    output: int
    results: int
    _lock: threading.Lock

    def let_go(self) -> None:
        """Close the lifeline; safe from any thread, and more than once."""
        with self._lock:
            lifeline, self.lifeline = self.lifeline, -1
        if lifeline >= 0:
            os.close(lifeline)

    def send(self, request: bytes) -> None:
        """Send the request, unless the supervisor was let go meanwhile."""
        with contextlib.suppress(BrokenPipeError), self._lock:
            if self.lifeline >= 0:
                write_all(self.lifeline, request)

    def close(self) -> None:
        """Close all pipes, on which the supervisor ends if it has not."""
        self.let_go()
        os.close(self.output)
        os.close(self.results)


class _ForkServer:
    """The process that forks supervisors; it is started at the first request, and again if it was killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def fork(self, descriptors: list[int]) -> int:
        """Fork a supervisor that has these ends of pipes, and return its process number.

        Raises:
            OSError: no process can be started.
        """
        with self._lock:
            for _ in range(_ATTEMPTS):
                control = self._control()
                try:
                    socket.send_fds(control, [b"+"], descriptors)
                    if answer := control.recv(32):
                        control.settimeout(_LONGEST_FORK_S)
                        return _number(answer)
                except (ConnectionError, TimeoutError):  # the fork server was killed or stopped
                    pass
                except BaseException:  # the unread answer would be read as that of the next request
                    self._socket = None
                    raise
                self._forget()
            raise OSError("the process that starts supervisors does not start")

    def _control(self) -> socket.socket:
        if self._owner != os.getpid():  # in a fork of the tool: the socket is the tool's
            self._socket = self._process = None
        if self._socket is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_PROGRAM), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl-C reaches only the tool, which then ends this process
                )
            ours.settimeout(_LONGEST_START_S)
            self._socket, self._owner = ours, os.getpid()
        return self._socket

    def begin(self) -> None:
        """Start the process, which takes as long as a run of nothing, before the first request."""
        with self._lock, contextlib.suppress(OSError):  # the first request raises the error again
            self._control()

    def close(self) -> None:
        """End the process and wait for it, so that its processor time is counted as the tool's."""
        if self._owner == os.getpid():
            self._forget()

    def _forget(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LONGEST_END_S)
            self._process.kill()  # it does not end by itself if it, or one of its supervisors, was stopped
            self._process.wait()
            self._process = None


def _number(answer: bytes) -> int:
    number = int(answer)
    if number < 0:
        raise OSError(-number, os.strerror(-number))
    return number


_fork_server = _ForkServer()
atexit.register(lambda: _fork_server.close())


def begin_fork_server() -> None:
    """Start the process that forks supervisors, while the command prepares the first run."""
    _fork_server.begin()


def end_fork_server() -> None:
    """End the process that forks supervisors, which starts again if it is needed: no run may go on."""
    _fork_server.close()


def start_supervisor(keeps: Sequence[int] = ()) -> Supervisor:
    """Fork a supervisor and return it; it has the descriptors `keeps` open as long as it lives.

    Raises:
        OSError: no process can be started.
    """
    ours: list[int] = []
    theirs: list[int] = []
    try:
        for is_theirs_reader in (True, False, False):
            reader, writer = os.pipe()
            theirs.append(reader if is_theirs_reader else writer)
            ours.append(writer if is_theirs_reader else reader)
        pid = _fork_server.fork([*theirs, *keeps])
    except BaseException:
        for descriptor in ours:
            os.close(descriptor)
        raise
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    lifeline, output, results = ours
    return Supervisor(pid=pid, lifeline=lifeline, output=output, results=results, _lock=threading.Lock())

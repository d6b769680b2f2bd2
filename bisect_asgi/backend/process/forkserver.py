"""A supervisor for each run, forked from one process that has imported everything already.

To start Python and import what a supervisor needs takes longer than many a probe. So one process of
`supervisor.py` waits beside the tool and forks a supervisor whenever one is wanted: it is handed the ends
of three pipes over a socket (unix(7), SCM_RIGHTS) and answers with the number of the new process. It ends
when the socket closes, that is with the tool, however that ends; supervisors hang on lifelines of their own.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from bisect_asgi.core.records import Struct

_LONGEST_END_S = 2.0
_PROGRAM = Path(__file__).with_name("supervisor.py")


class Supervisor(Struct):
    """A supervisor that waits for its request; our ends of its pipes."""

    pid: int
    lifeline: int
    """Takes the request; when it is closed, the supervisor kills its tree and ends."""
    output: int
    results: int
    _lock: threading.Lock

    def let_go(self) -> None:
        """Close the lifeline; from any thread, and more than once."""
        with self._lock:
            lifeline, self.lifeline = self.lifeline, -1
        if lifeline >= 0:
            os.close(lifeline)

    def send(self, request: bytes) -> None:
        """Hand over the request; one that was let go meanwhile does not get it."""
        with contextlib.suppress(BrokenPipeError), self._lock:
            while request and self.lifeline >= 0:
                request = request[os.write(self.lifeline, request) :]

    def close(self) -> None:
        """Close everything; the supervisor ends, if it has not."""
        self.let_go()
        os.close(self.output)
        os.close(self.results)


class _ForkServer:
    """The process that forks supervisors, started when it is first wanted, and again if somebody kills it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def fork(self, descriptors: list[int]) -> int:
        """Return the number of a new supervisor that has these ends of pipes.

        Raises:
            OSError: no process can be started.
        """
        with self._lock:
            for _ in range(2):
                control = self._control()
                try:
                    socket.send_fds(control, [b"+"], descriptors)
                    if answer := control.recv(32):
                        return _number(answer)
                except ConnectionError:
                    pass
                except BaseException:  # its answer would be taken for the next one's
                    self._socket = None
                    raise
                self._forget()
            raise OSError("the process that starts supervisors does not start")

    def _control(self) -> socket.socket:
        if self._owner != os.getpid():  # after a fork of ours it is the parent's
            self._socket = self._process = None
        if self._socket is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_PROGRAM), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl-C is for us
                )
            self._socket, self._owner = ours, os.getpid()
        return self._socket

    def close(self) -> None:
        """Have it end, and wait for that: its processor time is then counted as the tool's."""
        if self._owner == os.getpid():
            self._forget()

    def _forget(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LONGEST_END_S)
            self._process = None


def _number(answer: bytes) -> int:
    number = int(answer)
    if number < 0:
        raise OSError(-number, os.strerror(-number))
    return number


_fork_server = _ForkServer()
atexit.register(lambda: _fork_server.close())


def start_supervisor() -> Supervisor:
    """Return a new supervisor.

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
        pid = _fork_server.fork(theirs)
    except BaseException:
        for descriptor in ours:
            os.close(descriptor)
        raise
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    lifeline, output, results = ours
    return Supervisor(pid=pid, lifeline=lifeline, output=output, results=results, _lock=threading.Lock())

"""Commands that are forked from one process, which has imported all that they need.

A short command spends most of its time on starting Python and on imports. A forked command is a process like
any other: it has its own pipes, environment, directory and exit code. The process that forks ends when its
socket is closed, which also happens if the test is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

# Not imported ahead: modules that run in other interpreters, or that only commands with a cluster import.
_APART = ("bisect_asgi.backend.in_candidate", "bisect_asgi.backend.executors.dask", "bisect_asgi.__main__")
_WITHIN = (
    "filelock",
    "httpcore",
    "pygments.formatters.html",
    "python_discovery",
    "typer._click.decorators",
    "uv",
)
"""What most commands import only when they need it."""


def run(
    arguments: Sequence[str], *, folder: Path, environ: Mapping[str, str], patience_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; an `AssertionError` if it does not come to one."""
    with tempfile.TemporaryFile() as request:
        request.write(json.dumps([arguments, str(folder), dict(environ)]).encode())
        request.seek(0)
        pipes = [os.pipe() for _ in range(3)]
        try:
            socket.send_fds(_origin(), [b"+"], [request.fileno(), *(writer for _, writer in pipes)])
        finally:
            for _, writer in pipes:
                os.close(writer)
    stdout, stderr, state = _read([reader for reader, _ in pipes], time.monotonic() + patience_s)
    pid, *ended = state.split()
    if not ended:
        os.kill(int(pid), signal.SIGKILL)
        raise AssertionError(f"it does not end: {arguments}\n{stderr}")
    return subprocess.CompletedProcess(arguments, int(ended[0]), stdout, stderr)


def _read(readers: Sequence[int], deadline: float) -> list[str]:
    """Read all pipes to their ends, or until there is no time left."""
    found = dict.fromkeys(readers, b"")
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader, selectors.EVENT_READ)
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(deadline - time.monotonic()):
                if part := os.read(key.fd, 1 << 16):
                    found[key.fd] += part
                else:
                    selector.unregister(key.fd)
    for reader in readers:
        os.close(reader)
    return [found[reader].decode() for reader in readers]


@functools.cache
def _origin() -> socket.socket:
    """Start the process that forks."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            # The coverage of commands is not measured, because tracing is slow (see `check` in the Makefile).
            env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
        )
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def _serve(control: socket.socket) -> None:
    """Fork a process for each request, and return in it."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 4)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        if not message:
            sys.exit()
        if os.fork() == 0:
            control.close()
            return _become(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _become(request: int, stdout: int, stderr: int, state: int) -> None:
    """Fork the command, and return in it; its parent writes its number, and its exit code when it ends."""
    if pid := os.fork():
        os.close(stdout)
        os.close(stderr)
        os.write(state, b"%d " % pid)
        os.write(state, b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        os._exit(0)
    with open(request) as file:
        arguments, folder, environ = json.load(file)
    os.close(state)
    encoding = environ.get("PYTHONIOENCODING", "utf-8")
    for descriptor, number, name in ((stdout, 1, "stdout"), (stderr, 2, "stderr")):
        os.dup2(descriptor, number)
        os.close(descriptor)
        # New streams, because those of this process are buffered and encoded for where it was started.
        stream = open(number, "w", buffering=number - 1 or -1, encoding=encoding, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[1:] = arguments


def _import_all() -> None:
    import bisect_asgi
    from bisect_asgi.core.patterns import _Lazy

    for found in walk_packages(bisect_asgi.__path__, "bisect_asgi."):
        if not found.name.startswith(_APART):
            module = import_module(found.name)
            for value in vars(module).values():
                if isinstance(value, _Lazy):
                    value.search("")  # compiles it
    for name in _WITHIN:
        import_module(name)
    sysconfig.get_config_vars()


if __name__ == "__main__":
    sys.path.pop(0)  # modules in this directory would shadow others of the same name
    sys.argv[0] = "bisect-asgi"
    with socket.socket(fileno=int(sys.argv.pop())) as control:
        _import_all()
        gc.freeze()
        _serve(control)
    from bisect_asgi.cli.app import main

    main()

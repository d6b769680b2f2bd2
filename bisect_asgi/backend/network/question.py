"""Ask uv which indexes it is configured for, at the very start of a command if possible.

uv reads its files while this command still imports its own modules. For that, this module must be ready
first, so it imports only the standard library.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_QUESTION = ("pip", "compile", "-", "--quiet", "--no-header", "--emit-index-url", "--emit-find-links")

_LONGEST_END_S = 1.0

_begun: subprocess.Popen[str] | None = None
_last: subprocess.Popen[str] | None = None
"""The uv that was started last, whether or not it has ended."""


def begin() -> None:
    """Ask uv now if its program is next to this Python; else it is asked when needed."""
    global _begun
    if program := beside_python():
        # A signal that ends this process kills uv as well, so `end` has to know it first.
        with contextlib.suppress(OSError), _signals_held():  # `answer` tries again, and raises the error
            _begun = _start(program)


def beside_python() -> str:
    """Return the path of the uv next to this Python, where an environment has it, or ""."""
    program = os.path.join(os.path.dirname(sys.executable), "uv")
    return program if os.access(program, os.X_OK) else ""


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Handle the signals that come meanwhile at the end."""
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    held = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in held:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)


def answer(program: str, *, limit_s: float) -> subprocess.CompletedProcess[str]:
    """Return the output of the uv that was begun, or else of one that is started now.

    Raises:
        subprocess.TimeoutExpired: uv does not end within `limit_s` seconds.
        OSError: uv cannot be started.
    """
    global _begun
    process, _begun = _begun or _start(program), None
    with process:
        try:
            stdout, stderr = process.communicate(timeout=limit_s)
        except BaseException:
            _kill(process)
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def end() -> None:
    """Kill a uv that has not answered yet, with what it runs: nobody waits for it any more."""
    if _last is not None:
        _kill(_last)


def _kill(process: subprocess.Popen[str]) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(_LONGEST_END_S)


def _start(program: str) -> subprocess.Popen[str]:
    global _last
    if _last is None:
        atexit.register(end)
    _last = subprocess.Popen(
        [program, *_QUESTION, "--python", sys.executable],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    return _last

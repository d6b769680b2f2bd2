"""The process around a command: its standard streams and its signals.

Text from probes, packages, indexes and file names is data that a terminal must not execute. So all output of
the process passes a gate that replaces control characters. rich writes its own escapes, so it gets the stream
behind the gate, and `report/progress/console` makes the text printable before rich gets it.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TextIO, cast

from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.text import printable

_ONE_INTERRUPT_S = 1.0
"""Signals that follow one another by less are one: a terminal and a supervisor may both send one."""
_DELAY_S, _MOST_DELAYS = 0.005, 10
_LOOK_S = 0.5
_IMPORTING = "<frozen importlib"


@contextmanager
def guarded() -> Iterator[Interrupts]:
    """Run a command behind the gate, with streams that exist; yield what has signals interrupt it.

    In the end, signals do what they did before.
    """
    _open_missing()
    kept = sys.stdout, sys.stderr
    sys.stdout = cast(TextIO, _Gate(_Output(kept[0])))
    sys.stderr = cast(TextIO, _Gate(_Complaints(kept[1])))
    interrupts = Interrupts()
    try:
        yield interrupts
    finally:
        interrupts.release()
        sys.stdout, sys.stderr = kept


def end_signals() -> None:
    """Ignore signals from here on, because the command has ended, or is ending."""
    for number in (*_SIGNALS, signal.SIGALRM):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_IGN)


# A CI job that is stopped gets SIGTERM; a command whose terminal is closed gets SIGHUP.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Turns signals into `KeyboardInterrupt`, one for signals that follow one another, while it is entered.

    Entering and leaving it may raise `KeyboardInterrupt`, too, so both are inside the `try` that catches it.

    At some moments the exception would be lost, for example while Python cleans up an object. At others, such
    as during an import, it would leave a lock held that this process needs in order to end. It is then raised
    a moment later.

    A signal that comes just before the main thread waits for a lock would be seen only once another signal
    wakes the thread. So a timer sends it one twice a second.
    """

    def __init__(self) -> None:
        self._last = -math.inf
        self._delays = 0
        self._is_due = False
        self._unraisable = sys.unraisablehook
        self._previous = {
            number: signal.getsignal(number)
            for number in _SIGNALS
            if signal.getsignal(number) is not signal.SIG_IGN  # as `nohup` sets it: it stays ignored
        }
        self._previous_alarm = signal.getsignal(signal.SIGALRM)

    def __enter__(self) -> None:
        for number in self._previous:
            signal.signal(number, self._interrupt)
        signal.signal(signal.SIGALRM, self._look)
        sys.unraisablehook = self._take_up
        _wake_every(_LOOK_S)

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Have signals do what they did before; one that comes meanwhile is ignored."""
        self._last, self._is_due = math.inf, False
        _wake_every(0)
        sys.unraisablehook = self._unraisable
        for number, handler in (*self._previous.items(), (signal.SIGALRM, self._previous_alarm)):
            signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (of a handler)
        now = time.monotonic()
        if now - self._last >= _ONE_INTERRUPT_S:
            self._last, self._delays = now, 0
            self._raise(frame)

    def _look(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (of a handler)
        if self._is_due:
            self._raise(frame)

    def _raise(self, frame: FrameType | None) -> None:
        file = frame.f_code.co_filename if frame else ""
        # In `threading`, the main thread may be about to release a lock. But it also waits there most of the
        # time, where an interrupt is safe, so the delays have an end.
        is_locking = file == threading.__file__ and self._delays < _MOST_DELAYS
        if is_locking or _is_importing(frame):
            self._delays += 1
            self._delay()
        else:
            self._is_due = False
            _wake_every(_LOOK_S)
            raise KeyboardInterrupt

    def _take_up(self, lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            self._delay()
        else:
            self._unraisable(lost)

    def _delay(self) -> None:
        # No timer thread: the main thread may hold the lock that starting a thread needs.
        self._is_due = True
        _wake_every(_DELAY_S)


def _wake_every(interval_s: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, interval_s, interval_s)


def _is_importing(frame: FrameType | None) -> bool:
    """Return whether an import is running, in which an interrupt may also turn into another error."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTING):
            return True
        frame = frame.f_back
    return False


def _open_missing() -> None:
    """Open the standard streams that the caller has closed, so that no other file gets their numbers."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this stream's
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 (as long as the process)


class _Stream:
    """A text stream that takes all characters, escaped where its encoding has none for them."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self) -> None:
        """Discard all later writes: the interpreter flushes once more when it ends, and would fail."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


class _Output(_Stream):
    """The standard output. The result is lost if it cannot be written, so that is an error."""

    def write(self, text: str) -> int:
        try:
            return int(self._stream.write(text))
        except OSError as error:
            raise self._lost(error) from error

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise self._lost(error) from error

    def _lost(self, error: OSError) -> Exception:
        self._give_up()
        if isinstance(error, BrokenPipeError):
            return error
        return Unavailable(
            f"the standard output cannot be written: {error.strerror}",
            hint="make room there; `bisect-asgi report` shows the result of the last run again",
        )


class _Complaints(_Stream):
    """The standard error. No result depends on it, so a command continues without it."""

    def write(self, text: str) -> int:
        try:
            return int(self._stream.write(text))
        except OSError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._give_up()


class _Gate:
    """A stream through which only printable text passes."""

    def __init__(self, stream: _Stream) -> None:
        self.rich_proxied_file = stream
        """rich writes to this one; the attribute is rich's own protocol for a stream in front of another."""

    def write(self, text: str) -> int:
        return int(self.rich_proxied_file.write(printable(text)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)

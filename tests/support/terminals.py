"""Commands at a terminal of their own, at which somebody types."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence

from support.shell import Shell


def type_at(
    shell: Shell,
    arguments: Sequence[str],
    typed: Sequence[tuple[str, str]] = (),
    *,
    always: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run a command whose three streams are a terminal, and type: each text when the words before it appear.

    `always` has texts to type each time that certain words appear, after all of `typed` has been typed.
    Return the command's exit code and all that the terminal showed. `\x04` ends the input, `\x03` is Ctrl-C.
    """
    ours, theirs = os.openpty()

    def own_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = subprocess.Popen(
        [sys.executable, "-m", "bisect_asgi", *arguments],
        cwd=shell.folder,
        env={**shell.environ, "TERM": "dumb", "SHELL": "/bin/sh"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=own_terminal,
    )
    os.close(theirs)
    try:
        shown = _talk(ours, list(typed), always or {}, time.monotonic() + shell.patience_s)
        return process.wait(shell.patience_s), shown
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _talk(terminal: int, typed: list[tuple[str, str]], always: Mapping[str, str], deadline: float) -> str:
    shown, begin = "", 0
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the command has closed its side
            piece = b""
        if not piece:
            assert not typed, f"never shown: {typed[0][0]!r}\n{shown}"
            return shown.replace("\r\n", "\n")
        shown += piece.decode(errors="replace")
        while found := _next(shown[begin:], typed, always):
            words, text = found
            begin = shown.index(words, begin) + len(words)
            os.write(terminal, text.encode())
    raise AssertionError(f"it does not end, waiting for {typed[:1]}\n{shown}")


def _next(shown: str, typed: list[tuple[str, str]], always: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the words that are there, and what is to be typed, or None."""
    if typed:
        return typed.pop(0) if typed[0][0] in shown else None
    there = [words for words in always if words in shown]
    return min(
        ((words, always[words]) for words in there), key=lambda pair: shown.index(pair[0]), default=None
    )

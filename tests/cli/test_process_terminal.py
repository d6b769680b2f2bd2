"""Commands at a terminal: what rich draws moves the cursor, and nothing of it comes out as text."""

from __future__ import annotations

import os
import subprocess
import sys

from support.shell import BISECT, Shell, publish


def at_terminal(shell: Shell, *arguments: str, **environ: str) -> str:
    """Run a command with its standard error at a terminal, and return what it wrote there."""
    ours, theirs = os.openpty()
    env = {**shell.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", **environ}
    command = subprocess.Popen(
        [sys.executable, "-m", "bisect_asgi", *arguments],
        cwd=shell.folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    written = b"".join(_pieces(ours))
    os.close(ours)
    command.wait()
    return written.decode()


def _pieces(terminal: int) -> list[bytes]:
    pieces: list[bytes] = []
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the command has closed its side
            return pieces
        if not piece:
            return pieces
        pieces.append(piece)


def test_a_live_display_reaches_the_terminal_as_control_codes(shell: Shell) -> None:
    publish(shell.index, "+++++---")

    written = at_terminal(shell, *BISECT)

    assert "1.5 bad" in written
    assert "\x1b[2K" in written  # the display was drawn anew
    assert "�" not in written

"""Commands at a terminal: what rich draws moves the cursor, and nothing of it comes out as text."""

from __future__ import annotations

import os
import subprocess
import sys

from support.shell import BISECT, PYTHON, Shell, publish


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


def test_a_suite_and_a_folder_of_claims_show_what_runs(shell: Shell) -> None:
    publish(shell.index, "+-+")
    (shell.folder / "probes").mkdir()
    for name in ("one", "two"):
        table = f"# /// script\n# [tool.bisect-asgi]\n# package = \"demo\"\n# python = '{PYTHON}'\n"
        claim = '# fixed-in = "1.2"\n# history = "none"\n# ///\n'
        shell.write(f"probes/{name}.py", f"{table}{claim}import demo\nassert demo.works\n")

    suite = at_terminal(shell, "suite", "probes")
    verify = at_terminal(shell, "verify", "probes")

    assert "0 of 2 probes" in suite
    assert "  probes/one.py" in suite
    assert "demo with probes/two.py: " in suite
    assert "[1/2] probes/one.py: fixed in 1.2" in verify
    assert "[2/2] probes/two.py: fixed in 1.2" in verify
    assert "�" not in suite + verify


def test_a_terminal_that_understands_no_control_codes_gets_lines(shell: Shell) -> None:
    publish(shell.index, "+++++---")

    written = at_terminal(shell, *BISECT, TERM="dumb")

    assert "1.5 bad" in written
    assert "\x1b" not in written


def test_colors_are_shown_only_if_they_are_wanted(shell: Shell) -> None:
    publish(shell.index, "+++++---")

    colored, plain = at_terminal(shell, *BISECT), at_terminal(shell, *BISECT, "--color", "never")

    assert "\x1b[31m" in colored
    assert "\x1b[31m" not in plain
    assert "\x1b[2K" in plain


def test_an_error_is_broken_at_the_width_of_the_terminal_and_not_in_a_pipe(shell: Shell) -> None:
    wrong = ("demo", "--probe", "leak.py", "--metric", "wall", "--bad-above", "much")
    whole = shell.run(*wrong).stderr.splitlines()

    for width in (40, 80):
        written = at_terminal(shell, *wrong, COLUMNS=str(width)).replace("\r\n", "\n")
        told = written[written.index("error: ") :]

        assert all(len(line) <= width for line in told.split("\n"))
        assert told.split() == " ".join(whole).split()
    assert any(len(line) > 40 for line in whole)

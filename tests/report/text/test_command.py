"""Commands in lines that a shell takes as one."""

from __future__ import annotations

import shlex
import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from bisect_asgi.report.text.command import continued

COMMAND = "bisect-asgi check fastapi==0.69.0 --probe probes/leak.py --with 'uvicorn==0.17.6'"


def test_a_command_that_fits_is_one_line() -> None:
    assert continued(COMMAND, width=90, most=4) == [COMMAND]


def test_a_longer_one_goes_on_below() -> None:
    assert continued(COMMAND, width=50, most=4) == [
        "bisect-asgi check fastapi==0.69.0 --probe \\",
        "  probes/leak.py --with 'uvicorn==0.17.6'",
    ]


def test_what_does_not_fit_is_not_shown_at_all() -> None:
    assert continued(COMMAND, width=50, most=1) == []
    assert continued(COMMAND, width=20, most=9) == []
    assert continued("sh -c 'one\ntwo'", width=99, most=9) == []


WORDS = st.lists(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30), max_size=12
)


@given(WORDS, st.integers(30, 90))
def test_the_lines_are_the_command_again_and_fit(words: list[str], width: int) -> None:
    command = shlex.join(["run", *words])

    lines = continued(command, width=width, most=30)

    assert all(cell_len(line) <= width for line in lines)
    if lines:
        assert shlex.split("\n".join(lines).replace(" \\\n", " ")) == ["run", *words]


@settings(max_examples=10, deadline=None)
@given(WORDS)
def test_a_shell_reads_the_same_words(words: list[str]) -> None:
    command = shlex.join(["printf", "%s\\n", *words])
    lines = continued(command, width=40, most=99)

    if lines:
        whole, broken = (
            subprocess.run(["sh", "-c", text], capture_output=True, check=True).stdout
            for text in (command, "\n".join(lines))
        )
        assert whole == broken

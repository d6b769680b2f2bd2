"""What Python prints of an exception, read back."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.mutations import mutated

from bisect_asgi.core.judge import tracebacks
from bisect_asgi.core.judge.tracebacks import LastException

GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/srv/leak.py", line 6, in <module>
  |     asyncio.run(main())
  | ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/srv/leak.py", line 2, in fetch
    |     raise KeyError("a")
    | KeyError: 'a'
    |
    | During handling of the above exception, another exception occurred:
    |
    | Traceback (most recent call last):
    |   File "/srv/leak.py", line 3, in again
    |     ^^^^^
    | ValueError: bad port 8000
    | and a second line
    +---------------- 2 ----------------
    | httpx.ReadTimeout
    +------------------------------------
"""
NESTED = """\
  + Exception Group Traceback (most recent call last):
  |   File "leak.py", line 6, in main
  | exceptiongroup.ExceptionGroup: outer (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Exception Group Traceback (most recent call last):
    |   File "leak.py", line 5, in inner
    | ExceptionGroup: inner (1 sub-exception)
    +-+---------------- 1 ----------------
      | Traceback (most recent call last):
      |   File "app.py", line 2, in fetch
      | ValueError: one
      +------------------------------------
    +---------------- 2 ----------------
    | ValueError: one
    +------------------------------------
bye
"""


def test_a_group_is_told_by_the_exceptions_in_it() -> None:
    assert tracebacks.last(f"starting\n{GROUP}bye\n") == LastException(
        type="ExceptionGroup",
        message="unhandled errors in a TaskGroup (2 sub-exceptions): "
        "ReadTimeout: ; ValueError: bad port 8000",
        frames=(("/srv/leak.py", 6, "<module>"),),
    )


def test_a_group_whose_exceptions_all_say_the_same_is_that_exception() -> None:
    assert tracebacks.last(NESTED) == LastException(
        type="ValueError", message="one", frames=(("leak.py", 6, "main"), ("app.py", 2, "fetch"))
    )


def test_a_group_that_is_cut_off_is_told_by_itself() -> None:
    head = "".join(GROUP.splitlines(keepends=True)[:4])

    raised = tracebacks.last(head)

    assert raised is not None
    assert (raised.type, raised.message) == (
        "ExceptionGroup",
        "unhandled errors in a TaskGroup (2 sub-exceptions)",
    )


def test_a_group_whose_own_line_is_cut_off_is_none() -> None:
    assert tracebacks.last("".join(GROUP.splitlines(keepends=True)[:3])) is None


def test_what_was_raised_after_a_group_counts() -> None:
    after = 'Traceback (most recent call last):\n  File "leak.py", line 1, in f\nKeyError: 1\n'

    assert tracebacks.last(GROUP + after) == LastException(
        type="KeyError", message="1", frames=(("leak.py", 1, "f"),)
    )


def test_what_python_itself_prints_of_a_group_is_read() -> None:
    code = (
        "def one(): raise ValueError('x')\n"
        "errors = []\n"
        "try: one()\n"
        "except ValueError as error: errors += [error, KeyError(2)]\n"
        "raise ExceptionGroup('several', [ExceptionGroup('some', errors)])"
    )

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr

    raised = tracebacks.last(printed)
    assert raised is not None
    assert raised.type == "ExceptionGroup"
    assert raised.message == "several (1 sub-exception): KeyError: 2; ValueError: x"


@pytest.mark.parametrize("output", ["", "KeyError: 'x'\n", "Traceback (most recent call last):\n"])
def test_without_a_whole_traceback_there_is_no_exception(output: str) -> None:
    assert tracebacks.last(output) is None


@example(content=b"]]]import x\n\n", line=2)
@given(
    content=mutated(b"import x\n\n\ndef f(\n    a,\n):\n    assert a == (\n        3\n    )\n"),
    line=st.integers(-1, 12),
)
def test_any_source_has_a_statement_at_a_line_or_none(content: bytes, line: int) -> None:
    found = tracebacks.at_line(content, line)

    assert found is None or found.text

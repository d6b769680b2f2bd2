"""Read what a test runner reports: which tests failed and how, or that no test ran.

The exit code of a runner says little: pytest's is 1 whatever a test fails with. Its output is recognized by
its form, whichever program printed it; pytest also writes a file. Both give the same signature. Two runs fail
the same if the same tests fail, each with the same exception, message and place, in any order. A test that
could not be collected failed at import.

pytest explains an assertion with the values of one run (`assert 404 == 200`), and its releases abridge long
explanations differently. The signature of such an assertion has its statement, like that of any assertion
without a message, and the explanation only if it is too short for any pytest to abridge.

A run tested nothing if every test was skipped, if no test was found, or if pytest rejected its arguments.
Such a run is untestable, whatever its exit code is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bisect_asgi.core.judge.runners import junit
from bisect_asgi.core.judge.runners import pytest as pytest_output
from bisect_asgi.core.judge.runners import unittest as unittest_output
from bisect_asgi.core.judge.signature import (
    NO_FILES,
    ProbeFiles,
    cut,
    of_environment,
    of_exception,
    phase_of,
    plainness,
)
from bisect_asgi.core.judge.tracebacks import FailingTest
from bisect_asgi.core.model import Phase, Signature
from bisect_asgi.core.patterns import pattern
from bisect_asgi.core.records import replace
from bisect_asgi.core.text import listing

_PYTEST_FAILED = range(1, 6)
_NONE_RAN = (0, 5)  # all tests were skipped; none was found (for unittest only from Python 3.12 on)
_USAGE_ERROR = 4
_SUBTEST = pattern(r"^(?:\x1b\[[\d;]*m)*SUBFAIL", re.MULTILINE)
_NO_MODULE = pattern(r"^\S+: No module named (?P<module>[\w.]+)\s*\Z", re.MULTILINE)
# pytest abridges operands of more than 30 characters. The shortest explanation with one has `assert 1 == `
# before it.
_LONGEST_EXPLANATION = 42


def failure(
    output: str, exit_code: int, *, junit_file: str = "", probe_files: ProbeFiles = NO_FILES
) -> Signature | None:
    """Return one signature for all failed tests, or that of a runner that is not installed.

    `junit_file` is the text of the JUnit file that pytest wrote, or "". Without a failure in it, `output`
    counts.

    Return None if `output` is not that of a test runner that exits with this code. `probe_files` are as for
    `signature.of_exception`.
    """
    tests = _of_pytest(output, junit_file) if exit_code in _PYTEST_FAILED else ()
    if not tests and exit_code == 1:
        tests = unittest_output.failing_tests(output)
    if tests:
        return _together([(test, _of_test(test, probe_files)) for test in tests])
    return _absent(output) if exit_code == 1 else None


def _of_pytest(output: str, junit_file: str) -> tuple[FailingTest, ...]:
    """Return the failed tests of the file, or of the output if the file has none, or not their names.

    The file does not name subtests. With `--tb=line`, only the output has places.
    """
    printed = pytest_output.failing_tests(output)
    in_file = () if _SUBTEST.search(output) else junit.failing_tests(junit_file)
    frames = {test.where: test.frames for test in printed}
    return (
        tuple(test if test.frames else replace(test, frames=frames.get(test.where, ())) for test in in_file)
        or printed
    )


def untested(output: str, exit_code: int) -> Signature | None:
    """Return the reason why no test ran, or None if one did or `output` is not that of a test runner."""
    reason = None
    if exit_code in _NONE_RAN:
        reason = pytest_output.untested(output) or unittest_output.untested(output)
    elif exit_code == _USAGE_ERROR and not pytest_output.failing_tests(output):
        reason = pytest_output.misused(output)
    return of_environment(Phase.STARTUP, reason) if reason else None


def _absent(output: str) -> Signature | None:
    """Return the failed import that `python -m pytest` reports if pytest is not installed, or None."""
    match = _NO_MODULE.search(output)
    if match is None:
        return None
    message = f"No module named '{match['module']}'"
    return of_exception("ModuleNotFoundError", message, phase=Phase.IMPORT)


def _of_test(test: FailingTest, probe_files: ProbeFiles) -> Signature:
    phase = Phase.IMPORT if test.step == "collecting" else phase_of(test.type)
    where = test.where
    abridged = of_exception(test.type, _compared(test), phase=phase)
    message = "" if test.is_bare else test.message  # `of_exception` adds the line if there is no message
    placed = of_exception(test.type, message, phase=phase, frames=test.frames, probe_files=probe_files)
    shown = of_exception(test.type, test.message, phase=phase).shown if test.message else placed.shown
    return replace(
        placed,
        text=f"{abridged.text if test.is_bare else placed.text}{where and f', {where}'}",
        shown=cut(f"{where}: {shown}" if where else shown),
    )


def _compared(test: FailingTest) -> str:
    """Return the part of the message that is the same in all releases of pytest."""
    is_whole = "..." not in test.message and len(test.message) <= _LONGEST_EXPLANATION
    return test.message if is_whole or not test.is_bare else ""


def _together(failures: Sequence[tuple[FailingTest, Signature]]) -> Signature:
    """Return one signature for several failed tests.

    Its text begins with the failure of the greatest plainness, because `plainness` reads the beginning. The
    failure that is shown first is the one that was printed first.
    """
    first = failures[0][1]
    distinct = {_with_place(each): (test, each) for test, each in reversed(failures)}
    if len(distinct) == 1:
        return first
    texts = sorted(distinct, key=lambda text: (-plainness(distinct[text][1]), text))
    others = [_in_short(test) for test, each in reversed(distinct.values()) if each != first]
    frames = {each.frame for _, each in failures}
    is_import = all(each.phase is Phase.IMPORT for _, each in failures)
    return replace(
        first,
        phase=Phase.IMPORT if is_import else Phase.CHECK,
        text="; ".join(texts),
        shown=f"{first.shown}; also {listing(others)}",
        frame=frames.pop() if len(frames) == 1 else "",
    )


def _in_short(test: FailingTest) -> str:
    return f"{test.where}: {test.type}" if test.where else test.type


def _with_place(failure: Signature) -> str:
    """Return the text and, if it is in a file of the probe, the frame. Other frames move with releases."""
    return f"{failure.text} at {failure.frame}" if failure.frame.startswith("./") else failure.text

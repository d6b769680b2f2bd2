"""What a runner of tests shows: the failure of all its failing tests together, or that nothing was tested.

Its exit code tells little: pytest's is 1 whatever a test fails with. Its output is recognised by its form,
whatever program printed it. Two runs fail the same when the same tests fail, each with the same exception,
message and place; their order makes no difference. A test that could not be collected failed while importing.

What pytest explains of an assertion (`assert 404 == 200`) are the values of one run, and its releases abridge
them differently. So the line of such an assertion is compared, like that of a bare one elsewhere, and the
explanation only where it is short enough to be whole in all of them.

A run in which every test was skipped, or none was found, has tested nothing, whatever its exit code is.
Neither has one that pytest refused for its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from bisect_asgi.core.judge.runners import pytest as pytest_output
from bisect_asgi.core.judge.runners import unittest as unittest_output
from bisect_asgi.core.judge.runners.base import FailingTest
from bisect_asgi.core.judge.signature import cut, of_environment, of_exception, phase_of, plainness
from bisect_asgi.core.model import Phase, Signature
from bisect_asgi.core.records import replace
from bisect_asgi.core.text import listing

_PYTEST_FAILED = range(1, 6)
_NONE_RAN = (0, 5)
_MISUSED = 4
_NO_MODULE = re.compile(r"^\S+: No module named (?P<module>[\w.]+)\s*\Z", re.MULTILINE)
# `assert ` and 35 more: pytest abridges operands of more than 30, and `1 == ` is the least that goes before.
_LONGEST_EXPLANATION = 42


def failure(output: str, exit_code: int, *, own: Collection[str] = ()) -> Signature | None:
    """The signature of all tests that failed, or of a runner that is not installed.

    None: `output` is of no runner of tests that ends so.
    `own` as for `signature.of_exception`.
    """
    tests = pytest_output.failing_tests(output) if exit_code in _PYTEST_FAILED else ()
    if not tests and exit_code == 1:
        tests = unittest_output.failing_tests(output)
    if tests:
        return _together([(test, _of_test(test, own)) for test in tests])
    return _absent(output) if exit_code == 1 else None


def untested(output: str, exit_code: int) -> Signature | None:
    """Why nothing was tested; None: something was, or `output` is of no runner of tests."""
    reason = None
    if exit_code in _NONE_RAN:
        reason = pytest_output.untested(output) or unittest_output.untested(output)
    elif exit_code == _MISUSED and not pytest_output.failing_tests(output):
        reason = pytest_output.misused(output)
    return of_environment(Phase.STARTUP, reason) if reason else None


def _absent(output: str) -> Signature | None:
    """What `python -m pytest` says where there is none, as the exception that it is."""
    match = _NO_MODULE.search(output)
    if match is None:
        return None
    message = f"No module named '{match['module']}'"
    return of_exception("ModuleNotFoundError", message, phase=Phase.IMPORT)


def _of_test(test: FailingTest, own: Collection[str]) -> Signature:
    phase = Phase.IMPORT if test.step == "collecting" else phase_of(test.type)
    where = test.where
    told = of_exception(test.type, _compared(test), phase=phase)
    shown = of_exception(test.type, test.message, phase=phase).shown
    message = "" if test.is_bare else test.message  # without one, the line is compared
    placed = of_exception(test.type, message, phase=phase, frames=test.frames, own=own)
    return replace(
        placed,
        text=f"{told.text if test.is_bare else placed.text}{where and f', {where}'}",
        shown=cut(f"{where}: {shown}" if where else shown),
    )


def _compared(test: FailingTest) -> str:
    is_whole = "..." not in test.message and len(test.message) <= _LONGEST_EXPLANATION
    return test.message if is_whole or not test.is_bare else ""


def _together(failures: Sequence[tuple[FailingTest, Signature]]) -> Signature:
    """One signature of several. Its text begins with the plainest, what is shown with the first printed."""
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
    """With its frame, if that is in the probe's own files: others move from release to release."""
    return f"{failure.text} at {failure.frame}" if failure.frame.startswith("./") else failure.text

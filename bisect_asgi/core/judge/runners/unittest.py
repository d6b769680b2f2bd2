"""Read the failed tests in the output of unittest."""

from __future__ import annotations

import re

from bisect_asgi.core.judge import tracebacks
from bisect_asgi.core.judge.tracebacks import FailingTest
from bisect_asgi.core.patterns import pattern

_START = pattern(r"^={70}\n", re.MULTILINE)
_BLOCK = pattern(r"(?:ERROR|FAIL): (?P<title>.+)\n(?:.+\n)?-{70}\n")
_END = pattern(r"^-{70}$", re.MULTILINE)
_TITLE = pattern(r"(?P<method>\w+) \((?P<of>[\w.<>]+)\)(?P<rest>.*)")
_RAN = pattern(
    r"^Ran (?P<ran>\d+) tests? in [\d.]+s\n\n(?P<result>OK|NO TESTS RAN)(?: \((?P<counts>.+)\))?\s*\Z",
    re.MULTILINE,
)
_SKIPPED = pattern(r"\bskipped=(\d+)")


def failing_tests(output: str) -> tuple[FailingTest, ...]:
    """Return the failed tests that unittest printed, or () if `output` is not unittest's."""
    tests = []
    for block in _START.split(output)[1:]:
        head = _BLOCK.match(block)
        raised = tracebacks.last(_END.split(block[head.end() :])[0]) if head else None
        if head and raised:
            name = _name(head["title"])
            tests.append(
                FailingTest(name=name, type=raised.type, message=raised.message, frames=raised.frames)
            )
    return tuple(tests)


def _name(title: str) -> str:
    """Return `T.test_a` for the title `test_a (app.T.test_a)`, or `test_a (app.T)` before Python 3.11."""
    match = _TITLE.fullmatch(title)
    if match is None:
        return title
    method = match["method"]
    parts = match["of"].removesuffix(f".{method}").split(".")
    return f"{parts[-1]}.{method}{match['rest']}"


def untested(output: str) -> str | None:
    """Return why no test ran, or None if one did or `output` is not unittest's."""
    match = _RAN.search(output)
    if match is None:
        return None
    skipped = _SKIPPED.search(match["counts"] or "")
    count = int(skipped[1]) if skipped else 0
    if int(match["ran"]) > count:
        return None
    return f"no test ran: {count} skipped" if count else "no test ran"

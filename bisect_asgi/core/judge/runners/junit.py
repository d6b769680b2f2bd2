"""Read the failed tests in the JUnit file that pytest writes with `--junitxml`.

The file has each failure as pytest would print it, however little pytest was asked to print. It names a test
by `classname` and `name`; with `junit_family=xunit1` it also names the file, which tells the module in
`classname` from the class. The names are made as pytest prints them, so that a failure has the same signature
whether it was read from the file or from the output.

The file was written in an environment that is not trusted. pytest's has no declarations (`<!…`), so that a
text with any is not parsed: entities may expand to any size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bisect_asgi.core.judge.runners import pytest as pytest_output
from bisect_asgi.core.judge.tracebacks import FailingTest, RunnerStage
from bisect_asgi.core.patterns import pattern

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# pytest writes a character that XML does not allow as its number.
_NOT_IN_XML = pattern(r"#x([0-9A-F]{4}|[0-9A-F]{2})")
_STEPS: tuple[tuple[re.Pattern[str], RunnerStage], ...] = (
    (pattern("(?:test setup failure$|failed on setup )"), "setup of"),
    (pattern("(?:test teardown failure$|failed on teardown )"), "teardown of"),
    (pattern("collection failure$"), "collecting"),
    (pattern("internal error$"), "internal error"),
)


def failing_tests(text: str) -> tuple[FailingTest, ...]:
    """Return the failed tests in the order in which pytest prints them, or () if `text` is no such file."""
    if "<!" in text:
        return ()
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(text)  # noqa: S314
    except (ElementTree.ParseError, ValueError):
        return ()
    return tuple(sorted(_failures(root), key=lambda test: not test.step))


def _failures(root: Element) -> Iterator[FailingTest]:
    for case in root.iter("testcase"):
        for problem in case:
            if problem.tag not in ("failure", "error"):
                continue
            step = _step(problem) if problem.tag == "error" else ""
            lines = pytest_output.without_colors(_unescaped(problem.text or "")).splitlines()
            yield pytest_output.of_block(lines, name=_name(case, step), step=step)


def _unescaped(text: str) -> str:
    return _NOT_IN_XML.sub(lambda match: chr(int(match[1], 16)), text)


def _step(problem: Element) -> RunnerStage:
    message = problem.get("message", "")
    return next((step for pattern, step in _STEPS if pattern.match(message)), "")


def _name(case: Element, step: RunnerStage) -> str:
    """Return the title under which pytest prints the test."""
    file, name = case.get("file", ""), case.get("name", "")
    if step == "internal error":
        return ""
    if step == "collecting":
        return file or name
    return ".".join([*_classes(case.get("classname", ""), file), name])


def _classes(of_test: str, file: str) -> list[str]:
    """Return the names of the classes in a `classname`.

    A test that was inherited is in a file that its `classname` does not begin with. Its classes are then
    taken to begin at the first capital.
    """
    module = file.replace("/", ".").removesuffix(".py")
    if file and f"{of_test}.".startswith(f"{module}."):
        return of_test.removeprefix(module).split(".")[1:]
    parts = of_test.split(".")
    return parts[next((index for index, part in enumerate(parts) if part[:1].isupper()), len(parts)) :]

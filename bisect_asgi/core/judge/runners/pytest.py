"""Read the failed tests in the output of pytest.

pytest reports failures in three places. Its options and releases leave out one or another:

*Blocks* below `= FAILURES =` and `= ERRORS =`, one for each test, have the whole message (`E   ` lines) and
the frames (`path:line: Type`, `path:line: in function`, or a traceback as Python prints it).

*Lines* `path:line: Type: message` replace the blocks with `--tb=line`.

*The short test summary* has the full names of the tests. Its messages are cut to the width of the terminal,
and the numbers in a message move the cut. If a message is cut there and is in no other place, only its type
counts.

What a test printed is in a block below `- Captured stdout call -` and is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bisect_asgi.core.judge import tracebacks
from bisect_asgi.core.judge.tracebacks import FailingTest, Frames, RunnerStage
from bisect_asgi.core.patterns import pattern
from bisect_asgi.core.records import replace

_COLOUR = pattern(r"\x1b\[[\d;]*m")
_SECTION = pattern(r"^=+ (?P<title>.+?) =+$")
_BLOCK = pattern(r"^_+ (?P<title>.+) _+$")
_CAPTURED = pattern(r"^-{3,} .+ -{3,}$")
_SUMMARY = "short test summary info"
_REPORTS = frozenset({"FAILURES", "ERRORS", _SUMMARY})
# The output may begin in the middle of a section whose title is lost, because only its tail is kept.
_WITH_BLOCKS = frozenset({"FAILURES", "ERRORS", ""})
_STEPS: tuple[tuple[str, RunnerStage], ...] = (
    ("ERROR at setup of ", "setup of"),
    ("ERROR at teardown of ", "teardown of"),
    ("ERROR collecting ", "collecting"),
    ("[doctest] ", ""),
)
_SUMMED_UP = pattern(
    r"^(?P<kind>FAILED|ERROR|SUBFAIL(?:ED)?(?P<sub>[(\[].*?[)\]])?) "
    r"(?P<node>[^\[]*?(?:\[.*?\])?)(?: - (?P<message>.*))?$"
)
_CONFTEST = pattern(r"^\w+ while loading conftest '(?:.*/)?(?P<file>[^/]+)'\.$", re.MULTILINE)
_INTERNAL = pattern(r"^INTERNALERROR> ?(?P<line>.*)$", re.MULTILINE)
_INTERRUPTED = pattern(r"^!{3,} (?P<text>[\w.]+(?:: .*)?) !{3,}$", re.MULTILINE)
_CHAINED = pattern(
    r"^(?:The above exception was the direct cause of the following|"
    r"During handling of the above exception, another) exception"
)
_PLACE = pattern(
    r"^(?P<file><[\w. ]+>|[^\s'\"=(){}<>]+?):(?P<line>\d+):(?: in (?P<function>.+)| (?P<text>.+)| )?$"
)
_EXPLAINED = pattern(r"^E(?:(?P<indent>   +)(?P<text>\S.*)|\s*)$")
_MISMATCH = pattern(r"^ScopeMismatch: ")
_TYPED = pattern(r"^(?P<type>[A-Za-z_][\w.]*)(?:: ?(?P<message>.*))?$")

_COUNTS = pattern(
    r"^(?:=+ )?(?P<counts>no tests ran|\d+ \w+(?:, \d+ \w+)*)"
    r" in \d+(?:\.\d+)? ?s(?:econds)?(?: \([\d:]+\))?(?: =+)?$"
)
_NOTHING = frozenset({"skipped", "deselected", "warning", "warnings"})
_USAGE = pattern(r"^(?:\S+: error|ERROR): (?!usage: )(?P<reason>.+)$", re.MULTILINE)


def failing_tests(output: str) -> tuple[FailingTest, ...]:
    """Return the failed tests in the order of the output, or () if `output` is not pytest's."""
    output = without_colors(output)
    sections = list(_sections(output.splitlines()))
    if not any(title in _REPORTS for title, _ in sections):
        return _without_tests(output)
    blocks = [test for title, lines in sections if title in _WITH_BLOCKS for test in _of_blocks(lines)]
    lines = [line for title, lines in sections if title == "FAILURES" for line in _of_lines(lines)]
    summary = next((lines for title, lines in reversed(sections) if title == _SUMMARY), [])
    named = {(test.name, bool(test.step)) for test in blocks}
    rest = [(test, text) for test, text in _of_summary(summary) if (test.name, bool(test.step)) not in named]
    tests = [*blocks, *(_in_full(test, text, lines) for test, text in rest)]
    # `_in_full` has removed the lines that belong to a test of the summary.
    tests += [_typed(FailingTest(frames=frames), text) for text, frames in lines]
    return tuple(tests) or _without_tests(output)


def without_colors(output: str) -> str:
    """Return the output without the escape sequences of colors."""
    return _COLOUR.sub("", output)


def untested(output: str) -> str | None:
    """Return why no test ran, or None if one did or `output` is not pytest's."""
    printed = without_colors(output).strip().splitlines()
    match = _COUNTS.match(printed[-1]) if printed else None
    if match is None:
        return None
    counts = match["counts"]
    if counts == "no tests ran":
        return "no test ran"
    return f"no test ran: {counts}" if {each.split()[1] for each in counts.split(", ")} <= _NOTHING else None


def misused(output: str) -> str | None:
    """Return the usage error that pytest printed, or None if there is none."""
    reasons = list(_USAGE.finditer(without_colors(output)))
    return reasons[-1]["reason"] if reasons else None


def _sections(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the title and the lines of each section. Lines before the first title have the title ""."""
    title, body = "", list[str]()
    for line in lines:
        if match := _SECTION.match(line):
            yield title, body
            title, body = match["title"], []
        else:
            body.append(line)
    yield title, body


def _of_blocks(lines: Sequence[str]) -> Iterator[FailingTest]:
    titles = [(index, title) for index, line in enumerate(lines) if (title := _title(line))]
    ends = [*(index for index, _ in titles[1:]), len(lines)]
    for (start, title), end in zip(titles, ends, strict=False):
        step, name = next(((s, title.removeprefix(t)) for t, s in _STEPS if title.startswith(t)), ("", title))
        yield of_block(lines[start + 1 : end], name=name, step=step)


def _title(line: str) -> str:
    """Return the title of the block that `line` begins, or "". A line `_ _ _ _` only separates frames."""
    match = _BLOCK.match(line)
    return match["title"] if match and match["title"].strip("_ ") else ""


def of_block(lines: Sequence[str], *, name: str = "", step: RunnerStage) -> FailingTest:
    """Return the test whose failure `lines` show.

    Of several exceptions it is the last one, because the others were raised before it.
    """
    end = next((index for index, line in enumerate(lines) if _CAPTURED.match(line)), len(lines))
    start = max((index + 1 for index, line in enumerate(lines[:end]) if _CHAINED.match(line)), default=0)
    body = lines[start:end]
    text = _explained(body)
    if text is None and (raised := tracebacks.last("\n".join(body))):
        return FailingTest(
            name=name, step=step, type=raised.type, message=raised.message, frames=raised.frames
        )
    if text is None:
        text = _unexplained(body)
    return _typed(FailingTest(name=name, step=step, frames=_frames(body)), text)


def _unexplained(lines: Sequence[str]) -> str:
    """Return the text of a block without `E` lines: the text after a place, or else its first line.

    The places below a `ScopeMismatch` are those of the fixtures, with their source instead of a failure.
    """
    said = [line for line in lines if line.strip()]
    if said and _MISMATCH.match(said[0]):
        return said[0]
    at_places = (match["text"] for line in said if (match := _PLACE.match(line)) and match["text"])
    return next(at_places, said[0] if said else "")


def _explained(lines: Sequence[str]) -> str | None:
    """Return the first line of the last `E` lines, or None if there are none.

    It is the least indented one, because a syntax error shows its source above its message, indented.
    """
    group: list[tuple[int, str]] = []
    is_open = False
    for line in lines:
        match = _EXPLAINED.match(line)
        if match and not is_open:
            group = []
        if match and match["text"]:
            group.append((len(match["indent"]), match["text"]))
        is_open = match is not None
    return min(group, key=lambda line: line[0])[1] if group else None


def _frames(lines: Sequence[str]) -> Frames:
    places = [match for line in lines if (match := _PLACE.match(line))]
    return tuple((match["file"], int(match["line"]), match["function"] or "") for match in places)


def _typed(test: FailingTest, text: str) -> FailingTest:
    """Return `test` with the type and the message in `text`. pytest's explanations name no type."""
    if text.startswith("assert "):
        return replace(test, type="AssertionError", message=text)
    if match := _TYPED.match(text):
        return replace(test, type=match["type"].rpartition(".")[2], message=match["message"] or "")
    return replace(test, message=text)


def _of_lines(lines: Sequence[str]) -> Iterator[tuple[str, Frames]]:
    """Yield the failures that `--tb=line` printed, which do not name their test."""
    for line in lines:
        if _title(line):
            return
        if (match := _PLACE.match(line)) and match["text"]:
            yield match["text"], ((match["file"], int(match["line"]), ""),)


def _of_summary(lines: Sequence[str]) -> Iterator[tuple[FailingTest, str]]:
    """Yield each test of the short summary with its failure, which may be cut."""
    for line in lines:
        if match := _SUMMED_UP.match(line):
            sub = f" {match['sub']}" if match["sub"] else ""
            name, step = _named(match["node"]), _step(match["kind"], match["node"])
            yield FailingTest(name=name + sub, step=step), match["message"] or ""


def _named(node: str) -> str:
    """Return the title of the test's block: `TestPool.test_close` for `tests/a.py::TestPool::test_close`."""
    path, bracket, parameters = node.partition("[")
    return ".".join(path.split("::")[1:] or [path]) + bracket + parameters


def _step(kind: str, node: str) -> RunnerStage:
    if kind != "ERROR":
        return ""
    return "error of" if "::" in node else "collecting"


def _in_full(test: FailingTest, text: str, lines: list[tuple[str, Frames]]) -> FailingTest:
    """Return `test` with the first of `lines` that `text` may be cut from, and remove that line.

    Without such a line, a cut message is dropped. A type that may itself be cut is dropped as well.
    """
    is_cut = text.endswith("...")
    begin = text.removesuffix("...")
    for index, (whole, frames) in enumerate(lines):
        if whole == text or (is_cut and whole.startswith(begin)):
            del lines[index]
            return _typed(replace(test, frames=frames), whole)
    if not is_cut:
        return _typed(test, text)
    is_typed = ": " in begin or begin.startswith("assert ")
    return replace(_typed(test, begin), message="") if is_typed else test


def _without_tests(output: str) -> tuple[FailingTest, ...]:
    """Return why pytest could not run tests: a `conftest.py`, an internal error, or an interrupt."""
    if match := _CONFTEST.search(output):
        lines = output[match.end() :].splitlines()
        return (of_block(lines, name=match["file"], step="collecting"),)
    if internal := [match["line"] for match in _INTERNAL.finditer(output)]:
        return (of_block(internal, step="internal error"),)
    if interrupts := list(_INTERRUPTED.finditer(output)):
        below = output[interrupts[-1].end() :].splitlines()
        return (_typed(FailingTest(frames=_frames(below)), interrupts[-1]["text"]),)
    return ()

"""Read what pytest prints of tests that fail.

There are three places, of which options and releases of pytest leave out one or the other:

*The blocks* below `= FAILURES =` and `= ERRORS =`, one for each test, have all of the message (`E   ` lines)
and where it was raised (`path:line: Type`, `path:line: in function`, or a traceback as Python prints it).

*Lines* `path:line: Type: message` stand there instead with `--tb=line`.

*The short test summary* has the tests' whole names. Its messages are cut to the width of the terminal, and
numbers in them move the cut; so of a message that is cut there, and is nowhere else, the type alone is taken.

What a test wrote stands in a block below `- Captured stdout call -` and is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bisect_asgi.core.judge import tracebacks
from bisect_asgi.core.judge.runners.base import FailingTest, RunnerStage
from bisect_asgi.core.judge.tracebacks import Frames
from bisect_asgi.core.records import replace

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_SECTION = re.compile(r"^=+ (?P<title>.+?) =+$")
_BLOCK = re.compile(r"^_+ (?P<title>.+) _+$")
_CAPTURED = re.compile(r"^-{3,} .+ -{3,}$")
_SUMMARY = "short test summary info"
_REPORTS = frozenset({"FAILURES", "ERRORS", _SUMMARY})
# Above the first title is what is left of a section whose title is lost.
_WITH_BLOCKS = frozenset({"FAILURES", "ERRORS", ""})
_STEPS: tuple[tuple[str, RunnerStage], ...] = (
    ("ERROR at setup of ", "setup of"),
    ("ERROR at teardown of ", "teardown of"),
    ("ERROR collecting ", "collecting"),
    ("[doctest] ", ""),
)
_SUMMED_UP = re.compile(
    r"^(?P<kind>FAILED|ERROR|SUBFAIL(?:ED)?(?P<sub>[(\[].*?[)\]])?) "
    r"(?P<node>[^\[]*?(?:\[.*?\])?)(?: - (?P<message>.*))?$"
)
_CONFTEST = re.compile(r"^\w+ while loading conftest '(?:.*/)?(?P<file>[^/]+)'\.$", re.MULTILINE)
_INTERNAL = re.compile(r"^INTERNALERROR> ?(?P<line>.*)$", re.MULTILINE)
_INTERRUPTED = re.compile(r"^!{3,} (?P<said>[\w.]+(?:: .*)?) !{3,}$", re.MULTILINE)
_CHAINED = re.compile(
    r"^(?:The above exception was the direct cause of the following|"
    r"During handling of the above exception, another) exception"
)
_PLACE = re.compile(
    r"^(?P<file><[\w. ]+>|[^\s'\"=(){}<>]+?):(?P<line>\d+):(?: in (?P<function>.+)| (?P<said>.+)| )?$"
)
_EXPLAINED = re.compile(r"^E(?:(?P<indent>   +)(?P<said>\S.*)|\s*)$")
_TYPED = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?:: ?(?P<message>.*))?$")

_COUNTS = re.compile(
    r"^(?:=+ )?(?P<counts>no tests ran|\d+ \w+(?:, \d+ \w+)*)"
    r" in \d+(?:\.\d+)? ?s(?:econds)?(?: \([\d:]+\))?(?: =+)?$"
)
_NOTHING = frozenset({"skipped", "deselected", "warning", "warnings"})
_USAGE = re.compile(r"^(?:\S+: error|ERROR): (?!usage: )(?P<reason>.+)$", re.MULTILINE)


def failing_tests(output: str) -> tuple[FailingTest, ...]:
    """The tests that pytest says failed, as they were printed; empty: `output` is none of pytest's."""
    output = _COLOUR.sub("", output)
    sections = list(_sections(output.splitlines()))
    if not any(title in _REPORTS for title, _ in sections):
        return _without_tests(output)
    blocks = [test for title, lines in sections if title in _WITH_BLOCKS for test in _of_blocks(lines)]
    lines = [line for title, lines in sections if title == "FAILURES" for line in _of_lines(lines)]
    summary = next((lines for title, lines in reversed(sections) if title == _SUMMARY), [])
    named = {(test.name, bool(test.step)) for test in blocks}
    rest = [(test, said) for test, said in _of_summary(summary) if (test.name, bool(test.step)) not in named]
    tests = [*blocks, *(_in_full(test, said, lines) for test, said in rest)]
    tests += [_typed(FailingTest(frames=frames), said) for said, frames in lines]  # nothing says of which
    return tuple(tests) or _without_tests(output)


def untested(output: str) -> str | None:
    """Why a run that failed no test tested nothing, as when all are skipped.

    None: it did test something, or `output` is none of pytest's.
    """
    printed = _COLOUR.sub("", output).strip().splitlines()
    match = _COUNTS.match(printed[-1]) if printed else None
    if match is None:
        return None
    counts = match["counts"]
    if counts == "no tests ran":
        return "no test ran"
    return f"no test ran: {counts}" if {each.split()[1] for each in counts.split(", ")} <= _NOTHING else None


def misused(output: str) -> str | None:
    """What pytest says is wrong with its arguments; None: nothing, or it is none of pytest's."""
    reasons = list(_USAGE.finditer(_COLOUR.sub("", output)))
    return reasons[-1]["reason"] if reasons else None


def _sections(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Titles with what is below them; what is above the first has an empty one."""
    title, body = "", list[str]()
    for line in lines:
        if match := _SECTION.match(line):
            yield title, body
            title, body = match["title"], []
        else:
            body.append(line)
    yield title, body


def _of_blocks(lines: Sequence[str]) -> Iterator[FailingTest]:
    titles = [(place, title) for place, line in enumerate(lines) if (title := _title(line))]
    ends = [*(place for place, _ in titles[1:]), len(lines)]
    for (start, title), end in zip(titles, ends, strict=False):
        step, name = next(((s, title.removeprefix(t)) for t, s in _STEPS if title.startswith(t)), ("", title))
        yield _of_block(lines[start + 1 : end], name=name, step=step)


def _title(line: str) -> str:
    """The title of a block that `line` begins; empty: it begins none. `_ _ _ _` parts frames."""
    match = _BLOCK.match(line)
    return match["title"] if match and match["title"].strip("_ ") else ""


def _of_block(lines: Sequence[str], *, name: str = "", step: RunnerStage) -> FailingTest:
    """The last exception of a block: those above it were handled while it was raised."""
    end = next((place for place, line in enumerate(lines) if _CAPTURED.match(line)), len(lines))
    start = max((place + 1 for place, line in enumerate(lines[:end]) if _CHAINED.match(line)), default=0)
    body = lines[start:end]
    said = _explained(body)
    if said is None and (raised := tracebacks.last("\n".join(body))):
        return FailingTest(
            name=name, step=step, type=raised.type, message=raised.message, frames=raised.frames
        )
    if said is None:
        places = [match["said"] for line in body if (match := _PLACE.match(line)) and match["said"]]
        said = next(iter([*places, *filter(str.strip, body)]), "")
    return _typed(FailingTest(name=name, step=step, frames=_frames(body)), said)


def _explained(lines: Sequence[str]) -> str | None:
    """What the last `E` lines say first. What is set in is more of it, such as a syntax error's place."""
    group: list[tuple[int, str]] = []
    is_open = False
    for line in lines:
        match = _EXPLAINED.match(line)
        if match and not is_open:
            group = []
        if match and match["said"]:
            group.append((len(match["indent"]), match["said"]))
        is_open = match is not None
    return min(group, key=lambda line: line[0])[1] if group else None


def _frames(lines: Sequence[str]) -> Frames:
    places = [match for line in lines if (match := _PLACE.match(line))]
    return tuple((match["file"], int(match["line"]), match["function"] or "") for match in places)


def _typed(test: FailingTest, said: str) -> FailingTest:
    """`test` with what is said of it told apart; what pytest explains itself has no type in front."""
    if said.startswith("assert "):
        return replace(test, type="AssertionError", message=said)
    if match := _TYPED.match(said):
        return replace(test, type=match["type"].rpartition(".")[2], message=match["message"] or "")
    return replace(test, message=said)


def _of_lines(lines: Sequence[str]) -> Iterator[tuple[str, Frames]]:
    """What `--tb=line` prints: nothing says of which test."""
    for line in lines:
        if _title(line):
            return
        if (match := _PLACE.match(line)) and match["said"]:
            yield match["said"], ((match["file"], int(match["line"]), ""),)


def _of_summary(lines: Sequence[str]) -> Iterator[tuple[FailingTest, str]]:
    """Each test of the summary, with what is said of it, perhaps cut."""
    for line in lines:
        if match := _SUMMED_UP.match(line):
            sub = f" {match['sub']}" if match["sub"] else ""
            name, step = _named(match["node"]), _step(match["kind"], match["node"])
            yield FailingTest(name=name + sub, step=step), match["message"] or ""


def _named(node: str) -> str:
    """`TestPool.test_close[a]` of `tests/test_pool.py::TestPool::test_close[a]`, as blocks are titled."""
    path, bracket, parameters = node.partition("[")
    return ".".join(path.split("::")[1:] or [path]) + bracket + parameters


def _step(kind: str, node: str) -> RunnerStage:
    if kind != "ERROR":
        return ""
    return "error of" if "::" in node else "collecting"


def _in_full(test: FailingTest, said: str, lines: list[tuple[str, Frames]]) -> FailingTest:
    """`test` with what the first of `lines` says that begins as `said` does; that one is taken out."""
    is_cut = said.endswith("...")
    begin = said.removesuffix("...")
    for place, (whole, frames) in enumerate(lines):
        if whole == said or (is_cut and whole.startswith(begin)):
            del lines[place]
            return _typed(replace(test, frames=frames), whole)
    if not is_cut:
        return _typed(test, said)
    is_typed = ": " in begin or begin.startswith("assert ")
    return replace(_typed(test, begin), message="") if is_typed else test


def _without_tests(output: str) -> tuple[FailingTest, ...]:
    """What kept pytest from its tests: a `conftest.py`, an error of its own or of a plugin, an interrupt."""
    if match := _CONFTEST.search(output):
        lines = output[match.end() :].splitlines()
        return (_of_block(lines, name=match["file"], step="collecting"),)
    if internal := [match["line"] for match in _INTERNAL.finditer(output)]:
        return (_of_block(internal, step="internal error"),)
    if interrupts := list(_INTERRUPTED.finditer(output)):
        below = output[interrupts[-1].end() :].splitlines()
        return (_typed(FailingTest(frames=_frames(below)), interrupts[-1]["said"]),)
    return ()

"""Read an exception as it was printed: the traceback that Python prints if nobody catches it.

Exception groups (PEP 654, and its backport) are printed as a tree. Like the hook inside the environment,
which sees the group itself, this module reads a group of equal exceptions as that exception. The message of
any other group lists the exceptions in it.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from typing import Literal

from bisect_asgi.core.patterns import pattern
from bisect_asgi.core.records import Struct, replace

Frames = Sequence[tuple[str, int, str]]
"""A traceback, outermost first: file, line and function."""

RunnerStage = Literal["", "setup of", "teardown of", "error of", "collecting", "internal error"]
"""The part of a test that failed, or "" for the test itself. `error of` is its setup or its teardown."""

_START = pattern(r"^(?:  \+ Exception Group )?Traceback \(most recent call last\):$", re.MULTILINE)
_AGAIN = pattern(r"^(?:Exception Group )?Traceback \(most recent call last\):$")
_FRAME = pattern(r'^  File "(?P<file>.+)", line (?P<line>\d+), in (?P<function>.+)$')
_THREAD = pattern(r"^(?:Current thread|Thread) 0x[0-9a-f]+.* \(most recent call first\):$", re.MULTILINE)
_CALL = pattern(r'^  File "(?P<file>.+)", line (?P<line>\d+) in (?P<function>.+)$', re.MULTILINE)
_EXCEPTION = pattern(r"^(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?$")
# The tree of a group: text stands behind `  | `; `  +-+---- 1 ----`, `    +---- 2 ----` and `    +----` are
# the edges between exceptions.
_BRANCH = pattern(r"^(?P<margin> +)(?:\|(?: (?P<text>.*))?|(?P<edge>\+(?P<opens>-\+)?-.*))$")


class LastException(Struct, frozen=True, kw_only=True):
    """The exception of a traceback."""

    type: str
    """Its name, without the module."""
    message: str
    """The first line of its message."""
    frames: Frames = ()


class FailingTest(LastException, frozen=True, kw_only=True):
    """The exception of a failed test, as the parsers of test runners return it."""

    name: str = ""
    """`TestPool.test_close[1]`; the name of a file that could not be collected; "" if unknown."""
    step: RunnerStage = ""
    type: str = "Failed"
    """The exception's name without its module, or pytest's own `Failed` if none was printed."""
    message: str = ""

    @property
    def is_bare(self) -> bool:
        """Whether it is an assertion without a message, apart from pytest's explanation."""
        return self.type == "AssertionError" and (not self.message or self.message.startswith("assert "))

    @property
    def where(self) -> str:
        """The name with the part that failed, such as `setup of test_close`, or "" if unknown."""
        return f"{self.step} {self.name}".strip()


def last(output: str) -> LastException | None:
    """Return the exception of the last traceback in `output`, or None if there is none, or it is cut off."""
    starts = list(_START.finditer(output))
    if not starts:
        return None
    lines = output[starts[-1].end() + 1 :].splitlines()
    if not starts[-1][0].startswith(" "):
        return _raised(lines)
    (_, head), *branches = _entries(lines)
    group = _raised(head)
    return group and _with_contents(group, list(_leaves(branches)))


def of_threads(stacks: str) -> tuple[Frames, ...]:
    """Return the frames of each thread, in the order in which `faulthandler` printed the threads."""
    printed = (_CALL.finditer(block) for block in _THREAD.split(stacks)[1:])
    threads = ([(call["file"], int(call["line"]), call["function"]) for call in calls] for calls in printed)
    return tuple(tuple(reversed(frames)) for frames in threads if frames)


def of_server(stacks: str) -> tuple[Frames, ...]:
    """Return the frames of each thread and task of a server, as `bisect_asgi_serve` prints them."""
    found: list[list[tuple[str, int, str]]] = []
    for line in stacks.splitlines():
        if line.startswith(("Thread ", "Task ")):
            found.append([])
        elif found and (frame := _FRAME.match(line)):
            found[-1].append((frame["file"], int(frame["line"]), frame["function"]))
    return tuple(tuple(frames) for frames in found if frames)


def _raised(lines: Sequence[str]) -> LastException | None:
    """Return the exception that these lines of a traceback end with, or None if they do not name one."""
    exception: LastException | None = None
    frames: list[tuple[str, int, str]] = []
    for line in lines:
        if _AGAIN.match(line):  # the next exception was raised while this one was handled
            exception, frames = None, []
        elif frame := _FRAME.match(line):
            frames.append((frame["file"], int(frame["line"]), frame["function"]))
        elif exception is None and (match := _EXCEPTION.match(line)):
            name, message = match["type"].rpartition(".")[2], match["message"] or ""
            exception = LastException(type=name, message=message, frames=tuple(frames))
    return exception


def _entries(lines: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Return the depth and the lines of each exception of a printed group, the group itself first."""
    entries: list[tuple[int, list[str]]] = [(0, [])]
    for line in lines:
        branch = _BRANCH.match(line)
        if branch is None:
            break
        if branch["edge"]:
            entries.append((len(branch["margin"] + (branch["opens"] or "")), []))
        else:
            entries[-1][1].append(branch["text"] or "")
    return [entries[0], *(entry for entry in entries[1:] if entry[1])]


def _leaves(entries: Sequence[tuple[int, list[str]]]) -> Iterator[LastException]:
    """Yield the exceptions that are not groups, which are those that no deeper entry follows."""
    for index, (depth, lines) in enumerate(entries):
        is_group = index + 1 < len(entries) and entries[index + 1][0] > depth
        if not is_group and (raised := _raised(lines)):
            yield raised


def _with_contents(group: LastException, leaves: Sequence[LastException]) -> LastException:
    messages = sorted({f"{leaf.type}: {leaf.message}" for leaf in leaves})
    match messages:
        case []:
            return group
        case [_]:
            return replace(leaves[0], frames=(*group.frames, *leaves[0].frames))
    return replace(group, message=f"{group.message}: {'; '.join(messages)}")


_NO_CODE = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING})


class Statement(Struct, frozen=True, kw_only=True):
    """A statement of a source file."""

    text: str
    """The statement on one line, without its comments."""
    number: int = 1
    """Its number among the statements of the file that have the same text."""

    def __str__(self) -> str:
        return self.text if self.number == 1 else f"{self.text} #{self.number}"


def at_line(source: bytes, line: int) -> Statement | None:
    """Return the statement that `line` is a part of, or None if there is none or `source` is no Python.

    A statement may have several lines. Python releases differ in which of them a traceback names.
    """
    seen: list[str] = []
    try:
        for first, last, text in _statements(source):
            seen.append(text)
            if first <= line <= last and text:  # brackets that nothing opens are a line without tokens
                return Statement(text=text, number=seen.count(text))
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError):
        return None
    return None


def _statements(source: bytes) -> Iterator[tuple[int, int, str]]:
    """Yield the first line, the last line and the text of each logical line.

    Tokens are enough for this. To parse the file could print warnings about it.
    """
    tokens: list[tokenize.TokenInfo] = []
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type == tokenize.NEWLINE and tokens:
            yield tokens[0].start[0], token.start[0], _joined(tokens)
            tokens = []
        elif token.type not in _NO_CODE:
            tokens.append(token)


def _joined(tokens: list[tokenize.TokenInfo]) -> str:
    """Return the text of the tokens, with one blank for any space between two of them."""
    text, end = "", tokens[0].start
    for token in tokens:
        text += token.string if token.start == end else f" {token.string}"
        end = token.end
    return " ".join(text.split())

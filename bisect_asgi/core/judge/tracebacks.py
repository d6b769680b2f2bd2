"""Read what Python prints of an exception that nobody caught.

An exception group's tree (PEP 654, and its backport) is read as the hook inside the environment reads a group
itself: one whose exceptions all say the same is that exception, any other says what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bisect_asgi.core.records import Struct, replace

Frames = Sequence[tuple[str, int, str]]
"""A traceback, outermost first: file, line and function."""

_START = re.compile(r"^(?:  \+ Exception Group )?Traceback \(most recent call last\):$", re.MULTILINE)
_AGAIN = re.compile(r"^(?:Exception Group )?Traceback \(most recent call last\):$")
_FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+), in (?P<function>.+)$')
_EXCEPTION = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?$")
# `  | ` before what is said, `  +-+---- 1 ----`, `    +---- 2 ----` and `    +----` between the exceptions.
_BRANCH = re.compile(r"^(?P<margin> +)(?:\|(?: (?P<said>.*))?|(?P<edge>\+(?P<opens>-\+)?-.*))$")


class LastException(Struct, frozen=True, kw_only=True):
    """What a traceback tells; of the message its first line."""

    type: str
    """Without its module."""
    message: str
    frames: Frames = ()


def last(output: str) -> LastException | None:
    """The exception of the last traceback in `output`; None: there is none that is whole."""
    starts = list(_START.finditer(output))
    if not starts:
        return None
    lines = output[starts[-1].end() + 1 :].splitlines()
    if not starts[-1][0].startswith(" "):
        return _raised(lines)
    (_, head), *branches = _entries(lines)
    group = _raised(head)
    return group and _told_by_its_own(group, list(_leaves(branches)))


def _raised(lines: Sequence[str]) -> LastException | None:
    found: LastException | None = None
    frames: list[tuple[str, int, str]] = []
    for line in lines:
        if _AGAIN.match(line):  # what follows was raised while this was handled
            found, frames = None, []
        elif frame := _FRAME.match(line):
            frames.append((frame["file"], int(frame["line"]), frame["function"]))
        elif found is None and (match := _EXCEPTION.match(line)):
            name, message = match["type"].rpartition(".")[2], match["message"] or ""
            found = LastException(type=name, message=message, frames=tuple(frames))
    return found


def _entries(lines: Sequence[str]) -> list[tuple[int, list[str]]]:
    """The exceptions of a printed group, the group first: how deep each stands, and its lines."""
    entries: list[tuple[int, list[str]]] = [(0, [])]
    for line in lines:
        branch = _BRANCH.match(line)
        if branch is None:
            break
        if branch["edge"]:
            entries.append((len(branch["margin"] + (branch["opens"] or "")), []))
        else:
            entries[-1][1].append(branch["said"] or "")
    return [entries[0], *(entry for entry in entries[1:] if entry[1])]


def _leaves(entries: Sequence[tuple[int, list[str]]]) -> Iterator[LastException]:
    """Those that are no groups: nothing deeper follows."""
    for place, (depth, lines) in enumerate(entries):
        is_group = place + 1 < len(entries) and entries[place + 1][0] > depth
        if not is_group and (raised := _raised(lines)):
            yield raised


def _told_by_its_own(group: LastException, leaves: Sequence[LastException]) -> LastException:
    told = sorted({f"{leaf.type}: {leaf.message}" for leaf in leaves})
    match told:
        case []:
            return group
        case [_]:
            return replace(leaves[0], frames=(*group.frames, *leaves[0].frames))
    return replace(group, message=f"{group.message}: {'; '.join(told)}")

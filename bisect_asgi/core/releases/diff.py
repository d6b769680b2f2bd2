"""What is different between two releases of one distribution: requirements, and files with their diffs.

Nothing here gets the releases (see `contents`). The files that stand in a failing run's traceback come first,
then the package's code, then all others; larger changes before smaller ones.

difflib takes a time that grows with the number of edits times the number of lines, and worse where lines
repeat. So the work is estimated from counts of equal lines, which cost nothing, before a diff is made.

Metadata is as people wrote it over many years: what is no PEP 508 is compared as far as it can be read.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.release_diff import (
    ChangeKind,
    ContentFile,
    Contents,
    FileChange,
    FileKind,
    RequirementChange,
    WhatChanged,
)
from bisect_asgi.core.text import plural, size

MOST_DIFF_BYTES = 400 * 1024
_MOST_LINES = 20_000
_MOST_WORK = 40_000_000
"""In units of about 50 ns: two seconds."""
_PAIR_WORK = 100
_CODE = frozenset({".py", ".pyi", ".pyx", ".pxd", ".so", ".pyd", ".c", ".h", ".cc", ".cpp", ".hpp", ".rs"})
_ASIDE = frozenset({"test", "tests", "doc", "docs", "example", "examples", "benchmarks"})


def compare(old: Contents, new: Contents, *, traceback: Sequence[tuple[str, int, str]] = ()) -> WhatChanged:
    """Compare two releases of one distribution.

    `traceback` has the frames of a failing run, outermost first: absolute path, line and function.
    """
    frames = _frames(traceback)
    changes = (
        replace(change, lines=tuple(frames.get(change.path) or frames.get(change.old_path or "") or ()))
        for change in _file_changes(old.files, new.files)
    )
    places = {path: place for place, path in enumerate(frames)}
    return WhatChanged(
        name=new.metadata.name,
        old=old.metadata.version,
        new=new.metadata.version,
        requirements=requirement_changes(old.metadata.requires, new.metadata.requires),
        old_python=old.metadata.requires_python,
        new_python=new.metadata.requires_python,
        files=tuple(_limited(sorted(changes, key=lambda change: _order(change, places)))),
    )


def _frames(traceback: Sequence[tuple[str, int, str]]) -> dict[str, list[int]]:
    """The lines of each file in the traceback, by its path below site-packages, innermost first."""
    found: dict[str, list[int]] = defaultdict(list)
    for path, line, _ in reversed(traceback):
        for folder in ("/site-packages/", "/dist-packages/"):
            if folder in path:
                found[path.rpartition(folder)[2]].append(line)
    return dict(found)


def _order(change: FileChange, places: Mapping[str, int]) -> tuple[int, int, str]:
    """Where a change stands: in the traceback, in the package's code, elsewhere."""
    place = places.get(change.path, places.get(change.old_path or "", len(places)))
    if place < len(places):
        return place - len(places), 0, change.path
    return int(not is_code(change.path)), -(change.added + change.removed), change.path


def is_code(path: str) -> bool:
    """Tell whether a path is of the package's own code: no tests, no documentation, no data."""
    parts = PurePosixPath(path)
    is_test = parts.name.startswith("test_") or parts.stem.endswith("_test") or parts.stem == "conftest"
    return parts.suffix in _CODE and not is_test and _ASIDE.isdisjoint(parts.parts[:-1])


def _file_changes(old: Iterable[ContentFile], new: Iterable[ContentFile]) -> Iterator[FileChange]:
    before, after = ({file.path: file for file in files} for files in (old, new))
    moved = _moves(
        [file for path, file in before.items() if path not in after],
        [file for path, file in after.items() if path not in before],
    )
    for path in before.keys() - after.keys() - set(moved.values()):
        yield _file_change(path, ChangeKind.REMOVED, before[path], None)
    for path, file in after.items():
        was = before.get(path)
        if path in moved:
            change = _file_change(path, ChangeKind.MOVED, before[moved[path]], file)
            yield replace(change, old_path=moved[path])
        elif was is None:
            yield _file_change(path, ChangeKind.ADDED, None, file)
        elif was.digest != file.digest:
            yield _file_change(path, ChangeKind.CHANGED, was, file)


def _moves(removed: Iterable[ContentFile], added: Iterable[ContentFile]) -> dict[str, str]:
    """The old path by the new one, where the content is the same; of several, one of the same name."""
    left: dict[str, list[str]] = defaultdict(list)
    for file in removed:
        if file.size_bytes:  # empty files are all the same
            left[file.digest].append(file.path)
    moved = {}
    for file in added:
        if candidates := left.get(file.digest):
            name = PurePosixPath(file.path).name
            moved[file.path] = min(candidates, key=lambda path: PurePosixPath(path).name != name)
            candidates.remove(moved[file.path])
    return moved


def _file_change(
    path: str, change: ChangeKind, old: ContentFile | None, new: ContentFile | None
) -> FileChange:
    there = [file for file in (old, new) if file is not None]
    kinds = [file.kind for file in there if file.kind != FileKind.TEXT]
    found = FileChange(
        path=path,
        change=change,
        kind=kinds[-1] if kinds else FileKind.TEXT,
        old_bytes=old.size_bytes if old else None,
        new_bytes=new.size_bytes if new else None,
    )
    if change == ChangeKind.MOVED or any(file.text is None for file in there):
        return found
    diff = _diff(path, old.text if old else None, new.text if new else None)
    return replace(found, added=diff.added, removed=diff.removed, diff=diff.text, omitted=not diff.made)


class _Diff(Struct, frozen=True, kw_only=True):
    added: int
    removed: int
    text: str = ""
    made: bool = True


def _diff(path: str, old: str | None, new: str | None) -> _Diff:
    """The unified diff of two texts; None: there is no such file."""
    before, after = _lines(old or ""), _lines(new or "")
    only_old, only_new = Counter(before) - Counter(after), Counter(after) - Counter(before)
    if old is not None and new is not None and _is_costly(before, after, (only_old + only_new).total()):
        return _Diff(added=only_new.total(), removed=only_old.total(), made=False)
    source = "/dev/null" if old is None else f"a/{path}"
    target = "/dev/null" if new is None else f"b/{path}"
    lines = list(difflib.unified_diff(before, after, source, target))
    body = lines[2:]
    return _Diff(
        added=sum(line.startswith("+") for line in body),
        removed=sum(line.startswith("-") for line in body),
        text="".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
        ),
    )


def _lines(text: str) -> list[str]:
    """Lines with their ends, CR LF and LF being the same; `splitlines` knows more ends than editors do."""
    lines = [f"{line}\n" for line in text.replace("\r\n", "\n").split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _is_costly(old: Sequence[str], new: Sequence[str], edits: int) -> bool:
    """Tell whether difflib would take long: many edits in many lines, or lines that repeat on both sides."""
    there = Counter(new)
    often = len(new) // 100 + 1 if len(new) >= 200 else len(new)  # difflib passes over what is more frequent
    pairs = sum(count * there[line] for line, count in Counter(old).items() if there[line] <= often)
    lines = len(old) + len(new)
    return lines > _MOST_LINES or edits * lines + _PAIR_WORK * pairs > _MOST_WORK


def _limited(changes: Iterable[FileChange]) -> Iterator[FileChange]:
    """Keep diffs, in their order, while there is room."""
    left = MOST_DIFF_BYTES
    for change in changes:
        needs = len(change.diff.encode())
        if needs > left:
            yield replace(change, diff="", omitted=True)
        else:
            left -= needs
            yield change


def summary(changed: WhatChanged, *, most: int) -> tuple[str, ...]:
    """Say what changed in at most `most` lines, of which there should be four or more; empty: nothing did.

    Requirements may have half of the lines, and what the files leave free.
    """
    needs = [f"requires {change}" for change in changed.requirements]
    if changed.old_python != changed.new_python:
        needs.insert(0, f"requires Python {changed.old_python or 'any'} → {changed.new_python or 'any'}")
    if not changed.files:
        return _first(needs, most, "requirement")
    room = most - 1
    shown = _first(needs, max(room // 2, room - len(changed.files)), "requirement")
    files = _first([_file_line(file) for file in changed.files], room - len(shown), "file")
    return (*shown, _files_line(changed), *files)


def _first(lines: Sequence[str], most: int, noun: str) -> tuple[str, ...]:
    if len(lines) <= most:
        return tuple(lines)
    return (*lines[: most - 1], f"and {plural(len(lines) - most + 1, f'more {noun}')}")


def _files_line(changed: WhatChanged) -> str:
    count = len(changed.files)
    added, removed = (sum(getattr(file, name) for file in changed.files) for name in ("added", "removed"))
    excluded = f" ({plural(changed.omitted, 'diff')} left out)" if changed.omitted else ""
    return (
        f"{plural(count, 'file')} {'differs' if count == 1 else 'differ'}: +{added:,} -{removed:,}{excluded}"
    )


def _file_line(file: FileChange) -> str:
    name = f"{file.old_path} → {file.path}" if file.old_path else file.path
    words = [] if file.change == ChangeKind.CHANGED else [file.change.value]
    if file.kind != FileKind.TEXT:
        words.append(file.kind.value)
    if file.lines:
        words.append(f"in the traceback, line {file.lines[0]}")
    remark = f" ({', '.join(words)})" if words else ""
    return f"{name} {_amount(file)}{remark}".replace("  ", " ")


def _amount(file: FileChange) -> str:
    """How much of a file differs: lines, or bytes of what is no text."""
    if file.change == ChangeKind.MOVED:
        return ""
    if file.kind == FileKind.TEXT:
        return f"+{file.added:,} -{file.removed:,}"
    return " → ".join(size(count) for count in (file.old_bytes, file.new_bytes) if count is not None)


def requirement_changes(old: Iterable[str], new: Iterable[str]) -> tuple[RequirementChange, ...]:
    """Pair requirements by project and marker, then what is left of each project whatever its marker."""
    before, after = _wanted(old), _wanted(new)
    same = {key for key in before.keys() & after.keys() if before[key] == after[key]}
    gone = {key: text for key, text in before.items() if key not in same}
    come = {key: text for key, text in after.items() if key not in same}
    found = []
    for key in gone.keys() & come.keys():
        old_text, new_text = gone.pop(key), come.pop(key)
        found.append(RequirementChange(project=key[0], marker=key[1], old=old_text, new=new_text))
    for project in {key[0] for key in (*gone, *come)}:
        found += _unpaired(project, _of_project(gone, project), _of_project(come, project))
    return tuple(sorted(found, key=lambda change: ("extra ==" in str(change), change.project, change.marker)))


def _unpaired(
    project: str, gone: Sequence[tuple[str, str]], come: Sequence[tuple[str, str]]
) -> Iterator[RequirementChange]:
    """What is left of one project: one that changed its marker, or whatever was removed and added."""
    if len(gone) == len(come) == 1:
        old, new = (
            " ; ".join(filter(None, (text or "any version", marker))) for marker, text in (gone[0], come[0])
        )
        yield RequirementChange(project=project, old=old, new=new)
        return
    for marker, text in gone:
        yield RequirementChange(project=project, marker=marker, old=text, new=None)
    for marker, text in come:
        yield RequirementChange(project=project, marker=marker, old=None, new=text)


def _of_project(wanted: Mapping[tuple[str, str], str], project: str) -> list[tuple[str, str]]:
    return [(marker, text) for (name, marker), text in wanted.items() if name == project]


def _wanted(requires: Iterable[str]) -> dict[tuple[str, str], str]:
    """What is wanted of each project under each marker; where it is said twice, both count."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for text in filter(str.strip, requires):
        project, marker, wanted = _read_requirement(text)
        found[project, marker].append(wanted)
    return {key: ", ".join(sorted(set(texts))) for key, texts in found.items()}


def _read_requirement(text: str) -> tuple[str, str, str]:
    """Project, marker and what is wanted of it; "" where any version will do."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return _read_malformed(text)
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    wanted = f"@ {requirement.url}" if requirement.url else str(requirement.specifier)
    marker = _normal(str(requirement.marker or ""))
    return canonicalize_name(requirement.name), marker, f"{extras} {wanted}".strip()


def _read_malformed(text: str) -> tuple[str, str, str]:
    """The same of what is no PEP 508, such as `click (>=7.*)`."""
    wanted, _, marker = text.partition(";")
    name = re.split(r"[^\w.-]", wanted.strip(), maxsplit=1)[0]
    rest = wanted.strip().removeprefix(name).strip()
    return canonicalize_name(name), marker.strip(), rest.removeprefix("(").removesuffix(")")


def _normal(marker: str) -> str:
    """One spelling of a marker: build tools write its parts in different orders and brackets."""
    if " or " in marker:
        return marker
    return " and ".join(sorted(re.sub("[()]", "", marker).split(" and ")))

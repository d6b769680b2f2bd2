"""Compare two releases of one distribution: their requirements, and their files with diffs.

The files of a failing run's traceback come first, then the code of the package, then all others, and larger
changes before smaller ones.

difflib takes time in proportion to the number of edits times the number of lines, and more if lines repeat.
Counting equal lines is cheap, so the time is estimated from these counts before a diff is made.

Metadata is as people wrote it over many years. A requirement that is not PEP 508 is compared as far as it can
be read.
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
"""The greatest estimate at which a diff is made, in units of about 50 ns: two seconds."""
_PAIR_WORK = 100
_CODE = frozenset({".py", ".pyi", ".pyx", ".pxd", ".so", ".pyd", ".c", ".h", ".cc", ".cpp", ".hpp", ".rs"})
_ASIDE = frozenset({"test", "tests", "doc", "docs", "example", "examples", "benchmarks"})


def compare(old: Contents, new: Contents, *, traceback: Sequence[tuple[str, int, str]] = ()) -> WhatChanged:
    """Return all differences between two releases of one distribution.

    `traceback` has the frames of a failing run, outermost first: absolute path, line and function.
    """
    frames = _frames(traceback)
    changes = (
        replace(change, lines=tuple(frames.get(change.path) or frames.get(change.old_path or "") or ()))
        for change in _file_changes(old.files, new.files)
    )
    ranks = {path: rank for rank, path in enumerate(frames)}
    return WhatChanged(
        name=new.metadata.name,
        old=old.metadata.version,
        new=new.metadata.version,
        requirements=requirement_changes(old.metadata.requires, new.metadata.requires),
        old_python=old.metadata.requires_python,
        new_python=new.metadata.requires_python,
        files=tuple(_limited(sorted(changes, key=lambda change: _order(change, ranks)))),
    )


def _frames(traceback: Sequence[tuple[str, int, str]]) -> dict[str, list[int]]:
    """Return the lines in the traceback by file below site-packages, innermost first."""
    lines: dict[str, list[int]] = defaultdict(list)
    for path, line, _ in reversed(traceback):
        for folder in ("/site-packages/", "/dist-packages/"):
            if folder in path:
                lines[path.rpartition(folder)[2]].append(line)
    return dict(lines)


def _order(change: FileChange, ranks: Mapping[str, int]) -> tuple[int, int, str]:
    """Return the sort key of a change: files of the traceback first, then code, then other files."""
    rank = ranks.get(change.path, ranks.get(change.old_path or "", len(ranks)))
    if rank < len(ranks):
        return rank - len(ranks), 0, change.path
    return int(not is_code(change.path)), -(change.added + change.removed), change.path


def is_code(path: str) -> bool:
    """Return whether a file is code of the package, and not a test, documentation or data."""
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
        previous = before.get(path)
        if path in moved:
            change = _file_change(path, ChangeKind.MOVED, before[moved[path]], file)
            yield replace(change, old_path=moved[path])
        elif previous is None:
            yield _file_change(path, ChangeKind.ADDED, None, file)
        elif previous.digest != file.digest:
            yield _file_change(path, ChangeKind.CHANGED, previous, file)


def _moves(removed: Iterable[ContentFile], added: Iterable[ContentFile]) -> dict[str, str]:
    """Return the old path of each added file that a removed one has the content of.

    If several have it, one of the same name is preferred.
    """
    left: dict[str, list[str]] = defaultdict(list)
    for file in removed:
        if file.size_bytes:  # all empty files have the same content, which says nothing
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
    files = [file for file in (old, new) if file is not None]
    kinds = [file.kind for file in files if file.kind != FileKind.TEXT]
    without_diff = FileChange(
        path=path,
        change=change,
        kind=kinds[-1] if kinds else FileKind.TEXT,
        old_bytes=old.size_bytes if old else None,
        new_bytes=new.size_bytes if new else None,
    )
    if change == ChangeKind.MOVED or any(file.text is None for file in files):
        return without_diff
    diff = _diff(path, old.text if old else None, new.text if new else None)
    return replace(
        without_diff, added=diff.added, removed=diff.removed, diff=diff.text, omitted=not diff.made
    )


class _Diff(Struct, frozen=True, kw_only=True):
    added: int
    removed: int
    text: str = ""
    made: bool = True


def _diff(path: str, old: str | None, new: str | None) -> _Diff:
    """Return the unified diff of two texts, of which None is a file that does not exist."""
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
    """Return the lines with their ends, with CR LF as LF.

    `str.splitlines` also splits at characters, such as a form feed, that end no line in an editor.
    """
    lines = [f"{line}\n" for line in text.replace("\r\n", "\n").split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _is_costly(old: Sequence[str], new: Sequence[str], edits: int) -> bool:
    """Return whether difflib would take long: for many edits in many lines, or if lines repeat."""
    in_new = Counter(new)
    # difflib ignores lines that are more frequent than this (`autojunk`).
    often = len(new) // 100 + 1 if len(new) >= 200 else len(new)
    pairs = sum(count * in_new[line] for line, count in Counter(old).items() if in_new[line] <= often)
    lines = len(old) + len(new)
    return lines > _MOST_LINES or edits * lines + _PAIR_WORK * pairs > _MOST_WORK


def _limited(changes: Iterable[FileChange]) -> Iterator[FileChange]:
    """Yield the changes, without the diffs that would exceed `MOST_DIFF_BYTES` in all."""
    left = MOST_DIFF_BYTES
    for change in changes:
        size_bytes = len(change.diff.encode())
        if size_bytes > left:
            yield replace(change, diff="", omitted=True)
        else:
            left -= size_bytes
            yield change


def summary(changed: WhatChanged, *, most: int) -> tuple[str, ...]:
    """Return the differences as at most `most` lines, which should be four or more, or () if there are none.

    Requirements may have half of the lines, and those that the files do not need.
    """
    requires = [f"requires {change}" for change in changed.requirements]
    if changed.old_python != changed.new_python:
        requires.insert(0, f"requires Python {changed.old_python or 'any'} → {changed.new_python or 'any'}")
    if not changed.files:
        return _first(requires, most, "requirement")
    left = most - 1
    requirements = _first(requires, max(left // 2, left - len(changed.files)), "requirement")
    files = _first([_file_line(file) for file in changed.files], left - len(requirements), "file")
    return (*requirements, _files_line(changed), *files)


def _first(lines: Sequence[str], most: int, noun: str) -> tuple[str, ...]:
    if len(lines) <= most:
        return tuple(lines)
    return (*lines[: most - 1], f"and {plural(len(lines) - most + 1, f'more {noun}')}")


def _files_line(changed: WhatChanged) -> str:
    count = len(changed.files)
    added, removed = (sum(getattr(file, name) for file in changed.files) for name in ("added", "removed"))
    excluded = f" ({plural(changed.omitted, 'diff')} omitted)" if changed.omitted else ""
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
    """Return how much of a file differs: in lines, or in bytes if it is not text."""
    if file.change == ChangeKind.MOVED:
        return ""
    if file.kind == FileKind.TEXT:
        return f"+{file.added:,} -{file.removed:,}"
    return " → ".join(size(count) for count in (file.old_bytes, file.new_bytes) if count is not None)


def requirement_changes(old: Iterable[str], new: Iterable[str]) -> tuple[RequirementChange, ...]:
    """Return the requirements that differ.

    They are paired by project and marker. Of the rest, those of one project are paired whatever the marker.
    """
    before, after = _specifiers(old), _specifiers(new)
    same = {key for key in before.keys() & after.keys() if before[key] == after[key]}
    removed = {key: text for key, text in before.items() if key not in same}
    added = {key: text for key, text in after.items() if key not in same}
    changes = []
    for key in removed.keys() & added.keys():
        old_text, new_text = removed.pop(key), added.pop(key)
        changes.append(RequirementChange(project=key[0], marker=key[1], old=old_text, new=new_text))
    for project in {key[0] for key in (*removed, *added)}:
        changes += _unpaired(project, _of_project(removed, project), _of_project(added, project))
    return tuple(
        sorted(changes, key=lambda change: ("extra ==" in str(change), change.project, change.marker))
    )


def _unpaired(
    project: str, removed: Sequence[tuple[str, str]], added: Sequence[tuple[str, str]]
) -> Iterator[RequirementChange]:
    """Yield one requirement with a changed marker, or else all that were removed and added."""
    if len(removed) == len(added) == 1:
        old, new = (
            " ; ".join(filter(None, (text or "any version", marker)))
            for marker, text in (removed[0], added[0])
        )
        yield RequirementChange(project=project, old=old, new=new)
        return
    for marker, text in removed:
        yield RequirementChange(project=project, marker=marker, old=text, new=None)
    for marker, text in added:
        yield RequirementChange(project=project, marker=marker, old=None, new=text)


def _of_project(specifiers: Mapping[tuple[str, str], str], project: str) -> list[tuple[str, str]]:
    return [(marker, text) for (name, marker), text in specifiers.items() if name == project]


def _specifiers(requires: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return the specifiers by project and marker. If there are several for both, all count."""
    specifiers: dict[tuple[str, str], list[str]] = defaultdict(list)
    for text in filter(str.strip, requires):
        project, marker, specifier = _read_requirement(text)
        specifiers[project, marker].append(specifier)
    return {key: ", ".join(sorted(set(texts))) for key, texts in specifiers.items()}


def _read_requirement(text: str) -> tuple[str, str, str]:
    """Return the project, the marker and the specifier of a requirement, which is "" for any version."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return _read_malformed(text)
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    specifier = f"@ {requirement.url}" if requirement.url else str(requirement.specifier)
    marker = _normal(str(requirement.marker or ""))
    return canonicalize_name(requirement.name), marker, f"{extras} {specifier}".strip()


def _read_malformed(text: str) -> tuple[str, str, str]:
    """Return the same for a requirement that is not PEP 508, such as `click (>=7.*)`."""
    requirement, _, marker = text.partition(";")
    name = re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0]
    rest = requirement.strip().removeprefix(name).strip()
    return canonicalize_name(name), marker.strip(), rest.removeprefix("(").removesuffix(")")


def _normal(marker: str) -> str:
    """Return one spelling of a marker, because build tools differ in the order and brackets of its parts."""
    if " or " in marker:
        return marker
    return " and ".join(sorted(re.sub("[()]", "", marker).split(" and ")))

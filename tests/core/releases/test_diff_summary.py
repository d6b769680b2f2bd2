"""What differs between two releases, in a few lines."""

from __future__ import annotations

import pytest
from support.contents import file, release

from bisect_asgi.core.release_diff import (
    ChangeKind,
    FileChange,
    FileKind,
    RequirementChange,
    WhatChanged,
)
from bisect_asgi.core.releases.diff import compare, summary


def full(*, files: int, needs: int) -> WhatChanged:
    return WhatChanged(
        name="demo",
        old="1.0",
        new="1.1",
        requirements=tuple(RequirementChange(project=f"p{n}", old="==1", new="==2") for n in range(needs)),
        old_python=">=3.6",
        new_python=">=3.7",
        files=tuple(
            FileChange(path=f"f{n}.py", change=ChangeKind.CHANGED, kind=FileKind.TEXT, added=1_000, removed=1)
            for n in range(files)
        ),
    )


def test_a_summary_tells_requirements_then_files() -> None:
    found = WhatChanged(
        name="demo",
        old="1.0",
        new="1.1",
        requirements=(RequirementChange(project="anyio", old=None, new=">=3"),),
        old_python=None,
        new_python=">=3.7",
        files=(
            FileChange(
                path="demo/a.py",
                change=ChangeKind.CHANGED,
                kind=FileKind.TEXT,
                added=1,
                removed=2,
                lines=(12, 3),
            ),
            FileChange(path="b.py", change=ChangeKind.ADDED, kind=FileKind.TEXT, added=1_500, omitted=True),
            FileChange(path="n.py", change=ChangeKind.MOVED, kind=FileKind.TEXT, old_path="o.py", lines=(4,)),
            FileChange(
                path="c.so", change=ChangeKind.CHANGED, kind=FileKind.BINARY, old_bytes=2_048, new_bytes=3_072
            ),
            FileChange(path="d.c", change=ChangeKind.REMOVED, kind=FileKind.GENERATED, old_bytes=10),
        ),
    )

    assert summary(found, most=8) == (
        "requires Python any → >=3.7",
        "requires anyio >=3 (added)",
        "5 files differ: +1,501 -2 (1 diff omitted)",
        "demo/a.py +1 -2 (in the traceback, line 12)",
        "b.py +1,500 -0 (added)",
        "o.py → n.py (moved, in the traceback, line 4)",
        "c.so 2.0 KiB → 3.0 KiB (binary)",
        "d.c 10 B (removed, generated)",
    )


@pytest.mark.parametrize(
    ("files", "needs", "expected"),
    [
        pytest.param(9, 9, (4, 4), id="both-have-half"),
        pytest.param(1, 9, (7, 1), id="few-files"),
        pytest.param(20, 0, (1, 7), id="few-requirements"),
        pytest.param(0, 20, (9, 0), id="no-files"),
    ],
)
def test_a_summary_has_the_lines_that_it_may_have(files: int, needs: int, expected: tuple[int, int]) -> None:
    lines = summary(full(files=files, needs=needs), most=9)

    of_files = sum(line.endswith("more files") or line.startswith("f") for line in lines)
    assert (len(lines) - of_files - (files > 0), of_files) == expected
    assert (f"and {needs + 1 - expected[0] + 1} more requirements" in lines) == (needs + 1 > expected[0])
    assert (f"and {files - expected[1] + 1} more files" in lines) == (files > expected[1])


def test_one_file_differs_and_two_differ() -> None:
    assert summary(full(files=1, needs=0), most=8)[1] == "1 file differs: +1,000 -1"
    assert summary(full(files=2, needs=0), most=8)[1] == "2 files differ: +2,000 -2"


def test_nothing_to_tell_is_no_lines() -> None:
    same = release("1.0", file("a.py", "x\n"), requires=("x",))

    assert summary(compare(same, same), most=8) == ()

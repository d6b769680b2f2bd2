"""What is different between two releases: requirements, files in their order, diffs and their limits."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.contents import file, release

from bisect_asgi.core import codec
from bisect_asgi.core.release_diff import (
    ChangeKind,
    ContentFile,
    FileChange,
    FileKind,
    WhatChanged,
)
from bisect_asgi.core.releases import diff as whatchanged
from bisect_asgi.core.releases.diff import compare, is_code

reproducible = settings(derandomize=True, deadline=None, max_examples=100)


LINES = st.lists(st.sampled_from(["a\n", "b\n", "\n", "\x0c\n", "- c\n", "++ d\n", "\r\n"]), max_size=12)


TEXTS = st.builds(lambda lines, end: "".join(lines) + end, LINES, st.sampled_from(["", "e", "\u2028"]))


def changed(old: list[ContentFile], new: list[ContentFile]) -> tuple[FileChange, ...]:
    return compare(release("1.0", *old), release("1.1", *new)).files


def requirements(old: tuple[str, ...], new: tuple[str, ...]) -> list[str]:
    found = compare(release("1.0", requires=old), release("1.1", requires=new))
    return [str(change) for change in found.requirements]


def numbered(count: int, *, marked: int = 0) -> str:
    """As many different lines; every `marked`-th of them ends in a mark."""
    return "".join(f"{n}{'!' if marked and n % marked == 0 else ''}\n" for n in range(count))


def split(text: str) -> list[str]:
    """Lines with their ends, of which there is one kind."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def patched(old: str, diff: str) -> str:
    """Apply a unified diff, as `patch` does."""
    source, made, at, sign = split(old), [], 0, ""
    for line in split(diff)[2:]:
        if match := re.match(r"@@ -(\d+)(?:,(\d+))? ", line):
            start = int(match[1]) - (match[2] != "0")
            made += source[at:start]
            at = start
        elif line.startswith("\\"):
            made = made if sign == "-" else [*made[:-1], made[-1].removesuffix("\n")]
        else:
            sign, text = line[0], line[1:]
            if sign in " -":
                assert source[at].removesuffix("\n") == text.removesuffix("\n")
                at += 1
            made += [text] if sign in " +" else []
    return "".join([*made, *source[at:]])


# --- Requirements


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            ("starlette==0.14.2",), ("starlette==0.15.0",), ["starlette ==0.14.2 → ==0.15.0"], id="changed"
        ),
        pytest.param((), ("anyio <4,>=3.0.0",), ["anyio <4,>=3.0.0 (added)"], id="added"),
        pytest.param(("aiofiles",), (), ["aiofiles (removed)"], id="removed-without-a-version"),
        pytest.param(("mypy",), ("mypy>=1",), ["mypy any version → >=1"], id="any-version"),
        pytest.param(("mypy>=1",), ("mypy",), ["mypy >=1 → any version"], id="to-any-version"),
        pytest.param(
            ("uvicorn[standard]>=0.12",),
            ("uvicorn[other,standard]>=0.12",),
            ["uvicorn [standard] >=0.12 → [other,standard] >=0.12"],
            id="extras-that-it-asks-for",
        ),
        pytest.param(
            ("x @ https://example.org/x-1.zip",),
            ("x==1",),
            ["x @ https://example.org/x-1.zip → ==1"],
            id="an-address",
        ),
        pytest.param(
            ('x>=1; extra == "all"', "x>=1"),
            ('x>=2; extra == "all"', "x>=1"),
            ['x >=1 → >=2 ; extra == "all"'],
            id="by-extra",
        ),
        pytest.param(
            ('x; python_version < "3.8"',),
            ('x; python_version < "3.10"',),
            ['x any version ; python_version < "3.8" → any version ; python_version < "3.10"'],
            id="only-the-marker",
        ),
        pytest.param(
            ('x<2; python_version < "3.8"', 'x>=2; python_version >= "3.8"'),
            ("x>=2",),
            [
                "x >=2 (added)",
                'x <2 ; python_version < "3.8" (removed)',
                'x >=2 ; python_version >= "3.8" (removed)',
            ],
            id="two-become-one",
        ),
        pytest.param(("click ==7.*",), ("click (>=7.*)",), ["click ==7.* → >=7.*"], id="malformed"),
        pytest.param(
            ('Click (>=7.*) ; extra == "x"',),
            ('click (>=8.*) ; extra == "x"',),
            ['click >=7.* → >=8.* ; extra == "x"'],
            id="malformed-with-a-marker",
        ),
        pytest.param(("",), ("not/a requirement",), ["not /a requirement (added)"], id="nonsense"),
        pytest.param(("x>=1", "x<2"), ("x>=1", "x<3"), ["x <2, >=1 → <3, >=1"], id="said-twice"),
        pytest.param(
            ("b==1", 'a==1; extra == "z"'),
            ("b==2", 'a==2; extra == "z"', "c"),
            ["b ==1 → ==2", "c (added)", 'a ==1 → ==2 ; extra == "z"'],
            id="extras-come-last",
        ),
    ],
)
def test_requirements_are_paired_by_project_and_marker(
    old: tuple[str, ...], new: tuple[str, ...], expected: list[str]
) -> None:
    assert requirements(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("Star_Lette>=1,<2", "star-lette <2, >=1", id="spelling"),
        pytest.param("x (>=1)", "x>=1", id="brackets"),
        pytest.param("x; extra == 'all'", 'x ; extra=="all"', id="quotes"),
        pytest.param(
            "x; (python_version < '3.8') and extra == 'all'",
            "x; extra == 'all' and python_version < '3.8'",
            id="order-of-a-marker",
        ),
        pytest.param(
            "x; (python_version < '3.8' and os_name == 'nt') and extra == 'all'",
            "x; extra == 'all' and python_version < '3.8' and os_name == 'nt'",
            id="brackets-in-a-marker",
        ),
        pytest.param(
            "x; extra == 'a' or extra == 'b'", "x ; extra=='a' or extra=='b'", id="an-or-is-left-as-it-is"
        ),
    ],
)
def test_one_requirement_in_two_spellings_has_not_changed(old: str, new: str) -> None:
    assert requirements((old,), (new,)) == []


def test_the_required_python_is_told_of_both() -> None:
    found = compare(release("1.0", python=">=3.6"), release("1.1"))

    assert (found.name, found.old, found.new) == ("demo", "1.0", "1.1")
    assert (found.old_python, found.new_python) == (">=3.6", None)


# --- Files and diffs


def test_a_changed_file_has_a_unified_diff_with_three_lines_of_context() -> None:
    old = "".join(f"{n}\n" for n in range(1, 10))

    (found,) = changed([file("demo/a.py", old)], [file("demo/a.py", old.replace("5\n", "five\n5b\n"))])

    assert (found.change, found.added, found.removed, found.omitted) == (ChangeKind.CHANGED, 2, 1, False)
    assert found.diff == (
        "--- a/demo/a.py\n+++ b/demo/a.py\n@@ -2,7 +2,8 @@\n 2\n 3\n 4\n-5\n+five\n+5b\n 6\n 7\n 8\n"
    )


def test_added_and_removed_files_are_shown_whole_against_nothing() -> None:
    removed, added = sorted(
        changed([file("old.py", "x\n")], [file("new.py", "y\nz")]), key=lambda change: change.added
    )

    assert (removed.path, removed.change, removed.removed) == ("old.py", ChangeKind.REMOVED, 1)
    assert removed.diff == "--- a/old.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
    assert (added.path, added.change, added.added, added.old_bytes) == ("new.py", ChangeKind.ADDED, 2, None)
    assert added.diff == (
        "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1,2 @@\n+y\n+z\n\\ No newline at end of file\n"
    )


@reproducible
@given(TEXTS, TEXTS)
def test_a_diff_makes_the_new_text_of_the_old_one_and_counts_its_lines(old: str, new: str) -> None:
    found = changed([file("a.py", old)], [file("a.py", new)])
    before, after = (text.replace("\r\n", "\n") for text in (old, new))

    if before == after:
        assert all((change.diff, change.added, change.removed) == ("", 0, 0) for change in found)
    else:
        (change,) = found
        assert patched(before, change.diff) == after
        assert change.added - change.removed == len(split(after)) - len(split(before))


def test_files_that_are_the_same_are_not_listed() -> None:
    assert changed([file("a.py", "x\n")], [file("a.py", "x\n")]) == ()


def test_a_file_of_which_only_the_ends_of_lines_differ_has_no_lines_that_do() -> None:
    (found,) = changed([file("a.py", "x\r\ny\r\n")], [file("a.py", "x\ny\n")])

    assert (found.added, found.removed, found.diff, found.omitted) == (0, 0, "", False)


@pytest.mark.parametrize("kind", [FileKind.BINARY, FileKind.GENERATED, FileKind.LARGE])
def test_a_file_without_text_is_listed_with_its_sizes(kind: FileKind) -> None:
    (found,) = changed([file("a.so", None, kind=kind, size=5)], [file("a.so", None, kind=kind, size=7)])

    assert found == FileChange(path="a.so", change=ChangeKind.CHANGED, kind=kind, old_bytes=5, new_bytes=7)


def test_a_file_is_of_the_kind_that_it_became() -> None:
    old, new = file("a", None, kind=FileKind.BINARY, size=1), file("a", None, kind=FileKind.LARGE, size=2)

    (found,) = changed([old], [new])

    assert found.kind == FileKind.LARGE


def test_a_file_that_became_generated_has_no_diff() -> None:
    (found,) = changed([file("a.c", "x\n")], [file("a.c", None, kind=FileKind.GENERATED, size=9)])

    assert (found.kind, found.diff, found.added) == (FileKind.GENERATED, "", 0)


@pytest.mark.parametrize(
    ("old", "new", "moves"),
    [
        pytest.param(["a.py"], ["b.py"], {"b.py": "a.py"}, id="renamed"),
        pytest.param(
            ["x/a.py", "x/b.py"], ["y/b.py", "y/c.py"], {"y/b.py": "x/b.py", "y/c.py": "x/a.py"}, id="by-name"
        ),
        pytest.param(["a.py"], ["b.py", "c.py"], {"b.py": "a.py", "c.py": None}, id="copied"),
        pytest.param(["a.py"], ["a.py", "b.py"], {"b.py": None}, id="still-there"),
    ],
)
def test_a_file_that_moved_is_told_by_its_content(
    old: list[str], new: list[str], moves: dict[str, str | None]
) -> None:
    found = changed([file(path, "x\n") for path in old], [file(path, "x\n") for path in new])

    assert {change.path: change.old_path for change in found} == moves
    assert all((change.change == ChangeKind.MOVED) == (change.old_path is not None) for change in found)


def test_empty_files_are_never_taken_for_moved() -> None:
    found = changed([file("a/__init__.py")], [file("b/__init__.py")])

    assert {change.change for change in found} == {ChangeKind.ADDED, ChangeKind.REMOVED}


# --- Order


def test_files_of_the_traceback_come_first_then_code_then_others_the_larger_change_first() -> None:
    paths = [
        "README.md",
        "demo/big.py",
        "demo/deep.py",
        "demo/outer.py",
        "demo/small.py",
        "tests/test_big.py",
    ]
    sizes = {"README.md": 9, "demo/big.py": 5, "tests/test_big.py": 20}
    frames = [
        ("/probe/leak.py", 3, "main"),
        ("/old/site-packages/env/lib/python3.8/site-packages/demo/outer.py", 10, "call"),
        ("/env/lib/python3.8/site-packages/demo/deep.py", 20, "inner"),
        ("/env/lib/python3.8/site-packages/demo/unchanged.py", 1, "between"),
        ("/site-packages/env/lib/python3/dist-packages/demo/deep.py", 30, "innermost"),
    ]

    found = compare(
        release("1.0", *[file(path, "x\n") for path in paths]),
        release("1.1", *[file(path, "y\n" * sizes.get(path, 1)) for path in paths]),
        traceback=frames,
    ).files

    assert [(change.path, change.lines) for change in found] == [
        ("demo/deep.py", (30, 20)),
        ("demo/outer.py", (10,)),
        ("demo/big.py", ()),
        ("demo/small.py", ()),
        ("tests/test_big.py", ()),
        ("README.md", ()),
    ]


def test_a_moved_file_is_found_in_the_traceback_by_its_old_path_too() -> None:
    found = compare(
        release("1.0", file("demo/old.py", "x\n"), file("demo/a.py", "1\n")),
        release("1.1", file("demo/new.py", "x\n"), file("demo/a.py", "2\n")),
        traceback=[("/env/lib/python3.8/site-packages/demo/old.py", 7, "call")],
    ).files

    assert [(change.path, change.lines) for change in found] == [("demo/new.py", (7,)), ("demo/a.py", ())]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("demo/app.py", True, id="python"),
        pytest.param("demo/_speedups.c", True, id="c"),
        pytest.param("demo/testclient.py", True, id="a-name-that-begins-with-test"),
        pytest.param("demo/docs.py", True, id="a-module-docs"),
        pytest.param("demo/testing/client.py", True, id="a-package-testing"),
        pytest.param("demo/tests/app.py", False, id="tests"),
        pytest.param("test_demo.py", False, id="a-test"),
        pytest.param("demo/app_test.py", False, id="a-test-by-its-end"),
        pytest.param("demo/conftest.py", False, id="conftest"),
        pytest.param("docs/conf.py", False, id="documentation"),
        pytest.param("demo/data.json", False, id="data"),
        pytest.param("README", False, id="no-suffix"),
    ],
)
def test_code_is_told_from_tests_documentation_and_data(path: str, expected: bool) -> None:
    assert is_code(path) is expected


# --- Limits


def test_diffs_are_kept_in_their_order_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whatchanged, "MOST_DIFF_BYTES", 100)  # the diff of one changed line here has 40
    old = [file(path, "x\n") for path in ("a.py", "b.py", "c.py", "d.py")]
    new = [file("b.py", "ü" * 40 + "\n"), *[file(path, "y\n") for path in ("a.py", "c.py", "d.py")]]

    found = compare(release("1.0", *old), release("1.1", *new))

    assert [(change.path, change.omitted, len(change.diff)) for change in found.files] == [
        ("a.py", False, 40),
        ("b.py", True, 0),
        ("c.py", False, 40),
        ("d.py", True, 0),
    ]
    assert [(change.added, change.removed) for change in found.files] == [(1, 1)] * 4
    assert found.omitted == 2


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        pytest.param(numbered(10_001), numbered(10_001, marked=10_000), (2, 2), id="very-many-lines"),
        pytest.param(numbered(9_000), numbered(9_000, marked=2), (4_500, 4_500), id="very-many-edits"),
        pytest.param(
            "".join(f"{n % 100}\n" for n in range(9_000)),
            "".join(f"{n * 7 % 100}\n" for n in range(8_900)),
            (0, 100),
            id="reordered-lines-that-repeat",
        ),
    ],
)
def test_of_what_would_take_long_there_are_counts_only(old: str, new: str, counts: tuple[int, int]) -> None:
    (found,) = changed([file("a.py", old)], [file("a.py", new)])

    assert (found.added, found.removed) == counts
    assert (found.diff, found.omitted) == ("", True)


def test_a_long_file_with_few_edits_has_a_diff() -> None:
    (found,) = changed([file("a.py", numbered(9_000))], [file("a.py", numbered(9_000, marked=1_000))])

    assert (found.added, found.removed, found.omitted) == (9, 9, False)


# --- Out and back


def test_what_changed_is_read_back_from_json() -> None:
    found = compare(
        release(
            "1.0", file("a.py", "x\n"), file("b.so", None, kind=FileKind.BINARY, size=3), requires=("x",)
        ),
        release("1.1", file("a.py", "y\ud7ff\n"), file("c.py", "z"), requires=("y>=1",), python=">=3.7"),
        traceback=[("/env/site-packages/a.py", 1, "f")],
    )

    assert found.requirements
    assert found.files[0].lines == (1,)
    assert codec.from_json(codec.to_json(found), WhatChanged) == found

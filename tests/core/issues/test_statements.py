"""What sentences of issues say of versions."""

from __future__ import annotations

import pytest

from bisect_asgi.core.issues.markdown import Document, read
from bisect_asgi.core.issues.statements import Kind, statements_of

NAMES = ("fastapi", "starlette", "uvicorn")
GOOD, BAD, BROKEN, FIXED, USED = Kind.GOOD, Kind.BAD, Kind.BROKEN, Kind.FIXED, Kind.USED


def said(text: str) -> list[tuple[str, str, Kind]]:
    """The package, the version and what is said of it, for each version of a text."""
    document: Document = read(text)
    return [(each.package, each.version, each.kind) for each in statements_of(document, NAMES)]


def kinds(text: str) -> dict[str, Kind]:
    return {version: kind for _, version, kind in said(text)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It works in 0.68.2, fails in 0.69.0.", {"0.68.2": GOOD, "0.69.0": BAD}),
        ("works fine with 0.68.2 but crashes with 0.69.0", {"0.68.2": GOOD, "0.69.0": BAD}),
        ("0.68.2 works, 0.69.0 fails", {"0.68.2": GOOD, "0.69.0": BAD}),
        ("0.68.2 (works) and 0.69.0 (broken)", {"0.68.2": GOOD, "0.69.0": BAD}),
        ("0.68.2: OK, 0.69.0: error", {"0.68.2": GOOD, "0.69.0": BAD}),
        ("After upgrading from 0.68.2 to 0.69.0 I see errors", {"0.68.2": GOOD, "0.69.0": BAD}),
        ("I bumped it from `0.68.2` to `0.69.0`", {"0.68.2": GOOD, "0.69.0": BAD}),
        ("upgraded from 0.68.2 -> 0.69.0", {"0.68.2": GOOD, "0.69.0": BAD}),
        ("Downgrading from 0.69.0 to 0.68.2 helps", {"0.69.0": BAD, "0.68.2": GOOD}),
        ("Downgrading to 0.68.2 helps", {"0.68.2": GOOD}),
        ("Pinning to 0.68.2 is a workaround", {"0.68.2": GOOD}),
        ("This broke in 0.69.0", {"0.69.0": BROKEN}),
        ("Broken since v0.69.0", {"0.69.0": BROKEN}),
        ("A regression introduced in version 0.69.0", {"0.69.0": BROKEN}),
        ("Since 0.69.0 it leaks", {"0.69.0": BROKEN}),
        ("Starting with 0.69.0, requests hang", {"0.69.0": BROKEN}),
        ("It no longer works since 0.69.0", {"0.69.0": BROKEN}),
        ("It works since 0.85.0", {"0.85.0": FIXED}),
        ("only happens with >=0.69.0", {"0.69.0": BROKEN}),
        ("it fails with 0.69.0 and above", {"0.69.0": BROKEN}),
        ("it fails with <0.85.0", {"0.85.0": FIXED}),
        ("it works with < 0.69.0", {"0.69.0": BROKEN}),
        ("It worked before 0.69.0", {"0.69.0": BROKEN}),
        ("prior to 0.69.0 I don't have any increase", {}),
        ("I didn't see this before 0.69.0", {"0.69.0": BROKEN}),
        ("It does not fail until 0.69.0", {"0.69.0": BROKEN}),
        ("It failed until 0.85.0", {"0.85.0": FIXED}),
        ("It is as it was before 0.69.0", {}),
        ("Fixed in 0.85.0", {"0.85.0": FIXED}),
        ("- First fixed release: 0.85.0", {"0.85.0": FIXED}),
        ("Upgrade to version 0.85.0 or later.", {"0.85.0": FIXED}),
        ("Please upgrade to 0.85.0", {"0.85.0": FIXED}),
        ("This is not fixed in 0.85.0", {}),
        ("My update to 0.75.0 then caused trouble", {"0.75.0": BAD}),
        ("It doesn't work in 0.69.0", {"0.69.0": BAD}),
        ("It does not fail in 0.68.2", {"0.68.2": GOOD}),
        ("not reproducible with 0.68.2", {"0.68.2": GOOD}),
        ("I can reproduce it on 0.69.0 and 0.70.0", {"0.69.0": BAD, "0.70.0": BAD}),
        ("0.69.0 doesn't fail", {"0.69.0": GOOD}),
        ("There are 0.68.2 and 0.69.0", {}),
        ("see https://example.org/0.69.0/errors and file-0.68.2.tar.gz", {}),
        ("it fails on 192.168.0.1:8000", {}),
        ("Last good: 0.68.2. First bad: 0.69.0", {"0.68.2": GOOD, "0.69.0": BROKEN}),
        ("it fails with 1.0.0rc1 and 2.0.post1", {"1.0.0rc1": BAD, "2.0.post1": BAD}),
    ],
)
def test_each_version_is_judged_by_the_words_around_it(text: str, expected: dict[str, Kind]) -> None:
    assert kinds(text) == expected


def test_a_version_is_of_the_package_that_was_named_last() -> None:
    text = "It works with FastAPI 0.68.2 and uvicorn 0.14.0, and fails with fastapi==0.69.0; 1.0 is fine"

    assert said(text) == [
        ("fastapi", "0.68.2", GOOD),
        ("uvicorn", "0.14.0", GOOD),
        ("fastapi", "0.69.0", BAD),
        ("", "1.0", GOOD),
    ]


def test_a_version_without_a_package_is_of_the_default() -> None:
    (statement,) = statements_of(read("fails in 0.69.0"), NAMES, default="fastapi")

    assert (statement.package, statement.text) == ("fastapi", "fails in 0.69.0")
    assert statement.told("bad") == 'bad end: 0.69.0 ("fails in 0.69.0")'


def test_a_field_of_a_form_has_the_version_that_is_used() -> None:
    assert said("### FastAPI Version\n\n0.74.1\n\n### Version\n\n1.2\n\n### Starlette version\n\nnone") == [
        ("fastapi", "0.74.1", USED)
    ]


def test_long_sentences_are_cut_at_a_word() -> None:
    (statement,) = statements_of(read(f"{'word ' * 40}fails in 0.69.0"), NAMES)

    assert statement.text.startswith("word word")
    assert statement.text.endswith("fails in 0.69.0")
    assert len(statement.text) <= 70

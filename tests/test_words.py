"""Messages, hints, labels, help and pages use one word for one thing.

`INSTEAD` has the words that are no longer used, with those to use. Identifiers, JSON fields and event names
are no prose: literals of one word, and what a page writes in backticks, do not count.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bisect_asgi.core.plan.option import SUMMARIES
from bisect_asgi.core.plan.options import OPTIONS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "bisect_asgi"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

INSTEAD = {
    r"left out": "excluded, or omitted",
    r"brings? it in": "include with",
    r"go(?:es)? on (?:from|where|into|in)": "continue",
    r"remembered": "cached",
    r"(?:is|are) kept(?! from| apart)": "cached",
    r"cannot tell|can ?not be told|cannot be tested": "untestable, or inconclusive",
    r"nothing was learnt": "no result",
    r"carr(?:y|ies) (?:the|a) change": "causes the change",
    r"mix(?:es)?": "combination",
    r"by luck": "agree",
    r"side by side|abreast": "in parallel",
    r"passed over": "excluded, or skipped",
    r"looked at": "run",
    r"(?:as named|named as)": "given",
    r"beyond (?:its|the) limit|two limits": "threshold",
    r"fails? otherwise": "fails differently",
    r"say two things|has no use|what moves": "conflicts with, or has no effect",
    r"what was seen": "details",
    r"taken? back": "reverted",
    r"cancell(?:ed|ing)": "canceled, canceling",
    r"folders?": "directory",
}
_UNUSED = re.compile(r"\b(?:" + "|".join(f"(?:{word})" for word in INSTEAD) + r")\b", re.IGNORECASE)
_PATTERN = re.compile(r"\\[bdswSWD.(]|\(\?")
"""What a regular expression has, and a sentence has not."""


def unused_in(text: str) -> list[str]:
    """Return the words of a text that are no longer used."""
    return [match[0] for match in _UNUSED.finditer(text)]


def sentences(source: str) -> Iterator[tuple[int, str]]:
    """Yield the literals of a module that are more than a word: what it raises, prints, returns and shows."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docstrings:
            continue
        if " " in node.value.strip() and not _PATTERN.search(node.value):
            yield node.lineno, node.value


@pytest.mark.parametrize("room", ["cli", "session", "report", "backend", "core", "library"])
def test_no_sentence_of_the_code_has_an_unused_word(room: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {words} in {text!r}"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for line, text in sentences(path.read_text("utf-8"))
        if (words := unused_in(text))
    ]

    assert not found, "\n".join(found)


def test_no_help_has_an_unused_word() -> None:
    helps = [option.help for option in OPTIONS.values()] + [*SUMMARIES.values()]

    assert len(helps) > 50
    assert not [text for text in helps if unused_in(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_has_an_unused_word(page: Path) -> None:
    prose = re.sub(r"`[^`\n]*`", "", page.read_text("utf-8"))
    found = [
        f"{page.name}:{number}: {words}"
        for number, line in enumerate(prose.splitlines(), 1)
        if (words := unused_in(line))
    ]

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "template", sorted((PACKAGE / "cli" / "templates").iterdir()), ids=lambda path: path.name
)
def test_no_template_has_an_unused_word(template: Path) -> None:
    assert not unused_in(template.read_text("utf-8"))


def test_a_percentage_is_written_without_a_space() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in [*sorted(PACKAGE.rglob("*.py")), *PAGES]
        for line in re.findall(r".*[\d}] %(?=[\s.,;:)\"'`]|$)", path.read_text("utf-8"))
    ]

    assert not found, "\n".join(found)


def test_an_unused_word_is_found_in_a_sentence_and_not_in_a_docstring_or_an_identifier() -> None:
    source = '''
def tell():
    """Return what is remembered."""
    raise Wrong(f"{name} is left out", hint="remembered")
'''

    assert [unused_in(text) for _, text in sentences(source)] == [["left out"]]

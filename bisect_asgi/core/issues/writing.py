"""Write the probe that an issue describes."""

from __future__ import annotations

from collections.abc import Iterator

from bisect_asgi.core.issues import Draft

_WIDTH = 40


def write(draft: Draft, *, name: str) -> str:
    """Return the file `name`: the table, what it is, and the code as the issue has it."""
    return "\n".join(["# /// script", *_table(draft, name), "# ///", *_words(draft, name), "", _code(draft)])


def _table(draft: Draft, name: str) -> Iterator[str]:
    if draft.python:
        yield _line(f'requires-python = "=={draft.python}.*"', "that of the issue")
    requirements = ", ".join(f'"{text}"' for text in (draft.package, *draft.dependencies))
    yield _line(f"dependencies = [{requirements}]", "held in every environment, but for the package")
    yield "#"
    yield "# [tool.bisect-asgi]"
    yield _line(f'package = "{draft.package}"', "whose releases are searched")
    if draft.good:
        yield _line(f'good = "{draft.good}"', "works, as the issue says")
    if draft.bad:
        yield _line(f'bad = "{draft.bad}"', "fails, as the issue says")
    if draft.program.app:
        yield _line(f'app = "{name}:{draft.program.app}"', "served by uvicorn")
        yield _line(f'load = "{draft.program.request}"', "sent again and again")
    if draft.claim:
        yield _line(f'{draft.claim[0]} = "{draft.claim[1]}"', "checked by `bisect-asgi verify`")
    if draft.source:
        yield _line(f'source = "{draft.source}"', "")


def _line(text: str, comment: str) -> str:
    return f"# {text:<{_WIDTH}}  # {comment}" if comment else f"# {text}"


def _words(draft: Draft, name: str) -> Iterator[str]:
    yield "# Drafted from an issue by `bisect-asgi new --from`. These are guesses:"
    yield from (f"# - {guess}" for guess in draft.guesses)
    yield "#"
    if not (draft.program.app or draft.program.checks or draft.program.is_missing):
        yield "# It fails if it raises an exception: if the bug does not raise one, assert what should hold."
    yield f"# Run it: bisect-asgi --probe {name}"


def _code(draft: Draft) -> str:
    return draft.program.code

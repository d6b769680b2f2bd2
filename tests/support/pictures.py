"""Reports to be drawn, and what a picture shows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import NamedBoundary
from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.report.document import Report
from bisect_asgi.report.rows import Row
from support.builders import RELEASE_WORDS, run_started

KINDS = {
    "g": (ReleaseState.RUN, "good"),
    "b": (ReleaseState.RUN, "bad"),
    "G": (ReleaseState.INFERRED, "good"),
    "B": (ReleaseState.INFERRED, "bad"),
    "s": (ReleaseState.UNTESTABLE, "skip"),
    ".": (ReleaseState.NOT_RUN, ""),
}
"""The meaning of each letter of `drawn_report`: capitals are inferred."""


def drawn_report(states: str, *, samples: dict[int, tuple[float, ...]] | None = None) -> Report:
    """A report of releases 1.0, 1.1, … in these states, with a change wherever good and bad meet."""
    rows = tuple(
        Row(
            version=f"1.{minor}",
            uploaded=None,
            how=KINDS[state][0],
            verdict=KINDS[state][1],
            samples=(samples or {}).get(minor, ()),
        )
        for minor, state in enumerate(states)
    )
    changes = tuple(changes_of(states))
    return Report(
        exit_code=ExitCode.FOUND,
        kind=ResultKind.FOUND,
        headline="demo broke",
        hint=None,
        plan=run_started(axis=RELEASE_WORDS, metric="growth" if samples else None),
        interpreter=None,
        interpreter_reason="",
        last=changes[-1].last if changes else None,
        first=changes[-1].first if changes else None,
        changes=changes,
        rows=rows,
    )


def changes_of(states: str) -> Iterator[NamedBoundary]:
    for minor, (old, new) in enumerate(itertools.pairwise(states), start=1):
        if {old.lower(), new.lower()} == {"g", "b"}:
            yield NamedBoundary(last=f"1.{minor - 1}", first=f"1.{minor}", verdict=KINDS[new][1])


def of_class(picture: ET.Element, name: str) -> list[ET.Element]:
    """Return the elements with this class, in the order of the picture."""
    return [each for each in picture.iter() if name in each.get("class", "").split()]


def titles(picture: ET.Element) -> list[str]:
    """Return the titles of the marks."""
    marks = (each.find("title") for each in picture if each.tag in ("a", "g"))
    return [title.text or "" for title in marks if title is not None]

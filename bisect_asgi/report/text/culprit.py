"""What carries the change, as the terminal shows it: sentences, and the trials that they rest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from bisect_asgi.core.events import MIXES, Explained
from bisect_asgi.core.text import listing, plural
from bisect_asgi.report.culprit import sentences
from bisect_asgi.report.document import Report
from bisect_asgi.report.rows import Row
from bisect_asgi.report.text.tables import table


def parts(report: Report) -> Iterator[RenderableType]:
    """Each boundary that was explained, and each search that it led to, in the order of what happened."""
    stages = {stage.stage: stage for stage in report.stages}
    searches = [(stage.stage, _search(stage)) for stage in report.stages if stage.plan.over != MIXES]
    told = [(why.stages_before, _explained(why, stages, _word(report))) for why in report.why]
    for _, part in sorted([*searches, *told], key=lambda item: item[0]):
        yield from part


def _explained(why: Explained, stages: Mapping[int, Report], word: str) -> Iterator[RenderableType]:
    if len(why.moves) > 1 or why.problem:
        yield _line(f"{why.old} → {why.new}: {listing(map(str, why.moves), most=8)}")
    for sentence in sentences(why, word=word):
        yield _line(sentence)
    if tried := stages.get(why.tried_in or 0):
        yield from _mixes(why, tried)


def _mixes(why: Explained, tried: Report) -> Iterator[RenderableType]:
    """The mixes that the answer rests on, and how many others there were."""
    decisive = tuple(row for key, row in enumerate(tried.rows) if key in why.decisive)
    yield Padding(table(replace(tried, rows=decisive)), (1, 0, 1, 4))
    if others := len(tried.rows) - len(decisive):
        yield _line(f"{plural(others, 'more mix')} on the way (`--json` has them)", style="dim")


def _search(stage: Report) -> Iterator[RenderableType]:
    """A search along a dependency's releases, or into commits."""
    yield _line(stage.headline, style="bold")
    if len(stage.rows) > 2:
        yield Padding(table(stage), (1, 0, 1, 4))
    for reason, out in groupby(stage.left_out, key=lambda out: out.reason):
        yield _line(f"left out: {listing(each.version for each in out)}: {reason}", style="dim")


def _word(report: Report) -> str:
    """The newer side's verdict."""
    first: Row | None = report.row(report.first)
    return first.verdict if first else report.plan.term_new


def _line(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style=style), (0, 0, 0, 2))

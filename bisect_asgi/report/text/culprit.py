"""The sections of the text report about culprits: sentences with the runs behind them, and changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from bisect_asgi.core.events import CommitFile, CommitShown, Compared, Explained, RunStarted
from bisect_asgi.core.records import replace
from bisect_asgi.core.release_diff import WhatChanged
from bisect_asgi.core.releases.diff import summary
from bisect_asgi.core.text import date, listing, plural
from bisect_asgi.report.culprit import addresses, leads_to, sentences
from bisect_asgi.report.document import Report
from bisect_asgi.report.rows import word
from bisect_asgi.report.text.tables import Pasted, table

_MOST_LINES = 10
_MOST_CHANGELOG = 15
_MOST_DIFF = 20


def cause_parts(report: Report) -> Iterator[RenderableType]:
    """Yield each boundary with its culprit and each search that followed, in the order of the changes."""
    stages = {stage.stage: stage for stage in report.stages}
    for stage in report.stages:  # those that follow no culprit: into a merge, or directly into commits
        if stage.plan.axis.is_ordered and leads_to(stage, report) is None:
            yield from _search(stage)
    for first, group in groupby(report.why, key=lambda why: why.within):
        told = [(why.stages_before, _explained(why, stages, report.plan)) for why in group]
        searches = [(s.stage, _search(s)) for s in report.stages if leads_to(s, report) == first]
        for _, part in sorted([*searches, *told], key=lambda item: item[0]):
            yield from part


def _explained(why: Explained, stages: Mapping[int, Report], plan: RunStarted) -> Iterator[RenderableType]:
    if len(why.moves) > 1 or why.problem:
        yield _line(f"{why.old} → {why.new}: {listing(map(str, why.moves), most=8)}")
    for sentence in sentences(why, word=word(plan, why.new_is)):
        yield _line(sentence)
    if tried := stages.get(why.tried_in or 0):
        yield from _mixes(why, tried)


def _mixes(why: Explained, tried: Report) -> Iterator[RenderableType]:
    """Yield the combinations that the culprit rests on, and the number of others."""
    decisive = tuple(row for key, row in enumerate(tried.rows) if key in why.decisive)
    yield Padding(table(replace(tried, rows=decisive)), (1, 0, 1, 4))
    if others := len(tried.rows) - len(decisive):
        were = "was" if others == 1 else "were"
        yield _line(f"{plural(others, 'more combination')} {were} run (listed in `--json`)", style="dim")


def _search(stage: Report) -> Iterator[RenderableType]:
    """Yield a search along a dependency's releases, or among commits."""
    yield _line(stage.headline, style="bold")
    if len(stage.rows) > 2:
        yield Padding(table(stage), (1, 0, 1, 4))
    if stage.commit:
        yield from commit_parts(stage.commit)
        yield ""
    for reason, out in groupby(stage.excluded, key=lambda out: out.reason):
        yield _line(f"excluded: {listing(each.version for each in out)}: {reason}", style="dim")


def commit_parts(commit: CommitShown) -> Iterator[RenderableType]:
    """Yield the lines about the commit at a boundary."""
    yield _line(f"commit {commit.sha}: {commit.subject}")
    yield _line(f"{commit.author}, {date(commit.committed)}; {_diffstat(commit)}")
    for file in commit.files[:_MOST_LINES]:
        yield _line(f"{file.path} {_lines(file)}")
    if len(commit.files) > _MOST_LINES:
        yield _line(f"and {plural(len(commit.files) - _MOST_LINES, 'more file')}")
    if commit.link:
        yield Pasted(f"  {commit.link}")


def _diffstat(commit: CommitShown) -> str:
    added, removed = (sum(getattr(file, name) or 0 for file in commit.files) for name in ("added", "removed"))
    return f"{plural(len(commit.files), 'file')}: +{added:,} -{removed:,}" if commit.files else "no file"


def _lines(file: CommitFile) -> str:
    return "(binary)" if file.added is None else f"+{file.added:,} -{file.removed:,}"


def _line(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style=style), (0, 0, 0, 2))


def is_telling(compared: Compared) -> bool:
    """Return whether there is anything to show. A package that was added or removed has no comparison."""
    return bool(compared.changed or compared.problem or compared.drill)


def difference_parts(compared: Compared) -> Iterator[RenderableType]:
    """Yield the section about the changes in one package."""
    yield Text(f"What changed in {compared.name} {compared.old} → {compared.new}", style="bold")
    if compared.problem:
        yield _line(f"it could not be compared: {compared.problem}")
    if compared.changed:
        yield from (_line(line) for line in summary(compared.changed, most=_MOST_LINES))
        yield from _diff(compared.changed)
    if compared.changelog:
        yield from _changelog(compared.changelog)
    for name, address in addresses(compared):
        yield Pasted(f"  {name:<11} {address}")
    if compared.drill:
        yield Pasted(f"  {'commits':<11} {compared.drill}")


def diffs(compared: Compared) -> Iterator[str]:
    """Yield the lines of all diffs that the report has."""
    for file in compared.changed.files if compared.changed else ():
        yield from file.diff.splitlines()


def _diff(changed: WhatChanged) -> Iterator[RenderableType]:
    """Yield the diff of the first file, if it is short and the traceback ends in that file."""
    for file in changed.files[:1]:
        lines = file.diff.splitlines()
        if file.lines and len(lines) <= _MOST_DIFF:
            yield Padding(Text("\n".join(lines), style="dim"), (0, 0, 0, 4))


def _changelog(text: str) -> Iterator[RenderableType]:
    lines = text.strip().splitlines()
    yield _line("its changelog:")
    yield Padding(Text("\n".join(lines[:_MOST_CHANGELOG]), style="dim"), (0, 0, 0, 4))
    if len(lines) > _MOST_CHANGELOG:
        yield _line(f"  … {plural(len(lines) - _MOST_CHANGELOG, 'more line')} (`--json` has them)")

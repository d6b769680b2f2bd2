"""Make the page of a report: the text of each part, from the document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import PurePath

from bisect_asgi.core.events import Compared, Explained
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.core.releases.diff import summary
from bisect_asgi.core.text import listing, plural
from bisect_asgi.report.by_hand import by_hand
from bisect_asgi.report.candidates import Line, columns, lines
from bisect_asgi.report.culprit import addresses, leads_to, sentences
from bisect_asgi.report.document import Report
from bisect_asgi.report.facts import excluded_by_reason, facts_of
from bisect_asgi.report.headline import brief
from bisect_asgi.report.page import (
    Cause,
    Comparison,
    Excerpt,
    Fact,
    Page,
    Reproduction,
    Table,
)
from bisect_asgi.report.picture.history import kind_of
from bisect_asgi.report.rows import Row, day_of, word
from bisect_asgi.report.script import Script, also_needed, file_of, script_of

_FRAME = re.compile(
    r"^ +File \"[^\"\n]*/bisect_asgi/backend/(?:served|in_candidate)/.*\n(?: {4,}.*\n)*", re.MULTILINE
)
# A path in quotes may contain blanks, so it ends at the quote; any other path ends at a blank.
_FOLDER = re.compile(
    r"(?:(?<=\")/[^\"\n]*|(?<=')/[^'\n]*|[^\s\"']*)"
    r"/(?:runs/[^\s/\"']+/box/work/|environments/[0-9a-f]{32}/lib/python[0-9.]+/(?=site-packages/))"
)
_INTERPRETER = re.compile(r"(?:(?<=\")/[^\"\n]*|/[^\s\"']*)/(?=lib/python[0-9.]+/)")
_NUMBER = re.compile(r"\d+")
_MOST_OUTPUT = 40
_MOST_ALIKE = 3
"""The number of lines shown of a sequence whose lines differ only in numbers."""
_MOST_LINES = 40
_MOST_REASONS = 12
_MOST_STRETCHES = 12


def page_of(report: Report, *, probe: str = "") -> Page:
    """Return the page of a report; `probe` is the text of its probe, if it is still there."""
    plan, script = report.plan, script_of(report, probe)
    reproductions = tuple(_reproductions(report, script))
    return Page(
        title=brief(report),
        hint=report.hint or "",
        facts=tuple(Fact(fact.label, fact.value) for fact in facts_of(report)),
        fixes=tuple(fix.requirement for fix in report.fix),
        excerpts=tuple(_excerpts(report)),
        compatibility=_compatibility(report),
        status=_status(report) if report.rows else None,
        causes=tuple(_causes(report)),
        comparisons=tuple(_comparison(each) for each in report.compared if _is_telling(each)),
        packages=_packages(report),
        probe=Excerpt(title=PurePath(file_of(plan)).name, text=probe, language="python") if probe else None,
        script=Excerpt(title=script.name, text=script.text, language="python")
        if script and reproductions
        else None,
        also_needed=also_needed(plan) if reproductions else (),
        reproductions=reproductions,
        check=report.check,
        excluded=_excluded(report),
        footer=footer_of(report),
    )


def _excerpts(report: Report) -> Iterator[Excerpt]:
    """Yield the failure at the bad side of the boundary, or else the last one, with the end of its output."""
    failed = [row for row in report.rows if row.verdict == report.plan.term_new and row.signature]
    sides = [row for row in failed if row.version in (report.last, report.first)]
    for row, sign in [(row, row.signature) for row in (sides or failed[-1:])[:1] if row.signature]:
        run = next((run for run in row.observations if run.signature), None)
        shown = _end_of(run.stacks or run.output_tail) if run else ""
        name = report.plan.axis.name(row.version)
        yield Excerpt(title=f"{name} fails: {sign.shown}", text=shown)


def _status(report: Report) -> Table:
    return _table(report, list(lines(report)))


def _compatibility(report: Report) -> Table | None:
    """Return the stretches of neighbors with one verdict; None if there is one, or too many to be read."""
    if not report.plan.axis.is_ordered:
        return None
    rows = [row for row in report.rows if row.yanked is None]  # a yanked release is no candidate
    alike = [list(group) for _, group in groupby(rows, key=_state)]
    if not 1 < len(alike) <= _MOST_STRETCHES:
        return None
    return Table(
        header=(report.plan.axis.title, "Verdict", "Run"),
        rows=tuple((_span(own), _state(own[0]), _run(own)) for own in alike),
        kinds=tuple(kind_of(report, own[0]) for own in alike),
    )


def _state(row: Row) -> str:
    return (row.verdict if row.how in (ReleaseState.RUN, ReleaseState.INFERRED) else "") or str(row.how)


def _span(rows: Sequence[Row]) -> str:
    """Return `0.12.0 (2019-05-21) to 0.13.6 (2020-07-20)`."""
    days = ((row.version, day_of(row.version, row.uploaded)) for row in (rows[0], rows[-1]))
    first, last = (f"{version} ({day})" if day else version for version, day in days)
    return first if len(rows) == 1 else f"{first} to {last}"


def _run(rows: Sequence[Row]) -> str:
    return f"{sum(row.was_run for row in rows)} of {len(rows)}"


def _table(report: Report, shown: Sequence[Line]) -> Table:
    rows = [report.rows[line.keys[0]] for line in shown]
    return Table(
        header=columns(report),
        rows=tuple(line.cells for line in shown),
        kinds=tuple(kind_of(report, row) for row in rows),
        keys=tuple(line.keys for line in shown),
        more=tuple(tuple(_of_row(row)) for row in rows),
    )


def _of_row(row: Row) -> Iterator[Excerpt]:
    """Yield the distributions in a candidate's environment, and the output of its runs."""
    if row.distributions and row.was_run:
        yield Excerpt(title="Installed", text=" ".join(map(str, row.distributions)))
    told = {run.output_tail.strip() for run in row.observations if run.output_tail.strip()}
    for text in sorted(told)[:2]:
        yield Excerpt(title="Output", text=_end_of(text))


def _end_of(text: str) -> str:
    """Return the last lines that a run wrote, without this tool's frames and this machine's directories."""
    own = _INTERPRETER.sub("", _FOLDER.sub("", _FRAME.sub("", text)))
    return "\n".join(_without_repeats(own.strip().splitlines())[-_MOST_OUTPUT:])


def _without_repeats(lines: Sequence[str]) -> list[str]:
    """Return the lines; of many that differ only in numbers, as in an access log, only the first ones."""
    shown: list[str] = []
    for _, group in groupby(lines, key=lambda line: _NUMBER.sub("0", line)):
        alike = list(group)
        if len(alike) <= _MOST_ALIKE + 1:
            shown += alike
        else:
            shown += [*alike[:_MOST_ALIKE], f"[{len(alike) - _MOST_ALIKE} more lines like this one]"]
    return shown


def _causes(report: Report) -> Iterator[Cause]:
    """Yield the cause of each change that was explained, the searches that follow from it below it."""
    stages = {stage.stage: stage for stage in report.stages}
    for within, group in groupby(report.why, key=lambda why: why.within):
        causes = [_cause(why, stages, report) for why in group]
        found = [stage for stage in report.stages if leads_to(stage, report) == within]
        first, *others = causes
        below = (*others, *(Cause(title=stage.headline) for stage in found))
        yield Cause(
            title=first.title, sentences=first.sentences, combinations=first.combinations, below=below
        )


def _cause(why: Explained, stages: Mapping[int, Report], report: Report) -> Cause:
    tried = stages.get(why.tried_in or 0)
    return Cause(
        title=_title(why),
        sentences=sentences(why, word=word(report.plan, why.new_is)),
        combinations=_combinations(why, tried) if tried else None,
    )


def _title(why: Explained) -> str:
    """Return the two sides and what differs between them, unless the sides say that already."""
    sides = f"{why.old} → {why.new}"
    is_all = [(f"{each.name} {each.old}", f"{each.name} {each.new}") for each in why.moves] == [
        (why.old, why.new)
    ]
    return sides if is_all else f"{sides}: {listing(map(str, why.moves), most=8)}"


def _combinations(why: Explained, tried: Report) -> Table:
    shown = [line for line in lines(tried) if line.keys[0] in why.decisive]
    return replace(_table(tried, shown), keys=(), more=())


def _is_telling(compared: Compared) -> bool:
    return bool(compared.changed or compared.problem)


def _comparison(compared: Compared) -> Comparison:
    changed = compared.changed
    lines = [f"it could not be compared: {compared.problem}"] if compared.problem else []
    lines += summary(changed, most=_MOST_LINES) if changed else ()
    diffs = (
        [Excerpt(title=file.path, text=file.diff, language="diff") for file in changed.files if file.diff]
        if changed
        else []
    )
    return Comparison(
        title=f"What changed in {compared.name} {compared.old} → {compared.new}",
        lines=tuple(lines),
        diffs=tuple(diffs),
        changelog=(compared.changelog or "").strip(),
        links=tuple(Fact(*each) for each in addresses(compared)),
    )


def _packages(report: Report) -> Table | None:
    """Return the packages on both sides of the boundary; those that differ come first."""
    last, first = report.row(report.last), report.row(report.first)
    if last is None or first is None or not (last.distributions and first.distributions):
        return None
    old, new = ({d.name: d.version for d in row.distributions} for row in (last, first))
    names = sorted({*old, *new}, key=lambda name: (old.get(name) == new.get(name), name))
    return Table(
        header=("Package", last.version, first.version),
        rows=tuple((name, old.get(name, "–"), new.get(name, "–")) for name in names),
        kinds=tuple("unknown" if old.get(name) == new.get(name) else "" for name in names),
    )


def _reproductions(report: Report, script: Script | None) -> Iterator[Reproduction]:
    name = script.name if script else ""
    for row in map(report.row, (report.last, report.first)):
        if row and (ways := tuple(Fact(*way) for way in by_hand(report.plan, row, script=name))):
            yield Reproduction(title=f"{report.plan.axis.name(row.version)} ({row.verdict})", ways=ways)


def _excluded(report: Report) -> Table | None:
    reasons = list(excluded_by_reason(report.excluded).items())
    rows = [(listing(versions, most=6), reason) for reason, versions in reasons[:_MOST_REASONS]]
    if rest := reasons[_MOST_REASONS:]:
        count = sum(len(versions) for _, versions in rest)
        rows.append((plural(count, "release"), plural(len(rest), "other reason")))
    return Table(header=("Releases", "Reason"), rows=tuple(rows)) if rows else None


def footer_of(report: Report) -> str:
    """Return the version of bisect-asgi that made the report, and when."""
    return f"bisect-asgi {report.plan.tool_version}, {report.plan.started:%Y-%m-%d %H:%M} UTC"

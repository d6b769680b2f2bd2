"""The history as a picture: a mark for each candidate, oldest first, in lines like text; changes between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.core.text import plural
from bisect_asgi.report.document import Report
from bisect_asgi.report.picture.svg import Element, element, label, line, picture, rectangle, shape
from bisect_asgi.report.rows import Row, day_of

_CELL = 20.0
_LINE = 58.0
_MARGIN = 46.0
_MOST_COLUMNS = 46
_LETTER = 6.4
"""The width of a letter, at most."""


def history(report: Report, *, linked: bool = False) -> Element | None:
    """Return the picture; None if the candidates have no order.

    Args:
        report: the document.
        linked: whether each mark links to its row, such as `#row-3`, so that the keyboard can reach it.
    """
    rows = report.rows
    if not rows or not report.plan.axis.is_ordered:
        return None
    columns, cell = min(max(len(rows), 12), _MOST_COLUMNS), _cell(rows)
    lines = [rows[start : start + columns] for start in range(0, len(rows), columns)]
    parts: list[Element] = []
    for number, own in enumerate(lines):
        parts += _line(report, own, number * columns, cell=cell, y=_LINE * number + 24, linked=linked)
    width, height = max(columns * _CELL, len(lines[0]) * cell) + 2 * _MARGIN, _LINE * len(lines) + 8
    return picture(parts, width=width, height=height, title=_title(report), class_="history")


def _title(report: Report) -> str:
    run = sum(row.how is ReleaseState.RUN for row in report.rows)
    return f"{run} of {report.plan.axis.counted(len(report.rows))} run: {report.headline}"


def _cell(rows: Sequence[Row]) -> float:
    """Return the width of a candidate: with few of them, that of its name."""
    widest = max(_width(row.version) for row in rows)
    return max(_CELL, widest) if widest * len(rows) <= _MOST_COLUMNS * _CELL else _CELL


def _width(text: str) -> float:
    return len(text) * _LETTER + 8


def _line(
    report: Report, rows: Sequence[Row], start: int, *, cell: float, y: float, linked: bool
) -> Iterator[Element]:
    centers = [_MARGIN + cell * (place + 0.5) for place in range(len(rows))]
    firsts = {change.first for change in report.changes} | {report.first}
    gaps = {label for change in report.changes for label in change.gap} | set(report.gap)
    for x, row in zip(centers, rows, strict=True):
        if row.version in gaps:  # the change may be at any release of the gap
            yield rectangle(x - cell / 2, y - 18, cell, 32, class_="gap")
    yield line(centers[0], y, centers[-1], y, class_="rule")
    for x, row in zip(centers, rows, strict=True):
        if row.version in firsts:
            yield line(x - cell / 2, y - 18, x - cell / 2, y + 14, class_="change")
    for place, (x, row) in enumerate(zip(centers, rows, strict=True)):
        yield _mark(report, row, start + place, x=x, y=y, linked=linked)
    yield from _labels(report, rows, centers, y=y)


def _mark(report: Report, row: Row, key: int, *, x: float, y: float, linked: bool) -> Element:
    kind = kind_of(report, row)
    classes = " ".join(filter(None, (kind, "inferred" if row.how is ReleaseState.INFERRED else "")))
    told = said(report, row)
    inner = (element("title", text=told), shape(kind, x, y))
    if linked:
        return element("a", *inner, href=f"#row-{key}", class_=classes, aria_label=told)
    return element("g", *inner, class_=classes)


def kind_of(report: Report, row: Row) -> str:
    """Return the kind of a candidate's mark, by shape and color: good, bad, skip or unknown."""
    if row.how is ReleaseState.UNTESTABLE:
        return "skip"
    return {report.plan.term_old: "good", report.plan.term_new: "bad"}.get(row.verdict, "unknown")


def said(report: Report, row: Row) -> str:
    """Return the state of a candidate as one line: `0.69.0 (2021-10-07): bad, 4 runs`."""
    day = day_of(row.version, row.uploaded)
    name = report.plan.axis.name(row.version) + (f" ({day})" if day else "")
    parts = [row.verdict if row.how is not ReleaseState.UNTESTABLE else "untestable"]
    parts += [str(row.how)] if row.how in (ReleaseState.INFERRED, ReleaseState.NOT_RUN) else []
    parts += [plural(row.runs, "run")] if row.runs else []
    parts += [row.signature.shown] if row.signature and row.was_run else []
    return f"{name}: {', '.join(filter(None, parts))}"


def _labels(report: Report, rows: Sequence[Row], centers: Sequence[float], *, y: float) -> Iterator[Element]:
    """Yield the names of the candidates at changes, then at the ends of the line, where there is room."""
    firsts = [place for place, row in enumerate(rows) if row.version in {c.first for c in report.changes}]
    firsts += [place for place, row in enumerate(rows) if row.version == report.first and place not in firsts]
    others = [0, len(rows) - 1, *range(1, len(rows) - 1)]
    has_room = _cell(report.rows) > _CELL  # otherwise only changes and both ends get names
    wanted = [
        *((place, "") for place in firsts),
        *((place, "faint") for place in others[: None if has_room else 2]),
    ]
    taken: list[tuple[float, float]] = []
    for place, class_ in wanted:
        text = rows[place].version
        half = _width(text) / 2
        x = centers[place]
        if all(x + half <= low or x - half >= high for low, high in taken):
            taken.append((x - half, x + half))
            yield label(text, x, y + 28, class_=class_)

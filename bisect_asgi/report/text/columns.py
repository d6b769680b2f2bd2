"""Lay out a table so that each row is one line, however narrow the terminal.

A table that is too wide becomes narrower in steps until it fits. Cells with a short form use it, then the
least needed columns are omitted, and at last cells are cut, the longest first.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from bisect_asgi.core.records import Struct

_GAP = 2
_LEAST = 4


class Cell(Struct, frozen=True):
    """The text of a cell."""

    text: str
    short: str | None = None
    """The text to show if the whole text does not fit."""
    style: str = ""


class Column(Struct, frozen=True, kw_only=True):
    """A column with its cells."""

    name: str
    cells: tuple[Cell, ...]
    is_right: bool = False
    """Whether cells stand at the right, as numbers do."""
    is_path: bool = False
    """Whether a cell that is cut loses its beginning."""
    least: int = _LEAST
    """It is not cut below so many cells as long as another column can be cut."""
    rank: int = 0
    """The columns with the highest rank go first; one of rank 0 stays."""

    def texts(self, *, is_short: bool) -> list[str]:
        """Return the texts of the cells as they are shown."""
        return [cell.short if is_short and cell.short is not None else cell.text for cell in self.cells]

    def width(self, *, is_short: bool) -> int:
        """Return the width that the whole column needs."""
        return max(cell_len(text) for text in (self.name, *self.texts(is_short=is_short)))


def lay_out(columns: Sequence[Column], *, width: int) -> list[Text]:
    """Return the lines of a table, none wider than `width` cells: the names of the columns, then the rows."""
    short: set[str] = set()
    shown = list(columns)
    for name in [column.name for column in columns if any(cell.short is not None for cell in column.cells)]:
        if _total(shown, short) > width:
            short.add(name)
    while _total(shown, short) > width and any(column.rank for column in shown):
        shown.remove(max(shown, key=lambda column: column.rank))
    needed = [column.width(is_short=column.name in short) for column in shown]
    widths = _cut(needed, [column.least for column in shown], width)
    heads = [
        Text(_fit(column.name, size, column), style="bold")
        for column, size in zip(shown, widths, strict=True)
    ]
    texts = [column.texts(is_short=column.name in short) for column in shown]
    lines = [_joined(heads)]
    for row in range(len(shown[0].cells) if shown else 0):
        lines.append(
            _joined(
                [
                    Text(_fit(own[row], size, column), style=column.cells[row].style)
                    for column, own, size in zip(shown, texts, widths, strict=True)
                ]
            )
        )
    return lines


def _total(columns: Sequence[Column], short: set[str]) -> int:
    return sum(column.width(is_short=column.name in short) for column in columns) + _GAP * (len(columns) - 1)


def _cut(widths: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Return the widths, the widest ones cut until all fit: first those above their least width."""
    room, cut = width - _GAP * (len(widths) - 1), list(widths)
    for limits in (least, [_LEAST] * len(cut)):
        while sum(cut) > room and (longer := [at for at, size in enumerate(cut) if size > limits[at]]):
            cut[max(longer, key=lambda at: cut[at])] -= 1
    return cut


def _fit(text: str, size: int, column: Column) -> str:
    """Return a text of exactly `size` cells, cut at the end, or of a path at the beginning."""
    excess = cell_len(text) - size
    if excess <= 0:
        blanks = " " * -excess
        return f"{blanks}{text}" if column.is_right else f"{text}{blanks}"
    if not column.is_path:
        return f"{set_cell_size(text, size - 1)}…"
    tail = text
    while cell_len(tail) > size - 1:
        tail = tail[1:]
    return set_cell_size(f"…{tail}", size)


def _joined(cells: Sequence[Text]) -> Text:
    line = Text(" " * _GAP).join(cells)
    line.no_wrap, line.overflow = True, "crop"
    line.rstrip()
    return line

"""Tables of which each row is one line: what is shortened first, and that all of it fits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bisect_asgi.report.text.columns import Cell, Column, lay_out

PROBES = Column(
    name="Probe", cells=(Cell("probes/leak.py", "leak.py"), Cell("probes/hang.py", "hang.py")), is_path=True
)
ANSWERS = Column(name="Answer", cells=(Cell("0.68.2 → 0.69.0 (bad)"), Cell("not reproduced")), least=21)
RUNS = Column(name="Runs", cells=(Cell("38"), Cell("7")), is_right=True, rank=2)
PACKAGES = Column(name="Package", cells=(Cell("fastapi"), Cell("uvicorn")), rank=1)


def shown(width: int) -> list[str]:
    return [line.plain for line in lay_out([PROBES, PACKAGES, ANSWERS, RUNS], width=width)]


def test_a_table_that_fits_is_shown_whole() -> None:
    assert shown(60) == [
        "Probe           Package  Answer                 Runs",
        "probes/leak.py  fastapi  0.68.2 → 0.69.0 (bad)    38",
        "probes/hang.py  uvicorn  not reproduced            7",
    ]


def test_short_cells_come_first_then_columns_go_then_the_widest_cells_are_cut() -> None:
    assert shown(50)[1] == "leak.py  fastapi  0.68.2 → 0.69.0 (bad)    38"
    assert shown(44)[1] == "leak.py  fastapi  0.68.2 → 0.69.0 (bad)"
    assert shown(38)[1] == "leak.py  0.68.2 → 0.69.0 (bad)"
    assert shown(29)[1] == "…ak.py  0.68.2 → 0.69.0 (bad)"
    assert shown(20)[1] == "….py  0.68.2 → 0.69…"


def test_without_rows_there_is_a_line_with_the_names() -> None:
    assert [line.plain for line in lay_out([Column(name="Run", cells=())], width=9)] == ["Run"]
    assert [line.plain for line in lay_out([], width=9)] == [""]


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=80)
CELLS = st.builds(Cell, TEXTS, st.none() | TEXTS)


@st.composite
def tables(draw: st.DrawFn) -> list[Column]:
    count = draw(st.integers(0, 4))
    return [
        Column(
            name=name,
            cells=tuple(draw(st.lists(CELLS, min_size=count, max_size=count))),
            is_right=draw(st.booleans()),
            is_path=draw(st.booleans()),
            least=draw(st.integers(4, 30)),
            rank=draw(st.integers(0, 2)),
        )
        for name in draw(st.lists(st.sampled_from(["A", "Answer", "Of the probe"]), min_size=1, max_size=5))
    ]


@given(tables(), st.integers(40, 200))
def test_every_row_is_one_line_within_the_width(columns: list[Column], width: int) -> None:
    lines = [line.plain for line in lay_out(columns, width=width)]

    assert len(lines) == 1 + len(columns[0].cells)
    assert all(cell_len(line) <= width for line in lines)
    assert not any("\n" in line for line in lines)

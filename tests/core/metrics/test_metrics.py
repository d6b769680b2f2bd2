"""What a probe reports is read whole or complained of, and a run's metrics go by their names."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.builders import passed, untestable

from bisect_asgi.core.metrics import (
    BUILT_IN,
    FILE_BYTES,
    LINE_BYTES,
    MOST_LINES,
    MarkedLines,
    Reported,
    measured,
    of_json,
    of_lines,
    of_values,
    unit_of,
)
from bisect_asgi.core.metrics.quantities import Number, Quantity
from bisect_asgi.core.records import replace

RUN = replace(
    passed(),
    wall_s=1.5,
    cpu_s=0.5,
    peak_bytes=4096,
    metrics={"p50": 0.003, "objects": 7.0},
    units={"p50": "s"},
)


# --- Metrics by their names


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        pytest.param("wall", 1.5, "s", id="wall"),
        pytest.param("cpu", 0.5, "s", id="cpu"),
        pytest.param("peak-memory", 4096.0, "B", id="peak-memory"),
        pytest.param("p50", 0.003, "s", id="reported-with-a-unit"),
        pytest.param("objects", 7.0, "", id="reported-without"),
        pytest.param("p95", None, "", id="not-reported"),
    ],
)
def test_a_metric_has_its_value_and_its_unit(name: str, value: float | None, unit: str) -> None:
    assert (measured(RUN, name), unit_of(RUN, name)) == (value, unit)


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_the_probe_reports_itself_goes_before_what_is_built_in(name: str) -> None:
    own = replace(RUN, metrics={name: 7.0}, units={})

    assert (measured(own, name), unit_of(own, name)) == (7.0, "")


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_candidate_that_never_ran_has_no_metrics(name: str) -> None:
    assert measured(untestable(), name) is None


def test_the_unit_of_several_runs_is_that_of_the_first_that_says_one() -> None:
    plain = replace(RUN, units={})

    assert unit_of([untestable(), plain, RUN], "p50") == "s"
    assert unit_of([plain, plain], "p50") == ""
    assert unit_of([untestable(), replace(RUN, metrics={"wall": 3.0})], "wall") == ""
    assert unit_of([], "wall") == "s"
    assert unit_of([], "p50") == ""


# --- The file


@pytest.mark.parametrize(
    ("text", "values", "units"),
    [
        pytest.param('{"p50": "3 ms", "n": 7}', {"p50": 0.003, "n": 7.0}, {"p50": "s"}, id="both-kinds"),
        pytest.param('{"share": "15 %"}', {"share": 0.15}, {"share": "%"}, id="a-share"),
        pytest.param('{"rate": "1200/s"}', {"rate": 1200.0}, {"rate": "1/s"}, id="a-rate"),
        pytest.param('{"n": "-1e3"}', {"n": -1000.0}, {}, id="a-text-without-a-unit"),
        pytest.param('{"n": 1, "n": 2}', {"n": 2.0}, {}, id="the-last-of-a-name"),
        pytest.param('\ufeff{"größe": 1.5}', {"größe": 1.5}, {}, id="utf-8-with-a-mark"),
        pytest.param("{}", {}, {}, id="nothing"),
    ],
)
def test_a_file_is_read_in_base_units(text: str, values: dict[str, float], units: dict[str, str]) -> None:
    read = of_json(text.encode())

    assert (read.values, read.units, read.problem) == (values, units, "")


UNREADABLE = [
    pytest.param("", "the file of metrics cannot be read: ", "in ``", id="empty"),
    pytest.param("p50=3", "the file of metrics cannot be read: ", "in `p50=3`", id="no-json"),
    pytest.param('{"p50": 3', "the file of metrics cannot be read: ", 'in `{"p50": 3`', id="cut-off"),
    pytest.param(
        '{"p50": NaN}', "the file of metrics cannot be read: `NaN` is no finite number", "", id="nan"
    ),
    pytest.param("[" * 100_000, "the file of metrics cannot be read: ", "…`", id="very-deep"),
    pytest.param("9" * 5000, "the file of metrics ", "…`", id="a-very-long-number"),
    pytest.param("[1, 2]", "the file of metrics is no JSON object: ", "`[1, 2]`", id="a-list"),
    pytest.param("3", "the file of metrics is no JSON object: ", "`3`", id="a-number-alone"),
    pytest.param('{"ok": true}', "the metric `ok` cannot be read: ", "`true` is no number", id="a-bool"),
    pytest.param('{"p50": null}', "the metric `p50` cannot be read: ", "`None` is no number", id="null"),
    pytest.param(
        '{"p50": [1]}', "the metric `p50` cannot be read: ", "`[1]` is no number", id="a-nested-list"
    ),
    pytest.param('{"p50": "3 ns later"}', "the metric `p50` cannot be read: `3 ns later`", "", id="unit"),
    pytest.param('{"p50": "slow"}', "the metric `p50` cannot be read: `slow` is no number", "", id="a-word"),
    pytest.param('{"p50": 1e999}', "the metric `p50` cannot be read: `inf`", "finite number", id="infinite"),
    pytest.param('{"p 50": 1}', "the metric `p 50` cannot be read: ", "a name has no spaces", id="a-space"),
    pytest.param('{"": 1}', "the metric `` cannot be read: ", "80 printable characters", id="no-name"),
    pytest.param('{"a\\nb": 1}', "the metric `a\nb` cannot", "80 printable characters", id="two-lines"),
    pytest.param(json.dumps({"x" * 81: 1}), "the metric `xxx", "80 printable characters", id="a-long-name"),
    pytest.param(
        '{"p50": 1' + "0" * 400 + "}",
        "the metric `p50` cannot be read: ",
        "finite number",
        id="a-large-integer",
    ),
    pytest.param(
        " " * FILE_BYTES + "{}", "the file of metrics is longer than", f"{FILE_BYTES} bytes", id="a-long-file"
    ),
]


@pytest.mark.parametrize(("text", "begins", "ends"), UNREADABLE)
def test_what_cannot_be_read_is_complained_of_with_the_value_in_it(text: str, begins: str, ends: str) -> None:
    problem = of_json(text.encode()).problem

    assert problem.startswith(begins)
    assert problem.endswith(ends) or ends in problem
    assert len(problem) < 250


def test_bytes_that_are_no_text_are_complained_of() -> None:
    assert of_json(b'{"p50": "\xff"}').problem.startswith("the file of metrics cannot be read: ")


def test_what_can_be_read_beside_what_cannot_is_kept() -> None:
    read = of_json(b'{"a": 1, "b": false, "c": "3 s", "d": []}')

    assert (read.values, read.units) == ({"a": 1.0, "c": 3.0}, {"c": "s"})
    assert read.problem == "the metric `b` cannot be read: `false` is no number"


def test_names_are_texts() -> None:
    assert of_values({3: 1.0}).problem.startswith("the metric `3` cannot be read: a name is a text")


def test_a_quantity_is_taken_as_it_is() -> None:
    quantity = Quantity(value=3.0, unit="B")

    assert of_values({"growth": quantity}).found == {"growth": quantity}


def test_a_number_that_knows_its_unit_keeps_it() -> None:
    read = of_values({"growth": Number(3.0, "B")})

    assert (read.problem, read.found) == ("", {"growth": Quantity(value=3.0, unit="B")})


def test_a_number_that_knows_its_unit_and_is_not_finite_is_complained_of() -> None:
    assert of_values({"growth": Number(math.nan, "B")}).problem.endswith("`nan` is no finite number")


# --- Printed lines


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("@metric startup 0.25 s", Quantity(value=0.25, unit="s"), id="with-a-unit"),
        pytest.param("@metric startup 0.25s", Quantity(value=0.25, unit="s"), id="unit-at-the-number"),
        pytest.param("@metric startup 7", Quantity(value=7.0), id="without-a-unit"),
        pytest.param("@metric\tstartup  7\r", Quantity(value=7.0), id="other-white-space"),
    ],
)
def test_a_printed_line_is_a_metric(line: str, expected: Quantity) -> None:
    assert of_lines([line]) == Reported(found={"startup": expected})


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("@metric", id="nothing"),
        pytest.param("@metric startup", id="no-value"),
        pytest.param("@metric startup time 0.25 s", id="a-name-with-a-space"),
        pytest.param("@metric startup nan", id="nan"),
        pytest.param("@metric startup 0.25 m", id="an-unknown-unit"),
        pytest.param("@metric 0.25 startup", id="the-wrong-way-round"),
        pytest.param("@metric startup 1" + " " * LINE_BYTES, id="a-long-line"),
    ],
)
def test_a_line_of_another_form_is_complained_of_and_the_others_are_kept(line: str) -> None:
    read = of_lines(["@metric before 1", line, "@metric after 2"])

    assert read.values == {"before": 1.0, "after": 2.0}
    assert line.split()[-1] in read.problem


def test_the_last_line_of_a_name_counts() -> None:
    read = of_lines(["@metric p50 1 s", "@metric p95 5", "@metric p50 3"])

    assert (read.values, read.units) == ({"p50": 3.0, "p95": 5.0}, {})


def test_what_comes_later_goes_before_with_its_unit_and_every_problem_stays() -> None:
    lines, file = of_lines(["@metric p50 1 s", "@metric p95 5 s"]), of_json(b'{"p50": 3}')

    assert lines.then(file) == Reported(
        found={"p50": Quantity(value=3.0), "p95": Quantity(value=5.0, unit="s")}
    )
    assert lines.then(Reported(problem="bad file")).problem == "bad file"
    assert Reported(problem="bad line").then(file).problem == "bad line"


# --- Lines that go by in an output


def marked(*chunks: bytes) -> tuple[str, ...]:
    """What is picked out of these chunks."""
    lines = MarkedLines()
    for chunk in chunks:
        lines.add(chunk)
    return lines.end()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param(b"", (), id="nothing"),
        pytest.param(b"hello\n@metric a 1\nbye\n", ("@metric a 1",), id="among-others"),
        pytest.param(b"@metric a 1", ("@metric a 1",), id="without-an-end"),
        pytest.param(b"@metric\n", ("@metric",), id="malformed"),
        pytest.param(b"@metrics a 1\n", (), id="another-word"),
        pytest.param(b" @metric a 1\nsee @metric b 2\n", (), id="not-at-the-beginning"),
        pytest.param(
            b"@metric a 1\n@metric b 2\n@metric a 3\n", ("@metric b 2", "@metric a 3"), id="the-last"
        ),
        pytest.param(b"@metric a \xff\n", ("@metric a �",), id="no-text"),
    ],
)
def test_lines_of_metrics_are_picked_out(output: bytes, expected: tuple[str, ...]) -> None:
    assert marked(output) == expected


pieces = st.sampled_from(
    [
        b"@metric a 1",
        b"@metric",
        b"@met",
        b"ric b 2",
        b"\n",
        b" ",
        b"\r\n",
        b"x" * 600,
        b" " * 499,
        b"\xc3",
        b"\xb6",
    ]
)


@given(output=st.lists(pieces, max_size=12).map(b"".join), cuts=st.lists(st.integers(0, 3000), max_size=8))
@example(output=b"@metric x 1" + b" " * 600 + b"y\n", cuts=[611, 612])
def test_where_an_output_is_cut_makes_no_difference(output: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(output)) for cut in cuts), len(output)]

    assert marked(*(output[a:b] for a, b in pairwise(places))) == marked(output)


def test_a_line_is_kept_to_one_byte_more_than_may_be() -> None:
    (line,) = marked(b"@metric a " + b"1" * 10_000_000)

    assert len(line) == LINE_BYTES + 1
    assert "longer than" in of_lines([line]).problem


def test_so_many_names_are_read_and_one_more_is_complained_of() -> None:
    lines = [b"@metric m%d %d\n" % (number, number) for number in range(MOST_LINES + 50)]

    all_that_may_be, too_many = marked(*lines[:MOST_LINES]), marked(*lines, lines[0])

    assert of_lines(all_that_may_be).problem == ""
    assert len(of_lines(all_that_may_be).values) == MOST_LINES
    assert len(too_many) == MOST_LINES + 1
    assert of_lines(too_many).problem == f"more than {MOST_LINES} metrics were printed"


def test_any_number_of_lines_of_one_name_is_no_loss_to_the_others() -> None:
    output = b"@metric startup 1\n" + b"".join(
        b"@metric step %d\n" % number for number in range(5 * MOST_LINES)
    )

    assert of_lines(marked(output)).values == {"startup": 1.0, "step": 5.0 * MOST_LINES - 1}

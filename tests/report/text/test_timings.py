"""The section of the text report about the time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from io import StringIO

import pytest
from support.builders import MIX_WORDS
from support.timed_logs import (
    BEGAN_S,
    SEARCH,
    end,
    found,
    listed,
    prepare,
    prepared,
    start,
    started,
)

from bisect_asgi.core import events
from bisect_asgi.core.model import Step
from bisect_asgi.core.records import replace
from bisect_asgi.report import document as json_report
from bisect_asgi.report import text
from bisect_asgi.report.folding import fold
from bisect_asgi.report.progress.console import SafeConsole


def shown(log: Sequence[events.Event], width: int = 100) -> list[str]:
    out = StringIO()
    text.render(fold(log), SafeConsole(file=out, width=width), whole=True, timings=True)
    lines = out.getvalue().splitlines()
    return lines[lines.index("Timings") :]


def staged() -> Iterator[events.Event]:
    inner = [
        started(axis=MIX_WORDS),
        listed(("old", "new", "a mix with a name that is too long for its line")),
        start(2, 7),
    ]
    for event in (*inner, replace(end(2, 8), trial=replace(end(2, 8).trial, label="")), found(0, 1, 1)):
        yield events.StageEvent(stage=1, event=event)


def test_the_report_has_sums_and_a_line_for_each_trial() -> None:
    whole = [started(), listed(), *SEARCH[:-1], prepare(7, 6), prepared(7, 7), *staged(), found(3, 4, 8)]

    lines = shown(whole)

    assert "  Wall time       8.0 s on 2 workers" in lines
    assert any(
        line.startswith("  Critical path   6.0 s in 4 trials; 1.0 s before, 1.0 s between") for line in lines
    )
    assert max(map(len, lines)) <= 100
    drawn = [line for line in lines if line.startswith(("  * ", "    "))]
    assert [line.split()[0] for line in drawn if "#" in line] == ["1.0", "*", "*", "1.6", "*", "*"]
    assert any(line.split()[:2] == ["1.5", "?"] and set(line.split()[2]) == {"x"} for line in drawn)
    assert any(line.split()[:2] == ["+", "1.7"] for line in drawn)
    assert any(line.startswith("  stage 1 ") for line in lines)


def test_a_bar_begins_and_ends_where_its_trial_does() -> None:
    log = [
        *(started(), listed(), start(0, 0), end(0, 5, {Step.RESOLVE: 2.5, Step.RUN: 2.5})),
        *(start(9, 5), end(9, 10, {Step.RUN: 5.0}), found(0, 9, 10)),
    ]

    first, second = (line for line in shown(log) if line.startswith("  * 1."))

    begin = first.index("r")
    half = (len(second.rstrip()) - begin) / 2
    assert second.index("#") - begin == pytest.approx(half, abs=1)
    assert first.index("#") - begin == pytest.approx(half / 2, abs=1)
    assert set(second.split("1.9")[1].strip()) == {"#"}


def test_of_many_trials_the_longest_are_shown_and_the_others_are_counted() -> None:
    log: list[events.Event] = [started(jobs=80), listed()]
    versions = [f"2.{minor}" for minor in range(80)]
    log[1] = listed(versions)
    log += [start(key, 0) for key in range(80)]
    for key in range(80):
        trial = replace(end(0, 0).trial, key=key, label=versions[key])
        log.append(events.TrialFinished(trial=trial, at_s=BEGAN_S + 1 + key))

    lines = shown([*log, found(0, 79, 90)])

    assert sum(line.startswith(("    2.", "  * 2.")) for line in lines) == 60
    assert lines[-1].endswith("20 shorter ones not shown")
    assert any("2.79" in line for line in lines)
    assert not any("2.0 " in line for line in lines)


def test_a_log_without_dates_says_so() -> None:
    log = [replace(started(), at_s=None), listed(), found(None, None, 0)]

    assert shown(log) == [
        "Timings",
        "  the log has no dates: it was written by a version that did not record them",
    ]


def test_a_run_without_trials_has_a_wall_time_alone() -> None:
    assert shown([started(), listed(), found(None, None, 2)]) == [
        "Timings",
        "  Wall time   2.0 s on 2 workers",
    ]


def test_the_json_report_has_them_and_its_stages_do_not() -> None:
    whole = [started(), listed(), *SEARCH[:-1], *staged(), found(3, 4, 8)]

    document = json.loads(json_report.render(fold(whole)))

    timings = document["timings"]
    assert (timings["wall_s"], timings["workers"]) == (8, 2)
    assert timings["lower_bound"] == {"seconds": 5, "work_s": 8, "share_s": 4, "chain_s": 2, "measuring_s": 0}
    assert [stage["timings"] for stage in document["stages"]] == [None]

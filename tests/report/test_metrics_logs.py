"""Logs of measured searches: read back, cut off, and in words."""

from __future__ import annotations

from collections import Counter
from statistics import median

import pytest
from support.builders import ALL
from support.measured_logs import line
from support.noisy_world import NoisyWorld, by_limit, by_metric, flaky, shown, steps

from bisect_asgi.core import codec, events
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.plan import Budget
from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.report import document as json_report
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold


def logs() -> dict[str, list[events.Event]]:
    """The logs of searches of every kind."""
    rises = steps({1: 1e8, 6: 1.2e8, 12: 1.3e8}, noise=0.02)
    slower = steps({1: 1.0, 12: 1.5}, noise=0.03, unit="s", name="took")
    kinds = {
        "flaky": (flaky(8, 0.05, 0.8), {}),
        "budget": (flaky(8, 0.1, 0.4), {"budget": Budget(runs=20)}),
        "not-apart": (steps({1: 1.0}, noise=0.1), {"budget": Budget(runs=20), **by_metric()}),
        "memory": (rises, by_metric()),
        "time": (slower, by_metric("took")),
        "limit": (rises, by_limit(above=1.25e8, unit="B")),
        "levels": (rises, {"history": ALL, **by_metric()}),
        "plain": (flaky(8, 0.0, 1.0), {}),
    }
    found = {}
    for name, (shows, fields) in kinds.items():
        made_up = NoisyWorld(size=16, shows=shows, seed=1)
        made_up.bisect(**fields)
        found[name] = list(made_up.events)
    return found


LOGS = logs()


@pytest.mark.parametrize("kind", LOGS)
def test_a_log_that_was_cut_off_anywhere_is_a_report_of_what_was_known(kind: str) -> None:
    log = LOGS[kind]

    before = None
    for end in range(1, len(log)):
        report = fold(log[:end])
        if report == before:  # it is shown, and read back, as before
            continue
        before = report
        assert report.kind is ResultKind.INTERRUPTED
        assert (report.last, report.first) == (None, None)
        assert shown(report, plot=True)
        assert codec.from_json(json_report.render(report), Report) == report
    assert fold(log).kind is log[-1].kind  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", LOGS)
def test_a_log_reads_back_as_what_was_written(kind: str) -> None:
    log = LOGS[kind]

    read = [codec.event_from_json(codec.event_to_json(event)) for event in log]

    assert read == log
    assert fold(read) == fold(log)


@pytest.mark.parametrize("kind", ["memory", "time", "levels"])
def test_samples_of_rows_are_those_of_the_events(kind: str) -> None:
    report = fold(LOGS[kind])

    assert report.ends is not None
    for end, own in ((report.ends.old, report.ends.old_samples), (report.ends.new, report.ends.new_samples)):
        row = report.row(end)
        assert row
        assert row.samples[: len(own)] == own
        assert median(row.samples) == pytest.approx(median(own), rel=0.1)


@pytest.mark.parametrize("kind", LOGS)
def test_no_line_says_what_cannot_be_read(kind: str) -> None:
    text = shown(fold(LOGS[kind]), plot=True)

    for nonsense in ("None", "nan", "inf ", "  ;", ";;", "()", " ,"):
        assert nonsense not in text


def test_releases_that_were_run_are_told_with_their_runs_although_nobody_knows_their_side() -> None:
    report = fold(LOGS["budget"])

    runs: Counter[str] = Counter()
    for event in LOGS["budget"]:
        if isinstance(event, events.TrialFinished):
            runs[event.trial.label] += len(event.trial.observations)
    assert report.kind is ResultKind.INCONCLUSIVE
    assert {row.version: row.runs for row in report.rows if row.how is ReleaseState.RUN} == runs
    assert sum(row.passed + row.failed for row in report.rows) == 20
    undecided = [row for row in report.rows if row.how is ReleaseState.RUN and not row.verdict]
    assert undecided
    assert f"20 runs on {len(runs)} of 16 releases" in line(report, "Runs")
    assert all(row.verdict == "" for row in report.rows if row.how is ReleaseState.NOT_RUN)

"""A probe that hangs: what it costs, and that a release which is only slow is never called bad."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.builders import NONE, a_plan, failed, passed, probe, release
from support.services import FakeIndex, FakeTrials, fake_services

from bisect_asgi import session
from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import Observation, Trial, TrialRequest
from bisect_asgi.core.records import replace
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold

TIMEOUT_S = 120.0


class Machine:
    """Releases 1, 2, … whose probe takes as long as `lasts` says; a run that takes too long is ended."""

    def __init__(self, size: int, lasts: Callable[[int], float]) -> None:
        self.size, self.lasts = size, lasts
        self.store: dict[str, list[Observation]] = {}
        self.spent_s = 0.0
        self.events: list[events.Event] = []

    def run_trial(self, request: TrialRequest, _: CancelToken) -> Trial:
        stored = self.store.setdefault(request.label, [])
        made = [self._run(request) for _ in range(request.runs)]
        assert len(stored) == request.known_runs
        stored += made
        return Trial(key=request.key, label=request.label, observations=tuple(made))

    def _run(self, request: TrialRequest) -> Observation:
        lasts_s = self.lasts(int(request.label))
        limit_s = request.limit_s or request.probe.timeout_s
        self.spent_s += min(lasts_s, limit_s)
        if lasts_s <= limit_s:
            return replace(passed(), wall_s=lasts_s)
        run = replace(failed(signature.of_timeout(limit_s)), wall_s=limit_s)
        return replace(run, cut_s=request.limit_s)

    def recall(self, request: TrialRequest) -> Trial | None:
        stored = tuple(self.store.get(request.label, ()))
        if not stored:
            return None
        return Trial(key=request.key, label=request.label, observations=stored, remembered=len(stored))

    def bisect(self, **fields: object) -> Report:
        self.events.clear()
        releases = [release(str(number), project="app") for number in range(1, self.size + 1)]
        trials = FakeTrials(self.run_trial, recall=self.recall)
        services = fake_services(index=FakeIndex(releases), trials=trials)
        plan = a_plan(**{"probe": replace(probe(), timeout_s=TIMEOUT_S), "history": NONE, **fields})
        session.bisect(plan, services, self.events.append)
        return fold(self.events)

    def in_full(self, number: int) -> int:
        """How often a release was run until it ended or hung to the probe's own limit."""
        return sum(run.cut_s is None for run in self.store.get(str(number), ()))


def hangs_from(first: int, *, passes_s: float = 1.0) -> Callable[[int], float]:
    return lambda number: 1e6 if number >= first else passes_s


@pytest.mark.parametrize("first", range(2, 40, 6))
def test_a_hang_costs_the_full_limit_at_the_end_and_at_the_boundary(first: int) -> None:
    made_up = Machine(40, hangs_from(first))

    report = made_up.bisect(good="1", bad="40")

    assert (report.kind, report.first) == (ResultKind.FOUND, str(first))
    assert made_up.in_full(first) == 1
    full = [number for number in range(first, 41) if made_up.in_full(number)]
    assert full == sorted({first, 40})
    assert made_up.spent_s <= len(full) * TIMEOUT_S + 12 * 10 + 20
    (note,) = report.notes
    assert "further runs are ended after 10 s" in note
    assert "the limit of 120 s" in note


def test_the_same_command_finds_all_runs_again() -> None:
    made_up = Machine(40, hangs_from(17))
    made_up.bisect(good="1", bad="40")
    spent_s = made_up.spent_s

    again = made_up.bisect(good="1", bad="40")

    assert again.first == "17"
    assert made_up.spent_s == spent_s


@pytest.mark.parametrize("slow", [range(10, 20), range(20, 30), range(2, 30), range(29, 30)], ids=str)
def test_a_release_that_is_only_slow_is_not_bad(slow: range) -> None:
    def lasts(number: int) -> float:
        return 1e6 if number >= 30 else 13.0 if number in slow else 0.2

    made_up = Machine(40, lasts)

    report = made_up.bisect(good="1", bad="40")

    assert (report.kind, report.last, report.first) == (ResultKind.FOUND, "29", "30")
    assert not [row.version for row in report.rows if row.verdict == "bad" and int(row.version) < 30]


def test_a_multiple_that_reaches_the_limit_cuts_nothing_off() -> None:
    made_up = Machine(20, hangs_from(8, passes_s=25.0))

    report = made_up.bisect(good="1", bad="20")

    assert report.first == "8"
    assert all(run.cut_s is None for runs in made_up.store.values() for run in runs)
    assert report.notes == ()


def test_each_side_is_run_in_full_however_often_the_user_wants_it_confirmed() -> None:
    made_up = Machine(20, hangs_from(8))

    made_up.bisect(good="1", bad="20", confirm=0)

    assert made_up.in_full(8) == 1


def test_a_fix_is_cut_off_on_its_older_side() -> None:
    made_up = Machine(30, lambda number: 1.0 if number >= 13 else 1e6)

    report = made_up.bisect(good="30", bad="1")

    assert (report.kind, report.last, report.first) == (ResultKind.FOUND, "12", "13")
    assert made_up.in_full(12) == 1

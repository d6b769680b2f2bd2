"""If all releases agree that have wheels for the chosen Python, others are searched on other Pythons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pytest
from packaging.tags import Tag
from packaging.version import Version
from support.builders import failed, passed, release, sdist, target, wheel
from support.sessions import FakeWorld, a_plan, broke_in

from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Observation, Release, Trial, TrialRequest
from bisect_asgi.core.plan import History, HistoryKind, Plan
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.session.dry_run import dry_run

CONFIRMED = 2
PYTHONS = [target(f"3.{minor}.1", Tag(f"cp3{minor}", f"cp3{minor}", "any")) for minor in (8, 9, 12)]
Behaviour = Callable[[Version, str], Observation]


def compiled(minor: int, *pythons: int) -> Release:
    """A release with a source distribution, and wheels for these minor versions of Python 3."""
    files = [wheel(tag=f"cp3{python}-cp3{python}-any") for python in pythons]
    return release(f"0.{minor}", *files, sdist(), uploaded=f"2023-11-{minor:02}")


# 0.1 to 0.4 are for 3.8, 0.4 to 0.8 for 3.9, 0.8 to 0.12 for 3.12.
TWELVE = [
    compiled(
        minor,
        *([8] if minor <= 4 else []),
        *([9] if 4 <= minor <= 8 else []),
        *([12] if minor >= 8 else []),
    )
    for minor in range(1, 13)
]


class Machine(FakeWorld):
    """A machine whose Pythons have wheels for different releases, and that counts the runs on each."""

    def __init__(self, behaviour: Behaviour, releases: Sequence[Release] = TWELVE) -> None:
        super().__init__(broke_in("1"), releases, interpreters=PYTHONS)
        self.shown = behaviour
        self.runs_on: Counter[tuple[str, str]] = Counter()

    def _trial(self, request: TrialRequest) -> Trial:
        (pin,) = request.spec.requirements
        python, version = request.spec.interpreter.short, pin.partition("==")[2]
        self.runs_on[python, version] += request.runs
        seen = self.shown(Version(version), python)
        return Trial(key=request.key, label=request.label, observations=(seen,) * request.runs)

    def report(self, plan: Plan) -> Report:
        self.bisect(plan)
        return fold(self.events)

    @property
    def pythons(self) -> dict[str, set[str]]:
        """The releases that were run on each Python."""
        found: dict[str, set[str]] = {}
        for python, version in self.runs_on:
            found.setdefault(python, set()).add(version)
        return found


def broken_from(version: str) -> Behaviour:
    return lambda seen, _: failed() if seen >= Version(version) else passed()


@pytest.mark.parametrize(
    ("broken", "last", "python"),
    [("0.10", "0.9", "3.12"), ("0.6", "0.5", "3.9"), ("0.8", "0.7", "3.9"), ("0.3", "0.2", "3.8")],
)
def test_the_change_is_found_where_it_has_wheels(broken: str, last: str, python: str) -> None:
    machine = Machine(broken_from(broken))

    report = machine.report(a_plan())

    assert (report.kind, report.last, report.first) == (ResultKind.FOUND, last, broken)
    assert report.interpreter is not None
    assert report.interpreter.short == python
    with_wheels = {"3.8": range(1, 5), "3.9": range(4, 9), "3.12": range(8, 13)}
    for run_on, versions in machine.pythons.items():
        assert versions <= {f"0.{minor}" for minor in with_wheels[run_on]}


def test_what_the_first_python_showed_is_noted() -> None:
    report = Machine(broken_from("0.6")).report(a_plan())

    (note,) = [note for note in report.notes if "3.12" in note]
    seen = "`leak.py` fails on every release of fastapi that was run, from 0.8 to 0.12"
    assert note == f"on Python 3.12, {seen}"
    assert report.interpreter_reason == "has wheels for releases that Python 3.12 has none for"
    reasons = {out.version: out.reason for out in report.excluded}
    assert reasons["0.3"] == "older than all wheels for Python 3.9"
    assert reasons["0.9"] == "newer than all wheels for Python 3.9"


def test_if_nothing_changes_anywhere_the_first_python_has_the_answer() -> None:
    machine = Machine(broken_from("0.0"))

    report = machine.report(a_plan(confirm=CONFIRMED))

    assert report.kind is ResultKind.NOT_REPRODUCED
    assert report.interpreter is not None
    assert report.interpreter.short == "3.12"
    assert {row.version for row in report.rows if row.verdict == "bad" and row.was_run} >= {"0.8", "0.12"}
    assert [note.partition(",")[0] for note in report.notes] == ["on Python 3.9", "on Python 3.8"]
    assert set(machine.pythons) == {"3.12", "3.9", "3.8"}
    # Coming back to it confirms it, and runs nothing else again.
    counted = {version: runs for (python, version), runs in machine.runs_on.items() if python == "3.12"}
    assert counted == {**dict.fromkeys(counted, 1), "0.8": 1 + CONFIRMED, "0.12": 1 + CONFIRMED}


def test_that_nothing_changes_on_the_first_python_is_not_confirmed_before_the_others_are_searched() -> None:
    machine = Machine(broken_from("0.6"))

    machine.report(a_plan(confirm=CONFIRMED))

    assert {runs for (python, _), runs in machine.runs_on.items() if python == "3.12"} == {1}


def test_the_last_python_builds_what_no_python_has_wheels_for() -> None:
    older = [release(f"0.{minor}", sdist(), uploaded=f"2023-11-{minor:02}") for minor in (1, 2)]
    machine = Machine(broken_from("0.2"), [*older, *TWELVE[2:]])

    report = machine.report(a_plan())

    assert (report.last, report.first) == ("0.1", "0.2")
    assert "0.1" in machine.pythons["3.8"]
    assert "0.1" not in machine.pythons["3.12"] | machine.pythons["3.9"]


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"python": "/opt/python-3.12.1/bin/python"}, id="the-user-chose"),
        pytest.param({"good": "0.1", "bad": "0.12"}, id="both-ends-are-named"),
    ],
)
def test_a_search_that_is_about_one_python_or_two_releases_stays(asked: Mapping[str, str]) -> None:
    report = Machine(broken_from("0.6")).report(a_plan(**asked))  # type: ignore[arg-type]

    assert (report.last, report.first) == ("0.5", "0.6")
    assert not any(note.startswith("on Python") for note in report.notes)


def test_all_changes_are_looked_for_on_one_python() -> None:
    machine = Machine(broken_from("0.6"))

    report = machine.report(a_plan(history=History(kind=HistoryKind.ALL)))

    assert (report.last, report.first) == ("0.5", "0.6")
    assert len(machine.pythons) == 1


def test_a_named_bad_end_has_a_wheel_on_the_next_python() -> None:
    machine = Machine(broken_from("0.6"))

    report = machine.report(a_plan(bad="0.8"))

    assert (report.last, report.first) == ("0.5", "0.6")
    assert set(machine.pythons) <= {"3.9", "3.12"}


def test_on_which_python_a_release_is_bad_may_differ() -> None:
    machine = Machine(lambda seen, python: failed() if python == "3.12" else passed())

    report = machine.report(a_plan())

    assert report.kind is ResultKind.NOT_REPRODUCED
    assert report.headline.startswith("`leak.py` fails on every release of fastapi that was run")
    assert any(note.startswith("on Python 3.9, `leak.py` passes on every release") for note in report.notes)


def test_a_dry_run_names_the_pythons_that_may_follow() -> None:
    machine = Machine(broken_from("0.6"))

    assert dry_run(a_plan(), machine.services()).further_pythons == ("3.9.1", "3.8.1")
    assert dry_run(a_plan(python="/opt/python-3.12.1/bin/python"), machine.services()).further_pythons == ()


def test_a_named_end_that_is_wrong_is_the_result_and_nothing_is_searched_elsewhere() -> None:
    own = {1: (8,), 2: (8,), 3: (8,), 4: (8,), 5: (12,), 6: (12,), 7: (12,), 8: (8, 12)}
    machine = Machine(lambda *_: passed(), [compiled(minor, *pythons) for minor, pythons in own.items()])

    report = machine.report(a_plan(bad="0.8", confirm=CONFIRMED))

    assert report.headline == "the bad end passes: `leak.py` succeeded on fastapi 0.8 (3 of 3 runs)"
    assert report.interpreter is not None
    # The end was tried there once; nothing was searched.
    tried = {run: times for run, times in machine.runs_on.items() if run[0] != report.interpreter.short}
    assert tried == {("3.9", "0.8"): 1, ("3.12", "0.8"): 1}

"""A named end that is not as the user says is run on the other Pythons that suit it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest
from packaging.version import Version
from support.builders import IMPORT_ERROR, failed, passed, release, target, untestable, wheel
from support.sessions import FakeWorld, a_plan, broke_in

from bisect_asgi.core import events
from bisect_asgi.core.errors import ExitCode, Unavailable
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Distribution, EnvironmentSpec, Observation, Release, Trial, TrialRequest
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.records import replace
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold

# Python 3.8 is the only one that none of them predates.
TWELVE = [release(f"0.{minor}", uploaded=f"2020-01-{minor:02}") for minor in range(1, 13)]
PYTHONS = [target("3.8.20"), target("3.9.18"), target("3.10.13")]

Behaviour = Callable[[Version], Observation]


def broken_from(version: str) -> Behaviour:
    return lambda seen: failed() if seen >= Version(version) else passed()


def always(observation: Observation) -> Behaviour:
    return lambda _: observation


GOOD, BAD = always(passed()), always(failed())


class Machine(FakeWorld):
    """A machine on whose Pythons the probe does different things."""

    def __init__(
        self,
        behaviours: Mapping[str, Behaviour],
        releases: Sequence[Release] = TWELVE,
        *,
        without_wheels: Sequence[str] = (),
    ) -> None:
        def wheels(spec: EnvironmentSpec) -> Sequence[Distribution] | None:
            return None if spec.interpreter.short in without_wheels else ()

        super().__init__(broke_in("1"), releases, interpreters=PYTHONS, wheels=wheels)
        self.behaviours = behaviours
        self.runs_on: list[tuple[str, str]] = []

    def _trial(self, request: TrialRequest) -> Trial:
        (pin,) = request.spec.requirements
        python, version = request.spec.interpreter.short, pin.partition("==")[2]
        self.runs_on.append((python, version))
        seen = self.behaviours[python](Version(version))
        return Trial(key=request.key, label=request.label, observations=(seen,) * request.runs)

    def report(self, plan: Plan) -> Report:
        """The report of a search."""
        self.bisect(plan)
        return fold(self.events)


def test_the_search_runs_on_the_python_on_which_the_bad_end_fails() -> None:
    machine = Machine({"3.8": GOOD, "3.9": broken_from("0.7"), "3.10": GOOD})

    report = machine.report(a_plan(good="0.1", bad="0.12"))

    assert (report.kind, report.last, report.first) == (ResultKind.FOUND, "0.6", "0.7")
    assert report.interpreter is not None
    assert report.interpreter.short == "3.9"
    assert report.interpreter_reason == (
        "on it, the ends are as given; fastapi 0.12 passes on Python 3.8, which suits the range best"
    )
    (stage,) = report.stages
    assert stage.kind is ResultKind.FOUND
    assert stage.headline == (
        "fastapi 0.1 passes on Python 3.9; "
        "fastapi 0.12 passes on Python 3.10; fastapi 0.12 fails on Python 3.9"
    )
    assert {row.version: row.verdict for row in stage.rows if row.was_run} == {
        "fastapi 0.12 on Python 3.9": "bad",
        "fastapi 0.12 on Python 3.10": "good",
        "fastapi 0.1 on Python 3.9": "good",
    }
    assert stage.own_runs == 3
    assert {python for python, _ in machine.runs_on[-4:]} == {"3.9"}


@pytest.mark.parametrize(
    ("first", "says"),
    [
        pytest.param(BAD, "fastapi 0.1 fails", id="the-good-end-fails"),
        pytest.param(always(untestable(IMPORT_ERROR)), "fastapi 0.1 is untestable", id="it-does-not-install"),
    ],
)
def test_the_search_runs_on_the_python_on_which_the_good_end_passes(first: Behaviour, says: str) -> None:
    def on_38(seen: Version) -> Observation:
        return first(seen) if seen < Version("0.5") else failed()

    machine = Machine({"3.8": on_38, "3.9": on_38, "3.10": broken_from("0.7")})

    report = machine.report(a_plan(good="0.1", bad="0.12"))

    assert (report.last, report.first) == ("0.6", "0.7")
    assert f"{says} on Python 3.8, which suits the range best" in report.interpreter_reason


def test_a_python_is_taken_only_if_the_other_end_is_as_given_as_well() -> None:
    machine = Machine({"3.8": GOOD, "3.9": broken_from("0.3"), "3.10": BAD})

    report = machine.report(a_plan(good="0.1", bad="0.12"))

    assert (report.last, report.first) == ("0.2", "0.3")
    assert report.interpreter is not None
    assert report.interpreter.short == "3.9"
    assert ("3.10", "0.1") in machine.runs_on


def test_an_untestable_end_moves_the_search_to_a_python_on_which_the_ends_can_be_tested() -> None:
    cannot = always(untestable(IMPORT_ERROR))
    machine = Machine({"3.8": cannot, "3.9": GOOD, "3.10": cannot})

    report = machine.report(a_plan(good="0.1", bad="0.12"))

    assert report.kind is ResultKind.NOT_REPRODUCED
    assert report.headline.startswith("the bad end passes")
    assert report.interpreter is not None
    assert report.interpreter.short == "3.9"
    assert report.interpreter_reason == (
        "on it, the ends are testable; fastapi 0.1 is untestable on Python 3.8, which suits the range best"
    )


def test_no_further_python_is_tried_once_the_ends_are_as_given_on_one() -> None:
    machine = Machine({"3.8": GOOD, "3.9": BAD, "3.10": broken_from("0.7")})

    report = machine.report(a_plan(good="0.1", bad="0.12"))

    assert report.first == "0.7"
    assert "3.9" not in {python for python, _ in machine.runs_on}


def test_an_end_that_is_wrong_on_all_pythons_is_the_answer_with_what_was_tried() -> None:
    machine = Machine({"3.8": GOOD, "3.9": GOOD, "3.10": always(untestable(IMPORT_ERROR))})

    report = machine.report(a_plan(good="0.1", bad="0.12"))

    assert report.kind is ResultKind.NOT_REPRODUCED
    assert report.notes == (
        (
            "the ends are not as given on other Pythons either: "
            "fastapi 0.12 passes on Python 3.9; fastapi 0.12 is untestable on Python 3.10"
        ),
    )
    assert report.interpreter is not None
    assert report.interpreter.short == "3.8"
    assert {row.version for row in report.rows if row.was_run} == {"0.1", "0.12"}
    assert report.stages[0].exit_code is ExitCode.NOT_REPRODUCED


def test_a_python_that_cannot_install_the_ends_is_not_tried() -> None:
    releases = [*TWELVE[:-1], release("0.12", wheel(requires_python="<3.9"), uploaded="2020-01-12")]
    machine = Machine({"3.8": GOOD}, releases)

    report = machine.report(a_plan(good="0.1", bad="0.12"))

    assert report.kind is ResultKind.NOT_REPRODUCED
    assert not report.stages


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(a_plan(good="0.1", bad="0.12", python="3.8"), id="the-user-chose"),
        pytest.param(a_plan(good="0.1", bad="0.12", requires_python="==3.8.*"), id="the-probe-chose"),
        pytest.param(a_plan(), id="no-end-is-named"),
    ],
)
def test_no_other_python_is_tried_if_none_was_chosen_for_named_ends(plan: Plan) -> None:
    machine = Machine({"3.8": GOOD})

    report = machine.report(plan)

    assert report.kind is ResultKind.NOT_REPRODUCED
    assert not report.stages


def test_where_other_pythons_cannot_be_tried_the_answer_stays() -> None:
    def no_worker(_: Version) -> Observation:
        raise Unavailable("no worker has Python 3.9")

    machine = Machine({"3.8": GOOD, "3.9": no_worker, "3.10": no_worker})

    report = machine.report(a_plan(good="0.1", bad="0.12"))

    assert report.kind is ResultKind.NOT_REPRODUCED
    assert report.notes == ("other Pythons could not be tried: no worker has Python 3.9",)
    assert report.stages[0].kind is ResultKind.UNAVAILABLE


def test_swapped_ends_are_no_matter_of_the_python() -> None:
    machine = Machine({"3.8": broken_from("0.7")})

    report = machine.report(a_plan(good="0.12", bad="0.1"))

    assert report.kind is ResultKind.GOOD_END_FAILS
    assert report.hint == "pass `--good 0.1 --bad 0.12`: the two are swapped"
    assert not report.stages


def test_only_the_named_end_of_two_is_tried_where_the_other_is_searched_for() -> None:
    machine = Machine({"3.8": GOOD, "3.9": GOOD, "3.10": broken_from("0.11")})

    report = machine.report(a_plan(bad="0.12"))

    assert (report.last, report.first) == ("0.10", "0.11")
    assert {row.version for row in report.stages[0].rows} == {
        "fastapi 0.12 on Python 3.9",
        "fastapi 0.12 on Python 3.10",
    }


def test_where_a_pattern_decides_it_also_does_on_the_other_pythons() -> None:
    def on_39(seen: Version) -> Observation:
        return passed(output="deprecated") if seen >= Version("0.7") else passed()

    machine = Machine({"3.8": GOOD, "3.9": on_39, "3.10": GOOD})
    plan = a_plan(good="0.1", bad="0.12")

    report = machine.report(replace(plan, criteria=replace(plan.criteria, match="deprecated")))

    assert (report.last, report.first) == ("0.6", "0.7")


def test_what_is_tried_is_told_while_it_is_tried() -> None:
    machine = Machine({"3.8": GOOD, "3.9": broken_from("0.7"), "3.10": GOOD})

    machine.bisect(a_plan(good="0.1", bad="0.12"))

    live = [event.text for event in machine.events if isinstance(event, events.Note) and event.is_live]
    assert live[0] == "fastapi 0.12 passes on Python 3.8; trying Python 3.9 and 3.10"
    assert live[1].startswith("the change is in fastapi 0.7; confirming it with ")
    assert len(live) == 2


@pytest.mark.parametrize(
    ("without_wheels", "tried"),
    [
        pytest.param(["3.9"], {"3.10"}, id="only-where-there-are-wheels"),
        pytest.param(["3.9", "3.10"], {"3.9", "3.10"}, id="everywhere-where-there-are-none"),
    ],
)
def test_an_end_is_built_on_another_python_only_if_it_has_wheels_on_none(
    without_wheels: list[str], tried: set[str]
) -> None:
    machine = Machine({"3.8": GOOD, "3.9": GOOD, "3.10": GOOD}, without_wheels=without_wheels)

    machine.bisect(a_plan(good="0.1", bad="0.12"))

    assert {python for python, _ in machine.runs_on} - {"3.8"} == tried

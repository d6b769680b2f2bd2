"""The axis of two lock files: everything as in the one, and everything as in the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from support.builders import a_plan, day, release, target, wheel
from support.services import FakeIndex, FakeInterpreters, FakeTrials, MadeUpIndex, fake_services

from bisect_asgi.core.errors import Unavailable, Unresolvable, UsageError
from bisect_asgi.core.model import Distribution, EnvironmentSpec, Release
from bisect_asgi.core.plan import AS_OF_RELEASE_GRACE, LOCKS, LockText, Plan
from bisect_asgi.session.axes import locks
from bisect_asgi.session.axes.base import SearchSpace

DAYS = {
    "app==1": "2021-01-10",
    "app==2": "2021-02-10",
    "engine==1": "2021-01-05",
    "engine==3": "2021-04-01",
    "engine==5": "2021-06-01",
    "helper==1": "2021-01-01",
    "helper==2": "2021-09-01",
}
# What the distributions require would lead to something else than what the locks say.
REQUIRES = {"app==1": "engine>=5", "app==2": "engine>=5"}
MADE_UP = MadeUpIndex({pin: REQUIRES.get(pin, "") for pin in DAYS}, DAYS)
OLD, NEW = "app==1\nengine==1\n", "app==2\nengine==3\n"


def lock_plan(old: str = OLD, new: str = NEW, **fields: Any) -> Plan:
    files = (LockText(name="old/requirements.txt", text=old), LockText(name="requirements.txt", text=new))
    return a_plan(**{"project": "", "over": LOCKS, "locks": files, **fields})


def resolve(spec: EnvironmentSpec) -> Sequence[Distribution]:
    """What the made-up index installs, as uv says it."""
    try:
        return MADE_UP.resolve(spec)
    except UsageError as error:
        raise Unresolvable(str(error)) from error


def prepare(plan: Plan, **ports: Any) -> SearchSpace:
    usual = {"index": MADE_UP, "trials": FakeTrials(resolve=resolve)}
    return locks.AXIS.prepare(plan, fake_services(**{**usual, **ports}))


def installed(space: SearchSpace) -> list[set[str]]:
    """What each of the two environments has."""
    return [{str(each) for each in MADE_UP.resolve(candidate.spec)} for candidate in space.candidates]


def test_each_lock_is_a_candidate_and_the_old_one_is_the_good_one() -> None:
    space = prepare(lock_plan())

    assert space.labels == ("old/requirements.txt", "requirements.txt")
    assert (space.expectation.good, space.expectation.bad) == (0, 1)


def test_an_environment_has_what_its_lock_says_whatever_that_requires() -> None:
    assert installed(prepare(lock_plan())) == [{"app==1", "engine==1"}, {"app==2", "engine==3"}]


def test_what_the_probe_needs_comes_beside_the_lock_and_does_not_change_it() -> None:
    space = prepare(lock_plan(held=("helper<2", "engine>=5")))

    assert installed(space) == [{"app==1", "engine==1", "helper==1"}, {"app==2", "engine==3", "helper==1"}]


def test_what_the_user_overrides_is_added_to_what_the_locks_say() -> None:
    space = prepare(lock_plan(held=("helper",), overrides=("helper==1",)))

    assert all("helper==1" in each for each in installed(space))


def test_both_are_resolved_as_of_the_newest_that_is_pinned_in_either() -> None:
    space = prepare(lock_plan())

    limits = {candidate.spec.exclude_newer for candidate in space.candidates}
    assert limits == {day("2021-04-01") + AS_OF_RELEASE_GRACE}
    for candidate in space.candidates:
        assert {
            exclude_newer_package.name for exclude_newer_package in candidate.spec.exclude_newer_package
        } == {"app", "engine"}


def test_what_only_the_other_lock_pins_is_as_of_the_date() -> None:
    space = prepare(lock_plan("app==1\nengine==1\n", "app==2\n", overrides=("engine>=1",)))

    assert installed(space)[1] == {"app==2", "engine==1"}


def test_a_pin_that_is_on_no_index_is_left_to_the_installer() -> None:
    space = prepare(lock_plan(new=f"{NEW}private==4\n"))

    assert "private==4" in space.candidates[1].spec.requirements
    assert "private" not in {
        exclude_newer_package.name for exclude_newer_package in space.candidates[1].spec.exclude_newer_package
    }


def test_an_index_that_does_not_answer_is_not_taken_for_one_without_the_project() -> None:
    def down(_: str) -> Sequence[Release]:
        raise Unavailable("the index did not answer")

    with pytest.raises(Unavailable):
        prepare(lock_plan(), index=FakeIndex(down))


# --- The interpreter


def test_the_interpreter_installs_what_both_locks_pin() -> None:
    releases = [
        release("1", wheel(requires_python="<3.11"), uploaded="2021-01-01", project="app"),
        release("2", wheel(requires_python=">=3.9"), uploaded="2021-02-01", project="app"),
    ]
    pythons = tuple(map(target, ("3.8.20", "3.10.2", "3.12.1")))

    space = prepare(
        lock_plan("app==1", "app==2"), index=FakeIndex(releases), interpreters=FakeInterpreters(*pythons)
    )

    assert space.choice is not None
    assert space.choice.interpreter.version == "3.10.2"
    assert {candidate.spec.interpreter for candidate in space.candidates} == {space.choice.interpreter}


@pytest.mark.parametrize(
    ("python", "pins"), [("3.8", {"app==2", "helper==1"}), ("3.12", {"app==2", "engine==3"})]
)
def test_markers_hold_on_the_interpreter_that_runs_the_probe(python: str, pins: set[str]) -> None:
    new = "app==2\nhelper==1 ; python_version < '3.10'\nengine==3 ; python_version >= '3.10'\n"

    space = prepare(
        lock_plan(new=new, python=python),
        interpreters=FakeInterpreters(find=lambda wish: target(f"{wish}.1")),
    )

    assert set(space.candidates[1].spec.requirements) == pins


@pytest.mark.parametrize(
    ("headers", "pythons", "chosen"),
    [
        pytest.param(("3.9", "3.9"), ("3.8", "3.9", "3.12"), "3.9", id="of-both"),
        pytest.param(("3.9", ""), ("3.8", "3.9", "3.12"), "3.9", id="of-one"),
        pytest.param(("3.8 --universal", "3.9"), ("3.8", "3.9", "3.12"), "3.9", id="universal"),
        pytest.param(("3.12", "3.12"), ("3.8", "3.9", "3.12"), "3.12", id="newer-than-the-pins"),
    ],
)
def test_the_interpreter_is_the_one_that_the_locks_were_made_for(
    headers: tuple[str, str], pythons: tuple[str, ...], chosen: str
) -> None:
    old, new = (compiled_for(python) for python in headers)
    machine = FakeInterpreters(*(target(f"{python}.4") for python in pythons))

    space = prepare(lock_plan(old + OLD, new + NEW), interpreters=machine)

    assert space.choice is not None
    assert space.choice.interpreter.short == chosen


@pytest.mark.parametrize("headers", [("3.10", "3.10"), ("3.8", "3.9")], ids=["not-here", "one-each"])
def test_if_no_interpreter_is_for_both_locks_the_pins_decide_and_that_is_noted(
    headers: tuple[str, str],
) -> None:
    old, new = map(compiled_for, headers)
    machine = FakeInterpreters(*(target(f"{python}.4") for python in ("3.8", "3.9", "3.12")))

    space = prepare(lock_plan(old + OLD, new + NEW), interpreters=machine)

    assert space.choice == prepare(lock_plan(), interpreters=machine).choice
    assert space.notes


def test_it_is_said_which_python_the_locks_were_made_for() -> None:
    header = compiled_for("3.9")

    space = prepare(
        lock_plan(header + OLD, header + NEW),
        interpreters=FakeInterpreters(target("3.9.4"), target("3.12.1")),
    )

    assert space.choice is not None
    assert space.choice.reason.startswith("the lock files are for Python ==3.9.*; ")
    assert space.notes == ()


def test_a_lock_that_is_run_on_another_python_than_its_own_is_noted() -> None:
    header = compiled_for("3.9")

    space = prepare(
        lock_plan(header + OLD, NEW, python="3.12"), interpreters=FakeInterpreters(target("3.12.1"))
    )

    (note,) = space.notes
    assert note.startswith("`old/requirements.txt` is for Python ==3.9.*, and is run on 3.12.1")


def compiled_for(python: str) -> str:
    """The header of a lock that uv made for a Python; empty for none."""
    command = f"#    uv pip compile app.in --python-version {python}\n"
    return f"# This file was autogenerated by uv via the following command:\n{command}" if python else ""


# --- What is told


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({}, ["`requirements.txt` does not pin engine 5"], id="required-and-not-pinned"),
        pytest.param({"held": ("engine<5",)}, [], id="the-probe-holds-it"),
        pytest.param({"overrides": ("engine==3",)}, [], id="the-user-overrides-it"),
        pytest.param(
            {"held": ("helper",)}, ["`requirements.txt` does not pin engine 5"], id="the-probe-needs-another"
        ),
        pytest.param({"new": "app==2\nnone==1\n"}, [], id="nothing-can-be-resolved"),
        pytest.param({"new": NEW}, [], id="pinned-at-a-version-that-is-not-the-required-one"),
    ],
)
def test_what_a_lock_lacks_and_requires_is_named(fields: dict[str, Any], said: list[str]) -> None:
    # `helper` is as new as `engine` 5, which the limit of date would hide else.
    space = prepare(lock_plan(**{"old": f"{OLD}helper==2\n", "new": "app==2\nhelper==2\n", **fields}))

    assert [note.partition(",")[0] for note in space.notes] == said


def test_entries_that_are_not_looked_at_are_noted_with_the_file_they_are_in() -> None:
    space = prepare(lock_plan(new=f"{NEW}-e ./here\nkite @ https://index.test/kite-1.tar.gz\n"))

    (note,) = space.notes
    assert note.startswith("2 entries of `requirements.txt` excluded: ")
    assert "kite" in note
    assert "./here" in note


def test_locks_that_are_looked_at_whole_have_no_notes() -> None:
    assert prepare(lock_plan()).notes == ()


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        pytest.param(
            lock_plan(OLD, "engine==1\nApp==1\n"),
            "`old/requirements.txt` and `requirements.txt` install the same",
            id="the-same-in-another-order-and-spelling",
        ),
        pytest.param(
            lock_plan(OLD, "app==1.0\nengine==1\n"),
            "`old/requirements.txt` and `requirements.txt` install the same",
            id="the-same-version-in-another-spelling",
        ),
        pytest.param(
            lock_plan(new="app==2\nengine>=3\n"), "line 2 of `requirements.txt` is not pinned", id="no-pin"
        ),
        pytest.param(lock_plan(old=""), "`old/requirements.txt` is empty", id="empty"),
    ],
)
def test_locks_that_cannot_be_compared_are_told_with_a_way_out(plan: Plan, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(plan)

    assert str(caught.value).startswith(message)
    assert caught.value.hint


def test_locks_that_differ_on_other_interpreters_only_are_told_with_the_one_that_was_looked_at() -> None:
    with pytest.raises(UsageError, match="install the same") as caught:
        prepare(lock_plan("app==1", "app==1\nengine==3 ; python_version < '3.7'"))

    assert caught.value.hint is not None
    assert "3.8.20" in caught.value.hint

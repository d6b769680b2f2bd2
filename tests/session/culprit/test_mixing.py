"""Mixes of two environments: which are run, how often, and what they come to."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import (
    ASSERTION,
    TYPE_ERROR,
    broken,
    failed,
    passed,
    untestable,
)
from support.mixing import NAMES, Bench, Shows, bench, fails_with, index, mixes_of, newer, pins
from support.services import Installed

from bisect_asgi.core import events
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.model import (
    CulpritKind,
    Observation,
    Outcome,
)
from bisect_asgi.core.tally import Tally

reproducible = settings(derandomize=True, deadline=None, max_examples=40)


ALTERNATIVES = st.lists(st.sets(st.sampled_from(NAMES), min_size=1, max_size=3), min_size=1, max_size=3)


@reproducible
@given(ALTERNATIVES)
def test_each_set_carries_the_change_and_needs_all_that_is_in_it(alternatives: list[set[str]]) -> None:
    tried = bench(fails_with(*alternatives))

    culprit = tried.mixing.find()

    def fails(mix: frozenset[str]) -> bool:
        return any(each <= mix for each in alternatives)

    for mix in mixes_of(culprit):
        assert fails(mix)
        assert not any(fails(mix - {name}) for name in mix)
    assert culprit.is_all
    assert not fails(frozenset(NAMES).difference(*mixes_of(culprit)))


@reproducible
@given(ALTERNATIVES, st.integers(min_value=1, max_value=4))
def test_what_is_found_does_not_hang_on_how_many_run_side_by_side(
    alternatives: list[set[str]], jobs: int
) -> None:
    shows = fails_with(*alternatives)

    alone, together = bench(shows).mixing.find(), bench(shows, jobs=jobs).mixing.find()

    if len(alternatives) == 1:  # of several sets, which one is found first may differ
        assert mixes_of(alone) == mixes_of(together) == {frozenset(alternatives[0])}
    assert alone.is_all is together.is_all


@reproducible
@given(ALTERNATIVES)
def test_neither_side_is_run_again(alternatives: list[set[str]]) -> None:
    tried = bench(fails_with(*alternatives))

    tried.mixing.find()

    assert not {frozenset[str](), frozenset(NAMES)} & set(tried.mixes)


@reproducible
@given(ALTERNATIVES, st.integers(min_value=0, max_value=3))
def test_no_mix_runs_oftener_than_it_takes_to_confirm_it(alternatives: list[set[str]], confirm: int) -> None:
    tried = bench(fails_with(*alternatives), confirm=confirm)

    culprit = tried.mixing.find()

    assert set(tried.runs.values()) <= {1, 1 + confirm}
    for mix in mixes_of(culprit) - {frozenset(NAMES)}:
        assert tried.runs[mix] == 1 + confirm
        for name in mix:
            assert tried.runs.get(mix - {name}, 1 + confirm) == 1 + confirm


def test_the_package_and_its_dependencies_are_asked_apart_first() -> None:
    tried = bench(fails_with({"gamma"}), package="alpha")

    tried.mixing.find()

    assert set(tried.mixes[:2]) == {frozenset({"alpha"}), frozenset(NAMES) - {"alpha"}}


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_no_more_mixes_run_side_by_side_than_there_are_jobs(jobs: int) -> None:
    tried = bench(fails_with({"beta", "epsilon"}), jobs=jobs, confirm=0)

    tried.mixing.find()

    waves = [0]
    for event in tried.events:
        if isinstance(event, events.CandidatesListed):
            waves.append(0)
        elif isinstance(event, events.TrialStarted):
            waves[-1] += 1
    assert max(waves) == jobs


def test_every_mix_is_listed_before_it_runs() -> None:
    tried = bench(fails_with({"beta"}, {"zeta", "alpha"}))

    tried.mixing.find()

    listed = 0
    for event in tried.events:
        if isinstance(event, events.CandidatesListed):
            assert len(event.candidates) >= listed  # none is taken back: keys stay what they are
            listed = len(event.candidates)
        elif isinstance(event, events.TrialStarted):
            assert event.key < listed
    assert all(request.stage == 3 for request in tried.requests)


def test_a_mix_is_called_by_the_side_that_has_its_package_and_what_differs_from_it() -> None:
    tried = bench(fails_with({"gamma"}), ("alpha", "beta", "gamma"), package="alpha")

    tried.mixing.find()

    labels = {tried.taken(request): request.label for request in tried.requests}
    assert labels[frozenset({"alpha"})] == "alpha 2 with the dependencies of alpha 1"
    assert labels[frozenset({"gamma"})] == "alpha 1 with gamma 2"


def test_what_excludes_each_others_older_version_moves_together_first() -> None:
    names = ("alpha", "beta", "gamma", "delta")
    requires = {
        f"{one}=={n}": f"{other}=={n}" for one, other in (("beta", "delta"), ("delta", "beta")) for n in "12"
    }
    tried = Bench(
        index(*names, requires=requires), pins(names, 1), pins(names, 2), fails_with({"gamma"}), confirm=0
    )

    culprit = tried.mixing.find()

    assert mixes_of(culprit) == {frozenset({"gamma"})}
    assert all(len(mix & {"beta", "delta"}) != 1 for mix in tried.mixes)


def test_what_earlier_commands_saw_is_asked_for_before_a_mix_runs() -> None:
    remembering, fresh = (bench(fails_with({"beta"}), fresh=fresh) for fresh in (False, True))

    remembering.mixing.find()
    fresh.mixing.find()

    assert {request.label for request in remembering.requests} <= set(remembering.recalled)
    assert fresh.recalled == []


@pytest.mark.parametrize("lies_on", [{"beta"}, {"alpha", "gamma", "delta", "epsilon", "zeta"}])
def test_a_mix_that_both_passes_and_fails_is_run_until_its_side_is_clear(lies_on: set[str]) -> None:
    def shows(installed: Installed, run: int) -> Observation:
        is_failing = ("beta" in newer(installed)) != (newer(installed) == lies_on and run == 0)
        return failed() if is_failing else passed()

    tried = bench(shows, seen=(Tally(passed=20), Tally(failed=20)))

    culprit = tried.mixing.find()

    assert [shown.mix for shown in culprit.sets] == [{"beta"}]
    assert tried.mixing.problem == ""
    assert 2 < tried.runs[frozenset(lies_on)] < 40
    others = {mix: runs for mix, runs in tried.runs.items() if mix != lies_on}
    # How often both sides fail is what the mix is held against: they are run along with it.
    sides = [others.pop(frozenset()), others.pop(frozenset(NAMES))]
    assert max(others.values()) <= 2 <= min(sides)
    assert max(sides) <= tried.runs[frozenset(lies_on)]


def test_what_the_answer_rests_on_is_run_three_times_unless_somebody_says_how_often() -> None:
    for confirm, least in ((None, 3), (0, 1), (1, 2), (4, 5)):
        tried = bench(fails_with({"beta"}), confirm=confirm)

        culprit = tried.mixing.find()

        keys = tried.mixing.decisive(culprit)
        assert min(len(tried.mixing.search.engine.observed[key]) for key in keys) == least


def test_runs_of_both_sides_along_with_a_mix_tell_what_it_is_held_against() -> None:
    # Nothing is known beforehand of how often the sides fail, and the mix passes in one run of four.
    def shows(installed: Installed, run: int) -> Observation:
        if newer(installed) == {"beta"}:
            return passed() if run % 4 == 0 else failed()
        return fails_with({"beta"})(installed, run)

    tried = bench(shows)

    culprit = tried.mixing.find()

    assert [shown.mix for shown in culprit.sets] == [{"beta"}]
    assert tried.mixing.problem == ""


def test_a_mix_that_is_on_neither_side_is_a_problem_that_names_it() -> None:
    def shows(installed: Installed, run: int) -> Observation:
        if newer(installed) == {"beta"}:
            return failed() if run % 2 else passed()
        return fails_with({"beta"})(installed, run)

    tried = bench(shows, seen=(Tally(passed=20), Tally(failed=20)))

    tried.mixing.find()

    assert tried.mixing.problem == "40 runs did not show whether alpha 1 with beta 2 is good or bad"
    assert tried.runs[frozenset({"beta"})] == 40


def test_how_often_each_side_fails_says_on_which_one_a_mix_is() -> None:
    # The older side fails now and then itself: a mix that failed once in four is on that side.
    def shows(installed: Installed, run: int) -> Observation:
        is_failing = "beta" in newer(installed) or run % 4 == 1
        return failed() if is_failing else passed()

    tried = bench(shows, seen=(Tally(passed=30, failed=10), Tally(failed=40)))

    culprit = tried.mixing.find()

    assert tried.mixing.problem == ""
    assert [shown.mix for shown in culprit.sets] == [{"beta"}]


def test_mixes_that_agree_with_themselves_are_no_problem() -> None:
    tried = bench(fails_with({"beta"}))

    tried.mixing.find()

    assert tried.mixing.problem == ""


def test_nothing_is_concluded_where_nothing_was_learnt() -> None:
    def shows(installed: Installed, run: int) -> Observation:
        if newer(installed) == {"beta"}:
            return broken()
        return fails_with({"beta"})(installed, run)

    with pytest.raises(Unavailable, match="beta 2: no space left on device") as caught:
        bench(shows).mixing.find()

    assert caught.value.hint


def test_the_newer_side_may_be_the_one_that_passes() -> None:
    broken_before = fails_with({"beta"})

    def shows(installed: Installed, run: int) -> Observation:
        return failed() if broken_before(installed, run).outcome is Outcome.PASSED else passed()

    tried = bench(shows)

    assert tried.boundary.new_is is Outcome.PASSED
    assert mixes_of(tried.mixing.find()) == {frozenset({"beta"})}


# --- What is left with the culprit taken back


def both(installed: Installed, _: int) -> Observation:
    """Alpha breaks it one way, and beta another."""
    if "alpha" in newer(installed):
        return failed(ASSERTION)
    return failed(TYPE_ERROR) if "beta" in newer(installed) else passed()


def test_what_fails_otherwise_without_the_culprit_is_another_boundary() -> None:
    tried = bench(both)
    culprit = tried.mixing.find()

    rest = tried.mixing.rest(culprit)

    assert mixes_of(culprit) == {frozenset({"alpha"})}
    assert rest is not None
    assert rest.old == tried.boundary.old
    assert {move.name for move in rest.moves} == set(NAMES) - {"alpha"}
    assert {run.signature for run in rest.known[1].observations} == {TYPE_ERROR}
    assert len(rest.known[1].observations) == 1 + tried.confirm


def test_nothing_is_left_where_the_change_is_gone_without_the_culprit() -> None:
    tried = bench(fails_with({"alpha"}))

    assert tried.mixing.rest(tried.mixing.find()) is None


def test_what_was_seen_of_a_mix_can_be_had_again() -> None:
    tried = bench(fails_with({"beta"}))
    tried.mixing.find()

    seen = tried.mixing.known(frozenset({"beta"}))

    assert seen is not None
    assert [run.outcome for run in seen.observations] == [Outcome.FAILED] * 2
    assert tried.mixing.known(frozenset({"alpha", "beta", "zeta"})) is None


# --- What is on one side only


def test_a_mix_without_what_the_new_side_added_is_run_before_that_is_left_out_of_the_answer() -> None:
    made_up = index(
        "app", "engine", "pump", requires={"app==1": "engine==1", "app==2": "engine==2", "engine==2": "pump"}
    )
    tried = Bench(
        made_up,
        "app==1",
        "app==2",
        lambda installed, _: failed() if installed["engine"] == "2" else passed(),
        package="app",
    )

    culprit = tried.mixing.find()

    assert (culprit.kind, mixes_of(culprit)) == (CulpritKind.DEPENDENCY, {frozenset({"engine"})})
    (shown,) = culprit.sets
    assert shown.pulled_in == frozenset()  # it was seen to carry the change without pump
    assert frozenset({"engine"}) in tried.mixes


def test_what_the_old_side_had_alone_can_be_taken_out() -> None:
    made_up = index("app", "pump", "tyres", requires={"app==1": "pump==1", "app==2": "tyres==1"})
    tried = Bench(
        made_up,
        "app==1",
        "app==2",
        lambda installed, _: passed() if "pump" in installed else failed(),
        package="app",
    )

    culprit = tried.mixing.find()

    assert (culprit.kind, mixes_of(culprit)) == (CulpritKind.DEPENDENCY, {frozenset({"pump"})})


def with_plugin(shows: Shows) -> Bench:
    """The newer app requires a plugin, which the older side has not."""
    made_up = index("app", "beta", "plugin", requires={"app==2": "plugin"})
    return Bench(made_up, "app==1 beta==1", "app==2 beta==2 plugin==1", shows)


def test_what_came_along_is_said_where_the_mix_is_listed() -> None:
    tried = with_plugin(lambda installed, _: failed() if installed["app"] == "2" else passed())

    tried.mixing.find()

    listed = [event for event in tried.events if isinstance(event, events.CandidatesListed)][-1]
    ran = {request.key: request.spec for request in tried.requests}
    found = {key: {d.name for d in tried.made_up.resolve(spec)} for key, spec in ran.items()}
    asked = {key: {pin.split("==")[0] for pin in spec.requirements} for key, spec in ran.items()}
    told = {key: listed.candidates[key].version.endswith("; plugin installed with it") for key in ran}
    assert told == {key: "plugin" in found[key] - asked[key] for key in ran}
    assert True in told.values()


def test_what_comes_in_again_when_it_is_taken_back_leaves_open_whether_that_is_all() -> None:
    def shows(installed: Installed, _: int) -> Observation:
        if "plugin" in installed:
            return failed()
        return untestable() if installed["app"] == "2" else passed()

    culprit = with_plugin(shows).mixing.find()

    assert mixes_of(culprit) == {frozenset({"plugin"})}
    assert not culprit.is_all

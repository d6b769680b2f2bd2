"""Yanked releases are run where they may matter, and what they show is said beside the result."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from support.builders import AUTO, IMPORT_ERROR, NONE, failed, file, passed, release, untestable
from support.sessions import FakeWorld, a_plan

from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Observation, Release, Trial, TrialRequest
from bisect_asgi.core.plan import History, HistoryKind
from bisect_asgi.core.records import replace
from bisect_asgi.core.search.confirmation import FIRST_RUNS
from bisect_asgi.report.document import Report
from bisect_asgi.report.fix import fixes
from bisect_asgi.report.folding import fold


def yanked(version: str, reason: str = "") -> Release:
    name = f"fastapi-{version}-py3-none-any.whl"
    uploaded = f"2021-{int(version.split('.')[1]):02}-01"
    (own,) = release(version, uploaded=uploaded).files
    taken_back = type(own)(
        filename=name, uploaded=own.uploaded, requires_python=None, yanked=reason, url=own.url
    )
    return release(version, taken_back, uploaded=uploaded)


def world(shown: Mapping[int, Observation], **taken_back: str) -> FakeWorld:
    """Releases 0.1 to 0.9; those in `taken_back` (`v5="reason"`) are yanked. What is not shown passes."""
    reasons = {int(name[1:]): reason for name, reason in taken_back.items()}
    releases = [
        yanked(f"0.{minor}", reasons[minor])
        if minor in reasons
        else release(f"0.{minor}", uploaded=f"2021-{minor:02}-01")
        for minor in range(1, 10)
    ]
    return FakeWorld(lambda version, _: shown.get(version.minor, passed()), releases)


def report(made_up: FakeWorld, history: History = AUTO) -> Report:
    made_up.bisect(a_plan(history=history))
    return fold(made_up.events)


def broken_from(first: int) -> dict[int, Observation]:
    return {minor: failed() for minor in range(first, 10)}


def test_a_yanked_release_inside_the_boundary_that_is_bad_is_said_and_moves_nothing() -> None:
    told = report(world(broken_from(5), v5="loses data"))

    assert (told.last, told.first) == ("0.4", "0.6")
    assert "0.5, yanked, is bad as well: it broke there (yanked: loses data)" in told.notes
    assert told.headline == ("fastapi broke in 0.6 (2021-06-01); the yanked 0.5 before 0.6 is bad as well")
    row = told.row("0.5")
    assert row is not None
    assert (row.yanked, row.verdict, row.runs) == ("loses data", "bad", 3)
    assert [row.version for row in told.rows] == [f"0.{minor}" for minor in range(1, 10)]
    assert [stretch.specifier for stretch in told.affected] == [">=0.5"]


def test_of_several_in_a_row_it_broke_in_the_oldest_one() -> None:
    told = report(world(broken_from(4), v4="", v5=""))

    assert (told.last, told.first) == ("0.3", "0.6")
    assert {"0.4, yanked, is bad as well: it broke there", "0.5, yanked, is bad as well"} <= {*told.notes}
    assert told.headline.endswith("; the yanked 0.4 and 0.5 before 0.6 are bad as well")
    assert [fix.requirement for fix in fixes(told)] == ["fastapi<0.4"]


def test_what_an_earlier_command_has_run_counts_as_what_this_one_runs() -> None:
    made_up = world(broken_from(5), v5="")

    def remembered(request: TrialRequest) -> Trial | None:
        is_known = request.label == "0.5"
        return made_up.run_trial(replace(request, runs=FIRST_RUNS), CancelToken()) if is_known else None

    made_up.recall = remembered  # type: ignore[method-assign]

    told = report(made_up)

    row = told.row("0.5")
    assert row is not None
    assert (row.verdict, row.runs) == ("bad", FIRST_RUNS)
    assert [stretch.specifier for stretch in told.affected] == [">=0.5"]
    assert made_up.runs["0.5"] == FIRST_RUNS


def test_a_yanked_release_that_is_not_as_the_first_bad_one_moves_no_bound() -> None:
    told = report(world(broken_from(6), v4="", v5=""))

    assert told.headline == "fastapi broke in 0.6 (2021-06-01)"
    assert [fix.requirement for fix in fixes(told)] == ["fastapi<0.6"]


def test_a_yanked_release_is_bad_already_where_it_was_fixed_and_broke_again() -> None:
    told = report(
        world({1: failed(), 2: failed(), **broken_from(6)}, v3="", v5=""), History(kind=HistoryKind.ALL)
    )

    assert "the yanked 0.3 before 0.4 is good as well" in told.headline


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (passed(), "0.5, yanked, is good"),
        (failed(IMPORT_ERROR), "0.5, yanked, fails differently: ImportError: cannot import name 'Lifespan'"),
        (untestable(), "0.5, yanked, is untestable: the requirements conflict"),
    ],
)
def test_what_else_it_may_show_is_said_as_well(seen: Observation, text: str) -> None:
    told = report(world({**broken_from(6), 5: seen}, v5=""))

    assert (told.last, told.first) == ("0.4", "0.6")
    assert text in told.notes


def test_a_fix_may_have_been_yanked() -> None:
    told = report(world({minor: failed() for minor in range(1, 5)}, v5="typo"))

    assert (told.last, told.first) == ("0.4", "0.6")
    assert "0.5, yanked, is good as well: it was fixed there (yanked: typo)" in told.notes


def test_where_nothing_changes_a_yanked_release_that_differs_is_in_the_message() -> None:
    made_up = world({5: failed()}, v5="broken", v7="typo")

    told = report(made_up)

    assert told.kind is ResultKind.NOT_REPRODUCED
    assert told.headline.endswith("; 0.5, yanked, is bad (yanked: broken)")
    assert told.hint is not None
    assert "include 0.5, yanked perhaps for this bug, with `--yanked`" in told.hint


def test_where_everything_fails_no_release_was_yanked_for_the_bug() -> None:
    made_up = world({minor: failed() for minor in range(1, 10) if minor != 5}, v5="typo")

    told = report(made_up)

    assert told.headline.endswith("; 0.5, yanked, is good (yanked: typo)")
    assert told.hint is not None
    assert told.hint.endswith("; or include 0.5, yanked, with `--yanked`")


def test_elsewhere_only_one_yanked_for_a_fault_is_run() -> None:
    made_up = world(broken_from(8), v2="a bug", v4="typo")

    told = report(made_up)

    assert [row.version for row in told.rows if row.yanked is not None] == ["0.2"]
    assert made_up.runs["0.4"] == 0
    assert "0.2, yanked, is good (yanked: a bug)" in told.notes


def test_without_a_look_at_the_history_no_yanked_release_is_run() -> None:
    made_up = world({5: failed()}, v5="broken")

    told = report(made_up, NONE)

    assert made_up.runs["0.5"] == 0
    assert told.hint is not None
    assert "include 0.5, yanked perhaps for this bug" in told.hint


def test_a_yanked_release_that_would_have_to_be_built_is_not_run() -> None:
    made_up = world(broken_from(5), v5="loses data")
    made_up.releases = tuple(
        each
        if each.version != "0.5"
        else release("0.5", file("fastapi-0.5.tar.gz", yanked="x"), uploaded="2021-05-01")
        for each in made_up.releases
    )

    told = report(made_up)

    assert made_up.runs["0.5"] == 0
    assert told.excluded_between == ("0.5",)
    assert not any(
        isinstance(event, events.Note) and "0.5" in event.text and not event.is_live
        for event in made_up.events
    )
    assert Version(told.first or "") == Version("0.6")


def test_one_inside_the_boundary_is_run_once_however_little_time_there_is() -> None:
    short = History(kind=HistoryKind.TIME, seconds=1e-9)

    told = report(world(broken_from(5), v5="", v2="a bug"), short)

    inside, elsewhere = told.row("0.5"), told.row("0.2")
    assert inside is not None
    assert (inside.verdict, inside.runs) == ("bad", 1)
    assert elsewhere is None or elsewhere.runs == 0


def test_a_range_without_a_change_is_the_whole_question() -> None:
    made_up = world(broken_from(8))

    made_up.bisect(replace(a_plan(history=AUTO), releases=SpecifierSet("<0.6")))

    told = fold(made_up.events)
    assert told.kind is ResultKind.NOT_REPRODUCED
    assert [row.version for row in told.rows if row.runs] == [f"0.{minor}" for minor in range(1, 6)]


def test_beyond_a_range_with_a_change_it_may_have_been_mended() -> None:
    made_up = world({3: failed(), 4: failed(), 5: failed(), 6: failed()})

    made_up.bisect(replace(a_plan(history=AUTO), releases=SpecifierSet("<0.6")))

    assert (
        fold(made_up.events).headline == "fastapi broke in 0.3 (2021-03-01) and was fixed in 0.7 (2021-07-01)"
    )

"""Progress on a terminal: what runs, what is left, and what was found."""

from __future__ import annotations

from io import StringIO

import pytest
from support.builders import (
    IMPORT_ERROR,
    broken,
    failed,
    passed,
    untestable,
)
from support.progress import (
    BAD,
    BELIEVED,
    DIFFERENT,
    DIFFERENT_WARNING,
    EXPLAINED,
    GOOD,
    LIKELIEST,
    MIXED,
    OPENING,
    SKIPPED,
    Screen,
    finished,
    inside,
    judged,
    staged,
)

from bisect_asgi.core import events
from bisect_asgi.core.events import Activity
from bisect_asgi.core.model import (
    Observation,
    Ruling,
)
from bisect_asgi.report.progress.console import SafeConsole
from bisect_asgi.report.progress.terminal import TerminalSink

AHEAD = "search · confirm · cause · history"

CONFIRMING: list[events.Event] = [
    *OPENING,
    finished(4, passed()),
    finished(5, failed()),
    judged(low=4, high=5, rulings=[(4, GOOD), (5, BAD)]),
    events.RepeatsStarted(runs=((4, 2), (5, 2))),
    finished(4, passed()),
    judged(),
]


def test_a_terminal_shows_the_likeliest_place_while_it_searches() -> None:
    screen = Screen()

    screen.take([*OPENING, judged(low=2, high=7, left=4), BELIEVED])
    assert screen.status[1:] == [f"  {LIKELIEST}"]

    screen.take([events.ObservationsReset(), judged(low=2, high=7, left=4)])
    assert "1.2" in screen.status[-1]
    assert LIKELIEST not in screen.status


def test_a_terminal_shows_what_each_running_trial_is_doing() -> None:
    screen = Screen()

    screen.take(
        [
            *OPENING,
            events.TrialStarted(key=9),
            events.TrialStarted(key=0),
            events.TrialStarted(key=5),
            events.TrialProgressed(key=9, activity=Activity.RUNNING),
            events.TrialProgressed(key=0, activity=Activity.BUILDING),
        ]
    )

    words = [line.split()[1:3] for line in screen.status[1:]]
    assert words == [["1.0", "building"], ["1.5", "waiting"], ["1.9", "running"]]


def test_trials_that_have_ended_or_were_cancelled_are_not_shown_as_running() -> None:
    screen = Screen()

    screen.take(
        [
            *OPENING,
            events.TrialStarted(key=9),
            events.TrialStarted(key=3),
            finished(9, failed()),
            events.TrialCancelled(key=3),
            events.TrialProgressed(key=3, activity=Activity.RUNNING),  # it did not know yet
        ]
    )

    assert screen.status == [f"⠋ [ends] · {AHEAD}  0 s"]


def test_a_terminal_shows_what_the_range_has_shrunk_to_and_what_is_left() -> None:
    screen = Screen()

    screen.take([*OPENING, judged(low=2, high=7, left=4)])

    # Forty places for nine steps: 2/9 of them are 9, 7/9 are 31.
    bar = "━" * 9 + "╌" * 22 + "━" * 9
    assert screen.status[1:] == [f"  1.2 {bar} 1.7   4 releases left, roughly 3 steps"]


def test_a_terminal_says_how_many_runs_the_confirmation_has_left() -> None:
    screen = Screen()

    screen.take(CONFIRMING)

    assert screen.status[0] == "⠋ ends · search · [confirm] · cause · history  0 s"
    assert screen.status[1].endswith("1.5   confirming: 1 of 4 runs, roughly 2 s")
    assert screen.status[2] == "  again: 1.4 good in 1 more run"


def test_a_terminal_says_what_it_waits_for_before_the_releases_are_known() -> None:
    screen = Screen()

    assert screen.status == ["⠋ asking the index  0 s"]


def test_a_terminal_counts_the_seconds_of_the_run_and_of_each_trial() -> None:
    screen = Screen()
    screen.now_s = 2.0
    screen.take([*OPENING, events.TrialStarted(key=9)])
    screen.now_s = 75.4

    head, trial = screen.status

    assert head.endswith("  1 min 15 s")
    assert trial == "  ▸ 1.9 waiting 1 min 13 s"


def test_more_trials_than_fit_are_counted() -> None:
    screen = Screen()

    screen.take([*OPENING, *(events.TrialStarted(key=key) for key in range(9))])

    assert screen.status[-1] == "    and 3 more"
    assert len(screen.status) == 8


def test_a_terminal_keeps_finished_trials_and_leaves_no_display_behind() -> None:
    screen = Screen()

    with screen.sink:
        screen.take(
            [
                *OPENING,
                events.TrialStarted(key=9),
                finished(9, failed()),
                judged(low=0, high=9, left=8, rulings=[(1, DIFFERENT), (9, BAD)]),
            ]
        )

    written = screen.file.getvalue()
    assert "Python 3.8.18: can install 10 of 10 releases" in written
    assert "✗ 1.9 bad (AssertionError: expected 200, got 500), built in 1.2 s, run in 0.40 s" in written
    assert all(line in written for line in DIFFERENT_WARNING)
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1  # the cursor is back
    assert "releases left" not in written.rpartition("\x1b[?25h")[2]


@pytest.mark.parametrize(
    ("run", "rulings", "mark"),
    [
        pytest.param(passed(), [(3, GOOD)], "✓", id="passed"),
        pytest.param(failed(), [(3, BAD)], "✗", id="failed"),
        pytest.param(untestable(), [(3, SKIPPED)], "?", id="untestable"),
        pytest.param(failed(IMPORT_ERROR), [(3, DIFFERENT)], "?", id="failed-otherwise"),
        pytest.param(broken(), [], "!", id="broken"),
    ],
)
def test_outcomes_can_be_told_apart_without_colour(
    run: Observation, rulings: list[tuple[int, Ruling]], mark: str
) -> None:
    screen = Screen()

    with screen.sink:
        screen.take([*OPENING, finished(3, run), judged(rulings=rulings)])

    assert f"{mark} 1.3 " in screen.file.getvalue()


def test_a_terminal_shows_stages_further_in_and_what_carries_the_change() -> None:
    screen = Screen()

    with screen.sink:
        screen.take([*inside(), EXPLAINED, events.Note(text="a note")])

    written = screen.file.getvalue()
    assert f"  ? {MIXED.candidates[2].version} skip" in written
    assert "demo 1.4 is bad with engine 3" in written
    assert "note: a note" in written
    assert "fails differently" not in written


def test_a_terminal_shows_what_runs_in_a_stage_by_its_label_there() -> None:
    screen = Screen()

    screen.take([*inside(), *staged(events.TrialStarted(key=1))])

    (line,) = (line for line in screen.status if "waiting" in line)
    assert "demo 1.5 waiting" in line


def test_what_a_probe_wrote_is_shown_on_a_terminal_as_it_is() -> None:
    file = StringIO()
    sink = TerminalSink(
        SafeConsole(file=file, force_terminal=True, width=120, color_system=None), verbose=True
    )

    with sink:
        for event in [*OPENING, events.OutputSeen(key=4, text="[red]not a style[/nor this]\n")]:
            sink(event)

    assert "  1.4 │ [red]not a style[/nor this]" in file.getvalue()

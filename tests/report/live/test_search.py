"""What is known of a search while it runs."""

from __future__ import annotations

import pytest
from support.builders import failed, passed
from support.documents import CHOSEN, LISTED, REGRESSION, STARTED, bad, finished, good, judged
from support.progress import PLANNED

from bisect_asgi.core import events
from bisect_asgi.core.events import Activity, ResultKind
from bisect_asgi.report.folding import fold
from bisect_asgi.report.live.search import LiveSearch


class Watched:
    """A search whose clock stands still."""

    def __init__(self, *log: events.Event) -> None:
        self.now_s = 0.0
        self.search = LiveSearch(lambda: self.now_s)
        self.take(*log)

    def take(self, *log: events.Event) -> None:
        for event in log:
            self.search(event)


def test_before_it_has_begun_there_is_no_report() -> None:
    watched = Watched()
    assert watched.search.report() is None
    assert watched.search.strip().where == watched.search.at == "asking the index"


def test_its_report_says_what_is_left() -> None:
    watched = Watched(STARTED, CHOSEN, LISTED, finished(1, passed()), finished(4, failed()))
    watched.take(judged({1: good(), 4: bad()}))
    report = watched.search.report()
    assert report is not None
    assert report.headline == (
        "still running: the change is between starlette 0.11.0 (good) and 0.13.0 (bad), 2 releases left"
    )


def test_at_its_end_the_report_is_that_of_its_log() -> None:
    assert Watched(*REGRESSION).search.report() == fold(REGRESSION)


def test_the_time_counts_until_the_end() -> None:
    watched = Watched(*REGRESSION[:-1])
    watched.now_s = 62.0
    assert watched.search.strip().elapsed == "1 min 2 s"
    report = watched.search.report()
    assert report is not None
    assert report.elapsed_s == 62.0
    watched.take(REGRESSION[-1])
    watched.now_s = 90.0
    assert watched.search.strip().elapsed == "1 min 2 s"


def test_the_strip_has_the_stretches_and_what_runs_since_when() -> None:
    watched = Watched(STARTED, PLANNED, CHOSEN, LISTED)
    watched.take(events.TrialStarted(key=0), events.TrialStarted(key=4))
    watched.now_s = 3.0
    watched.take(events.TrialProgressed(key=4, activity=Activity.RUNNING))
    watched.now_s = 5.0
    strip = watched.search.strip()
    assert (strip.stretches[strip.place], strip.stretches) == (
        "ends",
        ("ends", "search", "confirm", "cause", "history"),
    )
    assert [(work.label, work.value) for work in strip.running] == [
        ("0.10.0", "waiting 5 s"),
        ("0.13.0", "running 2 s"),
    ]


@pytest.mark.parametrize(
    ("event", "is_new"),
    [
        (events.TrialStarted(key=1), False),
        (events.OutputSeen(key=1, text="x"), False),
        (events.StageEvent(stage=1, event=events.TrialProgressed(key=1, activity=Activity.RUNNING)), False),
        (finished(1, passed()), True),
        (events.StageEvent(stage=1, event=STARTED), True),
        (events.Note(text="something"), True),
    ],
)
def test_only_what_a_report_shows_makes_a_new_version(event: events.Event, is_new: bool) -> None:
    watched = Watched(STARTED, LISTED)
    before = watched.search.version
    watched.take(event)
    assert (watched.search.version > before) is is_new


def test_a_search_that_begins_again_leaves_nothing_of_the_first_behind() -> None:
    begun = [STARTED, CHOSEN, LISTED, finished(0, failed()), judged({0: bad()})]
    again = Watched(*begun, STARTED, CHOSEN, LISTED)
    assert again.search.report() == Watched(STARTED, CHOSEN, LISTED).search.report()


def test_a_command_that_ends_too_early_is_named_as_the_reason() -> None:
    watched = Watched(*REGRESSION[:-1])
    version = watched.search.version
    watched.search.stop()
    report = watched.search.report()
    assert report is not None
    assert report.kind is ResultKind.INTERRUPTED
    assert report.headline.startswith("the command ended before the search did")
    assert watched.search.version > version
    assert watched.search.strip().running == ()


def test_a_search_that_has_ended_is_not_stopped() -> None:
    watched = Watched(*REGRESSION)
    watched.search.stop()
    assert watched.search.report() == fold(REGRESSION)

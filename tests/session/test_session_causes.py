"""What is explained, and when: the change that was asked about comes before the look at the history."""

from __future__ import annotations

import pytest
from support.builders import ALL, AUTO, NONE, a_plan, failed, passed, untestable
from support.explanations import Lab, has, shown
from support.services import Installed, MadeUpIndex

from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Observation, Trial, TrialRequest
from bisect_asgi.core.plan import History

# The engine breaks it with app 3 and mends it with app 5; app 7 breaks it by itself.
GARAGE = MadeUpIndex(
    {
        **{f"app=={number}": "engine==1" for number in (1, 2)},
        **{f"app=={number}": "engine==2" for number in (3, 4)},
        **{f"app=={number}": "engine==3" for number in (5, 6, 7, 8)},
        **{f"engine=={number}": "" for number in (1, 2, 3)},
    }
)
BROKEN, MENDED = "because it requires engine 2", "because it requires engine 3"


def breaks(installed: Installed, _: int) -> Observation:
    return failed() if installed["engine"] == "2" or has(installed, app="7") else passed()


def explained(lab: Lab) -> list[str]:
    return [event.new for event in lab.events if isinstance(event, events.Explained)]


def test_the_boundary_is_told_first_then_made_sure_and_explained_and_then_the_rest_is_looked_at() -> None:
    lab = Lab(GARAGE, breaks)

    lab.bisect(a_plan(bad="4", history=AUTO))

    beyond = [isinstance(event, events.CandidatesListed) and event.grows for event in lab.events].index(True)
    causes = [index for index, event in enumerate(lab.events) if isinstance(event, events.Explained)]
    notes = [event.text for event in lab.events if isinstance(event, events.Note) and event.is_live]
    assert notes == [
        "the change is in app 3; confirming it with 6 more runs (`--confirm`)",
        "the change is in app 3; looking for its cause (`--no-culprit`)",
        "the change is in app 3; running other releases (`--history`)",
    ]
    assert explained(lab)[0] == "app 3"
    assert max(causes) < beyond
    assert len(lab.report.changes) == 3


@pytest.mark.parametrize(
    ("bad", "first"), [pytest.param("4", "app 3", id="asked-about"), pytest.param(None, "app 7", id="newest")]
)
def test_with_all_every_change_is_explained_the_one_that_was_asked_about_first(
    bad: str | None, first: str
) -> None:
    lab = Lab(GARAGE, breaks)

    lab.bisect(a_plan(bad=bad, history=ALL))

    report = lab.report
    assert explained(lab)[0] == first
    assert [(change.first, change.verdict) for change in report.changes] == [
        ("3", "bad"),
        ("5", "good"),
        ("7", "bad"),
    ]
    assert list(dict.fromkeys(why.within for why in report.why)) == ["3", "5", "7"]
    assert report.headline.startswith(
        f"app broke in 3 (2020-02-01, {BROKEN}), was fixed in 5 (2020-02-01, {MENDED}), "
        "and broke in 7 (2020-02-01, by itself)"
    )


def test_with_all_the_others_are_explained_where_the_one_that_was_asked_about_is_a_gap() -> None:
    lab = Lab(
        GARAGE, lambda installed, run: untestable() if installed["app"] == "6" else breaks(installed, run)
    )

    lab.bisect(a_plan(history=ALL))

    report = lab.report
    assert (report.kind, report.gap) == (events.ResultKind.INCONCLUSIVE, ("6",))
    assert list(dict.fromkeys(why.within for why in report.why)) == ["3", "5"]


def test_the_sentences_about_a_fix_are_those_of_a_fix() -> None:
    lab = Lab(GARAGE, breaks)

    lab.bisect(a_plan(history=ALL))

    assert [each.within for each in lab.report.compared] == ["3", "5", "7"]
    text = shown(lab.report)
    assert "app 4 is good with engine 3; with engine reverted to 2, app 5 is not" in text
    assert text.index("app 2 is bad with engine 2") < text.index("app 4 is good with engine 3")


@pytest.mark.parametrize("history", [NONE, AUTO])
def test_without_all_only_what_was_found_is_explained(history: History) -> None:
    lab = Lab(GARAGE, breaks)

    lab.bisect(a_plan(good="1", bad="4", history=history))

    assert {why.within for why in lab.report.why} == {"3"}


def test_where_the_ends_agree_the_history_is_looked_at_before_there_is_anything_to_explain() -> None:
    lab = Lab(GARAGE, lambda installed, _: failed() if installed["engine"] == "2" else passed())

    lab.bisect(a_plan(history=AUTO))

    report = lab.report
    assert [change.first for change in report.changes] == ["3", "5"]
    assert {why.within for why in report.why} == {"5"}


class Interrupted(Lab):
    """A lab in which the user interrupts the first run of a release, or of a mix."""

    def __init__(self, at: str) -> None:
        super().__init__(GARAGE, breaks)
        self._at = at

    def run_trial(self, request: TrialRequest, token: CancelToken) -> Trial:
        if self._at in request.label:
            raise KeyboardInterrupt
        return super().run_trial(request, token)


@pytest.mark.parametrize(
    ("at", "why", "unfinished"),
    [
        pytest.param("with", [], "the cause", id="in-the-cause"),
        pytest.param("8", ["3"], "the rest of the history", id="in-the-look"),
    ],
)
def test_an_interrupt_after_the_boundary_keeps_everything(at: str, why: list[str], unfinished: str) -> None:
    lab = Interrupted(at)

    with pytest.raises(KeyboardInterrupt):
        lab.bisect(a_plan(bad="4", history=AUTO))

    report = lab.report
    assert report.kind is ResultKind.INTERRUPTED
    assert (report.last, report.first) == ("2", "3")
    assert list(dict.fromkeys(each.within for each in report.why)) == why
    assert report.headline.startswith("app broke in 3 (2020-02-01)")
    assert report.headline.endswith(f"; {unfinished} was not finished")
    assert [stretch.specifier for stretch in report.affected] == [">=3,<=4"]

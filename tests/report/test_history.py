"""What is known of a history beside what was found."""

from __future__ import annotations

import pytest
from support.answer_reports import REPORTS, history

from bisect_asgi.core.events import ResultKind
from bisect_asgi.report.history import longest_unknown, missed


@pytest.mark.parametrize(
    ("verdicts", "unknown", "told"),
    [
        ("+++++", 0, "5 releases from 0.10.0 to 0.13.0, all run"),
        ("+ +++", 1, "from 0.10.0 to 0.13.0, a state of 1 release may have been missed (`--history all`)"),
        (
            "+ ? +",
            3,
            "from 0.10.0 to 0.13.0, a state of up to 3 releases may have been missed (`--history all`)",
        ),
        (
            " +  +",
            2,
            "from 0.11.0 to 0.13.0, a state of up to 2 releases may have been missed (`--history all`)",
        ),
        ("    +", 0, ""),
    ],
)
def test_where_nothing_changes_it_is_said_how_short_a_state_may_have_been_missed(
    verdicts: str, unknown: int, told: str
) -> None:
    report = history(verdicts, message="`leak.py` passes on every release that was tested")

    assert (longest_unknown(report), missed(report)) == (unknown, told)
    counted = {1: "1 release", 2: "up to 2 releases", 3: "up to 3 releases"}
    further = f"; a state of {counted[unknown]} may have been missed" if unknown else ""
    assert report.headline == f"`leak.py` passes on every release that was tested{further}"


def test_other_results_without_a_boundary_do_not_speak_of_states() -> None:
    report = history("+ + +", kind=ResultKind.INCONCLUSIVE, message="no result")

    assert (missed(report), report.headline) == ("", "no result")


@pytest.mark.parametrize("name", ["levels", "flaky", "locks"])
def test_what_says_it_otherwise_has_no_line(name: str) -> None:
    assert (missed(REPORTS[name]), longest_unknown(REPORTS["levels"])) == ("", 0)

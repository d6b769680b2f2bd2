"""The boundary is told the moment it is known, and that confirming it comes after."""

from __future__ import annotations

import pytest
from support.builders import untestable
from support.noisy_world import NoisyWorld, flaky

from bisect_asgi.core import events
from bisect_asgi.core.model import Observation

NAMED = {"good": "1", "bad": "12"}


def told(made_up: NoisyWorld) -> list[str]:
    """What was said of a boundary while it was still to be confirmed."""
    notes = [event.text for event in made_up.events if isinstance(event, events.Note) and event.is_live]
    return [text for text in notes if "confirming" in text]


def test_it_is_told_before_the_runs_that_confirm_it_and_how_many_those_are() -> None:
    made_up = NoisyWorld(size=12, shows=flaky(6, 0.0, 1.0))

    made_up.bisect(**NAMED)

    (text,) = told(made_up)
    repeats = [event for event in made_up.events if isinstance(event, events.RepeatsStarted)]
    more = sum(runs for _, runs in repeats[0].runs)
    assert text == f"the change is in app 6; confirming it with {more} more runs (`--confirm`)"
    place = next(place for place, event in enumerate(made_up.events) if getattr(event, "text", "") == text)
    before, after = made_up.events[:place], made_up.events[place:]
    assert repeats[0] in after
    seen = {event.trial.key for event in before if isinstance(event, events.TrialFinished)}
    assert {4, 5} <= seen


def test_of_a_boundary_with_untestable_releases_inside_both_sides_are_told() -> None:
    def shows(at: int, random: object) -> Observation:
        return untestable() if at in (6, 7) else flaky(6, 0.0, 1.0)(at, random)  # type: ignore[arg-type]

    made_up = NoisyWorld(size=12, shows=shows)

    made_up.bisect(**NAMED)

    (text,) = told(made_up)
    assert text.startswith("the change is between app 5 and app 8; confirming it with ")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({**NAMED, "confirm": 0}, id="nothing-is-to-be-confirmed"),
        pytest.param({"good": "12", "bad": "1"}, id="the-ends-are-wrong"),
    ],
)
def test_it_is_not_told_where_nothing_is_to_be_confirmed(fields: dict[str, object]) -> None:
    made_up = NoisyWorld(size=12, shows=flaky(6, 0.0, 1.0))

    made_up.bisect(**fields)

    assert told(made_up) == []


def test_it_is_not_told_by_a_command_that_remembers_all_runs() -> None:
    made_up = NoisyWorld(size=12, shows=flaky(6, 0.0, 1.0))
    made_up.bisect(**NAMED)
    made_up.events.clear()

    made_up.bisect(**NAMED)

    assert told(made_up) == []

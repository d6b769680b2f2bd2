"""Plain lines of progress: one for each thing worth knowing."""

from __future__ import annotations

import pytest
from support.builders import (
    IMPORT_ERROR,
    broken,
    day,
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
    LISTED,
    MIXED,
    OPENING,
    SKIPPED,
    STARTED,
    Screen,
    finished,
    inside,
    judged,
    plain_lines,
)

from bisect_asgi.core import events
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.events import Activity, ResultKind
from bisect_asgi.core.model import (
    Boundary,
    Observation,
    Outcome,
    Ruling,
    Verdict,
)
from bisect_asgi.core.records import replace


def test_plain_progress_is_one_line_for_each_thing_worth_knowing() -> None:
    log: list[events.Event] = [
        *OPENING,
        events.TrialStarted(key=9),
        events.TrialProgressed(key=9, activity=Activity.BUILDING),
        finished(9, failed()),
        judged(high=9, left=9, rulings=[(9, BAD)]),
        finished(0, passed()),
        judged(low=0, high=9, left=8, rulings=[(0, GOOD), (9, BAD)]),
        events.TrialCancelled(key=3),
        events.RunFinished(kind=ResultKind.FOUND, elapsed_s=2.0, boundary=Boundary(low=0, high=9)),
    ]

    assert plain_lines(log) == [
        "python 3.8.18: can install 10 of 10 releases",
        "searching 10 releases: 1.0 (2021-01-01) to 1.9 (2021-01-10)",
        "1.9 bad (AssertionError: expected 200, got 500), built in 1.2 s, run in 0.40 s",
        "1.0 good, built in 1.2 s, run in 0.40 s",
        "8 releases left between 1.0 and 1.9, roughly 4 steps, 7 s",
    ]


@pytest.mark.parametrize(
    ("event", "ruling", "line"),
    [
        pytest.param(finished(3, passed(), remembered=1), GOOD, "1.3 good, cached", id="cached"),
        pytest.param(
            finished(3, untestable(), built=False),
            SKIPPED,
            "1.3 skip (the requirements conflict)",
            id="untestable",
        ),
        pytest.param(
            finished(3, broken(), built=False),
            None,
            "1.3 no result (no space left on device)",
            id="no-result",
        ),
        pytest.param(
            finished(3, passed(), passed(), remembered=1),
            GOOD,
            "1.3 good, built in 1.2 s, run in 0.40 s",
            id="cached-in-part",
        ),
        pytest.param(
            finished(3, passed(), remembered=1),
            BAD,
            "1.3 bad (AssertionError: expected 200, got 500), cached",
            id="ruled-otherwise-than-it-was-seen",
        ),
        pytest.param(
            finished(3, failed(IMPORT_ERROR), remembered=1),
            DIFFERENT,
            "1.3 skip (ImportError: cannot import name 'Lifespan'), cached",
            id="a-different-failure",
        ),
    ],
)
def test_a_trial_is_told_as_it_was_ruled_on_and_how_it_came_about(
    event: events.Event, ruling: Ruling | None, line: str
) -> None:
    rulings = [(3, ruling)] if ruling else []

    assert plain_lines([*OPENING, event])[2:] == []  # nobody has ruled yet
    assert plain_lines([*OPENING, event, judged(rulings=rulings)])[2] == line


def test_each_trial_is_told_once() -> None:
    seen = judged(rulings=[(3, GOOD)])

    assert plain_lines([*OPENING, finished(3, passed(), remembered=1), seen, seen])[2:] == [
        "1.3 good, cached"
    ]


def test_the_users_words_stand_for_the_verdicts() -> None:
    log = [
        replace(STARTED, term_old="fast", term_new="slow"),
        LISTED,
        finished(0, passed()),
        judged(rulings=[(0, GOOD)]),
    ]

    assert plain_lines(log)[-1] == "1.0 fast, built in 1.2 s, run in 0.40 s"


def test_the_range_is_told_only_when_it_has_changed() -> None:
    log = [*OPENING, judged(low=0, high=9, left=1), judged(low=0, high=9, left=1), judged(low=0, high=4)]

    assert plain_lines(log)[2:] == ["1 release left between 1.0 and 1.9, roughly 1 step"]


SAMPLE = replace(passed(), metrics={"size": 2.0 * 1024**2}, units={"size": "B"})


LIMIT = events.EndsSampled(
    metric="size",
    unit="B",
    low=0,
    high=9,
    reference=None,
    old=(2.0 * 1024**2,),
    new=(9.0 * 1024**2,),
    p=0.001,
    above=5.0 * 1024**2,
)


@pytest.mark.parametrize(
    ("trial", "seen"),
    [
        pytest.param(
            (SAMPLE, replace(SAMPLE, metrics={"size": 4.0 * 1024**2}), SAMPLE), "2.0 MiB", id="median"
        ),
        pytest.param(
            (replace(SAMPLE, reference_metrics={"size": 1024**2}),), "2 × the baseline's", id="ratio"
        ),
    ],
)
def test_a_sample_is_told_with_its_value_and_is_good_only_once_there_is_a_limit(
    trial: tuple[Observation, ...], seen: str
) -> None:
    opening = [replace(STARTED, metric="size"), LISTED]
    shown = [finished(3, *trial), judged(rulings=[(3, GOOD)])]

    before, after = plain_lines([*opening, *shown]), plain_lines([*opening, LIMIT, *shown])

    assert before[1:] == [f"1.3 (size = {seen}), built in 1.2 s, run in 0.40 s"]
    assert after[1] == "size is 2.0 MiB in 1.0 and 9.0 MiB in 1.9; above 5.0 MiB is bad"
    assert after[2:] == [f"1.3 good (size = {seen}), built in 1.2 s, run in 0.40 s"]


def test_a_run_without_the_metric_is_told_without_a_value() -> None:
    log = [replace(STARTED, metric="size", limit="above 5.0 MiB"), LISTED, finished(3, passed())]

    assert plain_lines([*log, judged(rulings=[(3, GOOD)])])[1:] == ["1.3 good, built in 1.2 s, run in 0.40 s"]


def test_where_runs_contradict_each_other_the_likeliest_place_is_told_instead_of_a_range() -> None:
    seen = judged(low=1, high=6, left=4)

    assert plain_lines([*OPENING, BELIEVED, seen, seen])[2:] == [LIKELIEST]


@pytest.mark.parametrize(
    ("later", "is_told"),
    [
        pytest.param(replace(BELIEVED, probability=0.64), False, id="hardly-more-probable"),
        pytest.param(replace(BELIEVED, probability=0.81), True, id="more-probable"),
        pytest.param(replace(BELIEVED, low=4, high=5), True, id="elsewhere"),
    ],
)
def test_the_likeliest_place_is_told_again_only_when_it_has_changed(
    later: events.BeliefUpdated, is_told: bool
) -> None:
    seen = judged(low=1, high=6, left=4)

    told = plain_lines([*OPENING, BELIEVED, seen, later, seen])[2:]

    assert len(told) == 1 + is_told
    assert told[0] == LIKELIEST


SAMPLED = events.EndsSampled(
    metric="took",
    unit="s",
    low=0,
    high=9,
    reference=None,
    old=(1.0, 1.2, 1.4),
    new=(2.0, 2.4),
    p=0.008,
    above=1.7,
)


@pytest.mark.parametrize(
    ("sampled", "line"),
    [
        pytest.param(SAMPLED, "took is 1.2 s in 1.0 and 2.2 s in 1.9; above 1.7 s is bad", id="above"),
        pytest.param(
            replace(SAMPLED, above=None, below=1.7),
            "took is 1.2 s in 1.0 and 2.2 s in 1.9; below 1.7 s is bad",
            id="below",
        ),
        pytest.param(replace(SAMPLED, above=None), "took is 1.2 s in 1.0 and 2.2 s in 1.9", id="no-limit"),
        pytest.param(
            replace(SAMPLED, unit="×", reference=0),
            "took is 1.2 × the baseline's in 1.0 and 2.2 × the baseline's in 1.9; "
            "above 1.7 × the baseline's is bad",
            id="ratios",
        ),
        pytest.param(replace(SAMPLED, above=None, new=()), "took is 1.2 s in 1.0", id="an-end-without"),
    ],
)
def test_what_both_ends_showed_is_told_with_the_limit(sampled: events.EndsSampled, line: str) -> None:
    assert plain_lines([*OPENING, sampled])[2:] == [line]
    screen = Screen()
    screen.take([*OPENING, sampled])
    assert any(line in text for text in screen.file.getvalue().splitlines())


@pytest.mark.parametrize("void", [events.ObservationsReset(), LISTED], ids=["asked-anew", "other-candidates"])
def test_what_does_not_count_any_more_is_not_told_later(void: events.Event) -> None:
    before = [finished(3, passed()), judged(low=1, high=6, left=4), BELIEVED]

    told = plain_lines([*OPENING, *before, void, judged(low=1, high=6, left=4)])

    assert told[-1] == "4 releases left between 1.1 and 1.6, roughly 3 steps, 5 s"


def test_a_different_failure_is_a_warning_that_shows_both_once() -> None:
    seen = judged(rulings=[(1, DIFFERENT)])

    assert plain_lines([*OPENING, seen, seen])[2:] == DIFFERENT_WARNING


def test_a_different_failure_that_reads_the_same_is_shown_with_its_frame() -> None:
    known = replace(IMPORT_ERROR, frame="old/compat.py in <module>")
    other = Ruling(
        verdict=Verdict.SKIP,
        outcome=Outcome.FAILED,
        signature=replace(IMPORT_ERROR, frame="new/api.py in <module>"),
        fails_differently=True,
        failed=1,
    )
    seen = replace(judged(rulings=[(1, other)]), reference=(known,))

    assert plain_lines([*OPENING, seen])[3:5] == [
        "  bad end: import   ImportError: cannot import name 'Lifespan', in old/compat.py in <module>",
        "  1.1:     import   ImportError: cannot import name 'Lifespan', in new/api.py in <module>",
    ]


def test_what_a_probe_writes_is_shown_when_it_is_asked_for() -> None:
    log = [*OPENING, events.OutputSeen(key=4, text="one\ntwo\n")]

    assert plain_lines(log)[2:] == []
    assert plain_lines(log, verbose=True)[2:] == ["  1.4 | one", "  1.4 | two"]


@pytest.mark.parametrize("verbose", [False, True], ids=["terse", "verbose"])
def test_plain_lines_have_no_control_codes_and_are_single_lines(verbose: bool) -> None:
    log = [
        *OPENING,
        events.TrialStarted(key=9),
        events.TrialProgressed(key=9, activity=Activity.RUNNING),
        events.OutputSeen(key=9, text="some output\n"),
        finished(9, failed()),
        judged(low=0, high=9, left=8, rulings=[(1, DIFFERENT)]),
    ]

    lines = plain_lines(log, verbose=verbose)

    assert lines
    assert all(line.isprintable() for line in lines)


def test_what_happens_in_a_stage_is_shown_further_in_and_once() -> None:
    lines = plain_lines(inside())[2:]

    assert lines == [
        "  combining demo 1.4 and demo 1.5",
        f"  {MIXED.candidates[2].version} skip (ImportError: cannot import name 'Lifespan'), cached",
    ]  # and no warning: mixes do fail otherwise


def test_a_stage_without_an_order_says_what_it_runs() -> None:
    words = AxisWords(context="on other Pythons", is_ordered=False)

    assert plain_lines([replace(STARTED, axis=words), LISTED]) == ["running releases on other Pythons"]


def test_a_stages_keys_are_its_own() -> None:
    log = [*inside(), finished(2, passed(), remembered=1), judged(rulings=[(2, GOOD)])]

    assert plain_lines(log)[-1] == "1.2 good, cached"


@pytest.mark.parametrize(
    ("new_is", "words"), [(Outcome.FAILED, "demo 1.4 is bad with"), (Outcome.PASSED, "demo 1.4 is good with")]
)
def test_what_carries_the_change_is_told_in_the_word_of_the_newer_side(new_is: Outcome, words: str) -> None:
    (line,) = plain_lines([*OPENING, judged(), replace(EXPLAINED, new_is=new_is)])[2:]

    assert line.startswith(f"{words} engine 3")


def test_what_there_is_to_know_beforehand_is_noted() -> None:
    assert plain_lines([STARTED, events.Note(text="2 entries passed over")]) == [
        "note: 2 entries passed over"
    ]


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        pytest.param(
            replace(STARTED, axis=AxisWords(noun="upload", nouns="uploads", context="with demo==1.0")),
            "searching 10 uploads with demo==1.0: ",
            id="uploads",
        ),
        pytest.param(
            replace(STARTED, axis=AxisWords(noun="commit", nouns="commits")),
            "searching 10 commits: ",
            id="commits",
        ),
    ],
)
def test_candidates_are_called_what_they_are(plan: events.RunStarted, line: str) -> None:
    assert plain_lines([plan, LISTED])[0].startswith(line)


def test_a_day_that_a_label_has_is_not_said_twice() -> None:
    dated = events.CandidateListed(version="2021-01-05 00:00:01 demo 1", uploaded=day("2021-01-05"))

    (line,) = plain_lines([STARTED, replace(LISTED, candidates=(dated, dated))])

    assert line.count("2021-01-05") == 2  # once for either end


def repeated(*keys: int) -> list[events.Event]:
    """Runs that show again what a first one has shown."""
    log: list[events.Event] = []
    for key in keys:
        log += [finished(key, failed() if key else passed()), judged(low=0, high=9)]
    return log


@pytest.mark.parametrize(
    ("again", "lines"),
    [
        pytest.param([], [], id="none"),
        pytest.param([9], ["1.9 bad in 1 more run"], id="one"),
        pytest.param([9, 0, 9], ["1.0 good in 1 more run", "1.9 bad in 2 more runs"], id="both-sides"),
    ],
)
def test_runs_that_show_nothing_new_are_counted(again: list[int], lines: list[str]) -> None:
    log = [*OPENING, finished(0, passed()), finished(9, failed())]
    log += [judged(low=0, high=9, rulings=[(0, GOOD), (9, BAD)]), *repeated(*again)]

    told = plain_lines([*log, events.Note(text="the end")])

    assert told[4:] == [*lines, "note: the end"]
    assert plain_lines(log)[4:] == []


@pytest.mark.parametrize("void", [events.ObservationsReset(), LISTED], ids=["asked-anew", "other-candidates"])
def test_a_run_after_what_does_not_count_any_more_is_new(void: events.Event) -> None:
    first = [finished(0, passed()), judged(rulings=[(0, GOOD)])]

    told = plain_lines([*OPENING, *first, void, *first])

    assert [line for line in told if line.startswith("1.0")] == [
        "1.0 good, built in 1.2 s, run in 0.40 s"
    ] * 2


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [pytest.param("above 5.0 MiB", "good ", id="threshold"), pytest.param("", "", id="no-threshold-yet")],
)
def test_samples_that_show_nothing_new_are_counted_with_their_median(limit: str, verdict: str) -> None:
    log = [replace(STARTED, metric="size", limit=limit), LISTED]
    for value in (2.0, 1.0, 3.0, 4.0):
        sample = replace(SAMPLE, metrics={"size": value * 1024**2})
        log += [finished(3, sample), judged(rulings=[(3, GOOD)])]

    told = plain_lines([*log, events.RunFinished(kind=ResultKind.FOUND, elapsed_s=2.0)])

    assert told[2:] == [f"1.3 {verdict}in 3 more runs (size = 3.0 MiB)"]


ADDED = (
    events.CandidateListed(version="1.91", uploaded=day("2021-02-01")),
    events.CandidateListed(version="1.92", uploaded=day("2021-02-02")),
)
YANKED = events.CandidateListed(version="1.35", uploaded=day("2021-01-04"), yanked="")


@pytest.mark.parametrize(
    ("added", "lines"),
    [
        pytest.param((YANKED,), ["running 1 yanked release as well: 1.35"], id="yanked"),
        pytest.param(ADDED, ["2 releases added: 1.91 (2021-02-01) to 1.92 (2021-02-02)"], id="newer"),
        pytest.param(ADDED[:1], ["1 release added: 1.91 (2021-02-01)"], id="one-newer"),
        pytest.param(
            (*ADDED, YANKED),
            [
                "2 releases added: 1.91 (2021-02-01) to 1.92 (2021-02-02)",
                "running 1 yanked release as well: 1.35",
            ],
            id="both",
        ),
        pytest.param((), [], id="none"),
    ],
)
def test_what_is_appended_to_the_range_is_told_by_itself(
    added: tuple[events.CandidateListed, ...], lines: list[str]
) -> None:
    more = replace(LISTED, candidates=(*LISTED.candidates, *added), grows=True)

    assert plain_lines([*OPENING, more])[2:] == lines


def test_a_run_that_contradicts_others_is_told_as_it_went() -> None:
    both = replace(BAD, passed=1, failed=1)
    log = [*OPENING, finished(3, failed()), judged(rulings=[(3, BAD)])]
    log += [
        finished(3, passed()),
        judged(rulings=[(3, both)]),
        finished(3, failed()),
        judged(rulings=[(3, both)]),
        events.RunFinished(kind=ResultKind.INCONCLUSIVE, elapsed_s=2.0),
    ]

    told = plain_lines(log)[-3:]

    assert [line.split(", built")[0] for line in told] == [
        "1.3 bad (AssertionError: expected 200, got 500)",
        "1.3 passed",
        "1.3 failed in 1 of 1 more run",
    ]


def test_what_is_wrong_with_a_metric_is_no_reason_for_a_run_that_passed() -> None:
    both = replace(BAD, passed=1, failed=1)
    complained = replace(passed(), complaint="the metric `p50` cannot be read")
    log = [*OPENING, finished(3, complained), judged(rulings=[(3, both)])]

    assert plain_lines(log)[-1].split(", built")[0] == "1.3 passed"


def test_a_sample_on_the_wrong_side_of_the_limit_is_told_with_its_own_value() -> None:
    both = replace(BAD, passed=1, failed=1)
    other = replace(SAMPLE, metrics={"size": 8.0 * 1024**2})
    log = [replace(STARTED, metric="size", limit="above 5.0 MiB"), LISTED]
    log += [finished(3, SAMPLE), judged(rulings=[(3, GOOD)]), finished(3, other), judged(rulings=[(3, both)])]

    assert [line.split(", built")[0] for line in plain_lines(log)[1:3]] == [
        "1.3 good (size = 2.0 MiB)",
        "1.3 (size = 8.0 MiB)",
    ]

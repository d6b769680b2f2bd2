"""Trials from end to end: an environment from the local index, the probe in it, and what the store keeps."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from support.processes import eventually
from support.trials import FAILS, TrialBench, another_command, cancel_when

from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled
from bisect_asgi.core.events import Activity, Event, OutputSeen, StageEvent, TrialProgressed
from bisect_asgi.core.model import (
    Confinement,
    Outcome,
    Phase,
    ProbeFile,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.records import replace


def test_a_trial_returns_what_the_probe_showed_and_what_it_ran_in(bench: TrialBench) -> None:
    trial = bench.run(bench.request(FAILS))

    (run,) = trial.observations
    assert (trial.key, trial.label, trial.remembered) == (3, "1.0", 0)
    assert (run.outcome, run.phase, run.exit_code) == (Outcome.FAILED, Phase.CHECK, 1)
    assert run.signature is not None
    assert run.signature.shown == "AssertionError: this is 1.0"
    assert trial.environment is not None
    assert [str(d) for d in trial.environment.distributions] == ["demo==1.0", "dep==1.0"]
    assert trial.environment.step == "as of the date, wheels only"


def test_what_a_confined_run_imported_is_compiled_and_nothing_else(bench: TrialBench) -> None:
    request = bench.request()
    script = (
        "import demo, os\n"
        "print(os.path.exists(demo.__cached__))\n"
        "name = 'imported-%d.txt' % (os.getpid() + 1)\n"
        "with open(os.path.join(os.environ['BISECT_ASGI_REPORT'], name), 'w') as report:\n"
        "    report.write('/no/such/file.py\\n../../outside.py\\n\\n')\n"
    )
    file = ProbeFile(name="leak.py", content=script.encode())
    confined = replace(
        request, probe=replace(request.probe, files=(file,), confinement=Confinement()), runs=2
    )

    trial = bench.run(confined)

    assert [run.output_tail for run in trial.observations] == ["False\n", "True\n"]
    assert trial.environment is not None
    folder = bench.folder / "environments" / trial.environment.digest
    assert {path.name.partition(".")[0] for path in folder.rglob("site-packages/__pycache__/*")} >= {"demo"}
    assert not list(folder.rglob("site-packages/__pycache__/dep.*"))


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        pytest.param("import demo\n", Outcome.PASSED, id="passes"),
        pytest.param("raise SystemExit(3)\n", Outcome.FAILED, id="fails"),
        pytest.param("raise SystemExit(125)\n", Outcome.UNTESTABLE, id="cannot-tell"),
    ],
)
def test_every_answer_of_the_probe_is_an_observation(
    bench: TrialBench, script: str, outcome: Outcome
) -> None:
    trial = bench.run(bench.request(script))

    assert [run.outcome for run in trial.observations] == [outcome]


def test_what_was_observed_is_remembered_and_not_run_again(bench: TrialBench) -> None:
    first = bench.run(bench.request(FAILS))
    bench.index.down = True

    second = bench.run(bench.request(FAILS))

    assert bench.runs == 1
    assert second.observations == first.observations
    assert (first.remembered, second.remembered) == (0, 1)
    assert second.environment == first.environment


def test_another_probe_or_other_limits_are_another_question(bench: TrialBench) -> None:
    request = bench.request()
    bench.run(request)

    bench.run(bench.request("import demo, dep\n"))
    bench.run(replace(request, probe=replace(request.probe, timeout_s=7.0)))

    assert bench.runs == 3


def test_a_run_that_is_cut_off_counts_for_its_limit_and_for_shorter_ones(bench: TrialBench) -> None:
    request = bench.request("import time\ntime.sleep(1e6)\n")
    request = replace(request, probe=replace(request.probe, timeout_s=1.0))

    cut = bench.run(replace(request, limit_s=0.5))
    again = bench.run(replace(request, limit_s=0.5))
    longer = bench.run(replace(request, limit_s=0.7))
    full = bench.run(replace(request, known_runs=2))
    recalled = bench.trials.recall(request)

    (run,) = cut.observations
    assert run.cut_s == 0.5
    assert run.signature is not None
    assert run.signature.shown.startswith("time-out after 0.5 s")
    assert (again.observations, again.remembered) == ((run,), 1)
    assert [each.cut_s for each in longer.observations] == [0.5, 0.7]
    assert [each.cut_s for each in full.observations] == [None]
    assert recalled is not None
    assert [each.cut_s for each in recalled.observations] == [0.5, 0.7, None]


def test_a_run_that_ends_before_it_is_cut_off_is_like_any_other(bench: TrialBench) -> None:
    request = bench.request()

    limited = bench.run(replace(request, limit_s=50.0))
    unlimited = bench.run(request)

    assert [run.cut_s for run in limited.observations] == [None]
    assert (unlimited.observations, unlimited.remembered) == (limited.observations, 1)


def test_a_fresh_trial_runs_again_and_replaces_what_was_remembered(bench: TrialBench) -> None:
    bench.run(bench.request())

    fresh = bench.run(replace(bench.request(), fresh=True))
    afterwards = bench.run(replace(bench.request(), runs=2))

    assert (fresh.remembered, len(fresh.observations)) == (0, 1)
    assert (afterwards.remembered, len(afterwards.observations)) == (1, 2)
    assert bench.runs == 3


def test_further_fresh_runs_of_one_command_are_added_to_its_own(bench: TrialBench) -> None:
    bench.run(replace(bench.request(), fresh=True))

    more = bench.run(replace(bench.request(), fresh=True, known_runs=1, runs=2))

    assert (len(more.observations), more.remembered, bench.runs) == (2, 0, 3)
    known = bench.trials.recall(bench.request())
    assert known is not None
    assert len(known.observations) == 3


def test_a_fresh_command_forgets_an_environment_once_also_where_candidates_share_it(
    bench: TrialBench,
) -> None:
    bench.run(bench.request())
    one = replace(bench.request(), fresh=True)
    other = replace(one, key=4, spec=replace(one.spec, exclude_newer=datetime(2020, 6, 1, tzinfo=UTC)))

    first, second = bench.run(one), bench.run(other)

    assert (first.remembered, bench.runs) == (0, 2)
    assert second.observations == first.observations


def test_the_next_fresh_command_forgets_what_the_one_before_it_observed(bench: TrialBench) -> None:
    request = replace(bench.request(), fresh=True)
    bench.run(request)
    another_command(bench)

    trial = bench.run(request)

    assert (trial.remembered, bench.runs) == (0, 2)
    known = bench.trials.recall(request)
    assert known is not None
    assert known.observations == trial.observations


def test_a_fresh_command_leaves_what_it_does_not_ask_again(bench: TrialBench) -> None:
    another = bench.request("import demo, dep\n")
    kept = bench.run(another)

    bench.run(replace(bench.request(), fresh=True))

    known = bench.trials.recall(another)
    assert known is not None
    assert known.observations == kept.observations


def test_fresh_trials_of_one_environment_at_once_make_one_run(bench: TrialBench) -> None:
    script = "import time\ntime.sleep(0.2)\n"
    bench.run(bench.request(script))
    request = replace(bench.request(script), fresh=True)

    trials = at_once(bench, request)

    assert bench.runs == 2
    assert trials[0].observations == trials[1].observations
    known = bench.trials.recall(request)
    assert known is not None
    assert known.observations == trials[0].observations


def at_once(bench: TrialBench, request: TrialRequest) -> list[Trial]:
    """The same trial twice, side by side."""
    trials: list[Trial] = []
    workers = [threading.Thread(target=lambda: trials.append(bench.run(request))) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return trials


def test_what_is_recalled_took_no_time(bench: TrialBench) -> None:
    bench.run(bench.request())

    known = bench.trials.recall(bench.request())

    assert known is not None
    assert (known.build_s, known.run_s) == (0.0, 0.0)


def test_several_runs_are_made_at_once_and_those_that_are_known_count(bench: TrialBench) -> None:
    bench.run(bench.request())

    trial = bench.run(replace(bench.request(), runs=3))

    assert (len(trial.observations), trial.remembered, bench.runs) == (3, 1, 3)


TOGETHER = (
    "import os, pathlib, time\n"
    "mine = pathlib.Path(os.environ['DIARY']).with_name(f'here-{os.getpid()}')\n"
    "mine.touch()\n"
    "give_up = time.monotonic() + 30\n"
    "while len(list(mine.parent.glob('here-*'))) < 3:\n"
    "    assert time.monotonic() < give_up\n"
    "    time.sleep(0.01)\n"
)
"""Passes if three runs of it are made at a time."""


def test_runs_may_go_side_by_side(bench: TrialBench) -> None:
    trial = bench.run(replace(bench.request(TOGETHER), runs=3, parallel=3))

    assert [run.outcome for run in trial.observations] == [Outcome.PASSED] * 3
    assert bench.store.count() == 3


@pytest.mark.parametrize("is_running", [False, True])
def test_a_trial_that_is_widened_makes_more_of_its_runs_at_a_time(
    bench: TrialBench, is_running: bool
) -> None:
    token = CancelToken(may_widen=True)

    def widen() -> None:
        eventually(lambda: bench.runs >= is_running)
        token.widen(2)

    widener = threading.Thread(target=widen)
    widener.start()
    if not is_running:
        widener.join()

    trial = bench.run(replace(bench.request(TOGETHER), runs=3), token)
    widener.join()

    assert [run.outcome for run in trial.observations] == [Outcome.PASSED] * 3
    assert bench.store.count() == 3


def test_where_one_of_several_runs_is_cancelled_all_are(bench: TrialBench) -> None:
    request = replace(bench.request("import time\ntime.sleep(60)\n"), runs=4, parallel=2)
    token = CancelToken()
    canceller = threading.Thread(target=lambda: cancel_when(token, lambda: bench.runs == 2))
    canceller.start()

    with pytest.raises(Cancelled):
        bench.run(request, token)
    canceller.join()

    assert bench.runs == 2
    assert list(bench.trials.runs.glob("*")) == []


def test_runs_that_the_asker_already_has_are_not_given_again(bench: TrialBench) -> None:
    bench.run(replace(bench.request(), runs=2))

    trial = bench.run(replace(bench.request(), known_runs=1, runs=2))

    assert (len(trial.observations), trial.remembered, bench.runs) == (2, 1, 3)


def test_each_run_is_kept_as_soon_as_it_is_over(bench: TrialBench) -> None:
    second_run_is_cancelled = (
        "import os, time\nif len(open(os.environ['DIARY']).readlines()) == 2:\n    time.sleep(60)\n"
    )
    request = replace(bench.request(second_run_is_cancelled), runs=2)
    token = CancelToken()
    canceller = threading.Thread(target=lambda: cancel_when(token, lambda: bench.runs == 2))
    canceller.start()

    with pytest.raises(Cancelled):
        bench.run(request, token)
    canceller.join()

    known = bench.trials.recall(request)
    assert known is not None
    assert len(known.observations) == 1


def test_a_cancelled_trial_has_no_result_and_leaves_nothing(bench: TrialBench) -> None:
    token = CancelToken()
    request = bench.request("import time\ntime.sleep(60)\n")
    canceller = threading.Thread(target=lambda: cancel_when(token, lambda: bench.runs == 1))
    canceller.start()

    with pytest.raises(Cancelled):
        bench.run(request, token)
    canceller.join()

    assert bench.store.count() == 0
    assert list(bench.trials.runs.glob("*")) == []


def test_a_trial_tells_what_it_is_doing(bench: TrialBench) -> None:
    bench.run(bench.request())

    activities = (Activity.RESOLVING, Activity.BUILDING, Activity.RUNNING)
    assert bench.events == [TrialProgressed(key=3, activity=activity) for activity in activities]


def test_what_a_trial_tells_is_told_of_the_search_that_it_is_for(bench: TrialBench) -> None:
    bench.run(replace(bench.request("print('hello')\n"), stage=2))

    assert {type(event) for event in bench.events} == {StageEvent}
    assert {event.stage for event in bench.events if isinstance(event, StageEvent)} == {2}


def test_what_the_probe_writes_can_be_watched(bench: TrialBench) -> None:
    bench.run(bench.request("print('hello from the probe')\n"))

    seen = [event.text for event in bench.events if isinstance(event, OutputSeen)]
    assert "".join(seen) == "hello from the probe\n"


def test_what_the_probe_writes_is_not_told_unless_somebody_wants_it(bench: TrialBench) -> None:
    another_command(bench)

    bench.run(bench.request("print('hello from the probe')\n"))

    assert {type(event) for event in bench.events} == {TrialProgressed}


# Memory.


def test_nothing_is_recalled_of_a_candidate_that_was_never_tried(bench: TrialBench) -> None:
    assert bench.trials.recall(bench.request()) is None


def test_all_that_was_observed_is_recalled_without_the_index(bench: TrialBench) -> None:
    made = bench.run(replace(bench.request(FAILS), runs=2))
    asked = len(bench.index.requests)

    known = bench.trials.recall(bench.request(FAILS))

    assert known is not None
    assert known.observations == made.observations
    assert (known.key, known.label, known.remembered) == (3, "1.0", 2)
    assert known.environment == made.environment
    assert len(bench.index.requests) == asked


def test_a_resolution_alone_is_nothing_to_recall(bench: TrialBench) -> None:
    token = CancelToken()

    def cancel_before_building(event: Event) -> None:
        if event == TrialProgressed(key=3, activity=Activity.BUILDING):
            token.cancel()

    bench.is_told = cancel_before_building
    with pytest.raises(Cancelled):
        bench.run(bench.request(), token)

    assert bench.trials.recall(bench.request()) is None


def test_candidates_that_share_an_environment_share_what_was_observed(bench: TrialBench) -> None:
    request = bench.request()
    bench.run(request)
    same_set = replace(request.spec, exclude_newer=datetime(2020, 6, 1, tzinfo=UTC))

    trial = bench.run(replace(request, spec=same_set))

    assert (trial.remembered, bench.runs) == (1, 1)


def test_two_trials_of_one_candidate_at_once_make_one_run(bench: TrialBench) -> None:
    request = bench.request("import time\ntime.sleep(0.2)\n")

    trials = at_once(bench, request)

    assert bench.runs == 1
    assert sorted(trial.remembered for trial in trials) == [0, 1]


def test_runs_that_workers_with_one_store_make_at_the_same_time_are_runs_of_their_own(
    bench: TrialBench,
) -> None:
    """Each would else wait for the others, and take one of their runs for its own."""
    once = bench.request("import demo, time; time.sleep(0.05)")
    bench.run(once)
    apart = replace(once, known_runs=1, apart=True)

    with ThreadPoolExecutor(3) as pool:
        trials = list(pool.map(bench.run, [apart] * 3))

    runs = [run for trial in trials for run in trial.observations]
    assert [trial.remembered for trial in trials] == [0, 0, 0]
    assert len({run.wall_s for run in runs}) == len(runs) == 3
    recalled = bench.trials.recall(once)
    assert recalled is not None
    assert len(recalled.observations) == 4


def test_what_a_probe_prints_of_secrets_is_masked(bench: TrialBench) -> None:
    bench.trials = replace(bench.trials, secrets=("hunter2",))
    script = "import os; print('hunter2', os.environ['API_TOKEN'], os.environ['LEVEL']); assert 0, 'hunter2'"
    request = bench.request(script)
    environ = (*request.probe.environ, ("API_TOKEN", "swordfish"), ("LEVEL", "verbose"))

    trial = bench.run(replace(request, probe=replace(request.probe, environ=environ)))

    (run,) = trial.observations
    assert run.output_tail.startswith("**** **** verbose\n")
    assert run.signature is not None
    assert run.signature.shown == "AssertionError: ****"
    known = bench.store._rows("select value from observation")
    assert b"hunter2" not in known[0][0]
    shown = "".join(event.text for event in bench.events if isinstance(event, OutputSeen))
    assert "hunter2" not in shown
    assert "swordfish" not in shown

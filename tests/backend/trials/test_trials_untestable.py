"""Candidates that cannot be tested, trials that tell nothing, and what is built ahead."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from support.local_index import Answer, metadata_text, publish_build_backend, wheel_bytes
from support.trials import TrialBench, another_command

from bisect_asgi.backend.trials.probe_run import run_probe
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import (
    Distribution,
    FailureKind,
    Observation,
    Outcome,
    Phase,
    Step,
)
from bisect_asgi.core.records import replace

# What cannot be tested.


def test_a_candidate_whose_requirements_cannot_be_met_is_untestable_and_says_why(bench: TrialBench) -> None:
    bench.index.add_wheel("demo", "2.0", uploaded="2019-01-01", requires=["nowhere"])

    trial = bench.run(bench.request(version="2.0"))

    (run,) = trial.observations
    assert (run.outcome, run.phase, run.exit_code) == (Outcome.UNTESTABLE, Phase.RESOLVE, None)
    assert run.signature is not None
    assert run.signature.kind is FailureKind.ENVIRONMENT
    assert "nowhere" in run.signature.shown
    assert trial.environment is None
    assert bench.runs == 0


def test_a_candidate_that_cannot_be_built_is_untestable_at_the_installation(bench: TrialBench) -> None:
    publish_build_backend(bench.index, "1.0", "2019-01-01", works=False)
    bench.index.add_sdist("demo", "2.0", uploaded="2019-01-01")

    trial = bench.run(bench.request(version="2.0"))

    (run,) = trial.observations
    assert (run.outcome, run.phase) == (Outcome.UNTESTABLE, Phase.INSTALL)


@pytest.mark.parametrize("works", [True, False], ids=["no-such-dependency", "no-tool-builds-it"])
def test_why_a_past_candidate_is_untestable_is_remembered(bench: TrialBench, works: bool) -> None:
    publish_build_backend(bench.index, "1.0", "2019-01-01", works=works)
    if works:
        bench.index.add_wheel("demo", "2.0", uploaded="2019-01-01", requires=["nowhere"])
    else:
        bench.index.add_sdist("demo", "2.0", uploaded="2019-01-01")
    first = bench.run(bench.request(version="2.0"))
    bench.index.down = True

    second = bench.run(bench.request(version="2.0"))
    known = bench.trials.recall(bench.request(version="2.0"))

    assert second.observations == first.observations
    assert known is not None
    assert known.observations == first.observations


def test_a_failure_that_later_uploads_may_mend_is_not_remembered(bench: TrialBench) -> None:
    bench.index.add_wheel("demo", "2.0", requires=["nowhere"])
    request = bench.request(version="2.0", dated=False)
    assert bench.run(request).observations[0].outcome is Outcome.UNTESTABLE

    assert bench.trials.recall(request) is None


def test_a_fresh_trial_looks_again_whether_a_candidate_can_be_tested(bench: TrialBench) -> None:
    bench.index.add_wheel("demo", "2.0", uploaded="2019-01-01", requires=["nowhere"])
    bench.run(bench.request(version="2.0"))
    asked = len(bench.index.requests)

    bench.run(replace(bench.request("import dep\n", version="2.0"), fresh=True))

    # What is missing is asked for anew; the pages that uv has are not.
    assert len(bench.index.requests) > asked


def test_what_can_be_tested_after_all_stays_so(bench: TrialBench) -> None:
    bench.index.add_wheel("demo", "2.0", uploaded="2019-01-01", requires=["nowhere"])
    bench.run(bench.request(version="2.0"))
    bench.index.add_wheel("nowhere", "1.0", uploaded="2019-01-01")

    fresh = bench.run(replace(bench.request(version="2.0"), fresh=True))
    another_command(bench)
    again = bench.run(bench.request(version="2.0"))

    assert fresh.observations[0].outcome is Outcome.PASSED
    assert again.observations == fresh.observations


# What is built ahead.


def test_what_was_prepared_is_there_when_its_trial_comes(bench: TrialBench) -> None:
    request = bench.request()
    assert not bench.trials.is_built(request)

    steps = bench.trials.prepare(request, CancelToken())
    bench.index.down = True

    assert steps[Step.RESOLVE] > 0
    assert bench.trials.is_built(request)
    assert bench.runs == 0
    assert bench.run(request).observations[0].outcome is Outcome.PASSED


def test_what_is_prepared_for_a_fresh_trial_is_resolved_anew_and_that_is_all(bench: TrialBench) -> None:
    bench.index.add_wheel("demo", "2.0", uploaded="2019-01-01", requires=["nowhere"])
    bench.run(bench.request(version="2.0"))
    bench.index.add_wheel("nowhere", "1.0", uploaded="2019-01-01")
    request = replace(bench.request(version="2.0"), fresh=True)

    bench.trials.prepare(request, CancelToken())
    bench.index.down = True

    assert bench.trials.is_built(request)
    assert bench.run(request).observations[0].outcome is Outcome.PASSED


def test_what_cannot_be_prepared_is_left_to_its_trial_to_tell(bench: TrialBench) -> None:
    bench.index.add_wheel("demo", "2.0", uploaded="2019-01-01", requires=["nowhere"])
    request = bench.request(version="2.0")

    bench.trials.prepare(request, CancelToken())

    assert not bench.trials.is_built(request)
    assert bench.run(request).observations[0].outcome is Outcome.UNTESTABLE


# What could not be asked.


def test_an_environment_that_is_not_what_it_says_is_broken_and_not_remembered(bench: TrialBench) -> None:
    request = bench.request()
    lied_to = replace(
        request, spec=replace(request.spec, must_install=Distribution(name="demo", version="2.0"))
    )

    trial = bench.run(lied_to)

    (run,) = trial.observations
    assert (run.outcome, run.phase) == (Outcome.ERROR, Phase.INSTALL)
    assert run.signature is not None
    assert run.signature.shown == "`demo==2.0` was installed, and its metadata says 1.0"
    assert bench.runs == 0
    assert bench.trials.recall(lied_to) is None


def test_a_malformed_wheel_is_no_outage(bench: TrialBench) -> None:
    content = wheel_bytes("demo-2.0", metadata_text("demo", "2.1"), {"demo.py": ""}, {}, "py3-none-any")
    bench.index.add_file("demo", "demo-2.0-py3-none-any.whl", content, uploaded="2019-01-01")

    trial = bench.run(bench.request(version="2.0"))

    (run,) = trial.observations
    assert run.outcome in (Outcome.UNTESTABLE, Outcome.ERROR)
    assert bench.runs == 0


# What becomes of the answer to a request for a file, and whether the candidate is untestable by it.
FAULTS = {
    "not-found": (lambda _: Answer(404), True),
    "quarantine": (lambda _: Answer(403), True),
    "gone": (lambda _: Answer(410), True),
    "cut": (lambda answer: dataclasses.replace(answer, cut_at=100), False),
    "wrong-hash": (lambda answer: dataclasses.replace(answer, body=wheel("demo", "9")), False),
    "bad-crc": (lambda answer: dataclasses.replace(answer, body=with_a_flipped_bit(answer.body)), False),
    "captive-portal": (lambda _: Answer(200, b"<html>please log in</html>", "text/html"), False),
    "too-many-requests": (lambda _: Answer(429), False),
    "server-error": (lambda _: Answer(503), False),
    "redirects-to-itself": (lambda _: Answer(302, headers={"Location": "/files/again.whl"}), False),
}


def wheel(name: str, version: str) -> bytes:
    metadata = metadata_text(name, version)
    return wheel_bytes(f"{name}-{version}", metadata, {f"{name}.py": ""}, {}, "py3-none-any")


def with_a_flipped_bit(content: bytes) -> bytes:
    middle = content.index(b"__version__")
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(("fault", "is_untestable"), FAULTS.values(), ids=FAULTS)
def test_a_file_that_does_not_arrive_is_no_fact_about_its_release(
    bench: TrialBench, fault: Callable[[Answer], Answer], is_untestable: bool
) -> None:
    bench.index.add_wheel("demo", "2.0", uploaded="2019-02-01", requires=["dep"])
    bench.index.faults["demo-1.0-py3-none-any.whl"] = fault
    bench.index.faults["again.whl"] = fault
    request = bench.request()

    (run,) = bench.run(request).observations
    (other,) = bench.run(bench.request(version="2.0")).observations
    another_command(bench)
    known = bench.trials.recall(request)
    bench.index.faults.clear()
    (again,) = bench.run(request).observations

    assert run.outcome is (Outcome.UNTESTABLE if is_untestable else Outcome.ERROR)
    assert other.outcome is Outcome.PASSED  # and not the end of the whole search
    assert known is None
    assert again.outcome is Outcome.PASSED


def test_a_file_that_arrives_when_it_is_asked_for_again_was_no_fault(bench: TrialBench) -> None:
    left = [1]

    def once(answer: Answer) -> Answer:
        return dataclasses.replace(answer, cut_at=100) if left and left.pop() else answer

    bench.index.faults["demo-1.0-py3-none-any.whl"] = once

    (run,) = bench.run(bench.request()).observations

    assert run.outcome is Outcome.PASSED


def test_a_run_that_could_not_be_asked_is_told_and_not_stored(
    bench: TrialBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = [Outcome.PASSED, Outcome.ERROR, Outcome.PASSED]

    def sometimes(*arguments: Any, **options: Any) -> Observation:
        return replace(run_probe(*arguments, **options), outcome=outcomes.pop(0))

    monkeypatch.setattr("bisect_asgi.backend.trials.runs.run_probe", sometimes)
    request = bench.request()

    trial = bench.run(replace(request, runs=2))
    known = bench.trials.recall(request)

    assert [run.outcome for run in trial.observations] == [Outcome.PASSED, Outcome.ERROR]
    assert known is not None
    assert known.observations == trial.observations[:1]
    # What is missing is asked again.
    again = bench.run(replace(request, runs=2))
    assert [run.outcome for run in again.observations] == [Outcome.PASSED, Outcome.PASSED]
    assert (again.remembered, bench.runs) == (1, 3)


def test_what_a_run_shows_whose_environment_was_removed_is_no_verdict(bench: TrialBench) -> None:
    script = "import os, shutil; shutil.rmtree(os.environ['VIRTUAL_ENV']); import demo"

    trial = bench.run(bench.request(script))

    (run,) = trial.observations
    assert run.outcome is Outcome.ERROR
    assert run.signature is not None
    reason = "its environment was changed or removed again and again while the probe ran"
    assert run.signature.shown == reason
    assert bench.trials.recall(bench.request(script)) is None


def test_of_a_candidate_that_could_never_be_asked_nothing_is_known(
    bench: TrialBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "bisect_asgi.backend.trials.runs.run_probe",
        lambda *a, **k: replace(run_probe(*a, **k), outcome=Outcome.ERROR),
    )

    trial = bench.run(bench.request())

    assert [run.outcome for run in trial.observations] == [Outcome.ERROR]
    assert bench.trials.recall(bench.request()) is None

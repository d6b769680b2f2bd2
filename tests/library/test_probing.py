"""A function as the probe: what it returns or raises, as an observation."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from bisect_asgi.backend.environments import Environment as BuiltFolder
from bisect_asgi.backend.trials.runs import Held
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, Unavailable, UsageError
from bisect_asgi.core.model import (
    Distribution,
    EnvironmentSpec,
    FailureKind,
    Interpreter,
    Observation,
    Outcome,
    Phase,
    Probe,
    Signature,
    TrialRequest,
)
from bisect_asgi.library.probing import Environment, FunctionDecider, Skip

PROBE = Probe(name="f", script=None, command=None, files=(), timeout_s=10.0, decided_by="function f")
REQUEST = TrialRequest(
    key=0,
    label="1.2",
    spec=EnvironmentSpec(interpreter=Interpreter(path="python", version="3.12.0"), requirements=("demo",)),
    probe=PROBE,
)
BUILT = BuiltFolder(folder=Path("/environment"), distributions=(Distribution(name="demo", version="1.2"),))


def seen(
    function: Callable[[Environment], object],
    run: Callable[[Probe], Observation] = lambda _: ran(),
    token: CancelToken | None = None,
) -> Observation:
    """What a function showed."""
    held = Held(environment=BUILT, run=run, bench=nullcontext)  # type: ignore[arg-type]
    return FunctionDecider(function, key="f")(REQUEST, held, token or CancelToken())


def ran(outcome: Outcome = Outcome.PASSED, exit_code: int | None = 0, **fields: object) -> Observation:
    return Observation(
        outcome=outcome,
        phase=Phase.CHECK,
        exit_code=exit_code,
        output_tail="printed",
        peak_bytes=100,
        cpu_s=1.5,
        **fields,  # type: ignore[arg-type]
    )


TIME_OUT = Signature(kind=FailureKind.TIMEOUT, phase=Phase.CHECK, text="time-out", shown="time-out")


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        pytest.param(None, Outcome.PASSED, id="none"),
        pytest.param(True, Outcome.PASSED, id="true"),
        pytest.param(False, Outcome.FAILED, id="false"),
    ],
)
def test_a_value_is_an_outcome(value: bool | None, outcome: Outcome) -> None:
    assert seen(lambda _: value).outcome is outcome


def test_a_mapping_are_metrics_of_a_run_that_passed() -> None:
    found = seen(lambda _: {"size": 3})

    assert (found.outcome, found.metrics) == (Outcome.PASSED, {"size": 3.0})


def test_another_value_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(UsageError, match="the function returned `'good'`, which is no result"):
        seen(lambda _: "good")


def test_what_a_run_showed_counts_if_it_is_returned() -> None:
    failed = ran(Outcome.UNTESTABLE, 125)

    found = seen(lambda env: env.run("prog"), lambda _: failed)

    assert (found.outcome, found.exit_code, found.output_tail) == (Outcome.UNTESTABLE, 125, "printed")
    assert (found.cpu_s, found.peak_bytes) == (1.5, 100)


def test_a_run_has_the_words_as_a_command_and_at_most_the_time_of_the_probe() -> None:
    asked: list[Probe] = []

    def run(probe: Probe) -> Observation:
        asked.append(probe)
        return ran()

    def function(env: Environment) -> None:
        assert env.run("python", "-c", "print('a b')").stdout == "printed"
        env.run("prog", timeout=3)
        env.run("prog", timeout=30)

    seen(function, run)

    assert [probe.command for probe in asked] == ["python -c 'print('\"'\"'a b'\"'\"')'", "prog", "prog"]
    assert [probe.timeout_s for probe in asked] == [10.0, 3.0, 10.0]
    assert {probe.decided_by for probe in asked} == {""}


def test_an_exception_is_a_failure_at_its_line() -> None:
    def function(_: Environment) -> None:
        raise AssertionError  # pytest would give a failed `assert` a message

    found = seen(function)

    assert found.outcome is Outcome.FAILED
    assert found.signature is not None
    assert found.signature.shown.startswith("test_probing.py:")
    assert found.signature.frame.startswith("./test_probing.py in function: raise AssertionError")
    assert "AssertionError" in found.output_tail


def test_two_functions_that_fail_at_different_places_fail_differently() -> None:
    def first(_: Environment) -> None:
        raise ValueError("no")

    def second(_: Environment) -> None:
        raise ValueError("no")

    one, other = seen(first).signature, seen(second).signature

    assert one is not None
    assert other is not None
    assert not one.is_same_failure(other)


def test_a_program_that_hangs_is_a_time_out_unless_that_is_caught() -> None:
    def run(_: Probe) -> Observation:
        return ran(Outcome.FAILED, None, signature=TIME_OUT)

    def catches(env: Environment) -> bool:
        try:
            env.run("prog")
        except subprocess.TimeoutExpired as error:
            return error.timeout == 10.0
        return False

    assert seen(lambda env: env.run("prog"), run).signature == TIME_OUT
    assert seen(catches, run).outcome is Outcome.PASSED


def test_skip_says_that_a_release_is_untestable() -> None:
    def function(_: Environment) -> None:
        raise Skip("it has no such feature")

    found = seen(function)

    assert found.outcome is Outcome.UNTESTABLE
    assert found.signature is not None
    assert found.signature.shown == "it has no such feature"


def test_an_error_of_the_machine_is_no_failure_of_the_probe() -> None:
    def run(_: Probe) -> Observation:
        raise Unavailable("the disk is full")

    with pytest.raises(Unavailable):
        seen(lambda env: env.run("prog"), run)


def test_a_canceled_function_starts_no_program() -> None:
    token = CancelToken()
    token.cancel()

    with pytest.raises(Cancelled):
        seen(lambda env: env.run("prog"), token=token)


def test_an_environment_says_what_it_has() -> None:
    found = Environment(REQUEST, BUILT, lambda _: ran())

    assert (found.label, found.versions) == ("1.2", {"demo": "1.2"})
    assert (found.folder, found.python) == (Path("/environment"), Path("/environment/bin/python"))


def test_only_a_key_makes_two_functions_the_same() -> None:
    one, other = (FunctionDecider(print, key=None) for _ in range(2))
    named = FunctionDecider(print, key="mine")

    assert one.name != other.name
    assert (named.name, named.keeps_runs, one.keeps_runs) == ("function mine", True, False)
    assert named.shown == "print"

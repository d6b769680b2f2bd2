"""What the script of a report is told, and which reports have one."""

from __future__ import annotations

import ast

import pytest
from support.builders import failed, passed
from support.documents import LISTED, STARTED, answered, bad, finished, good, judged

from bisect_asgi.core import events
from bisect_asgi.core.events import RunStarted
from bisect_asgi.core.model import (
    Distribution,
    FailureKind,
    Observation,
    Phase,
    ReadyMadeLoad,
    Ruling,
    Served,
    Signature,
)
from bisect_asgi.core.records import replace
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.report.script import also_needed, file_of, script_of

SERVED = replace(
    STARTED,
    served=True,
    serving=Served(file="leak.py", name="api", options={"http": "h11"}, startup_s=20.0),
    timeout_s=60.0,
)
PROBE = "def probe(server):\n    assert server.client.get('/').text\n"


def report(
    plan: RunStarted = SERVED,
    *,
    run: Observation | None = None,
    ruling: Ruling | None = None,
    h11: bool = True,
) -> Report:
    """The report of a boundary between 0.12.0 and 0.12.1, whose bad side shows this run."""
    extra = (Distribution(name="h11", version="0.14.0"),) if h11 else ()
    trials = [finished(2, passed()), finished(3, run or failed())]
    built = [
        events.TrialFinished(
            trial=replace(
                each.trial,
                environment=replace(
                    each.trial.environment, distributions=(*each.trial.environment.distributions, *extra)
                ),
            )
        )
        for each in trials
        if each.trial.environment
    ]
    return fold([plan, LISTED, *built, judged({2: good(), 3: ruling or bad()}), answered()])


def constants(made: Report, probe: str = PROBE) -> dict[str, object]:
    """The constants at the top of the script."""
    script = script_of(made, probe)
    assert script is not None
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(script.text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _is_value(node.value)
    }


def _is_value(node: ast.expr) -> bool:
    return not any(isinstance(each, ast.Call | ast.BinOp | ast.DictComp) for each in ast.walk(node))


def test_it_serves_what_was_served_with_the_same_limits() -> None:
    found = constants(report())
    assert {
        name: found[name] for name in ("PROBE", "APP", "APP_NAME", "UVICORN", "STARTUP_S", "TIMEOUT_S")
    } == {
        "PROBE": "leak.py",
        "APP": "leak.py",
        "APP_NAME": "api",
        "UVICORN": {"http": "h11"},
        "STARTUP_S": 20.0,
        "TIMEOUT_S": 60.0,
    }


def signature(kind: FailureKind, text: str) -> Signature:
    return Signature(kind=kind, phase=Phase.CHECK, text=text, shown=text)


@pytest.mark.parametrize(
    ("sign", "failures", "shows_stacks"),
    [
        (
            signature(FailureKind.EXCEPTION, "AssertionError: <n> chunks; server: KeyError: 'a'"),
            ("AssertionError",),
            False,
        ),
        (signature(FailureKind.EXCEPTION, "ReadTimeout: timed out"), ("ReadTimeout",), True),
        (signature(FailureKind.TIMEOUT, "timed out after 60 s"), ("time-out",), True),
        (signature(FailureKind.METRIC, "size above 10"), (), False),
    ],
)
def test_the_failures_are_those_of_the_bad_side(
    sign: Signature, failures: tuple[str, ...], shows_stacks: bool
) -> None:
    made = report(run=replace(failed(), signature=sign), ruling=replace(bad(), signature=sign))
    script = script_of(made, PROBE)
    assert script is not None
    assert constants(made)["FAILURES"] == failures
    assert ("def stacks_of" in script.text) == shows_stacks


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"limit": "above 10", "threshold": 10.0},
            {"METRIC": "size", "ABOVE": 10.0, "BELOW": None, "RUNS": 1},
        ),
        ({"limit": "below 4", "threshold": 4.0}, {"METRIC": "size", "ABOVE": None, "BELOW": 4.0, "RUNS": 1}),
        ({}, {"METRIC": "size", "ABOVE": None, "BELOW": None, "RUNS": 1}),
        (
            {"metric": "wall", "limit": "above 1 s", "threshold": 1.0},
            {"METRIC": "wall", "ABOVE": 1.0, "BELOW": None, "RUNS": 6},
        ),
    ],
)
def test_a_metric_has_its_threshold(fields: dict[str, object], told: dict[str, object]) -> None:
    found = constants(report(replace(SERVED, **{"metric": "size", **fields})))  # type: ignore[arg-type]
    assert {name: found[name] for name in told} == told


def test_a_flaky_probe_is_run_until_its_failure_is_probable() -> None:
    flaky = Ruling(
        verdict=bad().verdict, outcome=bad().outcome, passed=1, failed=1, signature=bad().signature
    )
    assert constants(report(ruling=flaky))["RUNS"] == 5  # 1/2 to the fifth is 3%


def test_a_load_needs_no_probe() -> None:
    load = ReadyMadeLoad(request="GET /a", requests=50, concurrency=3, keep_alive=False)
    plan = replace(
        SERVED,
        probe="",
        serving=Served(file="app.py", load=load),
        check_options=("--app", "'src/my app.py:api'", "--load", "'GET /a'"),
        metric="growth",
    )
    told = {"request": "GET /a", "requests": 50, "concurrency": 3, "keep_alive": False}
    assert constants(report(plan), "")["LOAD"] == told


def test_the_own_words_for_good_and_bad_are_used() -> None:
    script = script_of(report(replace(SERVED, term_old="fast", term_new="slow")), PROBE)
    assert script is not None
    assert "GOOD = 'fast'\nBAD = 'slow'" in script.text
    assert "Exit code 0: fast. 1: slow (AssertionError)." in script.text


def test_it_does_not_take_the_probes_own_name() -> None:
    script = script_of(report(replace(SERVED, probe="lib/reproduce.py")), PROBE)
    assert script is not None
    assert script.name == "reproduce_probe.py"


@pytest.mark.parametrize(
    ("made", "probe"),
    [
        pytest.param(report(STARTED), "", id="a-plain-script-runs-by-itself"),
        pytest.param(report(replace(SERVED, serving=None)), PROBE, id="an-older-log"),
        pytest.param(report(h11=False), PROBE, id="no-h11"),
        pytest.param(report(replace(SERVED, check_options=("--match", "x"))), PROBE, id="by-its-output"),
        pytest.param(report(replace(STARTED, probe="", metric="size")), "", id="a-function"),
        pytest.param(report(), "import httpx\n" + PROBE, id="httpx"),
        pytest.param(report(), "from websockets.sync import client\n" + PROBE, id="websockets"),
        pytest.param(report(), PROBE + "    server.websocket('/')\n", id="a-websocket"),
        pytest.param(report(), PROBE + "    server.client.stream('GET', '/')\n", id="a-stream"),
        pytest.param(report(), PROBE + "    server.client.post('/', files={})\n", id="files"),
    ],
)
def test_what_a_script_cannot_show_has_none(made: Report, probe: str) -> None:
    assert script_of(made, probe) is None


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ((), ()),
        (("--include", "data/rows.json", "--include", "'my files'"), ("rows.json", "my files")),
        (("--app", "'src/my app.py:api'"), ("my app.py",)),
        (("--app", "probes/leak.py"), ()),
        (("--timeout", "5", "--include", "rows.json", "--include", "other/rows.json"), ("rows.json",)),
    ],
)
def test_what_else_has_to_lie_beside_the_probe_is_named(
    options: tuple[str, ...], names: tuple[str, ...]
) -> None:
    assert also_needed(replace(SERVED, check_options=options)) == names


def test_an_app_that_is_loaded_without_a_probe_is_the_file_to_save() -> None:
    plan = replace(SERVED, probe="", check_options=("--app", "'src/my app.py:api'", "--load", "'GET /'"))
    assert (file_of(plan), also_needed(plan)) == ("src/my app.py", ())

"""What a run of a served probe shows: outcomes, metrics and what it cost.

What needs a server is marked `network`: its environment is installed from the package index.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.served import HELLO, PASSES, left_behind, network, observe, served, shown

from bisect_asgi.backend.environments import Environment
from bisect_asgi.backend.served import drive
from bisect_asgi.backend.served.request import UNREADABLE_METRIC, Driven
from bisect_asgi.backend.served.server import Server
from bisect_asgi.cli.probe_files import load
from bisect_asgi.core import codec
from bisect_asgi.core.model import (
    Outcome,
    Phase,
)
from bisect_asgi.core.plan.options import Options

MIB = 1024 * 1024


@network
@pytest.mark.parametrize(
    "app",
    [
        pytest.param(HELLO, id="a-function-that-makes-it"),
        pytest.param(HELLO.replace("def app", "def make") + "\napp = make()\n", id="an-object"),
        pytest.param(
            "async def app(scope, receive, send):\n"
            "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
            "    await send({'type': 'http.response.body', 'body': b'hello'})\n",
            id="a-coroutine-function",
        ),
    ],
)
def test_a_probe_that_asserts_nothing_wrong_passes(served_by: Environment, runs: Path, app: str) -> None:
    seen = observe(served(app + PASSES), served_by, runs)

    assert shown(seen) == (Outcome.PASSED, Phase.CHECK, None), seen.output_tail
    assert (seen.exit_code, seen.metrics, seen.frames, seen.stacks) == (0, {}, (), "")
    assert seen.peak_bytes is not None
    assert seen.peak_bytes > 10 * MIB
    assert "Application startup complete." in seen.output_tail


@network
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            "assert server.client.get('/').status_code == 500, 'expected 500'",
            (Outcome.FAILED, Phase.CHECK, "AssertionError: expected 500"),
            id="an-assertion",
        ),
        pytest.param(
            "skip('no lifespan here')", (Outcome.UNTESTABLE, Phase.DRIVE, "no lifespan here"), id="skip"
        ),
        pytest.param(
            "raise SystemExit(1)", (Outcome.FAILED, Phase.CHECK, "SystemExit: 1"), id="an-exit-code"
        ),
        pytest.param(
            "return 'slow'",
            (
                Outcome.PASSED,
                Phase.CHECK,
                "the metric `value` cannot be read: `slow` is no number, with or without a unit",
            ),
            id="a-word-is-no-metric",
        ),
    ],
)
def test_what_a_probe_does_is_what_was_seen(
    served_by: Environment, runs: Path, body: str, expected: tuple[Outcome, Phase, str | None]
) -> None:
    seen = observe(served(f"{HELLO}\ndef probe(server):\n    {body}\n"), served_by, runs)

    assert shown(seen) == expected, seen.output_tail
    assert left_behind(runs) == []


FAILS_INSIDE = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b""})
    raise KeyError("an old thing")

def probe(server):
    assert server.client.get("/").status_code == 200
"""


@network
def test_what_the_server_raised_tells_failures_apart(served_by: Environment, runs: Path) -> None:
    codes = (
        FAILS_INSIDE,
        FAILS_INSIDE,
        FAILS_INSIDE.replace('KeyError("an old thing")', 'ValueError("new")'),
    )
    options: dict[str, str | int | float | bool | None] = {"lifespan": "off"}

    signs = [observe(served(code, options=options), served_by, runs).signature for code in codes]

    old, again, new = (sign for sign in signs if sign)
    assert old.is_same_failure(again)
    assert not old.is_same_failure(new)
    line = 'leak.py:8: assert server.client.get("/").status_code == 200'
    assert old.shown == f"{line}; server: KeyError: 'an old thing'"
    assert new.shown == f"{line}; server: ValueError: new"


@network
def test_metrics_may_have_units_and_may_be_printed_by_the_app_and_by_the_probe(
    served_by: Environment, runs: Path
) -> None:
    code = HELLO.replace("def app():", "def app():\n    print('@metric startup 0.25 s', flush=True)")
    code += """
def probe(server):
    for _ in range(400):
        server.client.get("/" + "x" * 200)  # until the server's log is longer than what is kept of it
    print("@metric p50 9 s")
    print("@metric warm-up 3")
    return {"p50": "3 ms", "growth": "8 KiB", "n": 7}
"""

    seen = observe(served(code), served_by, runs)

    assert seen.outcome is Outcome.PASSED, seen.output_tail
    assert seen.metrics == {"startup": 0.25, "warm-up": 3.0, "p50": 0.003, "growth": 8192.0, "n": 7.0}
    assert seen.units == {"startup": "s", "p50": "s", "growth": "B"}


@network
def test_memory_and_processor_time_are_the_servers_and_not_the_drivers(
    served_by: Environment, runs: Path
) -> None:
    code = (
        HELLO
        + """
def probe(server):
    import time
    held = b"x" * (200 << 20)
    end = time.process_time() + 1.5
    while time.process_time() < end:
        sum(range(100_000))
    assert server.client.get("/").text == "hello"
"""
    )

    seen = observe(served(code), served_by, runs)

    assert seen.outcome is Outcome.PASSED, seen.output_tail
    assert seen.peak_bytes is not None
    assert 10 * MIB < seen.peak_bytes < 100 * MIB
    assert 0 < seen.cpu_s < 1.5


@network
def test_a_probe_that_fails_keeps_what_it_printed(served_by: Environment, runs: Path) -> None:
    seen = observe(
        served(f"{HELLO}\ndef probe(server):\n    print('@metric p50 3 ms')\n    assert False, 'late'\n"),
        served_by,
        runs,
    )

    assert shown(seen) == (Outcome.FAILED, Phase.CHECK, "AssertionError: late")
    assert (seen.metrics, seen.units) == ({"p50": 0.003}, {"p50": "s"})


# What the driver makes of what a probe returned, without a server.


class Decimals:
    """A library's own kind of number."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __float__(self) -> float:
        return self.value  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("returned", "values", "units"),
    [
        pytest.param(None, {}, {}, id="nothing"),
        pytest.param({}, {}, {}, id="none"),
        pytest.param(7, {"value": 7.0}, {}, id="a-whole-number"),
        pytest.param(0.25, {"value": 0.25}, {}, id="a-number"),
        pytest.param(True, {"value": 1.0}, {}, id="a-truth"),
        pytest.param("3 ms", {"value": 0.003}, {"value": "s"}, id="a-text-with-a-unit"),
        pytest.param({"p50": "3 ms", "n": 7}, {"p50": 0.003, "n": 7.0}, {"p50": "s"}, id="several"),
        pytest.param({"n": Decimals(0.5), "ok": True}, {"n": 0.5, "ok": 1.0}, {}, id="as-good-as-numbers"),
        pytest.param(Decimals(0.5), {"value": 0.5}, {}, id="as-good-as-a-number"),
    ],
)
def test_what_is_returned_is_read_in_base_units(
    returned: object, values: dict[str, float], units: dict[str, str]
) -> None:
    driven = drive.passed(drive.reported(returned))

    assert driven == Driven(outcome=Outcome.PASSED, phase=Phase.CHECK, metrics=values, units=units)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        pytest.param({"p50": float("nan"), "n": 7}, "the metric `p50` cannot be read: ", id="nan"),
        pytest.param({"p50": float("inf"), "n": 7}, "the metric `p50` cannot be read: ", id="infinity"),
        pytest.param({"p50": 10**400, "n": 7}, "the metric `p50` cannot be read: ", id="a-large-integer"),
        pytest.param({"p50": Decimals("x"), "n": 7}, "the metric `p50` cannot be read: ", id="no-float"),
        pytest.param(
            {"p 50": 3, "n": 7}, "the metric `p 50` cannot be read: a name has no spaces", id="name"
        ),
        pytest.param({"\ud800": 3, "n": 7}, "the metric `?` cannot be read: ", id="a-name-that-is-no-text"),
    ],
)
def test_what_is_returned_and_cannot_be_read_is_told(returned: object, message: str) -> None:
    driven = drive.passed(drive.reported(returned))

    assert (driven.outcome, driven.phase, driven.type) == (Outcome.UNTESTABLE, Phase.CHECK, UNREADABLE_METRIC)
    assert driven.message.startswith(message)
    assert driven.metrics == {"n": 7.0}


def test_what_is_no_metric_at_all_is_told() -> None:
    driven = drive.passed(drive.reported([1, 2]))

    assert (driven.outcome, driven.type) == (Outcome.UNTESTABLE, UNREADABLE_METRIC)
    assert driven.message == "a probe returns nothing, a number or a dict of numbers, not list"


@pytest.mark.parametrize("length", [0, 100, 40_000, 200_000])
def test_metrics_in_the_part_of_a_log_that_is_not_shown_are_shown(
    capsys: pytest.CaptureFixture[str], length: int
) -> None:
    log = b"@metric a 1\n" + b"log\n" * (length // 4) + b"@metric b 12345 s\n" + b"end\n" * 8188

    drive._print_log(log)

    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("@")] == ["@metric a 1", "@metric b 12345 s"]
    assert set(lines) <= {"@metric a 1", "@metric b 12345 s", "log", "end"}
    assert len(lines) < 8500


# What the driver makes of how a probe ends, and of coroutines.


@pytest.fixture
def nobody(tmp_path: Path) -> Iterator[Server]:
    """A server's place with no server there, for probes that do not ask it anything."""
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        (tmp_path / "server.log").touch()
        yield Server(("127.0.0.1", 0), pid=os.getpid(), control=ours, log=tmp_path / "server.log")


def ending(code: str) -> Callable[[Server], object]:
    """A probe with this line in it."""
    namespace: dict[str, Callable[[Server], object]] = {}
    exec(f"def probe(server):\n    {code}\n", namespace)
    return namespace["probe"]


@pytest.mark.parametrize(
    ("end", "outcome", "phase"),
    [
        pytest.param("raise SystemExit(1)", Outcome.FAILED, Phase.CHECK, id="one-is-a-failure"),
        pytest.param("raise SystemExit(125)", Outcome.UNTESTABLE, Phase.CHECK, id="125-cannot-tell"),
        pytest.param("raise SystemExit(0)", Outcome.PASSED, Phase.CHECK, id="zero-passes"),
        pytest.param("raise SystemExit", Outcome.PASSED, Phase.CHECK, id="none-passes"),
        pytest.param("raise SystemExit('it leaks')", Outcome.FAILED, Phase.CHECK, id="a-text-is-a-failure"),
        pytest.param("raise LookupError('no cookie')", Outcome.FAILED, Phase.DRIVE, id="an-exception"),
        pytest.param("assert not server", Outcome.FAILED, Phase.CHECK, id="an-assertion"),
        pytest.param("server.skip('too old')", Outcome.UNTESTABLE, Phase.DRIVE, id="a-skip"),
        pytest.param("return None", Outcome.PASSED, Phase.CHECK, id="nothing"),
    ],
)
def test_how_a_probe_ends_is_its_outcome(nobody: Server, end: str, outcome: Outcome, phase: Phase) -> None:
    driven = drive.drive(nobody, ending(end))

    assert (driven.outcome, driven.phase) == (outcome, phase)


def test_an_exception_is_told_with_where_it_was_raised(nobody: Server) -> None:
    driven = drive.drive(nobody, ending("raise LookupError('no cookie')"))

    assert (driven.type, driven.message) == ("LookupError", "no cookie")
    assert driven.frames[-1] == ("<string>", 2, "probe")


def test_a_message_that_is_no_text_is_still_a_failure(nobody: Server) -> None:
    driven = drive.drive(nobody, ending(r"raise ValueError('bad \udcff byte')"))

    assert (driven.outcome, driven.phase, driven.message) == (Outcome.FAILED, Phase.DRIVE, "bad ? byte")
    assert codec.from_json(codec.to_json(driven), Driven) == driven


@network
def test_a_coroutine_drives_with_the_async_client_and_can_send_a_load(server: Server) -> None:
    async def probe(server: Server) -> int:
        answers = await asyncio.gather(*(server.async_client.get("/a") for _ in range(3)))
        assert [answer.text for answer in answers] == ["/a"] * 3
        return server.load("GET /", requests=5).requests

    driven = drive.drive(server, probe)

    assert (driven.outcome, driven.metrics) == (Outcome.PASSED, {"value": 5.0}), driven


# Ready-made loads.


@network
@pytest.mark.parametrize("name", ["application", "make"])
def test_an_app_file_is_measured_by_a_ready_made_load(
    served_by: Environment, runs: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "web.py"
    path.write_text(HELLO.replace("def app", "def make") + "\napplication = make()\n")
    probe = load(Options(app=f"{path}:{name}", load="GET /", requests=50, concurrency=4))

    seen = observe(probe, served_by, runs)

    assert seen.outcome is Outcome.PASSED, seen.output_tail
    assert set(seen.metrics) == {"growth", "p50", "p95", "p99", "rate"}
    assert seen.units == {"growth": "B", "p50": "s", "p95": "s", "p99": "s", "rate": "1/s"}
    assert 0 < seen.metrics["p50"] <= seen.metrics["p95"] <= seen.metrics["p99"] < 5
    assert seen.metrics["rate"] > 1


@network
def test_a_ready_made_load_without_answers_fails(served_by: Environment, runs: Path, tmp_path: Path) -> None:
    path = tmp_path / "web.py"
    path.write_text("import os\nasync def app(scope, receive, send):\n    os._exit(3)\n")
    probe = load(Options(app=str(path), load="/", requests=10, uvicorn={"lifespan": "off"}))

    seen = observe(probe, served_by, runs)

    assert (seen.outcome, seen.phase) == (Outcome.FAILED, Phase.CHECK)
    assert seen.signature is not None
    assert seen.signature.shown == "AssertionError: 10 of 10 requests had no response"

"""Served probes: which are recognised, and real ones under a real uvicorn in every way in which they can end.

What needs a server is marked `network`: its environments are installed from the package index.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
from pathlib import Path

import psutil
import pytest
from support.builders import environment as make_environment

from bisect_asgi.backend import interpreters, uv
from bisect_asgi.backend.environments.cache import Environment
from bisect_asgi.backend.served import drive
from bisect_asgi.backend.served.request import UNREADABLE_METRIC, Driven
from bisect_asgi.backend.trials.probe_run import Output, run_probe
from bisect_asgi.cli.probe_files import load
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, UsageError
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import (
    FailureKind,
    Observation,
    Outcome,
    Phase,
    Probe,
    ProbeFile,
    ReadyMadeLoad,
    Served,
)
from bisect_asgi.core.plan.options import Options

MIB = 1024 * 1024

network = pytest.mark.network

HELLO = """
def app():
    async def hello(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})

    return hello
"""

ECHO = """
import asyncio

kept = []

class Kept:
    def __init__(self):
        self.data = bytearray(b"x" * 20000)

async def body_of(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body

async def app(scope, receive, send):
    path = scope["path"]
    print("asked for", path, flush=True)
    if path == "/keep":
        kept.append(Kept())
    if path == "/slow":
        await asyncio.sleep(0.05)
    if path == "/error":
        raise ValueError("no such thing")
    answer = await body_of(receive) or path.encode()
    headers = [(b"content-length", str(len(answer)).encode()), (b"x-version", b"1")]
    status = 404 if path == "/absent" else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
"""

HANGS = """
import asyncio

async def waits_for_ever():
    await asyncio.Event().wait()

async def app(scope, receive, send):
    await waits_for_ever()
"""

PASSES = "\ndef probe(server):\n    assert server.client.get('/').text == 'hello'\n"


# --- Which probes are served


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "is_served"),
    [
        pytest.param("def app(): ...\ndef probe(server): ...", True, id="functions"),
        pytest.param(
            "async def app(scope, receive, send): ...\nasync def probe(s): ...", True, id="coroutines"
        ),
        pytest.param("class app: ...\ndef probe(server): ...", True, id="a-class"),
        pytest.param("app = make()\nprobe = check", True, id="assigned"),
        pytest.param("app: object = make()\ndef probe(server): ...", True, id="annotated"),
        pytest.param("other = app = make()\ndef probe(server): ...", True, id="assigned-to-several"),
        pytest.param("def app(): ...", False, id="app-alone"),
        pytest.param("def probe(server): ...", False, id="probe-alone"),
        pytest.param("import jinja2", False, id="neither"),
        pytest.param("", False, id="empty"),
        pytest.param("def main():\n    app = 1\n    def probe(): ...", False, id="not-at-the-top-level"),
        pytest.param("things.app = 1\ndef probe(server): ...", False, id="an-attribute-is-no-name"),
        pytest.param("app and probe", False, id="only-mentioned"),
        pytest.param("def app(:\ndef probe(server): ...", False, id="no-python"),
        pytest.param("app = 1\0\nprobe = 2", False, id="a-null-byte"),
    ],
)
def test_a_script_with_app_and_probe_is_served_and_no_other(here: Path, source: str, is_served: bool) -> None:
    (here / "leak.py").write_text(source)

    probe = load(Path("leak.py"), Options(uvicorn={"http": "h11"}))

    assert probe.served == (Served(file="leak.py", options={"http": "h11"}) if is_served else None)


def test_a_file_that_is_no_text_is_not_served(here: Path) -> None:
    (here / "leak.py").write_bytes(b"\xff\xfe\x00")

    assert load(Path("leak.py"), Options()).served is None


def test_a_command_is_never_served(here: Path) -> None:
    (here / "leak.py").write_text(HELLO + PASSES)

    probe = load(Path("leak.py"), Options(command="python leak.py"))

    assert (probe.served, probe.script) == (None, None)


@pytest.mark.parametrize(
    ("app", "file", "name"),
    [
        pytest.param("web.py", "web.py", "app", id="a-file-alone"),
        pytest.param("web.py:application", "web.py", "application", id="with-a-name"),
        pytest.param("service/web.py:make", "web.py", "make", id="in-a-folder"),
        pytest.param("service/web.py", "web.py", "app", id="in-a-folder-without-a-name"),
    ],
)
def test_an_app_file_is_served_as_it_is_and_driven_by_a_load(
    here: Path, app: str, file: str, name: str
) -> None:
    (here / "service").mkdir()
    for path in (here / "web.py", here / "service" / "web.py"):
        path.write_text(ECHO)

    probe = load(None, Options(app=app, load="GET /", requests=20, concurrency=2, keep_alive=False))

    drive = ReadyMadeLoad(request="GET /", requests=20, concurrency=2, keep_alive=False)
    assert probe.served == Served(file=file, name=name, load=drive)
    assert probe.files == (ProbeFile(name=file, content=ECHO.encode()),)
    assert (probe.name, probe.script, probe.command) == (app, None, None)


def test_an_app_file_can_be_driven_by_a_probe_file(here: Path) -> None:
    (here / "web.py").write_text(ECHO)
    (here / "drive.py").write_text(PASSES)

    probe = load(Path("drive.py"), Options(app="web.py"))

    assert (probe.served, probe.script) == (Served(file="web.py"), "drive.py")
    assert sorted(file.name for file in probe.files) == ["drive.py", "web.py"]


@pytest.mark.parametrize("workers", [-1, "two", 1.5])
def test_workers_are_counted(here: Path, workers: str | float) -> None:
    (here / "leak.py").write_text(HELLO + PASSES)

    with pytest.raises(UsageError) as caught:
        load(Path("leak.py"), Options(uvicorn={"workers": workers}))

    assert str(caught.value) == f"`workers = {workers}` is out of range (`--uvicorn`)"
    assert caught.value.hint == "it is 1 or more"


# --- Running them


@pytest.fixture(scope="session")
def served_by(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with a uvicorn of 2022."""
    found = make_environment(tmp_path_factory.mktemp("served") / "environment")
    install(found, "uvicorn==0.17.6", "h11==0.13.0")
    return found


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def install(environment: Environment, *requirements: str) -> None:
    subprocess.run(
        [uv.binary(), "pip", "install", "--quiet", "--python", environment.bin / "python", *requirements],
        check=True,
    )


def served(
    code: str,
    *,
    options: dict[str, str | int | float | bool | None] | None = None,
    timeout_s: float = 60,
    startup_s: float = 30,
) -> Probe:
    """A probe that is the script `leak.py`, with its app and its driver."""
    return Probe(
        name="leak.py",
        script="leak.py",
        command=None,
        files=(ProbeFile(name="leak.py", content=code.encode()),),
        served=Served(file="leak.py", options=options or {}, startup_s=startup_s),
        timeout_s=timeout_s,
    )


def observe(probe: Probe, environment: Environment, runs: Path, output: Output | None = None) -> Observation:
    return run_probe(probe, environment, runs, CancelToken(), output)


def left_behind(runs: Path) -> list[list[str]]:
    """The command lines of all processes of a run below `runs`, which each run's variables name."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("BISECT_ASGI_REPORT", "").startswith(str(runs)):
                found.append(process.cmdline())
        except psutil.Error:
            continue
    return found


def is_free(port: int) -> bool:
    """Tell whether nobody listens there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def shown(observation: Observation) -> tuple[Outcome, Phase, str | None]:
    sign = observation.signature
    seen = sign.shown if sign else observation.complaint or None
    return observation.outcome, observation.phase, seen


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
            "raise LookupError('no cookie')",
            (Outcome.FAILED, Phase.DRIVE, "LookupError: no cookie"),
            id="an-exception",
        ),
        pytest.param("return None", (Outcome.PASSED, Phase.CHECK, None), id="nothing"),
        pytest.param(
            "skip('no lifespan here')", (Outcome.UNTESTABLE, Phase.DRIVE, "no lifespan here"), id="skip"
        ),
        pytest.param(
            "server.skip('too old')", (Outcome.UNTESTABLE, Phase.DRIVE, "too old"), id="skip-of-the-server"
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
        pytest.param(
            "return [1, 2]",
            (
                Outcome.PASSED,
                Phase.CHECK,
                "a probe returns nothing, a number or a dict of numbers, not list",
            ),
            id="a-list-is-no-metric",
        ),
    ],
)
def test_what_a_probe_does_is_what_was_seen(
    served_by: Environment, runs: Path, body: str, expected: tuple[Outcome, Phase, str | None]
) -> None:
    seen = observe(served(f"{HELLO}\ndef probe(server):\n    {body}\n"), served_by, runs)

    assert shown(seen) == expected, seen.output_tail
    assert left_behind(runs) == []


@network
@pytest.mark.parametrize(
    ("returned", "metrics"),
    [
        pytest.param("7", {"value": 7.0}, id="a-whole-number"),
        pytest.param("0.25", {"value": 0.25}, id="a-number"),
        pytest.param("True", {"value": 1.0}, id="a-truth"),
        pytest.param("{'p95': 0.5, 'growth': 12}", {"p95": 0.5, "growth": 12.0}, id="several"),
        pytest.param("{}", {}, id="none"),
    ],
)
def test_returned_numbers_are_metrics(
    served_by: Environment, runs: Path, returned: str, metrics: dict[str, float]
) -> None:
    seen = observe(served(f"{HELLO}\ndef probe(server):\n    return {returned}\n"), served_by, runs)

    assert (seen.outcome, seen.metrics) == (Outcome.PASSED, metrics)


@network
@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_metric_that_is_no_number_is_missing_and_complained_about(
    served_by: Environment, runs: Path, number: str
) -> None:
    seen = observe(
        served(f"{HELLO}\ndef probe(server):\n    return {{'p95': float('{number}')}}\n"), served_by, runs
    )

    assert (seen.outcome, seen.metrics) == (Outcome.PASSED, {})
    assert seen.signature is None
    assert seen.complaint.startswith("the metric `p95` cannot be read: ")


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
    end = time.process_time() + 2
    while time.process_time() < end:
        server.client.get("/")
        time.sleep(0)
        sum(range(100_000))
    assert server.client.get("/").text == "hello"
"""
    )

    seen = observe(served(code), served_by, runs)

    assert seen.outcome is Outcome.PASSED, seen.output_tail
    assert seen.peak_bytes is not None
    assert 10 * MIB < seen.peak_bytes < 100 * MIB
    assert 0 < seen.cpu_s < 2


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
        pytest.param(7, {"value": 7.0}, {}, id="a-whole-number"),
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


@pytest.mark.parametrize("length", [0, 100, 40_000, 200_000])
def test_metrics_in_the_part_of_a_log_that_is_not_shown_are_shown(
    capsys: pytest.CaptureFixture[str], length: int
) -> None:
    log = b"@metric a 1\n" + b"log\n" * (length // 4) + b"@metric b 12345 s\n" + b"end\n" * 8188

    drive.show(log)

    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("@")] == ["@metric a 1", "@metric b 12345 s"]
    assert set(lines) <= {"@metric a 1", "@metric b 12345 s", "log", "end"}
    assert len(lines) < 8500


@network
@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        pytest.param("raise SystemExit(1)", Outcome.FAILED, id="one-is-a-failure"),
        pytest.param("raise SystemExit(125)", Outcome.UNTESTABLE, id="125-cannot-tell"),
        pytest.param("raise SystemExit(0)", Outcome.PASSED, id="zero-passes"),
        pytest.param("raise SystemExit", Outcome.PASSED, id="none-passes"),
        pytest.param("raise SystemExit('it leaks')", Outcome.FAILED, id="a-text-is-a-failure"),
    ],
)
def test_exit_codes_mean_what_they_mean_in_scripts(
    served_by: Environment, runs: Path, end: str, outcome: Outcome
) -> None:
    seen = observe(served(f"{HELLO}\ndef probe(server):\n    {end}\n"), served_by, runs)

    assert seen.outcome is outcome


@network
def test_a_message_that_is_no_text_is_still_a_failure(served_by: Environment, runs: Path) -> None:
    code = HELLO + "\ndef probe(server):\n    raise ValueError('bad \\udcff byte')\n"

    seen = observe(served(code), served_by, runs)

    assert (seen.outcome, seen.phase) == (Outcome.FAILED, Phase.DRIVE)


@network
def test_a_coroutine_drives_with_the_async_client(served_by: Environment, runs: Path) -> None:
    code = """
async def probe(server):
    import asyncio
    answers = await asyncio.gather(*(server.async_client.get("/") for _ in range(3)))
    assert [answer.text for answer in answers] == ["hello"] * 3
    return len(answers)
"""
    seen = observe(served(HELLO + code), served_by, runs)

    assert (seen.outcome, seen.metrics) == (Outcome.PASSED, {"value": 3.0}), seen.output_tail


@network
def test_a_coroutine_can_send_a_load(served_by: Environment, runs: Path) -> None:
    code = "\nasync def probe(server):\n    return server.load('GET /', requests=5).requests\n"

    seen = observe(served(HELLO + code), served_by, runs)

    assert (seen.outcome, seen.metrics) == (Outcome.PASSED, {"value": 5.0}), seen.output_tail


@network
@pytest.mark.parametrize("name", ["application", "make"])
def test_an_app_file_is_measured_by_a_ready_made_load(
    served_by: Environment, runs: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "web.py"
    path.write_text(HELLO.replace("def app", "def make") + "\napplication = make()\n")
    probe = load(None, Options(app=f"{path}:{name}", load="GET /", requests=50, concurrency=4))

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
    probe = load(None, Options(app=str(path), load="/", requests=10, uvicorn={"lifespan": "off"}))

    seen = observe(probe, served_by, runs)

    assert (seen.outcome, seen.phase) == (Outcome.FAILED, Phase.CHECK)
    assert seen.signature is not None
    assert seen.signature.shown == "AssertionError: 10 of 10 requests had no response"


# --- Servers that do not get ready


@network
def test_an_app_that_raises_while_it_is_imported_fails_in_the_import(
    served_by: Environment, runs: Path
) -> None:
    code = (
        "def app():\n    return load_settings()\n\ndef load_settings():\n    raise KeyError('DSN')\n" + PASSES
    )

    seen = observe(served(code), served_by, runs)

    assert seen.signature == signature.of_exception(
        "KeyError",
        "'DSN'",
        phase=Phase.IMPORT,
        frames=[("leak.py", 5, "load_settings")],
        probe_files=["leak.py"],
    )
    assert (seen.outcome, seen.phase) == (Outcome.FAILED, Phase.IMPORT)
    assert [(Path(file).name, line, name) for file, line, name in seen.frames][-2:] == [
        ("leak.py", 2, "app"),
        ("leak.py", 5, "load_settings"),
    ]
    assert "Traceback (most recent call last)" in seen.output_tail
    assert "KeyError: 'DSN'" in seen.output_tail
    assert left_behind(runs) == []


@network
def test_a_package_that_is_not_there_fails_in_the_import(served_by: Environment, runs: Path) -> None:
    seen = observe(served("def app():\n    import starlette\n" + PASSES), served_by, runs)

    assert shown(seen) == (
        Outcome.FAILED,
        Phase.IMPORT,
        "ModuleNotFoundError: No module named 'starlette'",
    )


@network
def test_a_lifespan_that_fails_fails_in_the_startup_with_its_traceback_in_the_output(
    served_by: Environment, runs: Path
) -> None:
    code = """
async def app(scope, receive, send):
    raise RuntimeError("no database")
"""
    seen = observe(served(code + PASSES, options={"lifespan": "on"}), served_by, runs)

    assert (seen.outcome, seen.phase) == (Outcome.FAILED, Phase.STARTUP)
    assert seen.signature is not None
    assert "before it was ready" in seen.signature.shown
    assert "RuntimeError: no database" in seen.output_tail
    assert left_behind(runs) == []


@network
def test_an_option_that_this_uvicorn_does_not_have_fails_in_the_startup(
    served_by: Environment, runs: Path
) -> None:
    seen = observe(served(HELLO + PASSES, options={"no_such_option": 1}), served_by, runs)

    assert (seen.outcome, seen.phase) == (Outcome.FAILED, Phase.STARTUP)
    assert seen.signature is not None
    assert seen.signature.kind is FailureKind.EXCEPTION
    assert "TypeError" in seen.signature.shown
    assert "no_such_option" in seen.signature.shown


@network
def test_options_reach_uvicorn(served_by: Environment, runs: Path) -> None:
    code = "\ndef probe(server):\n    assert server.client.get('/').headers['server'] == 'mine'\n"
    options: dict[str, str | int | float | bool | None] = {"server_header": False, "http": "h11"}

    seen = observe(served(HELLO + code, options=options), served_by, runs)

    assert shown(seen) == (Outcome.FAILED, Phase.DRIVE, "KeyError: 'server'")


@network
def test_a_startup_that_hangs_is_a_time_out_with_its_stacks(served_by: Environment, runs: Path) -> None:
    code = """
import asyncio

async def opens_the_database():
    await asyncio.Event().wait()

async def app(scope, receive, send):
    await startup()

async def startup():
    await opens_the_database()
"""
    seen = observe(served(code + PASSES, options={"lifespan": "on"}, startup_s=1.5), served_by, runs)

    assert shown(seen) == (
        Outcome.FAILED,
        Phase.STARTUP,
        "TimeoutError: the app was not ready within 1.5 s",
    )
    assert "in opens_the_database" in seen.stacks
    assert left_behind(runs) == []


@network
def test_an_import_that_hangs_is_a_time_out(served_by: Environment, runs: Path) -> None:
    code = "def app():\n    import threading\n    threading.Event().wait()\n"

    seen = observe(served(code + PASSES, startup_s=1), served_by, runs)

    assert shown(seen) == (Outcome.FAILED, Phase.IMPORT, "TimeoutError: the app was not ready within 1 s")
    assert left_behind(runs) == []


@network
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        pytest.param(
            "import no_such_package\n" + HELLO + PASSES,
            "ModuleNotFoundError: No module named 'no_such_package'",
            id="needs-the-package-under-test",
        ),
        pytest.param("1 / 0\n" + HELLO + PASSES, "ZeroDivisionError: division by zero", id="raises"),
    ],
)
def test_a_driver_half_that_does_not_load_is_said_whole(
    served_by: Environment, runs: Path, code: str, reason: str
) -> None:
    with pytest.raises(UsageError) as caught:
        observe(served(code), served_by, runs)

    assert str(caught.value) == f"the driver half of `leak.py` does not load: {reason}"
    assert caught.value.hint == (
        "it is imported without the package under test: import what the app needs inside the "
        "function that makes it"
    )
    assert list(runs.iterdir()) == []


# --- Hangs, and ends


@network
def test_a_hang_ends_by_the_connections_limit_and_shows_where_the_server_waits(
    served_by: Environment, runs: Path
) -> None:
    code = """
def probe(server):
    with server.connection(timeout_s=0.5) as connection:
        connection.send_request("GET", "/")
        connection.response()
"""
    seen = observe(served(HANGS + code, options={"lifespan": "off"}), served_by, runs)

    assert shown(seen) == (
        Outcome.FAILED,
        Phase.DRIVE,
        "TimeoutError: no response: nothing came within 0.5 s",
    )
    assert "in waits_for_ever" in seen.stacks
    assert left_behind(runs) == []


@network
def test_the_stacks_of_a_task_reach_down_to_what_it_awaits(served_by: Environment, runs: Path) -> None:
    code = """
import asyncio, time

async def app(scope, receive, send):
    await outer()

async def outer():
    await waits_for_ever()

async def waits_for_ever():
    await asyncio.Event().wait()

def probe(server):
    connection = server.connection(timeout_s=5)
    connection.send_request("GET", "/")
    deadline = time.monotonic() + 5
    while "in waits_for_ever" not in server.stacks():  # the task is there before it has come so far
        assert time.monotonic() < deadline, server.stacks()
    connection.reset()
"""
    seen = observe(served(code, options={"lifespan": "off"}), served_by, runs)

    assert seen.outcome is Outcome.PASSED, seen.output_tail


@network
def test_a_run_that_is_out_of_time_has_the_stacks_of_the_driver_and_the_server(
    served_by: Environment, runs: Path
) -> None:
    code = """
import threading

def app():
    return Blocks()

class Blocks:
    async def __call__(self, scope, receive, send):
        blocks_the_loop()

def blocks_the_loop():
    threading.Event().wait()

def probe(server):
    server.connection().send_request("GET", "/")
    threading.Event().wait()
"""
    seen = observe(served(code, options={"lifespan": "off"}, timeout_s=4), served_by, runs)

    assert seen.outcome is Outcome.FAILED
    assert seen.signature == signature.of_timeout(4)
    assert "in blocks_the_loop" in seen.stacks
    assert left_behind(runs) == []


# A server with a child in a session of its own; the probe says where both are.
TREE = """
def app():
    import subprocess, sys
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)

    async def answer(scope, receive, send):
        body = str(child.pid).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return answer

def probe(server):
    import json, threading
    child = int(server.client.get("/").text)
    print("\\nfound", json.dumps([server.pid, child, server.address[1]]), flush=True)
    """


def places(output: str) -> tuple[int, int, int]:
    """The server's process, its child and the port, as TREE's probe tells them."""
    line = next(line for line in output.splitlines() if line.startswith("found "))
    server, child, port = json.loads(line.removeprefix("found "))
    return server, child, port


@network
@pytest.mark.parametrize(
    ("end", "outcome", "timeout_s"),
    [
        pytest.param("pass", Outcome.PASSED, 60, id="success"),
        pytest.param("assert False", Outcome.FAILED, 60, id="failure"),
        pytest.param("threading.Event().wait()", Outcome.FAILED, 4, id="time-out"),
    ],
)
def test_nothing_of_a_served_run_is_left(
    served_by: Environment, runs: Path, end: str, outcome: Outcome, timeout_s: float
) -> None:
    seen = observe(served(TREE + end + "\n", timeout_s=timeout_s), served_by, runs)

    server, child, port = places(seen.output_tail)
    assert seen.outcome is outcome
    assert not psutil.pid_exists(server)
    assert not psutil.pid_exists(child)
    assert is_free(port)
    assert left_behind(runs) == []
    assert list(runs.iterdir()) == []


@network
def test_nothing_of_a_cancelled_served_run_is_left(served_by: Environment, runs: Path) -> None:
    token = CancelToken()
    written: list[str] = []

    def cancel_when_it_runs(text: str) -> None:
        written.append(text)
        # The line and its end may come in two pieces.
        if re.search(r"found.*\]\n", "".join(written)):
            threading.Thread(target=token.cancel).start()

    with pytest.raises(Cancelled):
        run_probe(served(TREE + "threading.Event().wait()\n"), served_by, runs, token, cancel_when_it_runs)

    server, child, port = places("".join(written))
    assert not psutil.pid_exists(server)
    assert not psutil.pid_exists(child)
    assert is_free(port)
    assert left_behind(runs) == []
    assert list(runs.iterdir()) == []


@network
def test_a_server_that_ignores_the_interrupt_is_killed_and_the_probe_still_passes(
    served_by: Environment, runs: Path
) -> None:
    code = """
import signal

async def app(scope, receive, send):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""
    seen = observe(served(code + PASSES, options={"lifespan": "off"}), served_by, runs)

    assert seen.outcome is Outcome.PASSED
    assert "the server was still running 2 s after SIGINT\n" in seen.output_tail
    assert 2 <= seen.wall_s < 30
    assert left_behind(runs) == []


@network
def test_a_server_that_waits_for_an_open_request_ends_at_the_second_interrupt(
    served_by: Environment, runs: Path
) -> None:
    code = """
def probe(server):
    server.connection().send_request("GET", "/")
    while "run_asgi" not in server.stacks():
        pass
"""
    seen = observe(served(HANGS + code, options={"lifespan": "off"}), served_by, runs)

    assert seen.outcome is Outcome.PASSED, seen.output_tail
    assert "Waiting for background tasks to complete" in seen.output_tail
    assert "the server was still running" not in seen.output_tail
    assert left_behind(runs) == []


# --- What `server` gives


@network
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            """
    response = server.client.post("/", content=b"words")
    assert (response.status_code, response.content, response.http_version) == (200, b"words", "HTTP/1.1")
""",
            id="client",
        ),
        pytest.param(
            """
    load = server.load("GET /slow", requests=20, concurrency=4)
    assert (load.requests, load.errors, load.timeouts, load.statuses) == (20, 0, 0, {200: 20})
    assert 0.05 <= load.p50 <= load.p95 <= load.p99 <= max(load.latencies_s)
    assert 20 / load.rate == load.duration_s < 20 * load.p99
""",
            id="load",
        ),
        pytest.param(
            """
    load = server.load("/absent", requests=4, keep_alive=False)
    assert load.statuses == {404: 4}
""",
            id="load-without-keeping-connections",
        ),
        pytest.param(
            """
    load = server.load("GET /slow", duration_s=0.5, concurrency=2)
    assert 2 <= load.requests <= 25 and load.duration_s >= 0.5
""",
            id="load-for-a-time",
        ),
        pytest.param(
            """
    load = server.load("GET /slow", requests=3, timeout_s=0.01)
    assert (load.timeouts, load.requests, load.latencies_s) == (3, 3, [])
    assert load.p50 != load.p50 and load.rate == 0
""",
            id="load-out-of-time",
        ),
        pytest.param(
            """
    from bisect_asgi.backend.served.load import Request
    posted = Request(method="POST", target="/", headers=(("x-a", "1"),), body=b"x" * 100_000)
    assert server.load(posted, requests=3).statuses == {200: 3}
    assert server.load("HEAD /", requests=2).requests == 2
""",
            id="load-with-a-body",
        ),
        pytest.param(
            """
    load = server.load("GET /error", requests=3)
    assert load.statuses == {500: 3}
    assert "ValueError: no such thing" in server.log
""",
            id="load-of-errors",
        ),
        pytest.param(
            """
    before = server.memory()
    server.load("GET /keep", requests=1000)
    assert 10_000_000 < before < 200_000_000
    assert 15_000_000 < server.memory() - before < 40_000_000
""",
            id="memory",
        ),
        pytest.param(
            """
    growth = server.growth(lambda count: server.load("GET /keep", requests=count), requests=400)
    assert 15e6 < growth.value < 40e6 and growth.plus_minus < growth.value, growth
    flat = server.growth(lambda count: server.load("GET /", requests=count), requests=400, warm_up=200)
    assert abs(flat.value) < 5e6, flat
""",
            id="growth",
        ),
        pytest.param(
            """
    kept = lambda: sum(count for name, count in server.objects().items() if name.endswith(".Kept"))
    before = kept()
    server.load("GET /keep", requests=7)
    assert (before, kept()) == (0, 7)
    assert server.objects()["builtins.dict"] > 100
""",
            id="objects",
        ),
        pytest.param(
            """
    stacks = server.stacks()
    assert "Thread MainThread:" in stacks and "Task <" in stacks, stacks
""",
            id="stacks",
        ),
        pytest.param(
            """
    server.client.get("/first")
    assert "asked for /first" in server.log
""",
            id="log",
        ),
        pytest.param(
            """
    with server.connection() as connection:
        for path in ("/one", "/two"):
            connection.send_request("GET", path, headers=[("x-a", "1")])
            response = connection.response()
            assert (response.status, response.body) == (200, path.encode())
            assert (response.header("X-Version"), response.header("absent")) == ("1", None)
        connection.send_request("POST", "/", body=b"words")
        assert connection.response().body == b"words"
""",
            id="several-requests-on-a-connection",
        ),
        pytest.param(
            """
    with server.connection(timeout_s=0.3) as connection:
        connection.send(b"POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 10\\r\\n\\r\\nhalf")
        try:
            connection.receive()
        except TimeoutError as error:
            assert str(error) == "nothing came within 0.3 s"
        else:
            raise AssertionError("an answer to half a request")
        connection.send(b" whole")
        received = connection.receive(12, timeout_s=5)
        assert received == b"HTTP/1.1 200", received
""",
            id="half-a-request",
        ),
        pytest.param(
            """
    with server.connection(receive_buffer_bytes=4096) as connection:
        connection.send(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
        received = b""
        while chunk := connection.receive(7):
            received += chunk
        assert received.endswith(b"\\r\\n\\r\\n/"), received
""",
            id="raw-to-its-end",
        ),
        pytest.param(
            """
    with server.connection() as connection:
        connection.send(b"nonsense\\r\\n\\r\\n")
        assert connection.receive().startswith(b"HTTP/1.1 400")
""",
            id="nonsense",
        ),
        pytest.param(
            """
    with server.connection() as connection:
        connection.send(b"GET /half HTT")
        connection.finish_sending()
        try:
            connection.response()
        except ConnectionError as error:
            assert str(error) == "the server closed the connection before a whole response"
            return
        raise AssertionError("an answer to half a line")
""",
            id="closed-without-an-answer",
        ),
        pytest.param(
            """
    connection = server.connection()
    connection.send(b"POST /gone HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 10\\r\\n\\r\\nhalf")
    connection.reset()
    assert server.client.get("/still").text == "/still"
""",
            id="reset",
        ),
    ],
)
def test_the_server_gives_what_a_probe_needs(served_by: Environment, runs: Path, body: str) -> None:
    code = f"{ECHO}\ndef probe(server):{body}"

    seen = observe(served(code, options={"lifespan": "off", "http": "h11"}), served_by, runs)

    assert seen.outcome is Outcome.PASSED, seen.output_tail
    assert left_behind(runs) == []


# --- Every Python


@pytest.fixture(scope="session")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The paths of this machine's interpreters by their versions."""
    found = interpreters.find_all(tmp_path_factory.mktemp("interpreters"))
    return {target.interpreter.version: target.interpreter.path for target in found}


@network
@pytest.mark.parametrize("minor", [f"3.{number}" for number in range(6, 15)])
def test_a_request_is_served_on_each_python_by_the_newest_uvicorn_for_it(
    pythons: dict[str, str], tmp_path: Path, runs: Path, minor: str
) -> None:
    paths = {version: path for version, path in pythons.items() if version.startswith(f"{minor}.")}
    if not paths:
        pytest.skip(f"no Python {minor} on this machine")
    code = """
def probe(server):
    assert server.client.get("/").text == "hello"
    assert "builtins.dict" in server.objects()
    assert "Thread MainThread:" in server.stacks()
"""
    for version, path in paths.items():
        environment = make_environment(tmp_path / version, path)
        install(environment, "uvicorn")

        seen = observe(served(HELLO + code), environment, runs)

        assert shown(seen) == (Outcome.PASSED, Phase.CHECK, None), (version, seen.output_tail)
        assert left_behind(runs) == []


@network
def test_several_workers_serve_one_socket_and_end_together(served_by: Environment, runs: Path) -> None:
    code = """
import os

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % os.getpid()})

def probe(server):
    import httpx

    workers = {httpx.get(server.url).text for _ in range(60)}
    assert server.objects()
    return {"workers": len(workers), "parent": server.pid}
"""
    seen = observe(served(code, options={"lifespan": "off", "workers": 2}), served_by, runs)

    assert seen.outcome is Outcome.PASSED, seen.output_tail
    assert seen.metrics["workers"] == 2
    assert not psutil.pid_exists(int(seen.metrics["parent"]))
    assert left_behind(runs) == []


@network
def test_a_websocket_is_spoken_to(tmp_path: Path, runs: Path) -> None:
    environment = make_environment(tmp_path / "environment")
    install(environment, "uvicorn==0.17.6", "websockets==10.4")
    code = """
async def app(scope, receive, send):
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": (await receive())["text"].upper()})

def probe(server):
    with server.websocket("/talk") as socket:
        socket.send("hello")
        assert socket.recv() == "HELLO"
"""

    seen = observe(served(code, options={"lifespan": "off"}), environment, runs)

    assert seen.outcome is Outcome.PASSED, seen.output_tail

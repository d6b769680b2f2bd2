"""The script that runs a probe without bisect-asgi: what it tells by its exit code, and what it is made of.

The scripts here run on this Python, with an HTTP server in the place of uvicorn.
"""

from __future__ import annotations

import ast
import builtins
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import fake_uvicorn
from support.builders import environment as make_environment
from support.processes import PATIENCE_S
from support.served import ECHO, HELLO, install

from bisect_asgi.backend import interpreters
from bisect_asgi.report.standalone import script

PROBES = sorted((Path(__file__).parents[2] / "probes").glob("*.py"))

GOOD, BAD, UNTESTABLE = 0, 1, 125

FAILS = HELLO + "\ndef probe(server):\n    assert server.client.get('/').text == 'bye', 'no farewell'\n"
GROWS = HELLO + "\ndef probe(server):\n    return {'size': %s}\n"
WAITS = (
    ECHO
    + """
def probe(server):
    with server.connection(timeout_s=0.2) as connection:
        connection.send_request("GET", "/waits")
        connection.response()
"""
)


class Desk:
    """A folder with a probe and its script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        fake_uvicorn.install(folder / "modules")

    def run(self, probe: str, *arguments: str, **parameters: object) -> tuple[int, str]:
        """Return the exit code of the script, and what it printed last."""
        done = self.done(probe, *arguments, **parameters)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout.strip().splitlines()[-1]

    def done(self, probe: str, *arguments: str, **parameters: object) -> subprocess.CompletedProcess[str]:
        (self.folder / "leak.py").write_text(probe)
        if "COMMAND" not in parameters and "PROBE" not in parameters:
            parameters = {"PROBE": "leak.py", "APP": "leak.py", **parameters}
        text = script(parameters, title="Run it.", probe=probe)
        (self.folder / "reproduce.py").write_text(text)
        return subprocess.run(
            [sys.executable, "reproduce.py", *arguments],
            cwd=self.folder,
            env={"PATH": os.defpath, "PYTHONPATH": str(self.folder / "modules")},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize(
    ("probe", "failures", "code", "told"),
    [
        pytest.param(
            HELLO + "\ndef probe(server):\n    assert server.client.get('/').text == 'hello'\n",
            ("AssertionError",),
            GOOD,
            "good",
            id="passes",
        ),
        pytest.param(FAILS, ("AssertionError",), BAD, "bad: AssertionError: no farewell", id="fails"),
        pytest.param(
            FAILS,
            ("KeyError",),
            UNTESTABLE,
            "untestable: AssertionError: no farewell, which is not the failure in the report",
            id="fails-otherwise",
        ),
        pytest.param(
            HELLO + "\ndef probe(server):\n    server.skip('not on this one')\n",
            ("AssertionError",),
            UNTESTABLE,
            "untestable: not on this one",
            id="is-skipped",
        ),
        pytest.param(
            HELLO + "\ndef probe(server):\n    skip('not on this one')\n",
            (),
            UNTESTABLE,
            "untestable: not on this one",
            id="skips-by-the-global-name",
        ),
        pytest.param(
            "def app():\n    raise LookupError('no plugin')\n\ndef probe(server):\n    pass\n",
            ("LookupError",),
            BAD,
            "bad: LookupError: no plugin",
            id="the-app-cannot-be-made",
        ),
        pytest.param(
            "def app():\n    import os\n    os._exit(3)\n\ndef probe(server):\n    pass\n",
            ("ServerEnded",),
            BAD,
            "bad: ServerEnded: the server ended with exit code 3 before it was ready",
            id="the-server-ends",
        ),
        pytest.param(
            WAITS,
            ("TimeoutError",),
            BAD,
            "bad: TimeoutError: no response: nothing came within 0.2 s",
            id="hangs",
        ),
        pytest.param(
            HELLO
            + "\nasync def probe(server):\n    assert (await server.async_client.get('/')).text == 'hello'\n",
            (),
            GOOD,
            "good",
            id="a-coroutine",
        ),
    ],
)
def test_the_exit_code_says_whether_the_failure_is_there(
    desk: Desk, probe: str, failures: tuple[str, ...], code: int, told: str
) -> None:
    assert desk.run(probe, FAILURES=failures) == (code, told)


@pytest.mark.parametrize(
    ("value", "limit", "code", "told"),
    [
        pytest.param("11", {"ABOVE": 10.0}, BAD, "bad: size = 11 (bad: above 10)", id="above"),
        pytest.param("10", {"ABOVE": 10.0}, GOOD, "good: size = 10 (bad: above 10)", id="at-the-limit"),
        pytest.param(
            "'12 kB'", {"ABOVE": 11e3}, BAD, "bad: size = 12000 (bad: above 11000)", id="with-a-unit"
        ),
        pytest.param("3", {"BELOW": 4.0}, BAD, "bad: size = 3 (bad: below 4)", id="below"),
        pytest.param("5", {"BELOW": 4.0}, GOOD, "good: size = 5 (bad: below 4)", id="not-below"),
        pytest.param("5", {}, GOOD, "size = 5: compare it with that of the other environment", id="no-limit"),
        pytest.param(
            "'12 bottles'",
            {"ABOVE": 10.0},
            UNTESTABLE,
            "untestable: ValueError: `12 bottles` is no number with a known unit, "
            "which is not the failure in the report",
            id="no-number",
        ),
    ],
)
def test_a_metric_is_shown_and_judged(
    desk: Desk, value: str, limit: dict[str, float], code: int, told: str
) -> None:
    assert desk.run(GROWS % value, METRIC="size", **limit) == (code, told)


def test_a_metric_that_is_not_reported_is_no_verdict(desk: Desk) -> None:
    told = (UNTESTABLE, "untestable: it has not reported length")
    assert desk.run(GROWS % "1", METRIC="length", ABOVE=1.0) == told


def test_a_metric_may_be_printed_by_the_app(desk: Desk) -> None:
    probe = "print('@metric size 3 KiB')\n" + HELLO + "\ndef probe(server):\n    return None\n"
    assert desk.run(probe, METRIC="size", ABOVE=3000.0) == (BAD, "bad: size = 3072 (bad: above 3000)")


def test_the_median_of_several_runs_decides_without_the_first(desk: Desk) -> None:
    counting = HELLO + (
        "\ndef probe(server):\n"
        "    import pathlib\n"
        "    file = pathlib.Path('count')\n"
        "    count = int(file.read_text()) if file.exists() else 0\n"
        "    file.write_text(str(count + 1))\n"
        "    return [100, 1, 2, 30][count]\n"
    )
    told = (GOOD, "good: value = 2 (bad: above 10)")
    assert desk.run(counting, "4", METRIC="value", ABOVE=10.0) == told


@pytest.mark.parametrize(
    ("failures", "code", "word"), [(("time-out",), BAD, "bad"), ((), UNTESTABLE, "untestable")]
)
def test_a_run_ends_at_its_time_limit(desk: Desk, failures: tuple[str, ...], code: int, word: str) -> None:
    probe = HELLO + "\ndef probe(server):\n    import threading\n    threading.Event().wait()\n"
    done = desk.run(probe, FAILURES=failures, TIMEOUT_S=0.5, HANGS=bool(failures))
    assert done == (code, f"{word}: no result within 0.5 s")


@pytest.mark.parametrize(("kills", "code"), [(1, GOOD), (2, BAD)])
def test_a_run_whose_server_is_killed_is_made_again_once(desk: Desk, kills: int, code: int) -> None:
    probe = HELLO + (
        "\ndef probe(server):\n"
        "    import os\n"
        "    server.client.get('/')\n"
        "    with open('runs', 'a+') as runs:\n"
        "        runs.write('run\\n')\n"
        "        runs.seek(0)\n"
        f"        if len(runs.readlines()) <= {kills}:\n"
        "            os.kill(server.pid, 9)\n"
        "    server.client.get('/')\n"
    )
    done = desk.done(probe, FAILURES=("RemoteProtocolError", "ConnectionRefusedError"))

    assert done.returncode == code, done.stdout
    assert "something else has killed this run, so it is made again\n" in done.stdout
    assert (desk.folder / "runs").read_text().count("run") == 2


@pytest.mark.parametrize(
    ("times", "told"),
    [
        (1, (GOOD, "good: size = 3 (bad: above 10)")),
        (2, (UNTESTABLE, "untestable: it ended with exit code -9")),
    ],
)
def test_a_script_that_is_killed_is_run_again_once(desk: Desk, times: int, told: tuple[int, str]) -> None:
    probe = (
        "import os\n"
        "with open('runs', 'a+') as runs:\n"
        "    runs.write('run\\n')\n"
        "    runs.seek(0)\n"
        f"    if len(runs.readlines()) <= {times}:\n"
        "        os.kill(os.getpid(), 9)\n"
        "print('@metric size 3')\n"
    )
    assert desk.run(probe, PROBE="leak.py", METRIC="size", ABOVE=10.0) == told


def test_what_a_killed_run_used_is_not_of_the_next_one(desk: Desk) -> None:
    probe = (
        "import os, time\n"
        "if not os.path.exists('runs'):\n"
        "    open('runs', 'w').close()\n"
        "    while time.process_time() < 2:\n"
        "        pass\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    code, told = desk.run(probe, PROBE="leak.py", METRIC="cpu", ABOVE=1.5)

    assert code == GOOD, told


def test_where_a_server_hangs_is_shown(desk: Desk) -> None:
    probe = WAITS.replace("timeout_s=0.2", "timeout_s=60")
    done = desk.done(probe, FAILURES=("time-out",), TIMEOUT_S=1.0, HANGS=True)
    assert "await released.wait()" in done.stdout, done.stdout


def test_no_server_is_left_behind(desk: Desk) -> None:
    probe = HELLO + "\ndef probe(server):\n    return server.pid\n"
    done = desk.done(probe, METRIC="value")
    pid = int(float(done.stdout.split(" = ")[1].split()[0]))
    assert not Path(f"/proc/{pid}").exists()


def test_the_ready_made_load_measures_the_server(desk: Desk) -> None:
    load = {"request": "GET /", "requests": 20, "concurrency": 2, "keep_alive": True}
    code, told = desk.run(ECHO, LOAD=load, METRIC="p95", ABOVE=PATIENCE_S)
    assert (code, told.partition(" = ")[0]) == (GOOD, "good: p95")


@pytest.mark.parametrize(
    ("code", "parameters", "told"),
    [
        ("print('@metric size 3 KiB')", {"PROBE": "leak.py"}, (BAD, "bad: size = 3072 (bad: above 10)")),
        ("print('@metric size 3')", {"PROBE": "leak.py"}, (GOOD, "good: size = 3 (bad: above 10)")),
        ("", {"COMMAND": "echo '@metric size 30'"}, (BAD, "bad: size = 30 (bad: above 10)")),
        ("", {"COMMAND": "exit 3"}, (UNTESTABLE, "untestable: it ended with exit code 3")),
        (
            "import os\nopen(os.environ['BISECT_ASGI_METRICS'], 'w').write('{\"size\": \"1 kB\"}')",
            {"PROBE": "leak.py"},
            (BAD, "bad: size = 1000 (bad: above 10)"),
        ),
    ],
)
def test_a_metric_of_a_script_or_a_command_is_judged(
    desk: Desk, code: str, parameters: dict[str, str], told: tuple[int, str]
) -> None:
    assert desk.run(code, METRIC="size", ABOVE=10.0, **parameters) == told


@pytest.mark.parametrize("metric", ["wall", "cpu", "peak-memory"])
def test_what_every_run_has_is_measured(desk: Desk, metric: str) -> None:
    busy = "x = bytearray(30_000_000)\nfor _ in range(2_000_000):\n    pass\n"
    limit = {"wall": 1e-3, "cpu": 1e-3, "peak-memory": 30e6}[metric]
    code, told = desk.run(busy, "3", PROBE="leak.py", METRIC=metric, ABOVE=limit)
    assert (code, told.partition(" = ")[0]) == (BAD, f"bad: {metric}")


# --- What it is made of


def definitions(text: str) -> set[str]:
    nodes = ast.walk(ast.parse(text))
    return {
        node.name for node in nodes if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }


def made_of(probe: str, **parameters: object) -> str:
    return script({"PROBE": "leak.py", "APP": "leak.py", **parameters}, title="Run it.", probe=probe)


def test_it_has_what_the_probe_asks_for_and_no_more() -> None:
    plain = definitions(made_of(FAILS, FAILURES=("AssertionError",)))
    counting = definitions(made_of(FAILS + "    server.objects()\n"))
    loading = definitions(made_of(FAILS + "    server.load('GET /')\n"))

    assert {"Client", "serve", "load_app"} <= plain
    assert not {"count_objects", "Worker", "Connection", "memory_of", "in_base_unit", "run_program"} & plain
    assert counting - plain == {"objects", "count_objects", "_ask"}
    assert {"Worker", "send_load"} <= loading


@pytest.mark.parametrize("probe", ["", "def app(", FAILS + "    getattr(server, 'objects')()\n"])
def test_it_has_everything_if_nobody_knows_what_the_probe_asks_for(probe: str) -> None:
    asked = {"objects", "count_objects", "connection", "load", "memory", "growth", "stacks", "async_client"}
    assert asked <= definitions(made_of(probe))


WAYS: dict[str, dict[str, object]] = {
    "failures": {"FAILURES": ("AssertionError",)},
    "metric": {"METRIC": "wall", "ABOVE": 1.0, "HANGS": True},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("probe", PROBES, ids=lambda path: path.stem)
def test_it_is_a_program_of_python_3_6_in_which_every_name_is_known(probe: Path, way: str) -> None:
    check_program(made_of(probe.read_text("utf-8"), **WAYS[way]))


def test_that_of_a_command_is_one_as_well() -> None:
    check_program(script({"COMMAND": "true", "METRIC": "wall"}, title="Run it.", probe=""))


def check_program(text: str) -> None:
    tree = ast.parse(text, feature_version=(3, 6))
    compile(tree, "reproduce.py", "exec")
    bound = {"__file__", "__name__", *dir(builtins)}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                bound |= {(each.asname or each.name).partition(".")[0] for each in names}
            case _:
                pass
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert read <= bound
    assert "bisect_asgi" not in text
    assert max(map(len, text.splitlines())) <= 120


EVERYTHING = (
    HELLO
    + """
async def probe(server):
    assert (await server.async_client.get("/")).text == "hello"
    assert server.client.post("/", json={"a": 1}).status_code == 200
    assert server.objects()["builtins.dict"]
    assert "Thread MainThread:" in server.stacks()
    assert "Started server process" in server.log
    load = server.load("GET /", requests=20, concurrency=4)
    assert load.statuses == {200: 20}, load.statuses
    with server.connection() as connection:
        connection.send_request("GET", "/")
        assert connection.response().body == b"hello"
    growth = server.growth(lambda n: server.load("GET /", requests=n), requests=40, warm_up=10)
    return {"memory": server.memory(), "growth": growth.value, "p50": load.p50}
"""
)


@pytest.mark.network
@pytest.mark.parametrize("minor", [f"3.{number}" for number in range(6, 15)])
def test_it_runs_on_each_python_with_the_newest_uvicorn_for_it(
    interpreters_cache: Path, desk: Desk, minor: str
) -> None:
    found = interpreters.find_all(interpreters_cache)
    paths = [each.interpreter.path for each in found if each.interpreter.version.startswith(f"{minor}.")]
    if not paths:
        pytest.skip(f"no Python {minor} on this machine")
    environment = make_environment(desk.folder / "environment", paths[0])
    install(environment, "uvicorn")
    (desk.folder / "leak.py").write_text(EVERYTHING)
    text = made_of(EVERYTHING, UVICORN={"lifespan": "off"}, METRIC="memory", ABOVE=1e6)
    (desk.folder / "reproduce.py").write_text(text)

    done = subprocess.run(
        [environment.bin / "python", "-W", "error", "reproduce.py"],
        cwd=desk.folder,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )

    assert done.returncode == BAD, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("bad: memory = ")

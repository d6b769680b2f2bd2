"""One run of a probe: fresh folders, a clean environment, and an observation of whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import pytest
from support.builders import environment as make_environment

from bisect_asgi.backend.environments.cache import Environment
from bisect_asgi.backend.files import locked
from bisect_asgi.backend.trials.probe_run import Output, clean_up, run_probe
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, Unavailable
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import FailureKind, Observation, Outcome, Phase, Probe, ProbeFile, Signature

MIB = 1024 * 1024

FAILS = """\
def check():
    assert 1 == 2, "expected 200, got 500"

check()
"""


def raised(error: str, message: str, *, by: str = "<module>") -> Signature:
    """The signature of an exception that a function of `leak.py` raised."""
    frames = [("leak.py", 1, by)]
    return signature.of_exception(error, message, phase=Phase.CHECK, frames=frames, probe_files=["leak.py"])


ASSERTION = raised("AssertionError", "expected 200, got 500", by="check")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return make_environment(tmp_path_factory.mktemp("environments") / "one")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def script(
    code: str, *files: ProbeFile, environ: dict[str, str] | None = None, timeout_s: float = 30
) -> Probe:
    """A probe that is the script `leak.py`."""
    return Probe(
        name="leak.py",
        script="leak.py",
        command=None,
        files=(*files, ProbeFile(name="leak.py", content=code.encode())),
        environ=tuple((environ or {}).items()),
        timeout_s=timeout_s,
    )


def command(line: str, *files: ProbeFile) -> Probe:
    """A probe that is a command."""
    return Probe(name=line, script=None, command=line, files=files, timeout_s=30)


def source(name: str, code: str) -> ProbeFile:
    return ProbeFile(name=name, content=code.encode())


def observe(probe: Probe, environment: Environment, runs: Path, output: Output | None = None) -> Observation:
    return run_probe(probe, environment, runs, CancelToken(), output)


def told(observation: Observation) -> object:
    """What the probe printed as JSON."""
    assert observation.outcome is Outcome.PASSED, observation.output_tail
    return json.loads(observation.output_tail)


# --- Where a probe runs


def test_the_working_directory_holds_the_probe_and_its_files_and_nothing_else(
    environment: Environment, runs: Path
) -> None:
    code = """
import json, os
found = []
for folder, _, names in os.walk("."):
    for name in names:
        path = os.path.join(folder, name)
        with open(path, "rb") as stream:
            found.append([path, os.stat(path).st_mode & 0o111, len(stream.read())])
print(json.dumps(sorted(found)))
"""
    data = ProbeFile(name="data/deep/blob.bin", content=b"\x00\xff\r\n")
    tool = ProbeFile(name="bin/tool", content=b"#!/bin/sh\n", executable=True)

    found = told(observe(script(code, data, tool), environment, runs))

    assert found == [
        ["./bin/tool", 0o111, 10],
        ["./data/deep/blob.bin", 0, 4],
        ["./leak.py", 0, len(code)],
    ]


def test_each_run_begins_in_a_fresh_folder(environment: Environment, runs: Path) -> None:
    code = "import json, os; print(json.dumps([os.getcwd(), os.listdir()])); open('left', 'w').close()"

    first = told(observe(script(code), environment, runs))
    second = told(observe(script(code), environment, runs))

    assert isinstance(first, list)
    assert isinstance(second, list)
    assert first[0] != second[0]
    assert first[1] == second[1] == ["leak.py"]


def test_home_and_temporary_files_are_inside_the_runs_folder(environment: Environment, runs: Path) -> None:
    code = """
import json, os, tempfile
work = os.getcwd()
with tempfile.NamedTemporaryFile() as file:
    print(json.dumps([os.path.relpath(path, os.path.dirname(work)) for path in (
        work, os.path.expanduser("~"), os.path.dirname(file.name))]))
open(os.path.expanduser("~/.cached"), "w").close()
"""

    places = told(observe(script(code), environment, runs))

    assert places == ["work", "home", "tmp"]


@pytest.mark.parametrize(
    "probe",
    [
        pytest.param(script("open('left', 'w').close()"), id="passed"),
        pytest.param(script(FAILS), id="failed"),
        pytest.param(script("import time; time.sleep(60)", timeout_s=0.3), id="hung"),
        pytest.param(command("no-such-program"), id="not-there"),
    ],
)
def test_nothing_is_left_of_a_run(environment: Environment, runs: Path, probe: Probe) -> None:
    observe(probe, environment, runs)

    assert list(runs.iterdir()) == []


def test_nothing_is_left_of_a_cancelled_run(environment: Environment, runs: Path) -> None:
    token = CancelToken()
    probe = script("import time; print('up'); time.sleep(60)")

    def cancel(text: str) -> None:
        threading.Thread(target=token.cancel).start()

    with pytest.raises(Cancelled):
        run_probe(probe, environment, runs, token, cancel)

    assert list(runs.iterdir()) == []


def test_folders_of_killed_tools_are_removed_and_no_others(runs: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    kept = [f"{os.getpid()}-0", f"{os.getppid()}-3", "my-notes", "12345"]
    for name in [f"{dead.pid}-0", f"{dead.pid}-17", *kept]:
        (runs / name / "work").mkdir(parents=True)
        (runs / name / "work" / "left").touch()

    clean_up(runs)

    assert sorted(folder.name for folder in runs.iterdir()) == sorted(kept)


def test_a_folder_is_in_use_as_long_as_its_lock_is_held_whoever_has_its_number(runs: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    held, left = runs / f"{dead.pid}-0", runs / f"{os.getpid()}-x"
    for folder in (held, left):
        folder.mkdir(parents=True)
        (folder / "lock").touch()

    with locked(held / "lock", waiting=lambda: None):
        clean_up(runs)

        assert list(runs.iterdir()) == [held]


def test_a_run_is_not_cleaned_up_while_it_goes_on(environment: Environment, runs: Path) -> None:
    probe = script("import os; print('up'); assert os.path.exists('leak.py')")

    seen = observe(probe, environment, runs, lambda _: clean_up(runs))

    assert seen.outcome is Outcome.PASSED


def test_a_folder_that_a_killed_process_of_our_number_left_is_not_used(
    environment: Environment, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bisect_asgi.backend.trials.probe_run._numbers", count())
    (runs / f"{os.getpid()}-0" / "work").mkdir(parents=True)

    assert observe(script("pass"), environment, runs).outcome is Outcome.PASSED


def test_a_run_whose_folder_was_removed_says_nothing_about_the_release(
    environment: Environment, runs: Path
) -> None:
    probe = script("print('up'); import time; time.sleep(0.2); open('leak.py')")

    with pytest.raises(Unavailable) as caught:
        observe(probe, environment, runs, lambda _: shutil.rmtree(runs, ignore_errors=True))

    assert str(caught.value).endswith("was removed while it ran")


def test_cleaning_up_before_the_first_run_is_nothing_to_do(runs: Path) -> None:
    clean_up(runs)

    assert not runs.exists()


# --- What a probe sees


def test_the_users_variables_are_not_seen_but_for_the_harmless_and_the_named(
    environment: Environment, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*os.environ]:
        monkeypatch.delenv(name)
    users = {
        "SECRET": "hunter2",
        "PYTHONPATH": "/tmp",
        "LANG": "C.UTF-8",
        "TZ": "Asia/Tokyo",
        "PATH": "/usr/bin",
    }
    for name, value in users.items():
        monkeypatch.setenv(name, value)
    code = "import json, os; print(json.dumps(dict(os.environ)))"

    seen = told(observe(script(code, environ={"TOKEN": "abc"}), environment, runs))

    assert isinstance(seen, dict)
    assert {name: seen.pop(name) for name in ("LANG", "TZ", "TOKEN")} == {
        "LANG": "C.UTF-8",
        "TZ": "Asia/Tokyo",
        "TOKEN": "abc",
    }
    assert sorted(seen) == [
        *("BISECT_ASGI_METRICS", "BISECT_ASGI_REPORT", "HOME", "PATH", "PYTHONUNBUFFERED", "TMPDIR"),
        "VIRTUAL_ENV",
    ]


def test_a_script_runs_in_the_environments_python_without_the_tools_packages(
    environment: Environment, runs: Path
) -> None:
    code = "import importlib.util, json, sys; find = importlib.util.find_spec\n"
    code += "print(json.dumps([sys.prefix, [bool(find(n)) for n in ('psutil', 'bisect_asgi', 'pip')]]))"

    seen = told(observe(script(code), environment, runs))

    assert seen == [str(environment.folder), [False, False, False]]


def test_a_command_finds_the_environments_programs_first(environment: Environment, runs: Path) -> None:
    seen = observe(command('command -v python; echo "$VIRTUAL_ENV"; echo "${PATH%%:*}"'), environment, runs)

    folder = environment.folder
    assert seen.output_tail == f"{folder}/bin/python\n{folder}\n{folder}/bin\n"


@pytest.mark.parametrize("exit_code", [0, 1])
def test_what_another_pythons_program_shows_says_nothing_of_the_environment(
    exit_code: int, environment: Environment, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "machine" / "checker"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable} -s\nraise SystemExit({exit_code})\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)

    seen = observe(command("checker -q"), environment, runs)
    beside = observe(command("python -c '' && checker -q"), environment, runs)

    assert seen.outcome is Outcome.UNTESTABLE
    assert seen.signature is not None
    assert seen.signature.shown.startswith("`checker` is no program of this environment")
    assert beside.outcome is (Outcome.FAILED if exit_code else Outcome.PASSED)


@pytest.mark.parametrize(("word", "outcome"), [("needle", Outcome.PASSED), ("straw", Outcome.FAILED)])
def test_what_a_shell_script_of_the_machine_shows_counts(
    word: str,
    outcome: Outcome,
    environment: Environment,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program, haystack = tmp_path / "machine" / "find-in", tmp_path / "haystack"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nexec grep -q "$@"\n')  # as Debian's egrep is
    program.chmod(0o755)
    haystack.write_text("a needle")
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)

    seen = observe(command(f"find-in {word} {haystack}"), environment, runs)

    assert seen.outcome is outcome


def test_output_is_passed_on_while_the_probe_runs(environment: Environment, runs: Path) -> None:
    seen: list[str] = []

    observe(script("print('one'); print('two')"), environment, runs, seen.append)

    assert "".join(seen) == "one\ntwo\n"


# --- What a run showed


def test_a_probe_that_passes_has_no_signature(environment: Environment, runs: Path) -> None:
    seen = observe(script("print('fine')"), environment, runs)

    assert (seen.outcome, seen.phase, seen.signature) == (Outcome.PASSED, Phase.CHECK, None)
    assert (seen.exit_code, seen.output_tail, seen.frames, seen.stacks) == (0, "fine\n", (), "")


def test_a_run_is_measured(environment: Environment, runs: Path) -> None:
    code = """
import time
held = b"x" * (120 << 20)
del held
while time.process_time() < 0.3:
    pass
"""
    mine = b"\1" * (300 * MIB)

    seen = observe(script(code), environment, runs)

    assert seen.peak_bytes is not None
    assert 120 * MIB <= seen.peak_bytes < 200 * MIB < len(mine)
    assert 0.3 <= seen.cpu_s < 5
    assert seen.cpu_s * 0.5 <= seen.wall_s < 30


def test_an_uncaught_exception_gives_its_signature_and_its_frames(
    environment: Environment, runs: Path
) -> None:
    seen = observe(script(FAILS), environment, runs)

    assert (seen.outcome, seen.phase, seen.exit_code) == (Outcome.FAILED, Phase.CHECK, 1)
    assert seen.signature == ASSERTION
    assert [(Path(file).name, line, name) for file, line, name in seen.frames] == [
        ("leak.py", 4, "<module>"),
        ("leak.py", 2, "check"),
    ]
    assert seen.output_tail.endswith("AssertionError: expected 200, got 500\n")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(
            "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('lifespan') from e",
            raised("KeyError", "'lifespan'"),
            id="the-last-of-a-chain",
        ),
        pytest.param(
            "class Odd(Exception):\n    __str__ = None\nraise Odd",
            raised("Odd", ""),
            id="no-message-can-be-had",
        ),
        pytest.param(
            r"raise ValueError('bad \udcff byte')",
            raised("ValueError", r"bad \udcff byte"),
            id="a-message-that-is-no-text",
        ),
        pytest.param(
            "import traceback\ntry: 1 / 0\nexcept Exception: traceback.print_exc()\nraise SystemExit(1)",
            raised("ZeroDivisionError", "division by zero"),
            id="printed-by-the-probe-itself",
        ),
        pytest.param(
            "def check():\n    raise ExceptionGroup('task', [ExceptionGroup('', [KeyError('a')])])\ncheck()",
            raised("KeyError", "'a'", by="check"),
            id="the-one-exception-of-a-group",
        ),
        pytest.param(
            "raise ExceptionGroup('in tasks', [ValueError('b'), KeyError('a'), ValueError('b')])",
            raised("ExceptionGroup", "in tasks (3 sub-exceptions): KeyError: 'a'; ValueError: b"),
            id="a-group-of-several",
        ),
        pytest.param(
            "import sys; sys.exit('it leaks')",
            signature.of_exit(1),
            id="exit-with-a-text",
        ),
        pytest.param("raise SystemExit(3)", signature.of_exit(3), id="an-exit-code-of-its-own"),
        pytest.param("import ctypes; ctypes.string_at(0)", signature.of_exit(-11), id="segfault"),
        pytest.param("import os; os.kill(os.getpid(), 9)", signature.of_exit(-9), id="killed"),
    ],
)
def test_a_failure_has_the_signature_of_what_ended_the_probe(
    environment: Environment, runs: Path, code: str, expected: Signature
) -> None:
    seen = observe(script(code), environment, runs)

    assert (seen.outcome, seen.phase, seen.signature) == (Outcome.FAILED, Phase.CHECK, expected)


def test_the_text_of_an_exit_is_in_the_output(environment: Environment, runs: Path) -> None:
    seen = observe(script("import sys; sys.exit('it leaks')"), environment, runs)

    assert (seen.exit_code, seen.output_tail) == (1, "it leaks\n")


def test_exit_code_125_says_that_the_release_cannot_be_tested(environment: Environment, runs: Path) -> None:
    seen = observe(script("raise SystemExit(125)"), environment, runs)

    assert (seen.outcome, seen.exit_code, seen.signature) == (
        Outcome.UNTESTABLE,
        125,
        signature.of_exit(125),
    )


@pytest.mark.parametrize(
    ("module", "code", "phase", "shown"),
    [
        pytest.param(
            "", "import absent", Phase.IMPORT, "ModuleNotFoundError: No module named 'absent'", id="not-there"
        ),
        pytest.param(
            "def load():\n    raise ValueError('old')\nload()",
            "import module",
            Phase.IMPORT,
            "ValueError: old",
            id="raised-by-what-a-module-does-at-import",
        ),
        pytest.param(
            "def load():\n    raise ValueError('old')",
            "import module; module.load()",
            Phase.CHECK,
            "ValueError: old",
            id="raised-later-by-a-function-of-a-module",
        ),
        pytest.param(
            "", "raise ValueError('old')", Phase.CHECK, "ValueError: old", id="raised-by-the-script-itself"
        ),
        pytest.param(
            "",
            "exec(compile('1 / 0', '<template>', 'exec'))",
            Phase.CHECK,
            "ZeroDivisionError: division by zero",
            id="generated-code-is-no-module",
        ),
        pytest.param(
            "def (",
            "import module",
            Phase.IMPORT,
            "SyntaxError: invalid syntax (module.py, line 1)",
            id="syntax",
        ),
        pytest.param(
            "",
            "def check():\n    import absent\ncheck()",
            Phase.IMPORT,
            "ModuleNotFoundError: No module named 'absent'",
            id="imported-late",
        ),
    ],
)
def test_what_fails_while_something_is_imported_is_of_the_import_phase(
    environment: Environment, runs: Path, module: str, code: str, phase: Phase, shown: str
) -> None:
    seen = observe(script(code, source("module.py", module)), environment, runs)

    assert seen.signature is not None
    assert (seen.outcome, seen.phase) == (Outcome.FAILED, phase)
    assert (seen.signature.kind, seen.signature.shown) == (FailureKind.EXCEPTION, shown)


def test_a_failure_in_another_function_of_the_probe_is_another(environment: Environment, runs: Path) -> None:
    code = "import json, sys\ndef {0}():\n    json.loads('no JSON')\n{0}()"

    one, other, again = (
        observe(script(code.format(name)), environment, runs).signature for name in ("ask", "check", "ask")
    )

    assert one is not None
    assert other is not None
    assert one.text == other.text
    assert not one.is_same_failure(other)
    assert again == one
    assert one.frame == "./leak.py in ask"


def test_a_hang_gives_a_time_out_with_the_stacks_of_all_threads(environment: Environment, runs: Path) -> None:
    code = """
import threading, time

def hangs_in_a_thread():
    time.sleep(60)

def hangs_in_main():
    print("about to hang")
    time.sleep(60)

threading.Thread(target=hangs_in_a_thread).start()
hangs_in_main()
"""

    seen = observe(script(code, timeout_s=1.0), environment, runs)

    assert (seen.outcome, seen.phase, seen.exit_code) == (Outcome.FAILED, Phase.CHECK, None)
    assert seen.signature == signature.of_timeout(1.0)
    assert "in hangs_in_main" in seen.stacks
    assert "in hangs_in_a_thread" in seen.stacks
    assert seen.output_tail == "about to hang\n"
    assert 1.0 <= seen.wall_s < 5


def test_a_hang_in_a_process_that_the_probe_started_has_its_stacks_too(
    environment: Environment, runs: Path
) -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, 'server.py'])"
    server = source("server.py", "import time\ndef serves():\n    time.sleep(60)\nserves()")

    seen = observe(script(code, server, timeout_s=1.0), environment, runs)

    assert "in serves" in seen.stacks
    assert "in communicate" in seen.stacks or "in wait" in seen.stacks


# --- What a probe reports

WRITES = "import json, os\nwith open(os.environ['BISECT_ASGI_METRICS'], 'w') as file:\n    file.write(TEXT)\n"


def writes(text: str) -> str:
    """A script that writes its file of metrics."""
    return WRITES.replace("TEXT", repr(text))


def complaint_of(observation: Observation) -> str:
    """What is wrong with a metric of a run that passed otherwise."""
    assert (observation.outcome, observation.phase) == (Outcome.PASSED, Phase.CHECK)
    assert observation.exit_code == 0
    assert observation.signature is None
    return observation.complaint


def test_a_probe_that_reports_nothing_has_no_metrics(environment: Environment, runs: Path) -> None:
    seen = observe(
        script("import os; print(os.path.exists(os.environ['BISECT_ASGI_METRICS']))"), environment, runs
    )

    assert (seen.outcome, seen.output_tail) == (Outcome.PASSED, "False\n")
    assert (seen.metrics, seen.units) == ({}, {})


def test_metrics_are_written_into_a_file_or_printed_and_the_file_goes_before(
    environment: Environment, runs: Path
) -> None:
    code = writes('{"p50": "3 ms", "n": 7, "both": 2}')
    code += "import sys\nprint('@metric startup 0.25 s')\nprint('@metric both 1 s', file=sys.stderr)"

    seen = observe(script(code), environment, runs)

    assert (seen.outcome, seen.signature) == (Outcome.PASSED, None)
    assert seen.metrics == {"startup": 0.25, "both": 2.0, "p50": 0.003, "n": 7.0}
    assert seen.units == {"startup": "s", "p50": "s"}


def test_a_commands_metrics_are_reported_likewise(environment: Environment, runs: Path) -> None:
    line = """printf '{"n": "3 KiB"}' > "$BISECT_ASGI_METRICS"; printf '@metric t 3 ms'"""

    seen = observe(command(line), environment, runs)

    assert (seen.outcome, seen.metrics, seen.units) == (
        Outcome.PASSED,
        {"t": 0.003, "n": 3072.0},
        {"t": "s", "n": "B"},
    )


def test_a_printed_metric_is_not_lost_in_a_long_output(environment: Environment, runs: Path) -> None:
    code = "print('@metric startup 0.25 s')\nprint('x' * 300_000)\nprint('.\\n' * 300_000)"

    seen = observe(script(code), environment, runs)

    assert "@metric" not in seen.output_tail
    assert seen.metrics == {"startup": 0.25}


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        pytest.param(
            writes('{"ok": true}'), "the metric `ok` cannot be read: `true` is no number", id="in-the-file"
        ),
        pytest.param(
            "print('@metric startup nan s')",
            "the metric `startup` cannot be read: `nan s` is no number, with or without a unit",
            id="printed",
        ),
        pytest.param(
            r"print('@metric startup \x1b[31m3 s')",
            "the metric `startup` cannot be read: `�[31m3 s` is no number, with or without a unit",
            id="with-control-codes",
        ),
        pytest.param(
            "import os; os.mkdir(os.environ['BISECT_ASGI_METRICS'])",
            "the file of metrics is no file",
            id="a-folder",
        ),
        pytest.param(
            "import os; os.mkfifo(os.environ['BISECT_ASGI_METRICS'])",
            "the file of metrics is no file",
            id="a-pipe",
        ),
    ],
)
def test_a_metric_that_cannot_be_read_is_told_and_the_others_are_kept(
    environment: Environment, runs: Path, code: str, problem: str
) -> None:
    seen = observe(script(f"print('@metric before 1')\n{code}"), environment, runs)

    # Whether it is the metric that decides is not known here: the run passed.
    assert complaint_of(seen) == problem
    assert seen.metrics == {"before": 1.0}


@pytest.mark.parametrize(
    ("end", "timeout_s", "outcome"),
    [
        pytest.param("raise SystemExit(3)", 30, Outcome.FAILED, id="failed"),
        pytest.param("raise SystemExit(125)", 30, Outcome.UNTESTABLE, id="untestable"),
        pytest.param("import time; time.sleep(60)", 3, Outcome.FAILED, id="hung"),
    ],
)
def test_a_run_that_did_not_pass_keeps_its_metrics_and_its_reason(
    environment: Environment, runs: Path, end: str, timeout_s: float, outcome: Outcome
) -> None:
    told = writes('{"p50": 3}') + "print('@metric t 1 s')\nprint('@metric t2 nan')\n"

    seen = observe(script(told + end, timeout_s=timeout_s), environment, runs)

    assert (seen.outcome, seen.metrics, seen.units) == (outcome, {"p50": 3.0, "t": 1.0}, {"t": "s"})
    assert seen.signature is not None
    assert seen.signature.kind is not FailureKind.METRIC
    assert seen.wall_s > 0


@pytest.mark.parametrize(
    "probe",
    [
        pytest.param(script("held = b'x' * (200 << 20)"), id="script"),
        pytest.param(
            command("python leak.py | cat", source("leak.py", "held = b'x' * (200 << 20)")),
            id="a-child-of-a-command",
        ),
    ],
)
def test_peak_memory_is_the_probes_and_the_same_each_time(
    environment: Environment, runs: Path, probe: Probe
) -> None:
    mine = b"\1" * (400 * MIB)

    peaks = [observe(probe, environment, runs).peak_bytes or 0 for _ in range(4)]

    assert 200 * MIB <= min(peaks) < 240 * MIB < len(mine)
    assert max(peaks) <= min(peaks) * 1.02


def test_what_other_programs_take_of_the_processors_is_observed(environment: Environment, runs: Path) -> None:
    seen = observe(script("import time; time.sleep(0.3)"), environment, runs)

    assert seen.other_load is not None
    assert 0 <= seen.other_load <= (os.cpu_count() or 1) * 1.5


# --- Commands


def test_a_command_of_several_words_and_programs_is_the_shells(environment: Environment, runs: Path) -> None:
    seen = observe(
        command("cd data && cat word | tr a-z A-Z", source("data/word", "hello")), environment, runs
    )

    assert (seen.outcome, seen.output_tail) == (Outcome.PASSED, "HELLO")


def test_an_exception_in_a_commands_python_gives_its_signature_and_its_frames(
    environment: Environment, runs: Path
) -> None:
    seen = observe(command("python leak.py; exit $?", source("leak.py", FAILS)), environment, runs)

    assert (seen.outcome, seen.phase, seen.signature) == (Outcome.FAILED, Phase.CHECK, ASSERTION)
    assert [name for _, _, name in seen.frames] == ["<module>", "check"]


def test_a_traceback_that_a_command_prints_tells_where(environment: Environment, runs: Path) -> None:
    code = "import traceback\ntry: import app\nexcept KeyError:\n    traceback.print_exc()\n    exit(1)"
    files = (source("leak.py", code), source("app.py", "def make():\n    {}['DSN']\nmake()"))

    seen = observe(command("python leak.py", *files), environment, runs)

    assert seen.signature is not None
    assert (seen.signature.shown, seen.signature.frame) == ("KeyError: 'DSN'", "./app.py in make")


@pytest.mark.parametrize(
    ("line", "outcome", "expected"),
    [
        pytest.param("exit 3", Outcome.FAILED, signature.of_exit(3), id="exit-code"),
        pytest.param("exit 125", Outcome.UNTESTABLE, signature.of_exit(125), id="git-bisect-skip"),
        pytest.param("no-such-program", Outcome.FAILED, signature.of_exit(127), id="not-found"),
        pytest.param("kill -9 $$", Outcome.FAILED, signature.of_exit(-9), id="signal"),
        pytest.param("python leak.py || exit 7", Outcome.FAILED, signature.of_exit(7), id="its-own-code"),
        pytest.param("python leak.py || true", Outcome.PASSED, None, id="a-failure-that-it-expects"),
        pytest.param(
            "printf 'Traceback (most recent call last):\\n  …\\nasgi.LifespanError: no startup\\n'; exit 1",
            Outcome.FAILED,
            signature.of_exception("LifespanError", "no startup", phase=Phase.CHECK),
            id="a-traceback-that-only-the-output-shows",
        ),
    ],
)
def test_a_command_is_judged_by_its_exit_code_and_its_tracebacks(
    environment: Environment, runs: Path, line: str, outcome: Outcome, expected: Signature | None
) -> None:
    seen = observe(command(line, source("leak.py", FAILS)), environment, runs)

    assert (seen.outcome, seen.signature) == (outcome, expected)


# --- Runners of tests

TESTS = """
import unittest

class TestPool(unittest.TestCase):
    def test_close(self):
        import app
        self.assertEqual(app.size(), 2)

    @unittest.skip("not here")
    def test_skipped(self):
        pass
"""
PRINTED_BY_PYTEST = """
print('''
=========== FAILURES ===========
___________ test_a ___________
>       subprocess.run([sys.executable, "-c", "1/0"], check=True)
E       httpx.ReadTimeout: timed out after 5 s

test_app.py:3: ReadTimeout
1 failed in 0.1s
''')
"""


@pytest.mark.parametrize(
    ("app", "shown"),
    [
        pytest.param("def size(): return 3", "TestPool.test_close: AssertionError: 3 != 2", id="assertion"),
        pytest.param("def size(): {}['x']", "TestPool.test_close: KeyError: 'x'", id="exception"),
        pytest.param(
            "", "TestPool.test_close: AttributeError: module 'app' has no attribute 'size'", id="api"
        ),
    ],
)
def test_a_failing_test_is_told_by_its_name_and_its_exception(
    environment: Environment, runs: Path, app: str, shown: str
) -> None:
    files = (source("test_app.py", TESTS), source("app.py", app))

    seen = observe(command("python -m unittest test_app", *files), environment, runs)

    assert (seen.outcome, seen.signature and seen.signature.shown) == (Outcome.FAILED, shown)


@pytest.mark.parametrize("line", ["test_app.TestPool.test_skipped", "discover -p 'nothing*.py'"])
def test_where_no_test_ran_nothing_is_known(environment: Environment, runs: Path, line: str) -> None:
    seen = observe(command(f"python -m unittest {line}", source("test_app.py", TESTS)), environment, runs)

    assert seen.outcome is Outcome.UNTESTABLE
    assert seen.signature is not None
    assert seen.signature.shown.startswith("no test ran")
    assert seen.phase is Phase.STARTUP


@pytest.mark.parametrize(
    ("probe", "shown"),
    [
        pytest.param(
            command("python -c '1/0'; python printed.py; exit 1", source("printed.py", PRINTED_BY_PYTEST)),
            "test_a: ReadTimeout: timed out after 5 s",
            id="a-command-with-an-exception-of-another-process",
        ),
        pytest.param(
            script(PRINTED_BY_PYTEST + "raise SystemExit(2)"),
            "test_a: ReadTimeout: timed out after 5 s",
            id="a-script-that-ends-as-its-tests",
        ),
        pytest.param(
            script(PRINTED_BY_PYTEST + "import subprocess; subprocess.check_call(['false'])"),
            "test_a: ReadTimeout: timed out after 5 s",
            id="a-script-that-says-no-more-than-that-they-failed",
        ),
        pytest.param(
            script(PRINTED_BY_PYTEST + "{}['x']"), "KeyError: 'x'", id="a-script-with-an-exception-of-its-own"
        ),
        pytest.param(
            script(PRINTED_BY_PYTEST + "raise SystemExit(7)"), "exit code 7", id="an-exit-code-of-its-own"
        ),
    ],
)
def test_what_tests_print_goes_before_what_says_less(
    environment: Environment, runs: Path, probe: Probe, shown: str
) -> None:
    seen = observe(probe, environment, runs)

    assert (seen.outcome, seen.signature and seen.signature.shown) == (Outcome.FAILED, shown)


def test_a_runner_that_the_environment_lacks_is_told(environment: Environment, runs: Path) -> None:
    seen = observe(command("python -m pytest -q"), environment, runs)

    assert (seen.outcome, seen.phase) == (Outcome.FAILED, Phase.IMPORT)
    assert seen.signature is not None
    assert seen.signature.shown == "ModuleNotFoundError: No module named 'pytest'"


def test_tests_that_take_too_long_are_a_time_out(environment: Environment, runs: Path) -> None:
    code = "print('1 skipped in 0.1s', flush=True); import signal; signal.pause()"

    seen = observe(script(code, timeout_s=1), environment, runs)

    assert seen.signature == signature.of_timeout(1)


# --- When it cannot be run


def test_a_folder_that_cannot_be_written_says_nothing_about_the_release(
    environment: Environment, runs: Path
) -> None:
    runs.write_text("a file is in the way")

    with pytest.raises(Unavailable) as caught:
        observe(script("pass"), environment, runs)

    assert str(caught.value).startswith("the probe could not be run: [Errno 20] Not a directory: ")
    assert caught.value.hint == "nothing was learnt about this release; check the disk and the cache folder"


def test_an_environment_that_went_away_says_nothing_about_the_release(tmp_path: Path, runs: Path) -> None:
    gone = Environment(folder=tmp_path / "gone", distributions=())

    with pytest.raises(Unavailable) as caught:
        observe(script("pass"), gone, runs)

    assert str(caught.value) == (
        f"the probe could not be run: No such file or directory: {tmp_path}/gone/bin/python"
    )
    assert list(runs.iterdir()) == []

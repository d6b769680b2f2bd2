"""One run of a probe: fresh folders, a clean environment, and an observation of whatever happens."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import pytest
from support.probe_runs import FAILS, command, observe, script, told
from support.sandboxes import sandbox

from bisect_asgi.backend.environments import Environment
from bisect_asgi.backend.files import locked
from bisect_asgi.backend.process.sandbox import Sandbox
from bisect_asgi.backend.trials.probe_run import clean_up, run_probe
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, Unavailable
from bisect_asgi.core.model import Outcome, Probe, ProbeFile

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
        run_probe(probe, environment, runs, token, cancel, sandbox())

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
        *("BISECT_ASGI_METRICS", "BISECT_ASGI_REPORT", "HOME", "PATH", "PYTEST_ADDOPTS", "PYTHONUNBUFFERED"),
        *("TMPDIR", "VIRTUAL_ENV"),
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


# --- When it cannot be run


def test_a_folder_that_cannot_be_written_says_nothing_about_the_release(
    environment: Environment, runs: Path
) -> None:
    runs.write_text("a file is in the way")

    with pytest.raises(Unavailable) as caught:
        observe(script("pass"), environment, runs)

    assert str(caught.value).startswith("the probe could not be run: [Errno 20] Not a directory: ")
    assert caught.value.hint == "check the disk and the cache directory, then run the same command again"


def test_an_environment_that_went_away_says_nothing_about_the_release(tmp_path: Path, runs: Path) -> None:
    gone = Environment(folder=tmp_path / "gone", distributions=())

    with pytest.raises(Unavailable) as caught:
        observe(script("pass"), gone, runs)

    assert str(caught.value) == (
        f"the probe could not be run: No such file or directory: {tmp_path}/gone/bin/python"
    )
    assert list(runs.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")
def test_a_run_that_cannot_be_confined_is_not_run_less_confined_and_puts_the_level_in_doubt(
    environment: Environment, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubts: list[str] = []
    monkeypatch.setattr(Sandbox, "doubt", lambda _: doubts.append("doubt"))
    mark = tmp_path / "it-ran"
    impossible = {"level": "strong", "writable": [str(tmp_path / "gone")], "secrets": [], "protected": []}
    monkeypatch.setattr(Sandbox, "rules", lambda *_, **__: {**impossible, "network": True})

    with pytest.raises(Unavailable, match="the probe could not be run"):
        observe(script(f"open({str(mark)!r}, 'w')"), environment, runs)

    assert doubts == ["doubt"]
    assert not mark.exists()

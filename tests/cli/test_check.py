"""`bisect-asgi check` as a user meets it: one release, with the exit codes of git bisect."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support.shell import DIARY, PROBE, PYTHON, Shell, publish, told

from bisect_asgi import __main__

# The other commands.


@pytest.mark.parametrize(
    ("release", "code", "word", "seen"),
    [
        pytest.param("demo==1.0", 0, "good", "", id="passes"),
        pytest.param("Demo==1.1", 1, "bad", "AssertionError: it does not work", id="fails"),
        pytest.param("demo==1.2", 125, "skip", "exit code 125", id="cannot-tell"),
    ],
)
def test_one_release_is_checked_with_git_bisects_exit_codes(
    shell: Shell, release: str, code: int, word: str, seen: str
) -> None:
    publish(shell.index, "+--")
    shell.write("leak.py", PROBE.replace("assert", "assert demo.version != '1.2' or exit(125)\nassert"))

    done = shell.run("check", release, "--probe", "leak.py", "--python", PYTHON, *DIARY)

    lines = done.stdout.splitlines()
    assert done.returncode == code
    version = "{}.{}.{}".format(*sys.version_info[:3])
    assert lines[0] == f"demo {release[-3:]} on Python {version}: {word}"
    assert (seen in lines[1]) if seen else lines[1].startswith("  run in ")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        pytest.param(
            ["demo"], "`demo` names no single release", "write it as `demo==VERSION`", id="no-version"
        ),
        pytest.param(
            ["demo==7"], "there is no release `7` (`demo`)", "pass `demo==1.1`", id="no-such-release"
        ),
    ],
)
def test_a_release_that_cannot_be_checked_is_told(
    shell: Shell, arguments: list[str], message: str, hint: str
) -> None:
    publish(shell.index, "+-")

    done = shell.run("check", *arguments, "--probe", "leak.py", "--python", PYTHON, *DIARY)

    assert (done.returncode, done.stdout, done.stderr) == (128, "", told(message, hint))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(["demo==1.0", "--no-such-option"], 128, id="an-option-that-is-none"),
        pytest.param(["demo==1.0", "--timeout", "soon"], 128, id="a-value-that-is-none"),
        pytest.param(["demo==1.0", "--probe", "nowhere.py"], 128, id="no-probe"),
        pytest.param([], 128, id="nothing"),
        pytest.param(["demo==1.0", "--probe", "leak.py", *DIARY], 134, id="an-index-that-is-down"),
    ],
)
def test_what_is_no_verdict_stops_git_bisect_run(shell: Shell, arguments: list[str], code: int) -> None:
    shell.index.down = True

    done = shell.run("check", *arguments)

    assert done.returncode == code
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        pytest.param(TypeError("of ours"), 1, "TypeError: of ours", id="bug"),
        pytest.param(PermissionError(13, "Permission denied"), 1, "PermissionError: ", id="bug-with-a-file"),
        pytest.param(OSError(24, "Too many open files"), 6, "Too many open files", id="files"),
        pytest.param(OSError(28, "No space left on device"), 6, "No space left on device", id="room"),
        pytest.param(MemoryError(), 6, "run out of something: MemoryError", id="memory"),
        pytest.param(RuntimeError("can't start new thread"), 6, "can't start new thread", id="threads"),
        pytest.param(RuntimeError("can't allocate read lock"), 6, "can't allocate read lock", id="locks"),
        pytest.param(SystemError("error return without exception set"), 6, "without exception", id="nothing"),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_what_nobody_expected_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    command: str,
    error: Exception,
    code: int,
    says: str,
) -> None:
    def broken() -> None:
        raise error

    monkeypatch.setattr("bisect_asgi.cli.app.main", broken)
    monkeypatch.setattr(sys, "argv", ["bisect-asgi", command, "demo==1.0"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process keeps its own
    monkeypatch.setattr(atexit, "_run_exitfuncs", lambda: None)
    monkeypatch.setattr(os, "_exit", sys.exit)
    # Uv's answer to this process's question would be the next test's.
    monkeypatch.setattr("bisect_asgi.backend.network.question.begin", lambda: None)

    with pytest.raises(SystemExit) as end:
        __main__.main()

    said = capfd.readouterr().err
    assert end.value.code == (128 + code if command == "check" else code)
    assert says in said
    assert ("Traceback" in said) is (code == 1)


def test_git_bisect_run_stops_where_there_is_no_verdict(shell: Shell, tmp_path: Path) -> None:
    git = ("git", "-C", str(tmp_path / "history"), "-c", "user.name=me", "-c", "user.email=me@example.org")
    subprocess.run(["git", "init", "--quiet", tmp_path / "history"], check=True)
    for number in range(4):
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", str(number)], check=True)
    subprocess.run([*git, "bisect", "start", "HEAD", "HEAD~3"], check=True, capture_output=True)
    command = [
        sys.executable,
        "-m",
        "bisect_asgi",
        "check",
        "demo==1.0",
        "--probe",
        str(tmp_path / "leak.py"),
    ]

    done = subprocess.run(
        [*git, "bisect", "run", *command], env=shell.environ, capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert "is the first bad commit" not in done.stdout


# Names of probes.


@pytest.mark.parametrize(
    "name", ["-x.py", "-", "two words.py", "new\nline.py", "ünï.py", "$(true).py", "a'b\".py"]
)
def test_a_probe_of_any_name_is_run(shell: Shell, name: str) -> None:
    publish(shell.index, "+")
    shell.write(name, PROBE)

    done = shell.run("check", "demo==1.0", "--probe", f"./{name}", "--python", PYTHON, *DIARY)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("folder", "`x.py` cannot be read (`--probe`): Is a directory"),
        ("fifo", "`x.py` is no regular file (`--probe`)"),
        ("loop", "`x.py` cannot be read (`--probe`): Too many levels of symbolic links"),
        ("nowhere", "there is no file `x.py` (`--probe`)"),
        ("latin-1", "the name of `�.py` is not UTF-8 (`--probe`)"),
    ],
)
def test_what_is_no_probe_is_one_message(shell: Shell, kind: str, message: str) -> None:
    path = shell.folder / "x.py"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "latin-1":
        path = Path(os.fsdecode(os.fsencode(shell.folder) + b"/\xff.py"))
        path.write_text(PROBE)
    else:
        path.symlink_to("x.py" if kind == "loop" else "elsewhere")

    done = shell.run("check", "demo==1.0", "--probe", path.name)

    assert done.returncode == 128
    assert done.stderr.startswith(f"error: {message}\n\nhint: ")


@pytest.mark.parametrize(("release", "is_good"), [("demo==1.0", True), ("demo==1.1", False)])
def test_one_release_is_checked_into_other_forms(shell: Shell, release: str, is_good: bool) -> None:
    publish(shell.index, "+-")
    files = ("-o", "one.md", "-o", "one.json")

    done = shell.run(
        "check", release, "--probe", "leak.py", "--python", PYTHON, "--format", "junit", *files, *DIARY
    )

    (case,) = ET.fromstring(done.stdout).iter("testcase")
    assert (case.find("failure") is None) is is_good
    written = (shell.folder / "one.md").read_text()
    assert written.startswith(f"## demo {release[-3:]} on Python ")
    assert ("it does not work" in written) is not is_good
    assert json.loads((shell.folder / "one.json").read_text())["exit_code"] == done.returncode


def test_a_form_that_one_release_does_not_have_is_told(shell: Shell) -> None:
    done = shell.run("check", "demo==1.0", "--probe", "leak.py", "-o", "one.html")
    assert done.stderr == told(
        "`check` has no form `html`", "pass `json`, `junit` or `markdown`, or a file of these"
    )
    assert done.returncode == 128  # for `git bisect run`, which stops at it


@pytest.mark.parametrize(
    ("release", "code", "verdict", "seen"),
    [
        pytest.param("demo==1.0", 0, "good", "", id="passes"),
        pytest.param("demo==1.1", 1, "bad", "check: AssertionError: it does not work", id="fails"),
    ],
)
def test_one_release_is_checked_into_a_document(
    shell: Shell, release: str, code: int, verdict: str, seen: str
) -> None:
    publish(shell.index, "+-")

    done = shell.run("check", release, "--probe", "leak.py", "--python", PYTHON, "--json", *DIARY)

    document = json.loads(done.stdout)
    assert done.returncode == document["exit_code"] == code
    assert (document["schema"], document["package"]) == ("bisect-asgi.check/1", "demo")
    assert (document["version"], document["verdict"], document["seen"]) == (release[-3:], verdict, seen)
    assert [run["outcome"] for run in document["observations"]] == [["passed"], ["failed"]][code]

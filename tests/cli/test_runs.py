"""`bisect-asgi runs` and `report RUN` as a user meets them: past runs, and logs that cannot be read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.documents import REGRESSION
from support.shell import Shell, publish, told

from bisect_asgi.cli import past_runs
from bisect_asgi.core import codec
from bisect_asgi.report.log import SCHEMA
from bisect_asgi.report.past import id_of


@pytest.fixture
def written(shell: Shell) -> Shell:
    """A shell whose cache has logs: of a run that ended, of one that was cut off, and two that are none."""
    logs = shell.cache / "logs"
    logs.mkdir(parents=True)
    lines = [codec.to_json({"schema": SCHEMA}), *(codec.event_to_json(event) for event in REGRESSION)]
    (logs / "20240501T100000-999999999-starlette.jsonl").write_bytes(b"\n".join([*lines, b""]))
    (logs / "20240502T100000-999999999-starlette.jsonl").write_bytes(b"\n".join([*lines[:-1], b""]))
    (logs / "20240503T100000-999999999-old.jsonl").write_text('{"schema": "bisect-asgi.log/1"}\n{}\n')
    (logs / "20240504T100000-999999999-odd.jsonl").write_text("no log\nat all\n")
    (logs / "20240505T100000-999999999-empty.jsonl").write_text("")
    return shell


def ids(shell: Shell) -> list[str]:
    return [run["id"] for run in json.loads(shell.run("runs", "--json").stdout)["runs"]]


def test_runs_are_listed_with_their_answers_the_newest_first(written: Shell) -> None:
    written.environ["COLUMNS"] = "120"

    done = written.run("runs")

    assert done.returncode == 0
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["Run", "Started", "Package", "Probe", "Result", "Time"]
    assert [row.split()[0] for row in rows] == ids(written)
    assert [row.split()[1:] for row in rows[:2]] == [["-", "unreadable"]] * 2
    assert "starlette  probes/leak.py  interrupted" in rows[2]
    assert "starlette  probes/leak.py  0.12.0 → 0.12.1 (bad)" in rows[3]
    assert rows[3].endswith("1 min 48 s")
    assert all(len(row) <= 120 for row in rows)


def test_as_many_are_listed_as_are_wanted(written: Shell) -> None:
    done = written.run("runs", "-n", "1", "--json")
    text = written.run("runs", "-n", "1")

    assert [run["id"] for run in json.loads(done.stdout)["runs"]] == ids(written)[:1]
    assert text.stderr == "3 older runs: `bisect-asgi runs -n 4` lists all\n"
    assert written.run("runs", "-n", "0").returncode == 2


def test_what_is_said_of_a_run_is_kept_as_long_as_its_log_does_not_grow(written: Shell) -> None:
    log = written.cache / "logs" / "20240502T100000-999999999-starlette.jsonl"
    before = json.loads(written.run("runs", "--json").stdout)["runs"][2]
    kept = log.with_suffix(".summary")
    assert (before["kind"], kept.is_file()) == ("interrupted", True)

    with log.open("ab") as stream:
        stream.write(codec.event_to_json(REGRESSION[-1]) + b"\n")
    after = json.loads(written.run("runs", "--json").stdout)["runs"][2]
    kept.write_text("damaged")
    again = json.loads(written.run("runs", "--json").stdout)["runs"][2]

    assert after["kind"] == "found"
    assert again == after


def test_a_run_whose_process_is_there_is_running(written: Shell) -> None:
    log = written.cache / "logs" / "20240502T100000-999999999-starlette.jsonl"
    own = log.with_name(f"20240502T100000-{os.getpid()}-starlette.jsonl")
    log.rename(own)

    run = json.loads(written.run("runs", "--json").stdout)["runs"][2]
    text = written.run("runs").stdout

    assert (run["kind"], run["answer"]) == (None, "")
    assert "  running" in text
    assert not own.with_suffix(".summary").exists()


@pytest.mark.parametrize(
    ("error", "is_there"), [(None, True), (PermissionError, True), (ProcessLookupError, False)]
)
def test_a_process_is_asked_after_by_the_number_in_the_name(
    monkeypatch: pytest.MonkeyPatch, error: type[OSError] | None, is_there: bool
) -> None:
    asked: list[int] = []

    def kill(number: int, signal: int) -> None:
        asked.append(number)
        if error:
            raise error

    monkeypatch.setattr(past_runs.os, "kill", kill)

    assert past_runs._is_running(Path("20240502T100000-123-starlette.jsonl")) is is_there
    assert past_runs._is_running(Path("mine.jsonl")) is False
    assert asked == [123]


def test_any_run_is_shown_by_the_beginning_of_its_id_or_name_or_by_its_path(written: Shell) -> None:
    log = written.cache / "logs" / "20240501T100000-999999999-starlette.jsonl"

    shown = [written.run("report", name, "--json") for name in (id_of(log.stem)[:5], log.stem[:12], str(log))]

    assert [done.returncode for done in shown] == [0, 0, 0]
    assert len({done.stdout for done in shown}) == 1
    assert json.loads(shown[0].stdout)["first"] == "0.12.1"


def test_more_is_said_of_the_run_that_is_shown(written: Shell) -> None:
    logs = written.cache / "logs"
    for name in ("20240503T100000-999999999-old", "20240504T100000-999999999-odd"):
        (logs / f"{name}.jsonl").unlink()
    log, newest = logs / "20240501T100000-999999999-starlette.jsonl", "20240502"
    elsewhere = written.folder / "a log.jsonl"
    elsewhere.write_bytes(log.read_bytes())

    shown = [written.run("report", name).stdout.splitlines() for name in (str(log), newest, "a log.jsonl")]

    more = [line.partition(" ")[2].strip() for lines in shown for line in lines if line.startswith("More ")]
    assert more == [
        f"bisect-asgi report {id_of(log.stem)} --full",
        "bisect-asgi report --full",
        "bisect-asgi report 'a log.jsonl' --full",
    ]


def test_a_name_that_is_nobodys_or_of_several_is_refused(written: Shell) -> None:
    nobody, several = written.run("report", "zzz"), written.run("report", "202405")

    assert (nobody.returncode, nobody.stderr) == (
        2,
        told("there is no run `zzz`", "list them: `bisect-asgi runs`"),
    )
    assert several.returncode == 2
    named = ", ".join(f"`{each}`" for each in ids(written))
    assert several.stderr == told("several runs begin with `202405`", f"pass more of the id: {named}")


def test_without_a_run_it_is_said_how_to_make_one(shell: Shell) -> None:
    done = shell.run("runs")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "there is no run yet: `bisect-asgi PACKAGE --probe FILE` makes one\n"
    assert json.loads(shell.run("runs", "--json").stdout)["runs"] == []


def test_a_search_is_listed_and_its_report_shown_again_in_both_lengths(shell: Shell) -> None:
    publish(shell.index, "++--")
    done = shell.bisect()

    (run,) = json.loads(shell.run("runs", "--json").stdout)["runs"]
    again, full = shell.run("report", run["id"]), shell.run("report", run["id"], "--full")

    assert (run["answer"], run["package"], run["probe"]) == ("1.1 → 1.2 (bad)", "demo", "leak.py")
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert "Release  Uploaded" in full.stdout
    assert "Release  Uploaded" not in again.stdout
    assert len(again.stdout.splitlines()) <= 24


def test_a_command_that_was_not_understood_is_no_run(shell: Shell) -> None:
    publish(shell.index, "++--")
    for wrong in (["--good", "7.0"], ["--releases", ">99"]):
        assert shell.bisect(*wrong).returncode == 2
    assert list((shell.cache / "logs").iterdir()) == []
    shell.write("leak.py", "import module_of_nobody\n")
    assert shell.bisect().returncode == 2

    done = shell.run("runs")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "there is no run yet: `bisect-asgi PACKAGE --probe FILE` makes one\n"
    assert json.loads(shell.run("runs", "--json").stdout)["runs"] == []

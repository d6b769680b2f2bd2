"""`bisect-asgi report` as a user meets it: earlier runs, also of commands that were killed."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given
from support.blocking import third_run_hangs
from support.documents import REGRESSION
from support.mutations import attempt, mutated
from support.processes import PATIENCE_S
from support.shell import Shell, publish, told

from bisect_asgi.cli.past_runs import read_report
from bisect_asgi.core import codec
from bisect_asgi.core.errors import UsageError
from bisect_asgi.report import document
from bisect_asgi.report.log import SCHEMA


def test_the_report_of_an_earlier_run_is_shown_again(shell: Shell) -> None:
    publish(shell.index, "+++++---")
    first = shell.bisect()

    newest = shell.run("report")
    (log,) = (shell.cache / "logs").glob("*.jsonl")
    named = json.loads(shell.run("report", str(log), "--json").stdout)

    assert (newest.returncode, newest.stdout) == (0, first.stdout)
    assert named["first"] == "1.5"


def test_the_report_of_a_run_that_was_killed_says_what_was_known_by_then(shell: Shell) -> None:
    publish(shell.index, "+++++---")
    process, _ = third_run_hangs(shell)
    process.kill()
    process.communicate(timeout=PATIENCE_S)

    done = shell.run("report", "--json")

    report = json.loads(done.stdout)
    assert (done.returncode, report["kind"]) == (130, "interrupted")
    assert report["headline"] == "the log ends before the run does: demo 1.6 and demo 1.7 are bad"
    assert sum(len(row["observations"]) for row in report["rows"]) == 2


def test_the_last_report_is_shown_also_after_a_command_that_did_not_begin(shell: Shell) -> None:
    publish(shell.index, "+++++---")
    first = shell.bisect("--no-culprit")
    assert shell.bisect("--executor", "nowhere").returncode == 2

    again = shell.run("report")

    assert (again.returncode, again.stdout) == (0, first.stdout)


def test_a_report_of_no_run_is_told(shell: Shell) -> None:
    shutil.rmtree(shell.cache)

    done = shell.run("report")

    assert done.returncode == 2
    assert done.stderr == told("there is no event log yet", "`bisect-asgi PACKAGE --probe FILE` writes one")
    assert not shell.cache.exists()  # who only reads writes nothing


def test_the_log_of_another_version_is_no_traceback(shell: Shell) -> None:
    log = shell.cache.with_name("old.jsonl")
    log.write_text('{"event":"RunStarted","tool_version":"0.1.0"}\n{"event":"Judged"}\n')

    done = shell.run("report", str(log))

    assert done.returncode == 2
    assert done.stderr == told(
        f"`{log}` is an event log of another version: "
        "its schema is `bisect-asgi.log/1`, not `bisect-asgi.log/2`",
        "show it with the version that wrote it, or run the same command again",
    )


LOG = b"\n".join([codec.to_json({"schema": SCHEMA}), *map(codec.event_to_json, REGRESSION)])


@given(content=mutated(LOG))
def test_a_damaged_log_is_read_or_refused_with_a_hint(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.jsonl"
    path.write_bytes(content)

    read = attempt(lambda: read_report(path))

    assert read.hint if isinstance(read, UsageError) else "rows" in json.loads(document.render(read))


def test_a_report_without_a_diff_says_so(shell: Shell) -> None:
    publish(shell.index, "+-")
    shell.bisect("--quiet", "--no-culprit")

    done = shell.run("report", "--diff")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == told(
        "this report has no diff: no package whose files changed was found as the cause",
        "pass the log of a run that names one, or drop `--diff`",
    )

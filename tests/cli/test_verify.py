"""`bisect-asgi verify` of a folder: a fault of one probe is in its line, and the others are verified."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support.processes import PATIENCE_S, eventually, is_running
from support.shell import PYTHON, Shell, publish, told

from bisect_asgi.cli.app import app
from bisect_asgi.core.errors import ExitCode, UsageError

WORKS = "import demo\nassert demo.works, 'it does not work'\n"

# While the flag is there, it hangs.
HANGS = """\
import os, pathlib, time
flag = pathlib.Path(os.environ["FLAG"])
if flag.exists():
    flag.with_suffix(".new").write_text(str(os.getpid()))
    flag.with_suffix(".new").rename(flag.with_suffix(".pid"))  # there is never half of it
    time.sleep(3600)
"""


def write_probe(shell: Shell, name: str, *options: str, package: str = "demo", body: str = WORKS) -> None:
    """Write a probe into the folder, with these options in its table."""
    own = (f'package = "{package}"', f"python = '{PYTHON}'", "jobs = 1", *options)
    table = ["# /// script", "# [tool.bisect-asgi]", *(f"# {line}" for line in own), "# ///"]
    shell.write(f"probes/{name}.py", "\n".join(table) + "\n" + body)


@pytest.fixture
def folder(shell: Shell) -> Shell:
    """A folder `probes` beside releases of `demo`, of which 1.1 was broken and 1.2 is fixed."""
    publish(shell.index, "+-+")
    (shell.folder / "probes").mkdir()
    return shell


def test_each_claim_in_a_folder_has_its_verdict_and_each_fault_its_line(folder: Shell) -> None:
    write_probe(folder, "a_right", 'broken-in = "1.1"', 'source = "notes"')
    folder.write("probes/b_helper.py", "import this_is_no_probe\n")
    write_probe(folder, "c_nothing_claimed")
    folder.write("probes/d_malformed.py", "# /// script\n# [tool.bisect-asgi]\n# pakage = 'demo'\n# ///\n")
    write_probe(folder, "e_no_such_release", 'fixed-in = "9.0"')
    write_probe(folder, "f_oldest", 'broken-in = "1.0"')
    write_probe(folder, "g_no_such_package", 'fixed-in = "1.2"', package="nowhere")
    write_probe(folder, "h_not_two", 'fixed-in = "1.2"', 'broken-in = "1.1"')
    write_probe(folder, "i_wrong", 'fixed-in = "1.1"')

    done = folder.run("verify", "probes", "--quiet")

    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        "confirmed    demo broken in 1.1 (a_right.py): broken in 1.1 and fixed in 1.2",
        "             claimed by notes",
    ]
    fault = "`[tool.bisect-asgi]` in `d_malformed.py` has an unknown option: `pakage`"
    assert lines[2:4] == [
        f"not run      (d_malformed.py): {fault}",
        "             hint: write `package`",
    ]
    starts = [line.partition(":")[0] for line in lines[4:] if not line.startswith(" ")]
    assert starts == [
        "not run      demo fixed in 9.0 (e_no_such_release.py)",
        "not run      demo broken in 1.0 (f_oldest.py)",
        "not run      nowhere fixed in 1.2 (g_no_such_package.py)",
        "not run      (h_not_two.py)",
        "refuted      demo fixed in 1.1 (i_wrong.py)",
    ]
    assert done.returncode == ExitCode.USAGE


def test_an_interrupt_keeps_the_findings_that_were_made_and_ends_what_runs(folder: Shell) -> None:
    write_probe(folder, "a_quick", 'broken-in = "1.1"')
    write_probe(
        folder, "b_slow", 'broken-in = "1.1"', 'env = ["FLAG"]', 'sandbox = "none"', body=HANGS + WORKS
    )
    write_probe(folder, "c_late", 'broken-in = "1.1"')
    flag, pid = folder.folder / "flag", folder.folder / "flag.pid"
    flag.touch()
    folder.environ["FLAG"] = str(flag)

    process = folder.start("verify", "probes", "--quiet")
    eventually(lambda: pid.exists() and pid.read_text() != "")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == ExitCode.INTERRUPTED
    assert stdout == "confirmed    demo broken in 1.1 (a_quick.py): broken in 1.1 and fixed in 1.2\n"
    assert stderr == told("interrupted", "finished runs are cached; run the same command to continue")
    eventually(lambda: not is_running(int(pid.read_text())))


def test_a_fault_of_the_only_probe_is_the_error_of_the_command(folder: Shell) -> None:
    write_probe(folder, "leak")

    done = folder.run("verify", "--probe", "probes/leak.py", "--fixed-in", "9.0", "--quiet")

    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert done.stderr == told("there is no release `9.0` of demo (`--fixed-in`)", "pass `--fixed-in 1.2`")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("import demo\n", "there is no probe in `probes`", id="no-table"),
        pytest.param(
            "# /// script\n# [tool.bisect-asgi]\n# package = 'demo'\n# ///\n",
            "there is no claim to verify",
            id="no-claim",
        ),
    ],
)
def test_a_folder_without_claims_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("probes").mkdir()
    Path("probes/leak.py").write_text(text)

    with pytest.raises(UsageError) as caught:
        app(["verify", "probes"], standalone_mode=False)

    assert str(caught.value) == message


def test_claims_are_a_document_with_the_exit_code_of_the_worst(folder: Shell) -> None:
    write_probe(folder, "one", 'fixed-in = "1.2"', 'source = "the changelog"')
    write_probe(folder, "two", 'broken-in = "1.2"')

    done = folder.run("verify", "probes", "--json", "--quiet")

    document = json.loads(done.stdout)
    assert document["schema"] == "bisect-asgi.verify/1"
    assert document["exit_code"] == done.returncode != 0
    claims = {claim["probe"]: claim for claim in document["claims"]}
    assert list(claims) == ["probes/one.py", "probes/two.py"]
    one, two = claims.values()
    assert (one["claim"], one["source"], one["verdict"]) == ("fixed in 1.2", "the changelog", "confirmed")
    assert (two["claim"], two["source"], two["verdict"]) == ("broken in 1.2", None, "refuted")
    assert all(Path(claim["log"]).exists() and claim["package"] == "demo" for claim in claims.values())


def test_claims_are_written_in_other_forms_as_a_suite_is(folder: Shell) -> None:
    write_probe(folder, "one", 'fixed-in = "1.2"')
    write_probe(folder, "two", 'broken-in = "1.2"')

    done = folder.run(
        "verify",
        "probes",
        "--quiet",
        "--format",
        "junit",
        "-o",
        "claims.json",
        "-o",
        "claims.md",
        "-o",
        "site/",
    )

    one, two = ET.fromstring(done.stdout).iter("testcase")
    assert [case.find("failure") is None for case in (one, two)] == [True, False]
    document = json.loads((folder.folder / "claims.json").read_text())
    assert document["schema"] == "bisect-asgi.verify/1"
    assert document["exit_code"] == done.returncode == ExitCode.NOT_REPRODUCED
    assert "refuted" in (folder.folder / "claims.md").read_text()
    assert {path.name for path in (folder.folder / "site").iterdir()} == {
        "index.html",
        "probes-one.html",
        "probes-two.html",
    }
    assert "fixed in 1.2" in (folder.folder / "site" / "index.html").read_text()


def test_lines_are_broken_below_their_second_column_where_there_is_a_width(folder: Shell) -> None:
    source = "the notes of a release, which are long and say much"
    write_probe(folder, "a_right", 'broken-in = "1.1"', f'source = "{source}"')
    folder.environ["COLUMNS"] = "60"

    done = folder.run("verify", "probes", "--quiet")

    first, *rest = done.stdout.splitlines()
    assert first.startswith("confirmed    demo broken in 1.1 (a_right.py): ")
    assert len(rest) > 1
    assert all(line.startswith(" " * 13) and line[13] != " " for line in rest)
    assert all(len(line) <= 60 for line in (first, *rest))
    assert f"claimed by {source}" in " ".join(done.stdout.split())


def test_the_cause_of_a_claimed_change_is_found_if_that_is_asked_for(folder: Shell) -> None:
    write_probe(folder, "a_right", 'broken-in = "1.1"')
    done = folder.run("verify", "probes", "--quiet", "--culprit", "-o", "site/")

    assert done.stdout == "confirmed    demo broken in 1.1 (a_right.py): broken in 1.1 and fixed in 1.2\n"
    page = (folder.folder / "site" / "probes-a-right.html").read_text("utf-8")
    cause = "1.1: demo itself: nothing else differs between demo 1.0 and demo 1.1"
    assert f"<dt>Cause</dt><dd>{cause}</dd>" in page
    assert "<td>by itself</td>" in (folder.folder / "site" / "index.html").read_text("utf-8")

    folder.run("verify", "probes", "--quiet", "-o", "site/")
    assert "<dt>Cause</dt>" not in (folder.folder / "site" / "probes-a-right.html").read_text("utf-8")

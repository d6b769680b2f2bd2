"""The command as a user meets it: a process of its own, on hand-made releases from the local index."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.local_index import publish_build_backend
from support.shell import BISECT, PATIENCE_S, PROBE, PYTHON, Shell, eventually, publish, told

from bisect_asgi.backend import interpreters


@pytest.fixture(scope="session")
def discovered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a first command finds out about the interpreters of this machine, in seconds."""
    folder = tmp_path_factory.mktemp("discovered") / "interpreters"
    # In a process of its own: what this one has found out before, it would not write into the folder.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(interpreters.find_all, folder).result()
    return folder


# Whole bisections.


def test_a_regression_is_found_and_shown_with_its_evidence(shell: Shell) -> None:
    publish(shell.index, "+++++---")

    done = shell.bisect()

    assert done.returncode == 0
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0] == "demo 1.5 is the first bad release, by itself"
    assert "Boundary   demo 1.4 (good, 2021-05-01) → 1.5 (bad, 2021-06-01)" in lines
    (evidence,) = (line for line in lines if line.startswith("Evidence"))
    both = re.fullmatch(
        r"Evidence   1\.4 passed (\d) of \1 runs; 1\.5 failed (\d) of \2 runs: (AssertionError.*)", evidence
    )
    assert both
    # Each was run in the search, and as often again as luck needs where no end is named.
    assert min(int(both[1]), int(both[2])) >= 4
    assert both[3] == "AssertionError: it does not work"
    (sure,) = (line for line in lines if line.startswith("Sure"))
    error_bound = re.search(r"at most (0\.\d+) %", sure)
    assert error_bound
    assert float(error_bound[1]) <= 1
    assert any(line.startswith("Python") and line.endswith(f"`--python {PYTHON}`") for line in lines)
    assert "Others     dependencies as of each release's upload" in lines
    short = "{}.{}".format(*sys.version_info[:2])
    for version in ("1.4", "1.5"):
        command = f"uv run --isolated --no-project --python {short} --with demo=={version} python leak.py"
        assert f"  {command}" in lines


def test_progress_and_the_logs_path_go_to_the_standard_error(shell: Shell) -> None:
    publish(shell.index, "+-")

    done = shell.bisect()

    assert "2 releases to look at: 1.0 (2021-01-01) to 1.1 (2021-02-01)" in done.stderr
    assert re.search(
        r"^1\.1 bad \(AssertionError: it does not work\), built in .* s, run in .* s$", done.stderr, re.M
    )
    (log,) = (shell.cache / "logs").glob("*-demo.jsonl")
    assert f"log: {log}" in done.stderr.splitlines()
    assert "built in" not in done.stdout


def test_a_fix_is_found_without_any_range(shell: Shell) -> None:
    publish(shell.index, "---+++++")

    done = shell.bisect("--quiet")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "demo 1.3 is the first good release, by itself\n"


def test_old_releases_that_fail_for_another_reason_are_not_taken_for_the_bug(shell: Shell) -> None:
    shell.write("leak.py", "from demo import escape\n")
    for minor in range(9):
        source = "import gone\n" if minor < 4 else "escape = str\n" if minor < 7 else ""
        shell.index.add_wheel(
            "demo", f"1.{minor}", uploaded=f"2021-{minor + 1:02}-01", modules={"demo.py": source}
        )

    report = shell.report("--releases", "<9")

    assert (report["last"], report["first"]) == ("1.6", "1.7")


def test_a_different_failure_is_a_warning_that_shows_both(shell: Shell) -> None:
    publish(shell.index, "xx+--")

    done = shell.bisect()

    assert done.stdout.startswith("demo 1.3 is the first bad release, by itself\n")
    assert (
        "warning: 1.0 fails differently from the bad end\n"
        "  bad end: check    AssertionError: it does not work\n"
        "  1.0:     import   ModuleNotFoundError: No module named 'a_module_that_is_long_gone'\n"
        "  treated as untestable; use `--any-failure` to count it as bad\n"
    ) in done.stderr


def test_a_good_end_is_verified_even_where_earlier_commands_know_the_boundary(shell: Shell) -> None:
    publish(shell.index, "x+--")
    assert shell.bisect("--good", "1.1", "--bad", "1.3").returncode == 0

    done = shell.bisect("--quiet", "--good", "1.0", "--bad", "1.3")

    assert done.returncode == 4
    assert done.stderr.startswith("error: the good end fails: `leak.py` failed on demo 1.0 ")


def test_what_the_probe_says_of_itself_is_a_complete_reproduction(shell: Shell, discovered: Path) -> None:
    shutil.copytree(discovered, shell.cache / "interpreters")
    publish(shell.index, "++--")
    shell.index.add_wheel("helper", "1.0", uploaded="2020-01-01", modules={"helper.py": ""})
    shell.index.add_wheel("helper", "2.0", uploaded="2020-02-01", modules={"helper.py": "raise OSError"})
    table = (
        "# /// script\n"
        f'# requires-python = ">={sys.version_info[0]}.{sys.version_info[1]}"\n'
        '# dependencies = ["helper==1.0"]\n'
        "# [tool.bisect-asgi]\n"
        '# package = "demo"\n'
        '# good = "1.0"\n'
        '# env = ["DIARY"]\n'
        "# ///\n"
    )
    shell.write("leak.py", table + "import helper\n" + PROBE)

    done = shell.run("--probe", "leak.py", "--json", "--quiet")

    report = json.loads(done.stdout)
    assert (report["last"], report["first"]) == ("1.1", "1.2")
    assert report["plan"]["held"] == ["helper==1.0"]
    assert report["interpreter_reason"].startswith("the probe requires >=")


def test_a_command_runs_with_the_environment_first_on_the_path(shell: Shell) -> None:
    for version, code in (("1.0", 0), ("1.1", 7)):
        shell.index.add_wheel(
            "demo",
            version,
            uploaded="2021-01-01",
            modules={"demo.py": f"def main():\n    raise SystemExit({code})\n"},
            entry_points={"demo-check": "demo:main"},
        )

    done = shell.run("demo", "--command", "demo-check", "--python", PYTHON, "--quiet", "--json")

    report = json.loads(done.stdout)
    assert (report["first"], report["rows"][1]["signature"]["shown"]) == ("1.1", "exit code 7")


def test_the_dependencies_are_as_of_each_release_unless_the_user_says_otherwise(shell: Shell) -> None:
    publish(shell.index, "+++", requires=["dep"])
    shell.index.add_wheel("dep", "1.0", uploaded="2020-01-01", modules={"dep.py": "works = True\n"})
    shell.index.add_wheel("dep", "2.0", uploaded="2021-02-15", modules={"dep.py": "works = False\n"})
    shell.write("leak.py", "import dep\nassert dep.works\n")

    as_of_release = shell.report()
    latest = shell.bisect("--deps", "latest", "--quiet")

    assert (as_of_release["last"], as_of_release["first"]) == ("1.1", "1.2")
    assert latest.returncode == 3


# Where the time went.


def test_where_the_time_went_is_shown_when_asked_also_of_a_stored_log(shell: Shell) -> None:
    publish(shell.index, "+++++---")

    done = shell.bisect("--timings")
    again = shell.run("report", "--timings")
    plain = shell.run("report")

    lines = done.stdout.splitlines()
    begin = lines.index("Timings")
    assert lines[begin + 1].endswith(" on 1 worker")
    (bound,) = (line for line in lines[begin:] if line.strip().startswith("Lower bound"))
    times = re.search(r"this run took (\d+\.\d\d) times that$", bound)
    assert times
    assert float(times[1]) >= 1
    drawn = [line for line in lines[begin:] if line.startswith("  * 1.") and line.rstrip().endswith("#")]
    assert {line.split()[1] for line in drawn} >= {"1.4", "1.5"}
    assert again.stdout == done.stdout
    assert plain.stdout.splitlines() == lines[: begin - 1]


def test_the_json_report_says_where_the_time_went_unasked(shell: Shell) -> None:
    publish(shell.index, "+-")

    timings: Any = shell.report()["timings"]

    assert 0 < timings["lower_bound"]["seconds"] <= timings["wall_s"]
    assert {span["label"] for span in timings["spans"] if span["fate"] == "used"} == {"1.0", "1.1"}


# What is measured.

SIZES = """\
import demo
print("@metric size", 1 if demo.works else 2, "KiB")
"""


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(["--bad-above", "1500 B"], id="a-limit"),
        pytest.param(["--bad-above", "15%"], id="so-much-more-than-the-good-end"),
        pytest.param([], id="none"),
    ],
)
def test_a_metric_finds_its_boundary_and_is_drawn_when_asked(shell: Shell, limit: list[str]) -> None:
    publish(shell.index, "++--")
    shell.write("leak.py", SIZES)

    done = shell.bisect("--metric", "size", *limit, "--plot")
    again = shell.run("report", "--plot")
    plain = shell.run("report")

    assert (done.returncode, again.returncode) == (0, 0)
    lines = done.stdout.splitlines()
    assert lines[0] == "demo 1.2 is the first bad release, by itself"
    drawn = [line.split() for line in lines if line.endswith((" good", " bad")) and "KiB" in line]
    tested = {line[0]: (line[-1], " ".join(line[-3:-1])) for line in drawn}
    assert tested["1.1"] == ("good", "1.0 KiB")
    assert tested["1.2"] == ("bad", "2.0 KiB")
    assert again.stdout == done.stdout
    assert set(plain.stdout.splitlines()) < set(lines)
    assert not any(line.endswith("KiB good") for line in plain.stdout.splitlines())


def test_a_probe_that_measures_nothing_has_nothing_to_draw(shell: Shell) -> None:
    publish(shell.index, "+-")

    done = shell.bisect("--plot")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == told("`--plot` has nothing to draw", "name what is measured: `--metric wall`")


@pytest.mark.parametrize(
    ("limit", "code", "word"),
    [
        pytest.param([], 125, "cannot tell", id="no-limit"),
        pytest.param(["--bad-above", "15%"], 125, "cannot tell", id="a-share"),
        pytest.param(["--bad-above", "1500 B"], 1, "bad", id="beyond-it"),
        pytest.param(["--bad-above", "3 KiB"], 0, "good", id="within-it"),
    ],
)
def test_one_release_is_judged_by_a_limit_only(shell: Shell, limit: list[str], code: int, word: str) -> None:
    publish(shell.index, "+-")
    shell.write("leak.py", SIZES)

    done = shell.run(
        "check", "demo==1.1", "--probe", "leak.py", "--python", PYTHON, "--metric", "size", *limit
    )

    assert done.returncode == code
    first, second, *_ = done.stdout.splitlines()
    assert first.endswith(f": {word}")
    assert "  size = 2.0 KiB" in done.stdout
    hint = "; --bad-above '250 ms' is a limit for one"
    assert second.endswith(hint) == (word == "cannot tell")


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        pytest.param(["--metric", "size", "--bad-above", "3 KiB"], 0, "good", id="another-decides"),
        pytest.param([], 0, "good", id="passing-decides"),
        pytest.param(["--metric", "other", "--bad-above", "3"], 125, "skip", id="it-decides"),
    ],
)
def test_a_metric_that_cannot_be_read_matters_where_it_decides(
    shell: Shell, options: list[str], code: int, word: str
) -> None:
    publish(shell.index, "+-")
    shell.write("leak.py", f"{SIZES}\nprint('@metric other nan')\n")

    done = shell.run("check", "demo==1.1", "--probe", "leak.py", "--python", PYTHON, *options)

    first, second, *_ = done.stdout.splitlines()
    assert (done.returncode, first.rpartition(": ")[2]) == (code, word)
    assert second.startswith("  check: the metric `other` cannot be read: ")


@pytest.mark.parametrize("limit", [[], ["--bad-above", "15%"], ["--bad-above", "3 KiB"]])
def test_a_probe_that_fails_is_bad_whatever_it_measures(shell: Shell, limit: list[str]) -> None:
    publish(shell.index, "+-")
    shell.write("leak.py", f"{SIZES}\nassert False, 'no page'\n")

    done = shell.run(
        "check", "demo==1.1", "--probe", "leak.py", "--python", PYTHON, "--metric", "size", *limit
    )

    assert done.returncode == 1
    first, second, *_ = done.stdout.splitlines()
    assert first.endswith(": bad")
    assert second == "  check: AssertionError: no page"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        pytest.param(
            ["--load", "GET /"],
            "`--load 'GET /'` has no app to drive",
            "name it: `--app FILE[:NAME]`",
            id="a-load-without-an-app",
        ),
        pytest.param(
            ["--metric", "wall", "--match", "lost"],
            "`--metric` and `--match` say two things about which runs are bad",
            "choose one of them",
            id="a-metric-and-a-pattern",
        ),
        pytest.param(
            ["--confidence", "high"],
            "`high` cannot be read (--confidence)",
            "it is a probability from 0.5 to 0.9999: `0.99` or `99%`",
            id="no-probability",
        ),
        pytest.param(
            ["--confidence", "100%"],
            "`--confidence 100%` is out of range",
            "it is from 0.5 to 0.9999",
            id="certainty",
        ),
    ],
)
def test_a_question_without_meaning_is_refused(
    shell: Shell, arguments: list[str], message: str, hint: str
) -> None:
    done = shell.run("demo", "--probe", "leak.py", *arguments)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", told(message, hint))


def test_a_claim_of_the_command_line_stands_for_the_tables(shell: Shell) -> None:
    publish(shell.index, "+-")
    table = '# /// script\n# [tool.bisect-asgi]\n# fixed-in = "1.1"\n# source = "notes"\n# ///\n'
    shell.write("leak.py", table + PROBE.replace("os.environ", "{'DIARY': os.devnull}"))

    done = shell.run("verify", "demo", "--probe", "leak.py", "--python", PYTHON, "--broken-in", "1.1")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("confirmed")
    assert "notes" not in done.stdout


# Data.


def test_the_json_document_stands_alone_on_the_standard_output(shell: Shell) -> None:
    publish(shell.index, "++--")

    done = shell.bisect("--json")

    report = json.loads(done.stdout)
    assert report["schema"] == "bisect-asgi.report/2"
    assert (report["kind"], report["exit_code"], report["first"]) == ("found", 0, "1.2")
    assert [row["version"] for row in report["rows"]] == ["1.0", "1.1", "1.2", "1.3"]
    assert "releases to look at" in done.stderr


def test_the_json_document_of_a_run_without_an_answer_says_why(shell: Shell) -> None:
    publish(shell.index, "++")

    done = shell.bisect("--json", "--quiet")

    report = json.loads(done.stdout)
    assert (done.returncode, report["kind"], report["exit_code"]) == (3, "not-reproduced", 3)
    assert done.stderr == f"error: {report['headline']}\n\nhint: {report['hint']}\n"


# Memory.


def test_the_same_command_again_answers_from_the_store(shell: Shell) -> None:
    publish(shell.index, "+++--")
    first = shell.report()
    before = shell.noted("start")

    second = shell.report()

    assert shell.noted("start") == before
    assert (second["first"], second["exit_code"]) == (first["first"], 0)
    rows = second["rows"]
    assert isinstance(rows, list)
    assert sum(row["remembered"] for row in rows) == before.total()


def test_a_fresh_run_makes_all_of_them_again(shell: Shell) -> None:
    publish(shell.index, "++--")
    shell.bisect()
    before = shell.noted("start")

    shell.bisect("--fresh")

    assert shell.noted("start") == before + before


BLOCKING = PROBE.replace(
    'note("end")',
    """\
lines = open(os.environ["DIARY"]).read().splitlines()
if len([line for line in lines if line.startswith("start")]) == 3:
    with open(os.environ["DIARY"], "a") as diary:
        diary.write("pid %d\\n" % os.getpid())
    import time
    time.sleep(600)  # until it is killed
note("end")""",
)


def third_run_hangs(shell: Shell, *arguments: str) -> tuple[subprocess.Popen[str], int]:
    """Start a bisection whose third run hangs; return it, and the process that hangs."""
    shell.write("leak.py", BLOCKING)
    process = shell.start(*BISECT, *arguments)
    eventually(lambda: process.poll() is not None or shell.noted("pid").total() == 1)
    assert process.poll() is None, process.communicate()
    (pid,) = shell.noted("pid")
    return process, int(pid)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_after_a_kill_in_the_middle_no_finished_run_is_repeated(shell: Shell) -> None:
    publish(shell.index, "+++++---")
    process, probe = third_run_hangs(shell, "--confirm", "1")

    process.kill()
    process.communicate(timeout=PATIENCE_S)
    finished = shell.noted("end")
    eventually(lambda: not is_running(probe))
    done = shell.bisect("--quiet", "--confirm", "1")

    assert done.stdout == "demo 1.5 is the first bad release, by itself\n"
    assert finished.total() == 2
    ended = shell.noted("end")
    # Both sides of the boundary are run twice by any one command with `--confirm 1`.
    assert {version: runs for version, runs in ended.items() if runs > 1} == {"1.4": 2, "1.5": 2}
    assert shell.noted("start").total() == ended.total() + 1  # the one that was killed


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_exits_130_and_leaves_no_process_behind(shell: Shell, how: signal.Signals) -> None:
    publish(shell.index, "+++++---")
    process, probe = third_run_hangs(shell, "--confirm", "1")
    below = psutil.Process(process.pid).children(recursive=True)
    assert probe in {child.pid for child in below}

    process.send_signal(how)
    _, stderr = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 130
    assert stderr.endswith(
        "error: interrupted\n\n"
        "hint: every run that had ended is kept; the same command goes on from there\n"
        f"log: {next((shell.cache / 'logs').glob('*'))}\n"
    )
    assert "Traceback" not in stderr
    assert [child.pid for child in below if is_running(child.pid)] == []
    again = shell.bisect("--quiet", "--confirm", "1")
    assert again.stdout == "demo 1.5 is the first bad release, by itself\n"
    assert max(shell.noted("end").values()) == 2


def test_two_commands_at_once_share_what_they_observe(shell: Shell, tmp_path: Path) -> None:
    publish(shell.index, "+++++---")

    both = [shell.start(*BISECT, "--quiet", "--confirm", "1") for _ in range(2)]
    said = [process.communicate(timeout=PATIENCE_S) for process in both]

    assert said == [("demo 1.5 is the first bad release, by itself\n", "")] * 2
    counted = shell.noted("start")
    assert {version: runs for version, runs in counted.items() if runs > 1} == {"1.4": 2, "1.5": 2}


# Exit codes and messages.


def test_a_probe_that_passes_everywhere_is_not_reproduced(shell: Shell) -> None:
    publish(shell.index, "+++")

    done = shell.bisect("--quiet")

    assert done.returncode == 3
    assert done.stderr == told(
        "`leak.py` passes on every release of demo that was tested, from 1.0 to 1.2",
        "the answer does not change there with this Python and these dependencies; "
        "`--all` looks for a change that came and went, and `bisect-asgi check` runs one release",
    )


def test_a_bad_end_that_passes_is_not_reproduced(shell: Shell) -> None:
    publish(shell.index, "+++")

    done = shell.bisect("--quiet", "--bad", "1.2")

    assert done.returncode == 3
    assert done.stderr == told(
        "the bad end passes: `leak.py` succeeded on demo 1.2 (6 of 6 runs)",
        "the change may be later, or need another Python or other dependencies: "
        "try another `--bad`, `--python` or `--deps`",
    )


def test_a_good_end_that_fails_has_an_exit_code_of_its_own(shell: Shell) -> None:
    publish(shell.index, "---")

    done = shell.bisect("--quiet", "--good", "1.0", "--bad", "1.2")

    assert done.returncode == 4
    assert done.stderr == told(
        "the good end fails: `leak.py` failed on demo 1.0 (6 of 6 runs): AssertionError: it does not work",
        "name another release with `--good`, or none: older ones are then tried",
    )


def test_an_untestable_release_at_the_boundary_is_inconclusive(shell: Shell) -> None:
    publish(shell.index, "++x-")

    done = shell.bisect("--quiet")

    assert done.returncode == 5
    assert done.stderr == told(
        "the change is in one of 1.2 and 1.3: 1 release between the two sides cannot be tested",
        "they fail otherwise than the bad end does: `--any-failure` counts that as bad, "
        "`--match REGEX` says which output is",
    )


def test_requirements_that_cannot_be_met_are_told_with_uvs_reason_cut_short(shell: Shell) -> None:
    publish(shell.index, "++", requires=["nowhere"])

    done = shell.bisect("--quiet")

    assert done.returncode == 5
    message, _, hint = done.stderr.partition("\n\n")
    assert message.startswith(
        "error: no release of demo could be tested: Because nowhere was not found in the package registry"
    )
    assert "\n" not in message
    assert hint == ("hint: try another `--python`, `--deps latest`, or `bisect-asgi check` on one release\n")


def test_an_index_that_is_down_is_unavailable(shell: Shell) -> None:
    shell.index.down = True

    done = shell.bisect("--quiet")

    assert done.returncode == 6
    assert done.stderr == told(
        f"the package index did not answer after 5 attempts: `{shell.index.url}/demo/` "
        "(Server disconnected without sending a response.)",
        "nothing was learnt about any release; run the same command again when it is back",
    )


def test_an_index_without_upload_times_cannot_serve_a_policy_by_date(shell: Shell) -> None:
    publish(shell.index, "++--")
    shell.index.style = "html"

    by_date = shell.bisect("--quiet")
    latest = shell.bisect("--quiet", "--deps", "latest")

    assert by_date.returncode == 2
    assert by_date.stderr == told(
        "the index gives no upload time for demo 1.0, and `--deps as-of-release` needs one",
        "use `--deps latest`, or an index that gives them (JSON pages, PEP 700)",
    )
    assert latest.stdout == "demo 1.2 is the first bad release, by itself\n"


def complaint(stderr: str) -> str:
    """What a command complained of, without the line that says what it was going to do, if it got so far."""
    return re.sub(r"\Abisecting \S+: \S+\n", "", stderr)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        pytest.param(
            ["nope", *BISECT[1:]],
            "there is no package `nope` on the index",
            "check the spelling; uv's configuration says which index is asked",
            id="no-such-package",
        ),
        pytest.param(
            [*BISECT, "--releases", ">=9"],
            "there is no release of `demo` to look at; left out: not in `--releases >=9`",
            "`bisect-asgi releases demo` lists them all; widen `--releases` or the ends",
            id="no-release-in-range",
        ),
        pytest.param(
            [*BISECT, "--good", "1.0.5"],
            "there is no release `1.0.5` (`--good`)",
            "the nearest ones: `1.0` and `1.1`",
            id="no-such-end",
        ),
        pytest.param(
            [*BISECT, "--good", "1.0", "--bad", "1.0"],
            "`--good` and `--bad` are the same: `1.0`",
            "name two, one or none",
            id="same-ends",
        ),
        pytest.param(
            ["demo", "--python", PYTHON],
            "there is no probe",
            "name a script, `--probe FILE`, a command, `--command 'python -m pytest test_x.py'`, "
            "or an app with a load, `--app app.py --load 'GET /'`",
            id="no-probe",
        ),
        pytest.param(
            ["demo", "--probe", "probes/leek.py"],
            "there is no file `probes/leek.py` (`--probe`)",
            "`probes` has `one.py` and `two.py`",
            id="probe-missing",
        ),
        pytest.param(
            ["demo", "--probe", "probes"],
            "`probes` cannot be read (`--probe`): Is a directory",
            "it has to be a readable file",
            id="probe-is-a-directory",
        ),
        pytest.param(
            ["demo", "--probe", "leak.py/leak.py"],
            "`leak.py/leak.py` cannot be read (`--probe`): Not a directory",
            "it has to be a readable file",
            id="probe-unreadable",
        ),
        pytest.param(
            ["demo", "--probe", "twice.py"],
            "`twice.py` has 2 `# /// script` blocks",
            "keep one of them (PEP 723 allows one)",
            id="bad-metadata",
        ),
        pytest.param(
            ["demo", "--probe", "typo.py"],
            "`[tool.bisect-asgi]` in `typo.py` has an unknown option: `timout`",
            "did you mean `timeout`?",
            id="unknown-option-in-the-table",
        ),
        pytest.param(
            [*BISECT, "--jobs", "0"], "`--jobs 0` is out of range", "it is 1 or more", id="jobs-out-of-range"
        ),
        pytest.param(
            [*BISECT, "--timeout", "0"],
            "`--timeout 0` is out of range",
            "it is in seconds, above 0",
            id="timeout-out-of-range",
        ),
        pytest.param(
            [*BISECT, "--confirm", "-1"],
            "`--confirm -1` is out of range",
            "it is 0 or more",
            id="confirm-out-of-range",
        ),
        pytest.param(
            [*BISECT, "--metric", "wall", "--bad-above", "15 bananas"],
            "`15 bananas` cannot be read (--bad-above)",
            "it is a number, with or without a unit: `8 MiB`, `250 ms`, `15%`",
            id="no-such-unit",
        ),
        pytest.param(
            [*BISECT, "--metric", "wall", "--bad-above", "0%"],
            "`--bad-above 0 %` is out of range",
            "it is a share above 0 %",
            id="no-more-than-the-good-end",
        ),
        pytest.param(
            [*BISECT, "--metric", "wall", "--bad-above", "15%", "--bad-below", "3 s"],
            "`--bad-above 15%` and `--bad-below 3 s` are two limits",
            "name one of them; the other side is good",
            id="two-limits",
        ),
        pytest.param(
            [*BISECT, "--effect", "5%"],
            "`--effect 5%` has no use here",
            "name what is measured: `--metric wall`",
            id="an-effect-on-nothing",
        ),
        pytest.param(
            [*BISECT, "--metric", "wall", "--effect", "3 ms"],
            "`--effect 3 ms` is out of range",
            "it is a share of the metric: `5%`",
            id="an-effect-that-is-no-share",
        ),
        pytest.param(
            [*BISECT, "--confidence", "99"],
            "`--confidence 99` is out of range",
            "it is from 0.5 to 0.9999",
            id="a-confidence-in-per-cent",
        ),
        pytest.param(
            [*BISECT, "--budget", "all day"],
            "`all day` cannot be read (--budget)",
            "it is a number of runs, `200`, or a time, `30 min`",
            id="no-budget",
        ),
        pytest.param(
            [*BISECT, "--deps", "yesterday"],
            "`yesterday` cannot be read (--deps)",
            "it is `as-of-release`, `latest` or `as-of 2022-01-10`",
            id="no-such-policy",
        ),
        pytest.param(
            [*BISECT, "--env", "NO_SUCH_VARIABLE"],
            "there is no variable `NO_SUCH_VARIABLE` in this shell (`--env`)",
            "set it, or drop the option",
            id="no-such-variable",
        ),
    ],
)
def test_what_cannot_be_asked_is_told_whole_and_exits_2(
    shell: Shell, arguments: list[str], message: str, hint: str
) -> None:
    publish(shell.index, "+-")
    (shell.folder / "probes").mkdir()
    shell.write("probes/one.py", "")
    shell.write("probes/two.py", "")
    shell.write("twice.py", "# /// script\n# x = 1\n# ///\n\n# /// script\n# x = 2\n# ///\n")
    shell.write("typo.py", "# /// script\n# [tool.bisect-asgi]\n# timout = 3\n# ///\n")

    done = shell.run(*arguments)

    assert complaint(done.stderr) == told(message, hint)
    assert (done.returncode, done.stdout) == (2, "")


def test_metadata_that_is_no_toml_is_told_with_its_place(shell: Shell) -> None:
    shell.write("bad.py", "# /// script\n# dependencies = [\n# ///\n")

    done = shell.run("demo", "--probe", "bad.py")

    assert done.returncode == 2
    message, _, hint = done.stderr.partition("\n\n")
    assert message.startswith("error: the metadata of `bad.py` is no valid TOML: ")
    assert hint == "hint: the lines between `# /// script` and `# ///` are TOML behind `# `\n"


def test_a_python_that_is_not_there_is_told_with_those_that_are(shell: Shell, discovered: Path) -> None:
    shutil.copytree(discovered, shell.cache / "interpreters")
    publish(shell.index, "+-")

    done = shell.run("demo", "--probe", "leak.py", "--env", "DIARY", "--python", "3.99")

    assert done.returncode == 2
    message, _, hint = complaint(done.stderr).partition("\n\n")
    assert message == "error: there is no Python `3.99` on this machine (`--python`)"
    assert re.fullmatch(r"hint: there (is|are) .*\b3\.\d+.*\n", hint)


def test_an_option_of_the_wrong_kind_exits_2(shell: Shell) -> None:
    done = shell.bisect("--jobs", "many")

    assert done.returncode == 2
    assert "--jobs" in done.stderr


@pytest.mark.parametrize(
    ("below", "reason"),
    [pytest.param("", "File exists", id="file"), pytest.param("/deep", "Not a directory", id="below-a-file")],
)
def test_a_cache_folder_that_cannot_be_written_is_unavailable(shell: Shell, below: str, reason: str) -> None:
    publish(shell.index, "+-")
    path = shell.write("taken", "a file in the place of the folder")
    shell.environ["BISECT_ASGI_CACHE_DIR"] = f"{path}{below}"

    done = shell.bisect()

    assert (done.returncode, done.stdout) == (6, "")
    assert complaint(done.stderr) == told(
        f"the cache folder cannot be written: `{path}{below}` ({reason})",
        "free some room, make the folder writable, or name another one in `BISECT_ASGI_CACHE_DIR`",
    )


@pytest.mark.parametrize("limit", [0, 8_000], ids=["at-once", "on-the-way"])
def test_a_disk_that_is_full_is_unavailable_and_no_crash(shell: Shell, limit: int) -> None:
    """A limit on the size of files stands for the disk: writes fail in the same places."""
    publish(shell.index, "+-")

    done = shell.run(*BISECT, "--quiet", file_limit=limit)

    assert done.returncode == 6
    assert re.fullmatch(r"error: .+\n\nhint: .+\n", done.stderr)


def test_pages_that_cannot_be_kept_are_no_reason_to_stop_or_to_alarm(shell: Shell) -> None:
    publish(shell.index, "+-")

    done = shell.run(*BISECT, "--quiet", file_limit=60_000)  # the pages' file grows beyond it

    # Where other files do, too, it says so; what it never does is to show a library's traceback.
    assert (done.returncode, done.stderr) == (0, "") or done.stderr.startswith("error: ")


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

    done = shell.run("check", release, "--probe", "leak.py", "--python", PYTHON, "--env", "DIARY")

    lines = done.stdout.splitlines()
    assert done.returncode == code
    version = "{}.{}.{}".format(*sys.version_info[:3])
    assert lines[0] == f"demo {release[-3:]} on Python {version}: {word}"
    assert (seen in lines[1]) if seen else lines[1].startswith("  run in ")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        pytest.param(
            ["demo"], "`demo` names no single release", "write it as `fastapi==0.69.0`", id="no-version"
        ),
        pytest.param(
            ["demo==7"], "there is no release `7` (`demo`)", "the nearest ones: `1.1`", id="no-such-release"
        ),
    ],
)
def test_a_release_that_cannot_be_checked_is_told(
    shell: Shell, arguments: list[str], message: str, hint: str
) -> None:
    publish(shell.index, "+-")

    done = shell.run("check", *arguments, "--probe", "leak.py", "--python", PYTHON, "--env", "DIARY")

    assert (done.returncode, done.stdout, done.stderr) == (2, "", told(message, hint))


def test_releases_are_listed_with_dates_and_with_reasons_for_those_left_out(shell: Shell) -> None:
    shell.index.add_wheel("demo", "1.0", uploaded="2021-01-01")
    shell.index.add_wheel("demo", "1.1", uploaded="2021-02-01", yanked="loses data")
    shell.index.add_wheel("demo", "1.2rc1", uploaded="2021-03-01")
    shell.index.add_wheel("demo", "2.0", uploaded="2021-04-01", requires_python=">=4")

    plain = shell.run("releases", "Demo")
    with_switches = shell.run("releases", "demo", "--pre", "--yanked", "--python", PYTHON)

    assert plain.stdout.splitlines() == [
        "1.0              2021-01-01",
        "2.0              2021-04-01",
        "1.1              2021-02-01  left out: yanked: loses data (`--yanked` brings it in)",
        "1.2rc1           2021-03-01  left out: pre-release (`--pre` brings it in)",
    ]
    short = "{}.{}".format(*sys.version_info[:2])
    assert with_switches.stdout.splitlines() == [
        "1.0              2021-01-01",
        "1.1              2021-02-01",
        "1.2rc1           2021-03-01",
        f"2.0              2021-04-01  left out: requires Python >=4, not {short}",
    ]


def test_the_cache_is_shown_and_cleared(shell: Shell) -> None:
    publish(shell.index, "+-")
    shell.bisect("--confirm", "1")

    before = shell.run("cache").stdout.splitlines()
    cleared = shell.run("cache", "--clear")
    kept = sorted(path.name for path in shell.cache.glob("*")) if shell.cache.exists() else []
    after = shell.run("cache").stdout.splitlines()

    assert before[0] == f"folder        {shell.cache}"
    assert before[1].startswith("environments  2, ")
    assert before[2].startswith("store         4 observations, ")
    assert before[3] == "logs          1"
    assert cleared.stdout == f"cleared {shell.cache}\n"
    assert kept == []
    assert after[1].startswith("environments  0, 0 B of at most 20 GiB ")
    assert after[2].startswith("store         0 observations, ")


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
    assert report["headline"] == "the log ends before the run does"
    assert sum(len(row["observations"]) for row in report["rows"]) == 2


def test_the_last_report_is_shown_also_after_a_command_that_did_not_begin(shell: Shell) -> None:
    publish(shell.index, "+++++---")
    first = shell.bisect("--no-culprit")
    assert shell.bisect("--executor", "nowhere").returncode == 2

    again = shell.run("report")

    assert (again.returncode, again.stdout) == (0, first.stdout)


def test_a_report_of_no_run_is_told(shell: Shell) -> None:
    done = shell.run("report")

    assert done.returncode == 2
    assert done.stderr == told("there is no event log yet", "`bisect-asgi PACKAGE --probe FILE` writes one")
    assert not shell.cache.exists()  # who only reads writes nothing


def test_help_names_every_command_and_the_version_is_ours(shell: Shell) -> None:
    help_text = shell.run("--help").stdout
    version = shell.run("--version").stdout

    assert all(f"\n  {name} " in help_text for name in ("run", "check", "releases", "cache", "report"))
    assert re.fullmatch(r"bisect-asgi \d+\.\d+.*\n", version)


def test_sdist_only_releases_are_built_and_the_step_is_told(shell: Shell) -> None:
    publish_build_backend(shell.index, "1.0", "2020-01-01")
    for version, works in (("1.0", True), ("1.1", False)):
        shell.index.add_sdist(
            "demo",
            version,
            uploaded="2021-01-01",
            modules={"demo.py": f"version = {version!r}\nworks = {works}\n"},
        )

    done = shell.bisect()

    assert done.stdout.startswith("demo 1.1 is the first bad release, by itself\n")
    assert "1.0 and 1.1: as of the date, building source distributions" in " ".join(done.stdout.split())

"""A whole bisection as a user meets it: the answer, its evidence, and what is kept for the next one."""

from __future__ import annotations

import json
import platform
import re
import sys
from typing import Any

from support.local_index import publish_build_backend
from support.shell import PROBE, PYTHON, Shell, publish

# Whole bisections.


def test_a_regression_is_found_and_shown_with_its_evidence(shell: Shell) -> None:
    publish(shell.index, "+++++---")

    done = shell.bisect("--full")

    assert done.returncode == 0
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0] == "demo broke in 1.5 (2021-06-01), by itself"
    evidence = "\n".join(line for line in lines if line.startswith(("Last", "First")))
    both = re.fullmatch(
        r"Last good +1\.4 \(2021-05-01\): passed (\d) of \1 runs\n"
        r"First bad +1\.5 \(2021-06-01\): failed (\d) of \2 runs: (AssertionError.*)",
        evidence,
    )
    assert both
    # Each was run in the search, and as often again as luck needs where no end is named.
    assert min(int(both[1]), int(both[2])) >= 4
    assert both[3] == "AssertionError: it does not work"
    (sure,) = (line for line in lines if line.startswith("Confidence"))
    confidence = re.search(r"at least (\d+\.\d)%", sure)
    assert confidence
    assert float(confidence[1]) >= 99
    assert any(line.startswith("Python") and line.endswith(f"`--python {PYTHON}`") for line in lines)
    assert ["With", "dependencies as of each release's upload"] in [line.split(maxsplit=1) for line in lines]
    short = "{}.{}".format(*sys.version_info[:2])
    is_managed = f"/{platform.python_version()}/" in PYTHON  # uv does not find what only pyenv has
    for version in ("1.4", "1.5"):
        python = PYTHON if is_managed else short
        command = f"uv run --isolated --no-project --python {python} --with demo=={version} python leak.py"
        assert f"  {command}" in lines


def test_progress_and_the_logs_path_go_to_the_standard_error(shell: Shell) -> None:
    publish(shell.index, "+-")

    done = shell.bisect()

    assert "searching 2 releases: 1.0 (2021-01-01) to 1.1 (2021-02-01)" in done.stderr
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
    assert done.stdout == "demo was fixed in 1.3 (2021-04-01), by itself\n"


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

    assert done.stdout.startswith("demo broke in 1.3 (2021-04-01)\n")
    assert (
        "warning: 1.0 fails differently from the bad end\n"
        "  bad end: check    AssertionError: it does not work\n"
        "  1.0:     import   ModuleNotFoundError: No module named 'a_module_that_is_long_gone'\n"
        "  treated as untestable; pass `--any-failure` to count it as bad\n"
    ) in done.stderr


def test_a_good_end_is_verified_even_where_earlier_commands_know_the_boundary(shell: Shell) -> None:
    publish(shell.index, "x+--")
    assert shell.bisect("--good", "1.1", "--bad", "1.3").returncode == 0

    done = shell.bisect("--quiet", "--good", "1.0", "--bad", "1.3")

    assert done.returncode == 4
    assert done.stderr.startswith("error: the good end fails: `leak.py` failed on demo 1.0 ")


def test_what_the_probe_says_of_itself_is_a_complete_reproduction(shell: Shell) -> None:
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
        '# sandbox = "none"\n'
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

    shell.environ["COLUMNS"] = "120"

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


# Data.


def test_the_json_document_stands_alone_on_the_standard_output(shell: Shell) -> None:
    publish(shell.index, "++--")

    done = shell.bisect("--json")

    report = json.loads(done.stdout)
    assert report["schema"] == "bisect-asgi.report/2"
    assert (report["kind"], report["exit_code"], report["first"]) == ("found", 0, "1.2")
    assert [row["version"] for row in report["rows"]] == ["1.0", "1.1", "1.2", "1.3"]
    assert "searching 4 releases: " in done.stderr


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


def test_sdist_only_releases_are_built_and_the_step_is_told(shell: Shell) -> None:
    publish_build_backend(shell.index, "1.0", "2020-01-01")
    for version, works in (("1.0", True), ("1.1", False)):
        shell.index.add_sdist(
            "demo",
            version,
            uploaded="2021-01-01",
            modules={"demo.py": f"version = {version!r}\nworks = {works}\n"},
        )

    done = shell.bisect("--full")

    assert done.stdout.startswith("demo broke in 1.1 (2021-01-01), by itself\n")
    assert "1.0 and 1.1: as of the date, building source distributions" in " ".join(done.stdout.split())

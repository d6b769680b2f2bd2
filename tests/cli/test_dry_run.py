"""`--dry-run`: it says what the search would do, and runs nothing of the probe."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.shell import BISECT, PYTHON, Shell, publish


@pytest.fixture
def published(shell: Shell) -> Shell:
    publish(shell.index, "+++++---")
    return shell


def left(shell: Shell, folder: str) -> list[Path]:
    """What is in a folder of the cache."""
    return list(shell.cache.glob(f"{folder}/*"))


def test_a_dry_run_runs_and_builds_nothing(published: Shell) -> None:
    done = published.run(*BISECT, "--dry-run")

    assert done.returncode == 0
    assert "Candidates  8 releases: 1.0 (" in done.stdout
    assert "Time        unknown: no run of this probe is cached" in done.stdout
    assert not published.diary.exists()
    assert left(published, "environments") == left(published, "logs") == []


def test_a_dry_run_knows_earlier_runs(published: Shell) -> None:
    published.bisect("--quiet")
    ran = sum(published.noted("start").values())

    document = json.loads(published.run(*BISECT, "--dry-run", "--json").stdout)

    assert document["schema"] == "bisect-asgi.dry-run/1"
    assert sum(each["cached_runs"] for each in document["candidates"]) == ran
    assert document["median_run_s"] > 0
    assert sum(published.noted("start").values()) == ran


def test_earlier_runs_do_not_count_if_all_are_made_again(published: Shell) -> None:
    published.bisect("--quiet")

    document = json.loads(published.run(*BISECT, "--dry-run", "--json", "--fresh").stdout)

    assert all(each["cached_runs"] == 0 for each in document["candidates"])
    assert (document["median_run_s"], document["estimated_s"]) == (None, None)


def test_a_dry_run_of_what_is_impossible_is_the_same_error(published: Shell) -> None:
    dry, real = (published.run(*BISECT, "--good", "7.0", *more) for more in (["--dry-run"], []))

    assert (dry.returncode, dry.stdout) == (2, "")
    assert dry.stderr.partition("error: ")[2] == real.stderr.partition("error: ")[2]


def test_a_dry_run_of_two_locks_names_both(published: Shell) -> None:
    for name, version in (("old.txt", "1.4"), ("new.txt", "1.5")):
        published.write(name, f"demo=={version}\n")

    done = published.run("locks", "old.txt", "new.txt", "--probe", "leak.py", "--dry-run")

    assert done.returncode == 0
    assert "Candidates  2 locks: old.txt to new.txt" in done.stdout
    assert not published.diary.exists()


def test_a_dry_run_of_a_claim_says_how_many_runs_judge_it(published: Shell) -> None:
    published.write("works.py", "import demo\n\nassert demo.works\n")
    asked = ("verify", "demo", "--probe", "works.py", "--python", PYTHON, "--broken-in", "1.5")

    done = published.run(*asked, "--dry-run")

    assert (done.returncode, done.stderr) == (0, "")
    assert "Claim       broken in 1.5" in done.stdout
    found = re.search(r"about (?P<judge>\d+) to judge it, (?P<confirm>\d+) to confirm\n", done.stdout)
    assert found is not None
    assert left(published, "environments") == left(published, "logs") == []

    published.run(*asked, "--quiet")
    report = json.loads(published.run("report", "--json").stdout)

    runs = sum(len(row["observations"]) for row in report["rows"])
    assert runs == int(found["judge"]) + int(found["confirm"])


def test_a_dry_run_of_a_false_claim_is_the_same_error(published: Shell) -> None:
    asked = ("verify", "demo", "--probe", "leak.py", "--python", PYTHON, "--broken-in", "1.0")

    dry, real = (published.run(*asked, *more) for more in (["--dry-run"], []))

    assert (dry.returncode, dry.stdout) == (2, "")
    assert dry.stderr.partition("error: ")[2] == real.stderr.partition("error: ")[2] != ""


def test_a_dry_run_says_that_the_history_is_looked_at_beyond_the_range(published: Shell) -> None:
    asked = ("demo", "--probe", "leak.py", "--python", PYTHON, "--dry-run")
    beyond = "History     may run releases beyond the range, 1.6 to 1.7"

    assert beyond in published.run(*asked, "--releases", "<1.6").stdout
    assert "History" not in published.run(*asked).stdout
    none = published.run(*asked, "--releases", "<1.6", "--history", "none", "--no-culprit")
    assert "to confirm\n" in none.stdout


@pytest.fixture
def suite(published: Shell) -> Shell:
    """A suite of a probe that can be searched, and one that cannot."""
    (published.folder / "probes").mkdir()
    for name, package in (("one", "demo"), ("two", "nothing")):
        table = (
            f"# /// script\n# [tool.bisect-asgi]\n# package = \"{package}\"\n# python = '{PYTHON}'\n# ///\n"
        )
        published.write(f"probes/{name}.py", table + "import demo\n")
    return published


def test_a_dry_run_of_a_suite_is_that_of_each_probe(suite: Shell) -> None:
    done = suite.run("suite", "probes", "--dry-run")

    assert done.returncode == 2
    one, two = done.stdout.split("\n\n")
    assert one.startswith("probes/one.py\nPython ")
    assert "Candidates  8 releases" in one
    assert two.startswith("probes/two.py\nProblem     there is no package `nothing`")
    assert left(suite, "environments") == []


def test_a_dry_run_of_a_suite_is_a_document(suite: Shell) -> None:
    document = json.loads(suite.run("suite", "probes", "--dry-run", "--json").stdout)

    assert document["schema"] == "bisect-asgi.suite-dry-run/1"
    one, two = document["probes"]
    assert (one["probe"], len(one["plan"]["candidates"]), one["problem"]) == ("probes/one.py", 8, "")
    assert (two["plan"], two["problem"][:29]) == (None, "there is no package `nothing`")


def test_a_dry_run_of_a_folder_of_claims_names_each(published: Shell) -> None:
    (published.folder / "probes").mkdir()
    for name, claim in (("one", "1.5"), ("two", "1.0")):
        lines = [
            "# /// script",
            "# [tool.bisect-asgi]",
            '# package = "demo"',
            f'# broken-in = "{claim}"',
            f"# python = '{PYTHON}'",
            "# ///",
            "import demo",
        ]
        published.write(f"probes/{name}.py", "\n".join(lines))

    done = published.run("verify", "probes", "--dry-run")

    assert done.returncode == 2
    assert "probes/one.py\nPython" in done.stdout
    assert "Claim       broken in 1.5" in done.stdout
    assert "probes/two.py\nProblem     `--broken-in 1.0` is the oldest release that can be run" in done.stdout
    assert left(published, "environments") == []

"""`--dry-run`: it says what the search would do, and runs nothing of the probe."""

from __future__ import annotations

import json
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

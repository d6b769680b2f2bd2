"""The command when something else moves than a package's releases, and what it says of why.

A process of its own on hand-made releases from the local index; at the end real packages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.local_index import LocalIndex
from support.shell import PYTHON, Command
from support.upgrades import DEP, LOOKS_AT_DEP, USUAL, publish

import bisect_asgi
from bisect_asgi.backend import interpreters

PROJECT = Path(bisect_asgi.__file__).parent.parent


# --- Other axes


@pytest.fixture
def drifting(command: Command, local_index: LocalIndex) -> Command:
    """One release of app, and a dependency whose newest release is bad since 2020-03-01."""
    publish(local_index, "dep", *DEP)
    publish(local_index, "app", "1.0 2020-01-01 good", "2.0 2020-06-01 good", requires={"1.0": "dep<1.2"})
    command.write("leak.py", LOOKS_AT_DEP)
    return command


def test_a_dependencys_releases_are_searched_while_the_package_is_held(drifting: Command) -> None:
    # The package does not admit what is searched: it is installed all the same.
    document = drifting.document("app==1.0", "--over", "dep", *USUAL)

    assert document["headline"].startswith("dep broke in 1.2 (2020-03-01) with app==1.0")
    assert [row["version"] for row in document["rows"]] == ["1.0", "1.1", "1.2", "1.3"]
    assert [stretch["specifier"] for stretch in document["affected"]] == [">=1.2"]


def test_the_upload_that_broke_it_is_found_between_two_days(
    drifting: Command, local_index: LocalIndex
) -> None:
    publish(local_index, "app", "3.0 2019-12-01 good", requires={"3.0": "dep"})

    document = drifting.document(
        "app==3.0", "--over", "date", "--good", "2020-01-15", "--bad", "2020-12-31", *USUAL
    )

    first = document["first"]
    assert (first.startswith("2020-03-01 "), first.endswith(" dep 1.2")) == (True, True)
    assert document["headline"] == "app 3.0 broke with dep 1.2 (uploaded 2020-03-01)"


@pytest.fixture
def two_pythons(interpreters_cache: Path) -> tuple[str, str]:
    """The two newest minor versions of this machine."""
    pythons = sorted({each.interpreter.minor for each in interpreters.find_all(interpreters_cache)})
    if len(pythons) < 2:
        pytest.skip("it needs two interpreters on this machine")
    low, high = (f"{major}.{minor}" for major, minor in pythons[-2:])
    return low, high


def too_new(python: str) -> str:
    """What fails on that Python."""
    return f"import sys; assert sys.version_info < {tuple(map(int, python.split('.')))}, 'too new'\n"


def test_an_interpreter_that_broke_it_is_found(drifting: Command, two_pythons: tuple[str, str]) -> None:
    low, high = two_pythons
    drifting.write("leak.py", too_new(high))

    document = drifting.document(
        *("app==1.0", "--over", "python", "--good", low, "--bad", high, "--probe", "leak.py")
    )

    assert document["exit_code"] == 0, document["headline"]
    assert document["first"].startswith(high)
    assert document["headline"] == f"Python {document['first']} is the first bad interpreter with app==1.0"


# --- A history on each of several Pythons


def test_each_python_has_its_history_in_one_table(drifting: Command, two_pythons: tuple[str, str]) -> None:
    low, high = two_pythons
    # Only the newer Python sees that dep is bad from 1.2 on.
    drifting.write("leak.py", f"import dep\nif dep.is_ == 'bad':\n    {too_new(high)}")

    several = ("app==1.0", "--over", "dep", "--probe", "leak.py", "--history", "none", "--no-culprit")
    document = drifting.document(*several, "--python", f"{high},{low}")

    first, second = document["probes"]
    assert (first["exit_code"], second["exit_code"], document["exit_code"]) == (3, 0, 0)
    assert (first["python"].startswith(low), second["python"].startswith(high)) == (True, True)
    assert second["answer"] == "1.1 → 1.2 (bad)"
    assert [told["headline"] for told in document["across"]] == [
        f"Python {low}: good on every release run; Python {high}: bad from 1.2 on"
    ]
    assert len({row["log"] for row in document["probes"]}) == 2


@pytest.mark.parametrize("flag", ["--plot", "--verbose"])
def test_what_shows_one_history_is_refused_for_several(drifting: Command, flag: str) -> None:
    done = drifting.run(
        *(
            "app==1.0",
            "--over",
            "dep",
            "--probe",
            "leak.py",
            "--python",
            "all",
            flag,
            "--metric",
            "wall",
            "-q",
        )
    )

    assert error(done) == f"error: `{flag}` shows one history, and `--python all` asks for several"


def test_a_python_that_is_not_there_ends_the_command_before_anything_is_run(drifting: Command) -> None:
    done = drifting.run("app==1.0", "--over", "dep", "--probe", "leak.py", "--python", f"{PYTHON},3.99", "-q")

    assert error(done) == "error: there is no Python `3.99` on this machine (`--python`)"
    assert not drifting.index.requests


@pytest.mark.parametrize("verb", ["check", "verify"])
def test_a_command_for_one_python_refuses_several(drifting: Command, verb: str) -> None:
    words = {"check": ["app==1.0"], "verify": ["app", "--broken-in", "2.0"]}[verb]

    done = drifting.run(verb, *words, "--probe", "leak.py", "--python", "3.8,3.9")

    assert error(done) == "error: `--python 3.8,3.9` names several Pythons"


# --- What cannot be asked


def error(done: subprocess.CompletedProcess[str]) -> str:
    """The message, without its hint, which there has to be."""
    assert done.returncode in (2, 128), done.stdout
    message, hint = done.stderr.split("\n\n")
    assert hint.startswith("hint: ")
    return message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["app", "--over", "dep"],
            "`app` names no single release to hold while dep moves",
            id="no-pin",
        ),
        pytest.param(["app==1.0", "--over", "app"], "`--over app` is the package itself", id="itself"),
        pytest.param(
            ["app", "--over", "commits", "--good", "1.0"],
            "`--over commits` needs `--repo PATH|URL`",
            id="no-repository",
        ),
        pytest.param(
            ["app", "--over", "commits", "--repo", "nowhere", "--good", "1.0"],
            "there is no repository `nowhere`",
            id="not-a-repository",
        ),
        pytest.param(
            ["app", "--drill", "--repo", "nowhere"], "there is no repository `nowhere`", id="drill-nowhere"
        ),
        pytest.param(
            ["app", "--repo", "nowhere"],
            "`--repo nowhere` has no effect without `--over commits` or `--drill`",
            id="repo-alone",
        ),
        pytest.param(
            ["app==1.0", "--over", "date", "--good", "soon", "--bad", "2021-01-01"],
            "`soon` cannot be read (`--good`)",
            id="no-day",
        ),
        pytest.param(
            ["app", "--override", "dep=1"], "`dep=1` cannot be read (`--override`)", id="no-requirement"
        ),
        pytest.param(["locks", "old.txt", "gone.txt"], "gone.txt", id="no-lock"),
    ],
)
def test_a_question_that_cannot_be_asked_says_which_word_is_wrong(
    drifting: Command, arguments: list[str], message: str
) -> None:
    drifting.write("old.txt", "dep==1.0\n")

    done = drifting.run(*arguments, "--probe", "leak.py", "--python", PYTHON, "--quiet")

    assert message in error(done)


@pytest.mark.parametrize("option", ["--deps", "--python"])
def test_what_moves_cannot_be_held_as_well(drifting: Command, option: str) -> None:
    over, value = {"--deps": ("date", "latest"), "--python": ("python", "3.11")}[option]

    done = drifting.run("app==1.0", "--over", over, option, value, "--probe", "leak.py")

    assert error(done) == f"error: `{option} {value}` conflicts with `--over {over}`"

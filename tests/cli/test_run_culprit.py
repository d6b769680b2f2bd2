"""The command says why a release changed the answer, down to the dependency, and shows what changed."""

from __future__ import annotations

import pytest
from support.local_index import LocalIndex
from support.shell import PYTHON, Command, Document
from support.upgrades import DEP, LOOKS_AT_DEP, USUAL, fails_by_hand, publish


@pytest.fixture
def carried(command: Command, local_index: LocalIndex) -> Command:
    """Releases of app of which 2.0 is the first to admit what is bad in dep; other moves beside it."""
    publish(local_index, "dep", *DEP)
    publish(local_index, "other", "1.0 2020-01-01 good", "2.0 2021-01-15 good")
    publish(
        local_index,
        "app",
        *("1.0 2021-01-01 good", "1.1 2021-01-02 good", "2.0 2021-02-01 good", "2.1 2021-03-01 good"),
        requires={
            **dict.fromkeys(("1.0", "1.1"), "dep<1.1,other"),
            **dict.fromkeys(("2.0", "2.1"), "dep==1.3,other"),
        },
    )
    command.write("leak.py", LOOKS_AT_DEP)
    return command


# --- Why


def test_a_dependency_that_carries_the_change_is_named_down_to_its_release(carried: Command) -> None:
    done = carried.run("app", *USUAL, "--full")

    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert text.startswith(
        "app broke in 2.0 (2021-02-01), because it requires dep 1.3; dep broke in 1.2 (2020-03-01)"
    )
    assert "app 1.1 is bad with dep 1.3" in text
    assert "What changed in dep 1.1 → 1.2" in text
    assert "dep.py +2 -2" in text


def test_what_was_tried_is_remembered(carried: Command) -> None:
    first = carried.document("app", *USUAL)
    second = carried.document("app", *USUAL)

    def rows(document: Document) -> list[Document]:
        return [row for search in (document, *document["stages"]) for row in search["rows"]]

    assert second["headline"] == first["headline"]
    assert sum(row["remembered"] for row in rows(second)) == sum(len(r["observations"]) for r in rows(second))
    assert sum(row["remembered"] for row in rows(first)) < sum(len(r["observations"]) for r in rows(first))


def test_no_culprit_stops_at_the_boundary(carried: Command) -> None:
    document = carried.document("app", *USUAL, "--no-culprit")

    assert (document["first"], document["headline"]) == ("2.0", "app broke in 2.0 (2021-02-01)")
    assert (document["why"], document["stages"], document["compared"]) == ([], [], [])


def test_a_release_that_is_overridden_is_there_whatever_others_require(carried: Command) -> None:
    everywhere = carried.run("app", *USUAL, "--override", "dep==1.3", "--quiet")
    nowhere = carried.run("app", *USUAL, "--override", "dep<1.2", "--quiet")
    one = carried.run("check", "app==1.0", "--probe", "leak.py", "--python", PYTHON, "--override", "dep==1.2")

    assert (everywhere.returncode, nowhere.returncode) == (3, 3)
    assert "fails on every release of app" in everywhere.stderr
    assert "passes on every release of app" in nowhere.stderr
    assert one.returncode == 1


def test_the_commands_of_the_report_show_both_sides_by_hand(carried: Command) -> None:
    document = carried.document("app", *USUAL)

    # Those of the package have nothing that is forbidden, those along the dependency's releases do.
    for found in (document, document["stages"][-1]):
        (_, good), (_, bad) = found["reproduce"]
        assert carried.paste(good).returncode == 0
        assert fails_by_hand(carried, bad) == "AssertionError: it is bad"


def test_what_was_added_and_carries_the_change_is_named(command: Command, local_index: LocalIndex) -> None:
    publish(local_index, "dep", "1.0 2020-01-01 bad")
    publish(local_index, "idle", "1.0 2020-01-01 good")
    publish(
        local_index,
        "app",
        *("1.0 2021-01-01 good", "2.0 2021-02-01 good"),
        requires={"2.0": "dep,idle"},
    )
    command.write(
        "leak.py", "import importlib.util, app\nassert not importlib.util.find_spec('dep'), 'it is there'\n"
    )

    document = command.document("app", *USUAL)

    assert document["headline"] == "app broke in 2.0 (2021-02-01), because it installs dep 1.0"
    assert [row["verdict"] for row in document["rows"]] == ["good", "bad"]
    assert [(told["problem"], told["drill"]) for told in document["compared"]] in ([], [("", "")])


# --- What changed


def test_the_diffs_of_a_report_are_shown_whole(carried: Command) -> None:
    carried.run("app", *USUAL)
    (log,) = (carried.cache / "logs").glob("*.jsonl")

    newest = carried.run("report", "--diff")
    carried.run("app", *USUAL, "--no-culprit")
    named = carried.run("report", str(log), "--diff")

    assert carried.run("report", "--diff").stdout.strip() == ""
    assert (newest.returncode, named.stdout) == (0, newest.stdout)
    assert newest.stdout.splitlines() == [
        "--- a/dep.py",
        "+++ b/dep.py",
        "@@ -1,2 +1,2 @@",
        "-version = '1.1'",
        "-is_ = 'good'",
        "+version = '1.2'",
        "+is_ = 'bad'",
    ]

"""`bisect-asgi locks` as a user meets it: two lock files, and the upgrades between them."""

from __future__ import annotations

from support.local_index import LocalIndex
from support.shell import Command
from support.upgrades import USUAL, publish


def test_each_upgrade_that_breaks_it_is_found_at_its_own_release(
    command: Command, local_index: LocalIndex
) -> None:
    publish(local_index, "one", "1.0 2020-01-01 good", "1.1 2020-02-01 good", "1.2 2020-03-01 bad")
    publish(local_index, "two", "1.0 2020-01-01 good", "2.0 2020-02-01 bad", "3.0 2020-03-01 bad")
    publish(local_index, "idle", "1.0 2020-01-01 good", "9.0 2020-03-01 good")
    command.write("old.txt", "one==1.0\ntwo==1.0\nidle==1.0\n")
    command.write("new.txt", "one==1.2\ntwo==3.0\nidle==9.0\n")
    command.write("leak.py", "import one, two\nassert one.is_ == two.is_ == 'good'\n")

    document = command.document("locks", "old.txt", "new.txt", *USUAL[:4])

    assert document["headline"] == (
        "new.txt is bad, because of one 1.2 and two 3.0, each alone; "
        "one 1.2 is the first bad release of one; two 2.0 is the first bad release of two"
    )
    assert [row["version"] for row in document["rows"]] == ["old.txt", "new.txt"]


def test_locks_of_two_kinds_are_compared_and_the_drill_command_is_a_whole_one(
    command: Command, local_index: LocalIndex
) -> None:
    publish(local_index, "one", "1.0 2020-01-01 good", "1.2 2020-03-01 bad")
    command.write("old.txt", "one==1.0\n")
    command.write(
        "pylock.toml",
        'lock-version = "1.0"\ncreated-by = "hand"\n[[packages]]\nname = "one"\nversion = "1.2"\n'
        '[[packages.wheels]]\nname = "one-1.2-py3-none-any.whl"\npath = "one-1.2-py3-none-any.whl"\n'
        'hashes = { sha256 = "00" }\n',
    )
    command.write("leak.py", "import one\nassert one.is_ == 'good'\n")

    document = command.document("locks", "old.txt", "pylock.toml", *USUAL[:4])

    assert document["headline"] == "pylock.toml is bad, because of one 1.2"
    (compared,) = document["compared"]
    between = "--repo 'PATH|URL' --good 1.0 --bad 1.2 "
    assert compared["drill"].startswith(f"bisect-asgi one --over commits {between}")

"""`bisect-asgi locks` as a user meets it: two lock files, and the upgrades between them."""

from __future__ import annotations

import pytest
from support.local_index import LocalIndex, metadata_text, wheel_bytes
from support.local_repository import LocalRepository
from support.own_projects import lay_out
from support.shell import Command
from support.upgrades import USUAL, fails_by_hand, publish


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
        "one broke in 1.2 (2020-03-01); two broke in 2.0 (2020-02-01)"
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


UPGRADES = ("1.0 2020-01-01 good", "1.1 2020-02-01 good", "1.2 2020-03-01 bad")
BECAUSE = "because of demo 1.2; demo broke in 1.2 (2020-03-01)"
LOOKS_AT_SHOP = "import shop\nassert shop.is_ == 'good', 'it is ' + shop.is_\n"


def uv_lock(*pins: str, source: str = 'editable = "."') -> str:
    """The lock of shop, which uses demo."""
    named = ", ".join(f'{{ name = "{pin.split("==")[0]}" }}' for pin in pins)
    packages = "".join(
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "https://h" }}\n'
        for name, version in (pin.split("==") for pin in pins)
    )
    own = f'[[package]]\nname = "shop"\nversion = "1.0"\nsource = {{ {source} }}\ndependencies = [{named}]\n'
    return f'version = 1\nrequires-python = ">=3.8"\n{packages}{own}'


def pylock(pin: str, own: str) -> str:
    name, version = pin.split("==")
    return (
        'lock-version = "1.0"\ncreated-by = "hand"\n'
        f'[[packages]]\nname = "{name}"\nversion = "{version}"\n'
        f'[[packages.wheels]]\nname = "{name}-{version}-py3-none-any.whl"\npath = "x.whl"\n'
        f'hashes = {{ sha256 = "00" }}\n[[packages]]\nname = "shop"\n{own}\n'
    )


@pytest.fixture
def shop(command: Command, local_index: LocalIndex) -> Command:
    """Releases of demo, the third of which breaks the project of the folder, and of tool."""
    publish(local_index, "demo", *UPGRADES)
    publish(local_index, "tool", "1.0 2020-01-01 good", "2.0 2020-03-01 good")
    lay_out(command.folder, requires=["demo"])
    command.write("leak.py", LOOKS_AT_SHOP)
    return command


def test_the_project_of_a_lock_is_built_and_installed(shop: Command) -> None:
    shop.write("old.lock", uv_lock("demo==1.0", "tool==1.0"))
    shop.write("uv.lock", uv_lock("demo==1.2", "tool==2.0"))

    document = shop.document("locks", "old.lock", "uv.lock", *USUAL[:4])

    assert document["headline"] == f"uv.lock is bad, {BECAUSE}"
    assert document["notes"] == []
    (_, good), (_, bad) = document["reproduce"]
    assert shop.paste(good).returncode == 0
    assert fails_by_hand(shop, bad) == "AssertionError: it is bad"


@pytest.mark.parametrize(
    "own", ['directory = { path = "." }', 'directory = { path = ".", editable = true }', "archive"]
)
def test_the_project_of_a_standard_lock_is_built_and_installed(shop: Command, own: str) -> None:
    if own == "archive":
        metadata = metadata_text("shop", "1.0", requires=["demo"])
        content = wheel_bytes("shop-1.0", metadata, {"shop.py": "from demo import is_\n"}, {}, "py3-none-any")
        (shop.folder / "shop-1.0-py3-none-any.whl").write_bytes(content)
        own = 'archive = { path = "shop-1.0-py3-none-any.whl", hashes = { sha256 = "00" } }'
    shop.write("pylock.old.toml", pylock("demo==1.0", own))
    shop.write("pylock.toml", pylock("demo==1.2", own))

    document = shop.document("locks", "pylock.old.toml", "pylock.toml", *USUAL[:4])

    assert document["headline"] == f"pylock.toml is bad, {BECAUSE}"


@pytest.mark.parametrize("form", ["-e .", "./", "shop @ git"])
def test_the_project_of_a_requirements_lock_is_built_and_installed(shop: Command, form: str) -> None:
    if form == "shop @ git":
        local = LocalRepository(shop.folder / "repository")
        lay_out(shop.folder / "repository", requires=["demo"])
        form = f"shop @ git+{(shop.folder / 'repository').as_uri()}@{local.commit('first')}"
    shop.write("old.txt", f"demo==1.0\n{form}\n")
    shop.write("new.txt", f"demo==1.2\n{form}\n")

    document = shop.document("locks", "old.txt", "new.txt", *USUAL[:4])

    assert document["headline"] == f"new.txt is bad, {BECAUSE}"


def test_a_project_of_with_stands_in_the_place_of_that_of_both_locks(shop: Command) -> None:
    for folder, version in (("old", "1.0"), ("new", "1.2")):
        (shop.folder / folder).mkdir()
        shop.write(f"{folder}/uv.lock", uv_lock(f"demo=={version}"))

    document = shop.document("locks", "old/uv.lock", "new/uv.lock", *USUAL[:4], "--with", ".")

    assert document["headline"] == f"new/uv.lock is bad, {BECAUSE}"
    assert document["notes"] == []


def test_a_lock_that_lies_elsewhere_says_what_it_lacks(shop: Command) -> None:
    for folder, version in (("old", "1.0"), ("new", "1.2")):
        (shop.folder / folder).mkdir()
        shop.write(f"{folder}/uv.lock", uv_lock(f"demo=={version}"))
    shop.write("leak.py", "import demo\nassert demo.is_ == 'good'\n")

    document = shop.document("locks", "old/uv.lock", "new/uv.lock", *USUAL[:4])

    assert document["notes"][0] == (
        "1 entry of `old/uv.lock` excluded: shop (it is the locked project itself; "
        "`./old` is no project: it has no `pyproject.toml` and no `setup.py` (the lock file))"
    )


def test_two_folders_of_one_project_are_one_for_both_locks(shop: Command) -> None:
    for folder, version, text in (
        ("old", "1.0", "is_ = 'older'\n"),
        ("new", "1.2", "from demo import is_\n"),
    ):
        lay_out(shop.folder / folder, requires=["demo"], modules={"shop.py": text})
        shop.write(f"{folder}/uv.lock", uv_lock(f"demo=={version}"))

    document = shop.document("locks", "old/uv.lock", "new/uv.lock", *USUAL[:4])

    assert document["headline"] == f"new/uv.lock is bad, {BECAUSE}"
    assert document["notes"] == [
        "`shop` is built from `./new` for both locks, although they have it elsewhere"
    ]


def test_a_dependency_at_two_commits_is_a_change_like_any_other(shop: Command) -> None:
    local = LocalRepository(shop.folder / "repository")
    lay_out(shop.folder / "repository", "lib", version="1.0", modules={"lib.py": "is_ = 'good'\n"})
    first = local.commit("first")
    lay_out(shop.folder / "repository", "lib", version="2.0", modules={"lib.py": "is_ = 'bad'\n"})
    second = local.commit("second")
    shop.write("leak.py", "import lib\nassert lib.is_ == 'good'\n")
    address = (shop.folder / "repository").as_uri()
    for name, sha, tool in (("old.txt", first, "1.0"), ("new.txt", second, "2.0")):
        shop.write(name, f"tool=={tool}\nlib @ git+{address}@{sha}\n")

    document = shop.document("locks", "old.txt", "new.txt", *USUAL[:4])

    assert document["headline"] == "new.txt is bad, because of lib 2.0"

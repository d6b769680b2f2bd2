"""The command goes on from a release into its commits, on a repository of this machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support import machine
from support.local_index import LocalIndex
from support.local_repository import BARE_CONFIGURATION, LocalRepository
from support.shell import Command, Document
from support.upgrades import USUAL, fails_by_hand

# --- Commits

BACKEND = '''\
"""Packs demo.py; the version is that of the newest tag."""
import os, subprocess, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    asked = subprocess.run(["git", "describe", "--tags", "--abbrev=0"], stdout=subprocess.PIPE, check=True)
    stem = "demo-" + asked.stdout.decode().strip().lstrip("v")
    info = stem + ".dist-info/"
    with zipfile.ZipFile(os.path.join(folder, stem + "-py3-none-any.whl"), "w") as archive:
        archive.write("demo.py")
        archive.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: demo\\nVersion: " + stem[5:])
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(info + "RECORD", "")
    return stem + "-py3-none-any.whl"
'''


@pytest.fixture
def committed(command: Command) -> Command:
    lay_out(command)
    return command


def lay_out(command: Command) -> None:
    """Two releases of demo, and its repository: between them a merged line, a commit of which is bad."""
    local = LocalRepository(command.folder / "work")
    local.put("backend.py", BACKEND)
    local.put(
        "pyproject.toml",
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "demo"\ndynamic = ["version"]\n',
    )

    def commit(subject: str, is_: str, *tags: str) -> None:
        local.put("demo.py", f"is_ = {is_!r}  # {subject}\n")
        local.commit(subject, *tags)

    commit("first", "good", "v1.0")
    local.git("checkout", "--quiet", "-b", "side")
    for subject, is_ in (("a", "good"), ("b", "good"), ("c", "bad"), ("d", "bad")):
        commit(subject, is_)
    local.git("checkout", "--quiet", "main")
    local.put("README", "beside it\n")
    local.commit("own")
    local.merge("side", "merge side")
    commit("second", "bad", "v2.0")
    for version, is_ in (("1.0", "good"), ("2.0", "bad")):
        command.index.add_wheel(
            "demo",
            version,
            uploaded="2021-01-20",
            modules={"demo.py": f"is_ = {is_!r}\n"},
        )
    command.write("leak.py", "import demo\nassert demo.is_ == 'good', 'it is ' + demo.is_\n")


def subject(label: str) -> str:
    return label.split(" ", 1)[1]


COMMITS = ("demo", "--over", "commits", "--repo", "work", "--good", "1.0", "--bad", "2.0", *USUAL)


class Found(NamedTuple):
    """A search that ended: where it ran, its document, and when the files of the repository were changed."""

    command: Command
    document: Document
    before: dict[Path, int]
    after: dict[Path, int]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, known_machine: Path) -> Iterator[Found]:
    folder = tmp_path_factory.mktemp("found")
    machine.tell(known_machine, folder)
    with LocalIndex() as index:
        command = Command(index, folder)
        command.environ |= BARE_CONFIGURATION
        lay_out(command)
        before = changes(folder / "work")
        document = command.document(*COMMITS)
        yield Found(command, document, before, changes(folder / "work"))


def changes(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_the_first_bad_commit_between_two_releases_is_found(found: Found) -> None:
    document = found.document

    assert document["exit_code"] == 0, document["headline"]
    assert (subject(document["last"]), subject(document["first"])) == ("own", "merge side")
    assert document["stages"] == []
    assert document["headline"] == f"demo {document['first']} is the first bad commit"
    commit = document["commit"]
    assert (commit["subject"], commit["author"], commit["link"]) == ("merge side", "a@b.c", None)
    assert commit["files"] == [{"path": "demo.py", "added": 1, "removed": 1}]


def test_every_commit_goes_into_the_merge(committed: Command) -> None:
    document = committed.document(*COMMITS, "--every-commit")

    (stage,) = document["stages"]
    assert subject(document["first"]) == "merge side"
    assert [subject(row["version"]) for row in stage["rows"]] == ["first", "a", "b", "c", "d"]
    assert (subject(stage["last"]), subject(stage["first"])) == ("b", "c")
    assert (document["commit"]["subject"], stage["commit"]["subject"]) == ("merge side", "c")


def test_a_commit_is_built_again_by_the_reports_command(found: Found) -> None:
    (_, good), (_, bad) = found.document["reproduce"]
    assert found.command.paste(good).returncode == 0
    assert fails_by_hand(found.command, bad) == "AssertionError: it is bad"


def test_the_repository_is_only_read(found: Found) -> None:
    assert found.after == found.before


@pytest.mark.parametrize(
    ("more", "subjects"), [((), ["merge side"]), (("--every-commit",), ["merge side", "c"])]
)
def test_the_drill_goes_on_from_the_release_into_its_commits(
    committed: Command, more: tuple[str, ...], subjects: list[str]
) -> None:
    document = committed.document("demo", *USUAL, "--drill", "--repo", "work", *more)

    assert (document["last"], document["first"]) == ("1.0", "2.0")
    assert [subject(stage["first"]) for stage in document["stages"]] == subjects


def test_the_reports_command_goes_on_into_the_commits_as_the_drill_does(committed: Command) -> None:
    document = committed.document("demo", *USUAL)
    (compared,) = document["compared"]
    words = shlex.split(compared["drill"])
    assert words[words.index("--repo") + 1] == "PATH|URL"

    line = compared["drill"].replace("'PATH|URL'", "work")
    done = committed.paste(f"{line} --quiet")

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(" merge side is the first bad commit")


def test_a_drill_without_a_repository_says_how_to_name_one_and_keeps_the_boundary(committed: Command) -> None:
    document = committed.document("demo", *USUAL, "--drill")

    assert (document["exit_code"], document["first"]) == (0, "2.0")
    assert "demo links to no repository that is known: name it by `--repo`" in document["notes"]

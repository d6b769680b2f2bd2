"""The command when something else moves than a package's releases, and what it says of why.

A process of its own on hand-made releases from the local index; at the end real packages.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from support.local_index import LocalIndex
from support.local_repository import BARE_CONFIGURATION, LocalRepository

import bisect_asgi
from bisect_asgi.backend import interpreters
from bisect_asgi.backend.uv import binary

PROJECT = Path(bisect_asgi.__file__).parent.parent
PYTHON = sys._base_executable  # type: ignore[attr-defined]
PATIENCE_S = 120.0

Document = dict[str, Any]
"""The JSON report, as a script reads it."""


class Command:
    """The command in a folder of its own, with a probe in it."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.environ = {
            **environ,
            "BISECT_ASGI_CACHE_DIR": str(self.cache),
            "PYTHONPATH": str(PROJECT),
        }

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def paste(self, line: str) -> subprocess.CompletedProcess[str]:
        """What a shell makes of a line, with uv and the command on its path."""
        own = self.write("bisect-asgi", f'#!/bin/sh\nexec {sys.executable} -m bisect_asgi "$@"\n')
        own.chmod(0o755)
        path = os.pathsep.join([str(self.folder), str(Path(binary()).parent), self.environ["PATH"]])
        return self._run(["sh", "-c", line], {**self.environ, "PATH": path})

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = self._run([sys.executable, "-m", "bisect_asgi", *arguments], self.environ)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def _run(self, argv: Sequence[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            cwd=self.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    def report(self, *arguments: str) -> Document:
        """The JSON document of a command."""
        done = self.run(*arguments, "--json", "--quiet")
        assert done.stdout, done.stderr
        document: Document = json.loads(done.stdout)
        assert document["exit_code"] == done.returncode
        return document


# What is under test here does not need looking at other releases.
USUAL = ("--probe", "leak.py", "--python", PYTHON, "--spot-checks", "0")


@pytest.fixture
def command(local_index: LocalIndex, tmp_path: Path) -> Command:
    inherited = {name: value for name, value in os.environ.items() if name.startswith("COV")}
    return Command(
        tmp_path,
        {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYENV_ROOT": os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv")),
            "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
            "UV_DEFAULT_INDEX": local_index.url,
            "UV_HTTP_RETRIES": "0",
            "UV_NO_CONFIG": "1",
            **BARE_CONFIGURATION,
            **inherited,
        },
    )


def publish(
    index: LocalIndex, project: str, *releases: str, requires: Mapping[str, str] | None = None
) -> None:
    """Releases such as `2.0 2021-02-01 bad`: the third word is what the module `project` says of itself."""
    for text in releases:
        version, uploaded, is_ = text.split()
        index.add_wheel(
            project,
            version,
            uploaded=uploaded,
            modules={f"{project}.py": f"version = {version!r}\nis_ = {is_!r}\n"},
            requires=[rule for rule in (requires or {}).get(version, "").split(",") if rule],
        )


DEP = ("1.0 2020-01-01 good", "1.1 2020-02-01 good", "1.2 2020-03-01 bad", "1.3 2020-04-01 bad")
LOOKS_AT_DEP = "import app, dep\nassert dep.is_ == 'good', 'it is ' + dep.is_\n"


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
    done = carried.run("app", *USUAL)

    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert text.startswith(
        "app 2.0 is the first bad release, because it requires dep 1.3; "
        "dep 1.2 is the first bad release of dep"
    )
    assert "app 1.1 is bad with dep 1.3" in text
    assert "What changed in dep 1.1 → 1.2" in text
    assert "dep.py +2 -2" in text


def test_what_was_tried_is_remembered(carried: Command) -> None:
    first = carried.report("app", *USUAL)
    second = carried.report("app", *USUAL)

    def rows(document: Document) -> list[Document]:
        return [row for search in (document, *document["stages"]) for row in search["rows"]]

    assert second["headline"] == first["headline"]
    assert sum(row["remembered"] for row in rows(second)) == sum(len(r["observations"]) for r in rows(second))
    assert sum(row["remembered"] for row in rows(first)) < sum(len(r["observations"]) for r in rows(first))


def test_no_culprit_stops_at_the_boundary(carried: Command) -> None:
    document = carried.report("app", *USUAL, "--no-culprit")

    assert (document["first"], document["headline"]) == ("2.0", "app 2.0 is the first bad release")
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
    document = carried.report("app", *USUAL)

    # Those of the package have nothing that is forbidden, those along the dependency's releases do.
    for found in (document, document["stages"][-1]):
        (_, good), (_, bad) = found["reproduce"]
        assert carried.paste(good).returncode == 0
        assert fails_by_hand(carried, bad) == "AssertionError: it is bad"


def fails_by_hand(command: Command, line: str) -> str:
    """The last line of what a failing probe says, run as the report tells."""
    done = command.paste(line)
    assert done.returncode == 1, done.stderr
    return done.stderr.splitlines()[-1]


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

    document = command.report("app", *USUAL)

    assert document["headline"] == "app 2.0 is the first bad release, because it requires dep 1.0"
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
    document = drifting.report("app==1.0", "--over", "dep", *USUAL)

    assert document["headline"].startswith("dep 1.2 is the first bad release with app==1.0")
    assert [row["version"] for row in document["rows"]] == ["1.0", "1.1", "1.2", "1.3"]
    assert document["affected"] == [">=1.2"]


def test_the_upload_that_broke_it_is_found_between_two_days(
    drifting: Command, local_index: LocalIndex
) -> None:
    publish(local_index, "app", "3.0 2019-12-01 good", requires={"3.0": "dep"})

    document = drifting.report(
        "app==3.0", "--over", "date", "--good", "2020-01-15", "--bad", "2020-12-31", *USUAL
    )

    first = document["first"]
    assert (first.startswith("2020-03-01 "), first.endswith(" dep 1.2")) == (True, True)
    assert document["headline"] == f"{first} is the first bad upload with app==3.0"


def test_an_interpreter_that_broke_it_is_found(drifting: Command, discovered: Path) -> None:
    shutil.copytree(discovered, drifting.cache / "interpreters")
    pythons = sorted({each.interpreter.minor for each in interpreters.find_all(discovered)})
    if len(pythons) < 2:
        pytest.skip("it needs two interpreters on this machine")
    low, high = (f"{major}.{minor}" for major, minor in pythons[-2:])
    drifting.write("leak.py", f"import sys\nassert sys.version_info < {pythons[-1]}, 'too new'\n")

    document = drifting.report(
        *("app==1.0", "--over", "python", "--good", low, "--bad", high, "--probe", "leak.py")
    )

    assert document["exit_code"] == 0, document["headline"]
    assert document["first"].startswith(high)
    assert document["headline"] == f"Python {document['first']} is the first bad interpreter with app==1.0"


@pytest.fixture(scope="session")
def discovered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a first command finds out about the interpreters of this machine, in seconds."""
    folder = tmp_path_factory.mktemp("discovered") / "interpreters"
    # In a process of its own: what this one has found out before, it would not write into the folder.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(interpreters.find_all, folder).result()
    return folder


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
def committed(command: Command, local_index: LocalIndex) -> Command:
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
        local_index.add_wheel(
            "demo",
            version,
            uploaded="2021-01-20",
            modules={"demo.py": f"is_ = {is_!r}\n"},
        )
    command.write("leak.py", "import demo\nassert demo.is_ == 'good', 'it is ' + demo.is_\n")
    return command


def subject(label: str) -> str:
    return label.split(" ", 1)[1]


COMMITS = ("demo", "--over", "commits", "--repo", "work", "--good", "1.0", "--bad", "2.0", *USUAL)


def test_the_first_bad_commit_between_two_releases_is_found(committed: Command) -> None:
    document = committed.report(*COMMITS)

    assert document["exit_code"] == 0, document["headline"]
    assert (subject(document["last"]), subject(document["first"])) == ("own", "merge side")
    assert document["stages"] == []
    assert document["headline"] == f"demo {document['first']} is the first bad commit"


def test_every_commit_goes_into_the_merge(committed: Command) -> None:
    document = committed.report(*COMMITS, "--every-commit")

    (stage,) = document["stages"]
    assert subject(document["first"]) == "merge side"
    assert [subject(row["version"]) for row in stage["rows"]] == ["first", "a", "b", "c", "d"]
    assert (subject(stage["last"]), subject(stage["first"])) == ("b", "c")


def test_a_commit_is_built_again_by_the_reports_command(committed: Command) -> None:
    document = committed.report(*COMMITS)

    (_, good), (_, bad) = document["reproduce"]
    assert committed.paste(good).returncode == 0
    assert fails_by_hand(committed, bad) == "AssertionError: it is bad"


def test_the_repository_is_only_read(committed: Command) -> None:
    work = committed.folder / "work"
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*")}

    committed.report(*COMMITS)

    assert {path: path.stat().st_mtime_ns for path in work.rglob("*")} == before


@pytest.mark.parametrize(
    ("more", "found"), [((), ["merge side"]), (("--every-commit",), ["merge side", "c"])]
)
def test_the_drill_goes_on_from_the_release_into_its_commits(
    committed: Command, more: tuple[str, ...], found: list[str]
) -> None:
    document = committed.report("demo", *USUAL, "--drill", "--repo", "work", *more)

    assert (document["last"], document["first"]) == ("1.0", "2.0")
    assert [subject(stage["first"]) for stage in document["stages"]] == found


def test_the_reports_command_goes_on_into_the_commits_as_the_drill_does(committed: Command) -> None:
    document = committed.report("demo", *USUAL)
    (compared,) = document["compared"]
    words = shlex.split(compared["drill"])
    assert words[words.index("--repo") + 1] == "PATH|URL"

    line = compared["drill"].replace("'PATH|URL'", "work")
    done = committed.paste(f"{line} --quiet")

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(" merge side is the first bad commit")


def test_a_drill_without_a_repository_says_how_to_name_one_and_keeps_the_boundary(committed: Command) -> None:
    document = committed.report("demo", *USUAL, "--drill")

    assert (document["exit_code"], document["first"]) == (0, "2.0")
    assert "demo links to no repository that is known: name it by `--repo`" in document["notes"]


# --- Lock files


def test_each_upgrade_that_breaks_it_is_found_at_its_own_release(
    command: Command, local_index: LocalIndex
) -> None:
    publish(local_index, "one", "1.0 2020-01-01 good", "1.1 2020-02-01 good", "1.2 2020-03-01 bad")
    publish(local_index, "two", "1.0 2020-01-01 good", "2.0 2020-02-01 bad", "3.0 2020-03-01 bad")
    publish(local_index, "idle", "1.0 2020-01-01 good", "9.0 2020-03-01 good")
    command.write("old.txt", "one==1.0\ntwo==1.0\nidle==1.0\n")
    command.write("new.txt", "one==1.2\ntwo==3.0\nidle==9.0\n")
    command.write("leak.py", "import one, two\nassert one.is_ == two.is_ == 'good'\n")

    document = command.report("locks", "old.txt", "new.txt", *USUAL[:4])

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
        'lock-version = "1.0"\ncreated-by = "hand"\n[[packages]]\nname = "one"\nversion = "1.2"\n',
    )
    command.write("leak.py", "import one\nassert one.is_ == 'good'\n")

    document = command.report("locks", "old.txt", "pylock.toml", *USUAL[:4])

    assert document["headline"] == "pylock.toml is bad, because of one 1.2"
    (compared,) = document["compared"]
    between = "--repo 'PATH|URL' --good 1.0 --bad 1.2 "
    assert compared["drill"].startswith(f"bisect-asgi one --over commits {between}")


# --- What cannot be asked


def error(done: subprocess.CompletedProcess[str]) -> str:
    """The message, without its hint, which there has to be."""
    assert done.returncode == 2, done.stdout
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
        pytest.param(["app", "--repo", "nowhere"], "`--repo nowhere` has no use here", id="repo-alone"),
        pytest.param(
            ["app==1.0", "--over", "date", "--good", "soon", "--bad", "2021-01-01"],
            "`soon` cannot be read (--good)",
            id="no-day",
        ),
        pytest.param(
            ["app", "--override", "dep=1"], "`dep=1` cannot be read (--override)", id="no-requirement"
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

    assert error(done) == f"error: `{option} {value}` holds what `--over {over}` moves"


# --- Real packages


@pytest.fixture(scope="session")
def network_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("network-axes")


@pytest.fixture
def real(network_cache: Path, tmp_path: Path) -> Command:
    command = Command(tmp_path, os.environ)
    command.environ["BISECT_ASGI_CACHE_DIR"] = str(network_cache)
    return command


@pytest.mark.network
def test_markupsafe_2_1_0_broke_flask_1_1_4(real: Command) -> None:
    real.write("leak.py", "import flask\n")

    document = real.report(
        *("flask==1.1.4", "--over", "date", "--good", "2022-01-10", "--bad", "2022-04-01"),
        *("--probe", "leak.py", "--spot-checks", "0", "--python", "3.11"),
    )

    assert document["exit_code"] == 0, document["headline"]
    assert "markupsafe 2.1.0 is the first bad upload with flask==1.1.4" in document["headline"]
    assert document["first"].startswith("2022-02-18 ")


@pytest.mark.network
def test_yarl_1_11_0_brought_what_aiohttp_3_10_6_is_the_first_to_require(real: Command) -> None:
    real.write(
        "leak.py",
        "from aiohttp.test_utils import make_mocked_request\n"
        "url = make_mocked_request('GET', '/?a=1').rel_url.extend_query(b='2')\n"
        "assert str(url) == '/?a=1&b=2', url\n",
    )

    document = real.report(
        *("aiohttp", "--probe", "leak.py", "--python", "3.11"),
        *("--bad", "3.10.5", "--good", "3.10.6", "--spot-checks", "0"),
    )

    headline = document["headline"]
    assert headline.startswith("aiohttp 3.10.6 is the first good release, because it requires yarl")
    assert headline.endswith("; yarl 1.11.0 is the first good release of yarl")


@pytest.mark.network
def test_jinja2_3_1_0_and_itsdangerous_2_1_0_each_broke_what_was_upgraded_with_them(real: Command) -> None:
    real.write("old.txt", "jinja2==3.0.3\nmarkupsafe==2.0.1\nitsdangerous==2.0.1\n")
    real.write("new.txt", "jinja2==3.1.2\nmarkupsafe==2.1.1\nitsdangerous==2.1.2\n")
    real.write("leak.py", "from itsdangerous import json\nfrom jinja2 import escape\n")

    document = real.report(
        *("locks", "old.txt", "new.txt", "--probe", "leak.py", "--python", "3.11", "--any-failure")
    )

    # jinja2 dropped `escape` in 3.1.0, itsdangerous its `json` in 2.1.0.
    assert "jinja2 3.1.0 is the first bad release of jinja2" in document["headline"]
    assert "itsdangerous 2.1.0 is the first bad release of itsdangerous" in document["headline"]
    assert "each alone" in document["headline"]

"""The command with a project of the user's in each environment: `--with .` and its other forms."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.local_index import LocalIndex, metadata_text, sdist_bytes, wheel_bytes
from support.local_repository import LocalRepository
from support.own_projects import lay_out
from support.shell import Command, told
from support.upgrades import USUAL, fails_by_hand, publish

RELEASES = ("1.0 2020-01-01 good", "1.1 2020-02-01 good", "1.2 2020-03-01 bad", "1.3 2020-04-01 bad")


@pytest.fixture
def app(command: Command, local_index: LocalIndex) -> Command:
    """Releases of demo, the third of which breaks the app in `app/`."""
    publish(local_index, "demo", *RELEASES)
    lay_out(command.folder / "app", requires=["demo>=1"])
    command.write("leak.py", "import shop\nassert shop.is_ == 'good', 'it is ' + shop.is_\n")
    return command


def kept_wheels(command: Command) -> list[str]:
    return sorted(path.name for path in (command.cache / "wheels").rglob("*.whl"))


def sdist(folder: Path) -> bytes:
    files = {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}
    return sdist_bytes("shop-1.0", {**files, "PKG-INFO": metadata_text("shop", "1.0")})


def test_the_upgrade_that_broke_the_app_is_found_and_shown_again(app: Command) -> None:
    document = app.document("demo", *USUAL, "--with", "./app")

    assert document["headline"] == "demo broke in 1.2 (2020-03-01), by itself"
    assert document["plan"]["held"] == ["shop"]
    assert ["shop", "1.0"] in [list(d.values()) for d in document["rows"][-1]["distributions"]]
    (_, good), (_, bad) = document["reproduce"]
    assert "--with ./app" in bad
    assert app.paste(good).returncode == 0
    assert fails_by_hand(app, bad) == "AssertionError: it is bad"
    assert "--with ./app" in document["compared"][0]["drill"]


def test_it_is_built_once_until_it_changes(app: Command) -> None:
    first = app.document("demo", *USUAL, "--with", "./app")
    again = app.document("demo", *USUAL, "--with", "./app")
    wheels = kept_wheels(app)
    (app.folder / "app" / "shop.py").write_text("import demo\nis_ = 'good'\n")
    changed = app.run("demo", *USUAL, "--with", "./app")

    assert wheels == ["shop-1.0-py3-none-any.whl"]
    assert again["headline"] == first["headline"]
    assert all(row["remembered"] == row["passed"] + row["failed"] for row in again["rows"])
    assert changed.returncode == 3, changed.stdout
    assert kept_wheels(app) == ["shop-1.0-py3-none-any.whl"] * 2


@pytest.mark.parametrize(
    "form", ["name", "file", "sdist", "wheel", "zip", "git", "git-tag", "setup.py", "marker"]
)
def test_each_form_of_a_project_is_installed(app: Command, form: str) -> None:
    folder = app.folder / "app"
    built = folder / "shop-1.0-py3-none-any.whl"
    match form:
        case "name":
            text = "Shop @ ./app"
        case "file":
            text = f"shop @ {folder.as_uri()}"
        case "marker":
            text = "./app ; python_version >= '3'"
        case "sdist":
            (app.folder / "shop-1.0.tar.gz").write_bytes(sdist(folder))
            text = "shop-1.0.tar.gz"
        case "wheel":
            metadata = metadata_text("shop", "1.0", requires=["demo>=1"])
            content = wheel_bytes(
                "shop-1.0", metadata, {"shop.py": "from demo import is_\n"}, {}, "py3-none-any"
            )
            built.write_bytes(content)
            text = f"./app/{built.name}"
        case "zip":
            subprocess.run(["zip", "-qr", "main.zip", "app"], cwd=app.folder, check=True)
            text = "./main.zip"
        case "setup.py":
            (folder / "setup.py").write_text("from setuptools import setup\nsetup(name='shop')\n")
            text = "./app"
        case _:
            local = LocalRepository(app.folder / "repository")
            lay_out(app.folder / "repository", requires=["demo>=1"])
            local.git("add", ".")
            local.commit("first", "v1.0")
            (app.folder / "repository" / "shop.py").write_text("is_ = 'newer'\n")
            local.commit("second")
            text = f"git+{(app.folder / 'repository').as_uri()}@{'v1.0' if form == 'git-tag' else 'main~1'}"

    checked = [app.run("check", f"demo=={version}", *USUAL[:4], "--with", text) for version in ("1.1", "1.2")]

    assert [each.returncode for each in checked] == [0, 1], checked[0].stdout + checked[0].stderr
    assert "it is bad" in checked[1].stdout


def test_what_the_app_takes_from_another_folder_is_built_as_well(app: Command) -> None:
    lay_out(
        app.folder / "lib", "tool", modules={"tool.py": "import demo\nis_ = demo.is_\n"}, requires=["demo"]
    )
    lay_out(
        app.folder / "app",
        requires=["tool"],
        modules={"shop.py": "from tool import is_\n"},
        more='[tool.uv.sources]\ntool = { path = "../lib" }\n',
    )

    document = app.document("demo", *USUAL, "--with", "./app")

    assert document["headline"] == "demo broke in 1.2 (2020-03-01), by itself"
    assert document["plan"]["held"] == ["shop", "tool"]
    (_, _), (_, bad) = document["reproduce"]
    assert fails_by_hand(app, bad) == "AssertionError: it is bad"


def test_the_app_excludes_what_it_does_not_admit_and_says_so(app: Command) -> None:
    lay_out(app.folder / "app", requires=["demo>=1.1,<1.3"])

    document = app.document("demo", *USUAL, "--with", "./app")
    done = app.run("demo", *USUAL, "--with", "./app", "--bad", "1.3")

    reason = "`shop` requires demo<1.3,>=1.1"
    assert [(out["version"], out["reason"]) for out in document["excluded"]] == [
        ("1.0", reason),
        ("1.3", reason),
    ]
    note = f"{reason}: 2 releases excluded; `--override demo` has them installed all the same"
    assert note in document["notes"]
    assert done.returncode == 2
    assert done.stderr.endswith(
        told(
            f"`--bad 1.3` is excluded: {reason}",
            "pass `--bad 1.2`, or add `--override demo` to install it all the same",
        )
    )


def test_what_only_the_wheel_says_of_an_extra_excludes_as_well(app: Command) -> None:
    lay_out(app.folder / "app", requires=["demo"], extras={"old": ["demo<1.3"], "none": []})

    document = app.document("demo", *USUAL, "--with", "./app[old]")

    assert [out["reason"] for out in document["excluded"]] == ["`shop` requires demo<1.3"]


def test_an_override_has_releases_installed_that_the_app_forbids(app: Command) -> None:
    lay_out(app.folder / "app", requires=["demo==1.0"])

    alone = app.run("demo", *USUAL, "--with", "./app")
    free = app.document("demo", *USUAL, "--with", "./app", "--override", "demo")

    assert alone.returncode == 2
    assert "only one release of `demo` to search; excluded: `shop` requires demo==1.0" in alone.stderr
    assert "hint: add `--override demo` to install all of them" in alone.stderr
    assert free["headline"] == "demo broke in 1.2 (2020-03-01), by itself"
    (_, _), (_, bad) = free["reproduce"]
    assert fails_by_hand(app, bad) == "AssertionError: it is bad"


def test_a_project_that_cannot_be_built_ends_the_command_with_its_last_line(app: Command) -> None:
    lay_out(app.folder / "app", fails="no compiler here")

    done = app.run("demo", *USUAL, "--with", "./app")

    assert done.returncode == 2
    assert "error: your project `./app` cannot be built on Python" in done.stderr
    assert "RuntimeError: no compiler here" in done.stderr
    assert done.stderr.count("error:") == 1


def test_a_flat_app_without_a_build_system_is_run_beside_its_files(
    command: Command, local_index: LocalIndex
) -> None:
    publish(local_index, "demo", *RELEASES)
    publish(local_index, "helper", "1.0 2020-01-01 good")
    command.write(
        "pyproject.toml",
        '[project]\nname = "shop"\nversion = "1"\ndependencies = ["helper", "demo<1.3"]\n',
    )
    command.write("main.py", "import demo, helper\n")
    command.write("leak.py", "import main\nassert main.demo.is_ == 'good', 'it is ' + main.demo.is_\n")

    document = command.document("demo", *USUAL, "--with", ".")

    assert document["headline"] == "demo broke in 1.2 (2020-03-01), by itself"
    assert document["plan"]["held"] == ["helper"]
    assert [out["reason"] for out in document["excluded"]] == ["`shop` requires demo<1.3"]


def test_the_interpreter_suits_the_app(app: Command) -> None:
    lay_out(app.folder / "app", requires=["demo"], python=">=4")

    done = app.run("demo", "--probe", "leak.py", "--with", "./app")

    assert done.returncode == 2
    assert "no Python on this machine satisfies `shop`'s `requires-python`: `>=4`" in done.stderr


def test_a_version_from_git_is_that_of_the_users_repository(app: Command) -> None:
    local = LocalRepository(app.folder / "tagged")
    lay_out(app.folder / "tagged", version=None, requires=["demo"])
    local.git("add", ".")
    local.commit("first", "v2.5")

    document = app.document("demo", *USUAL, "--with", "./tagged")

    assert ["shop", "2.5"] in [list(d.values()) for d in document["rows"][-1]["distributions"]]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "./nowhere",
            "there is no directory or file `./nowhere` (`--with`)",
            "name the directory of a project, a wheel or a source distribution",
        ),
        (
            "./empty",
            "`./empty` is no project: it has no `pyproject.toml` and no `setup.py` (`--with`)",
            "name the directory that has one, or copy its files with `--include`",
        ),
        (
            "other @ ./app",
            "`./app` is the project `shop`, not `other` (`--with`)",
            "write `shop @ …`, or the path alone",
        ),
        (
            "./app/metadata.json",
            "`./app/metadata.json` is no wheel and no source distribution (`--with`)",
            (
                "name a directory, a `.whl`, a `.tar.gz` or a `.zip`; "
                "`--with-requirements` reads a file of requirements"
            ),
        ),
        (
            "./broken.whl",
            (
                "`./broken.whl` cannot be read (`--with`): "
                "Invalid wheel filename (wrong number of parts): 'broken'"
            ),
            "build or download it again",
        ),
        (
            "./nameless",
            "the name of the project in `./nameless` is not known without running it (`--with`)",
            "write the name in front: `NAME @ ./nameless`",
        ),
    ],
)
def test_what_is_no_project_is_one_message(app: Command, text: str, message: str, hint: str) -> None:
    (app.folder / "empty").mkdir()
    (app.folder / "broken.whl").touch()
    (app.folder / "nameless").mkdir()
    (app.folder / "nameless" / "setup.py").write_text("from setuptools import setup\nsetup(name=NAME)\n")

    done = app.run("demo", *USUAL, "--with", text)

    assert done.returncode == 2
    assert done.stderr.endswith(told(message, hint))


def test_projects_of_one_name_are_one_message(app: Command) -> None:
    lay_out(app.folder / "copy")

    done = app.run("demo", *USUAL, "--with", "./app", "--with", "./copy")

    assert done.stderr.endswith(told("`./app` and `./copy` are both the project `shop`", "name one of them"))

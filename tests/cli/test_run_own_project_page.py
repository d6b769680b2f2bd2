"""docs/own-project.md: its files are written, and its commands run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from support.local_index import LocalIndex
from support.local_repository import LocalRepository
from support.own_projects import BACKEND
from support.shell import PYTHON, Command

PAGE = Path(__file__).resolve().parents[2] / "docs" / "own-project.md"
TEXT = PAGE.read_text(encoding="utf-8")
FILES = dict(re.findall(r"```\w+\n# ([\w./]+\.\w+)\n(.*?)```", TEXT, re.DOTALL))
COMMANDS = [shlex.split(line) for line in re.findall(r"^\$ bisect-asgi (.*)$", TEXT, re.MULTILINE)]
SHOWN = re.findall(r"^\$ bisect-asgi .*\n((?!\$|`).+)\n\n(.+)$", TEXT, re.MULTILINE)
"""The first line and the cause in the output of each command that shows some."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
OLD, NEW = "0.50.0", "1.10.0"


def a_lock(starlette: str, anyio: str) -> str:
    packages = "".join(
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "https://h" }}\n'
        for name, version in (("starlette", starlette), ("anyio", anyio))
    )
    return (
        f'version = 1\nrequires-python = ">=3.9"\n{packages}'
        '[[package]]\nname = "shop"\nversion = "0.1.0"\nsource = { editable = "." }\n'
        'dependencies = [{ name = "starlette" }, { name = "anyio" }]\n'
    )


def lay_out(folder: Path) -> None:
    """Write the files of the page, and what a reader has besides them."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "test_shop.py").write_text("from shop import app\n\n\ndef test_app():\n    assert app.routes\n")
    (folder / "requirements.txt").write_text("starlette==1.10.0\n-e .\n")
    (folder / "constraints.txt").write_text("anyio<9\n")
    with (folder / "pyproject.toml").open("a") as file:
        file.write('\n[dependency-groups]\ndev = ["pytest"]\n')


@pytest.fixture
def shop(command: Command, local_index: LocalIndex) -> Command:
    """The folder of the page, and made-up releases of what it uses."""
    # A project in the folder of the temporary files and the cache would change while it is looked at.
    outer = command.folder
    command.folder = outer / "work"
    command.environ["COLUMNS"] = "200"
    lay_out(command.folder)
    local_index.add_wheel("hatchling", "1.0", uploaded="2020-01-01", modules={"hatchling/build.py": BACKEND})
    (command.folder / "metadata.json").write_text(
        '{"name": "shop", "version": "0.1.0", "requires": ["starlette>=0.27"]}'
    )
    (command.folder / "shop.py").write_text((command.folder / "shop" / "__init__.py").read_text())
    (command.folder / "shop" / "__init__.py").unlink()
    works = "    routes = [1]\n    def route(self, path):\n        return lambda function: function\n"
    for version in ("0.26.0", "0.27.0", OLD, "0.52.1", "1.0.0", "1.2.0", NEW):
        body = works if version.startswith("0.") else "    routes = []\n"
        local_index.add_wheel(
            "starlette",
            version,
            uploaded=f"2025-01-{10 + len(version)}",
            modules={
                "starlette/applications.py": f"class Starlette:\n{body}",
                "starlette/responses.py": "PlainTextResponse = str\n",
            },
        )
    runner = "import runpy, sys\nrunpy.run_path(sys.argv[-1])['test_app']()\n"
    local_index.add_wheel("pytest", "8.0", uploaded="2024-01-01", modules={"pytest.py": runner})
    for version in ("4.0", "4.1"):
        local_index.add_wheel("anyio", version, uploaded="2024-01-01")
    return command


def said(output: str) -> tuple[str, str]:
    """Return the first line of a report, and its cause."""
    first, _, rest = output.partition("\n")
    return first, rest.strip().partition("\n")[0]


def searches() -> list[list[str]]:
    return [words for words in COMMANDS if words[0] == "starlette"]


def test_the_page_has_its_files_and_commands() -> None:
    assert set(FILES) == {"pyproject.toml", "shop/__init__.py", "repro.py"}
    assert [words[0] for words in COMMANDS] == ["starlette", "locks", "starlette", "starlette"]
    assert len(SHOWN) == 2


@pytest.mark.parametrize("words", searches(), ids=lambda words: words[1])
def test_a_search_of_the_page_finds_the_release(shop: Command, words: list[str]) -> None:
    more = ["--with", "."] if "--with" not in words else []

    done = shop.run(*words, *more, "--python", PYTHON, "--history", "none")

    first, cause = said(done.stdout)
    assert _DATE.sub("", first) == _DATE.sub("", SHOWN[0][0]), done.stdout + done.stderr
    assert cause == SHOWN[0][1]


def test_the_locks_of_the_page_are_compared(shop: Command) -> None:
    (shop.folder / "old.lock").write_text(a_lock(OLD, "4.0"))
    (shop.folder / "uv.lock").write_text(a_lock(NEW, "4.1"))
    (words,) = [words for words in COMMANDS if words[0] == "locks"]

    done = shop.run(*words, "--python", PYTHON)

    assert said(done.stdout) == SHOWN[1], done.stdout


def test_the_note_of_the_page_is_the_commands(shop: Command) -> None:
    document = shop.document(*searches()[0], "--python", PYTHON, "--history", "none")

    (shown,) = re.findall(r"^Note +(`shop` requires.*(?:\n {3,}.*)*)$", TEXT, re.MULTILINE)
    assert document["notes"] == [" ".join(shown.split()).replace("132 releases", "1 release")]


@pytest.mark.network
def test_the_page_is_true_of_the_real_index(real: Command) -> None:
    real.folder = real.folder / "work"
    real.environ["COLUMNS"] = "200"
    LocalRepository(real.folder)
    lay_out(real.folder)

    done = real.run(*searches()[0])

    assert said(done.stdout) == SHOWN[0], done.stdout
    assert "`shop` requires starlette>=0.27" in done.stdout

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
SHOWN = re.findall(r"^\$ bisect-asgi .*\n((?!\$|`).+)$", TEXT, re.MULTILINE)
"""The first line of the output of each command that shows some."""
OLD, NEW = "0.52.1", "1.10.0"


def a_lock(version: str) -> str:
    return (
        'version = 1\nrequires-python = ">=3.9"\n'
        f'[[package]]\nname = "starlette"\nversion = "{version}"\nsource = {{ registry = "https://h" }}\n'
        '[[package]]\nname = "shop"\nversion = "0.1.0"\nsource = { editable = "." }\n'
        'dependencies = [{ name = "starlette" }]\n'
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
    lay_out(command.folder)
    local_index.add_wheel("hatchling", "1.0", uploaded="2020-01-01", modules={"hatchling/build.py": BACKEND})
    (command.folder / "metadata.json").write_text(
        '{"name": "shop", "version": "0.1.0", "requires": ["starlette>=0.27"]}'
    )
    (command.folder / "shop.py").write_text((command.folder / "shop" / "__init__.py").read_text())
    (command.folder / "shop" / "__init__.py").unlink()
    works = "    routes = [1]\n    def route(self, path):\n        return lambda function: function\n"
    for version in ("0.26.0", "0.27.0", "0.46.2", OLD, "1.0.0", "1.2.0", NEW):
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
    local_index.add_wheel("anyio", "4.0", uploaded="2024-01-01")
    return command


def searches() -> list[list[str]]:
    return [words for words in COMMANDS if words[0] == "starlette"]


def test_the_page_has_its_files_and_commands() -> None:
    assert set(FILES) == {"pyproject.toml", "shop/__init__.py", "repro.py"}
    assert [words[0] for words in COMMANDS] == ["starlette", "locks", "starlette", "starlette"]
    assert len(SHOWN) == 2


@pytest.mark.parametrize("words", searches(), ids=lambda words: words[1])
def test_a_search_of_the_page_finds_the_release(shop: Command, words: list[str]) -> None:
    more = ["--with", "."] if "--with" not in words else []

    document = shop.document(*words, *more, "--python", PYTHON, "--history", "none")

    assert document["headline"].startswith("starlette 1.0.0 is the first bad release"), document
    assert document["headline"] == SHOWN[0]


def test_the_locks_of_the_page_are_compared(shop: Command) -> None:
    (shop.folder / "old.lock").write_text(a_lock(OLD))
    (shop.folder / "uv.lock").write_text(a_lock(NEW))
    (words,) = [words for words in COMMANDS if words[0] == "locks"]

    document = shop.document(*words, "--python", PYTHON)

    assert document["headline"] == SHOWN[1]


def test_the_note_of_the_page_is_the_commands(shop: Command) -> None:
    document = shop.document(*searches()[0], "--python", PYTHON, "--history", "none")

    (shown,) = re.findall(r"^Note +(`shop` requires.*)$", TEXT, re.MULTILINE)
    assert document["notes"] == [shown.replace("132 releases", "1 release")]


@pytest.mark.network
def test_the_page_is_true_of_the_real_index(real: Command) -> None:
    real.folder = real.folder / "work"
    LocalRepository(real.folder)
    lay_out(real.folder)

    document = real.document(*searches()[0])

    assert document["headline"] == SHOWN[0]
    assert any("`shop` requires starlette>=0.27" in note for note in document["notes"])

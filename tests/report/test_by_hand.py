"""The commands that show a candidate again need nothing of this tool."""

from __future__ import annotations

import shlex

import pytest
from support.documents import REGRESSION, STARTED

from bisect_asgi.core.events import RunStarted
from bisect_asgi.core.records import replace
from bisect_asgi.report.by_hand import by_hand
from bisect_asgi.report.folding import fold
from bisect_asgi.report.rows import Row

ROW = fold(REGRESSION).rows[3]
"""starlette 0.12.1 on Python 3.8."""


def commands(plan: RunStarted = STARTED, row: Row = ROW) -> dict[str, list[list[str]]]:
    """Return for each tool its commands as words."""
    return {tool: [shlex.split(line) for line in text.split(" &&\n")] for tool, text in by_hand(plan, row)}


def test_every_distribution_is_pinned_and_nothing_is_resolved() -> None:
    pins = ["starlette==0.12.1", "uvicorn==0.17.6"]
    assert commands() == {
        "uv": [
            ["uv", "venv", "--clear", "--python", "3.8", "env-0.12.1"],
            ["uv", "pip", "install", "--python", "env-0.12.1", "--no-deps", *pins],
            ["env-0.12.1/bin/python", "leak.py"],
        ],
        "pip": [
            ["python3.8", "-m", "venv", "--clear", "env-0.12.1"],
            ["env-0.12.1/bin/python", "-m", "pip", "install", "--no-deps", *pins],
            ["env-0.12.1/bin/python", "leak.py"],
        ],
    }


def test_a_command_finds_the_environment_first() -> None:
    plan = replace(STARTED, command="python -c 'import x'", probe="")
    assert commands(plan)["uv"][-1] == ["PATH=$PWD/env-0.12.1/bin:$PATH", "sh", "-c", "python -c 'import x'"]


def test_a_commit_is_installed_from_its_repository() -> None:
    row = replace(ROW, source="starlette @ git+https://example.org/s@abc", version="abc def")
    install = commands(row=row)["pip"][1]
    assert "starlette @ git+https://example.org/s@abc" in install
    assert install[0] == "env-abc-def/bin/python"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (".", "."),
        ("./my uvicorn[all]", "./my uvicorn[all]"),
        ("uvicorn @ .", "."),
        ("uvicorn[all,h2] @ /srv/uvicorn", "/srv/uvicorn[all,h2]"),
        ("uvicorn @ lib/uvicorn", "./lib/uvicorn"),
        ("uvicorn[all] @ file:///srv/uvicorn", "uvicorn[all] @ file:///srv/uvicorn"),
        ("uvicorn @ git+https://example.org/u@abc", "uvicorn @ git+https://example.org/u@abc"),
    ],
)
def test_a_project_of_the_users_is_built_again_as_uv_and_pip_read_it(given: str, told: str) -> None:
    both = commands(replace(STARTED, projects={"uvicorn": given}))
    for install in (both["uv"][1], both["pip"][1]):
        assert install[-3:] == ["--no-deps", "starlette==0.12.1", told]


@pytest.mark.parametrize(
    ("plan", "row"),
    [
        (replace(STARTED, served=True), ROW),
        (STARTED, replace(ROW, distributions=())),
        (STARTED, replace(ROW, python=None)),
    ],
)
def test_what_cannot_be_shown_by_hand_has_no_command(plan: RunStarted, row: Row) -> None:
    assert commands(plan, row) == {}

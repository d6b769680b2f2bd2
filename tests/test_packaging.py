"""What surrounds the package: its metadata, how it is cited, and what issues ask for."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import bisect_asgi
from bisect_asgi.cli.app import build
from bisect_asgi.cli.usage import COMMANDS

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CITATION: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
FIELDS = [path for path in FORMS if path.stem != "config"]


def test_the_citation_is_of_this_version_and_license() -> None:
    assert (CITATION["title"], CITATION["version"]) == (PROJECT["name"], bisect_asgi.__version__)
    assert CITATION["license"] == PROJECT["license"]
    assert {"cff-version", "message", "authors"} <= CITATION.keys()


def test_the_oldest_python_that_is_named_is_the_oldest_that_is_required() -> None:
    named = [each.rpartition(" ")[2] for each in PROJECT["classifiers"] if ":: Python :: 3." in each]
    oldest = min(named, key=lambda version: tuple(map(int, version.split("."))))
    assert PROJECT["requires-python"] == f">={oldest}"


@pytest.mark.parametrize("path", FIELDS, ids=lambda path: path.stem)
def test_an_issue_form_has_what_github_needs(path: Path) -> None:
    form = yaml.safe_load(path.read_text("utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert fields
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)


def test_the_form_about_a_wrong_result_asks_for_the_markdown_report() -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "wrong-result.yml").read_text("utf-8"))
    (report,) = [field for field in form["body"] if field.get("id") == "report"]
    assert report["validations"]["required"] is True
    assert "bisect-asgi report --format markdown" in report["attributes"]["description"]


@pytest.mark.parametrize("path", FIELDS, ids=lambda path: path.stem)
def test_the_commands_that_a_form_asks_for_exist(path: Path) -> None:
    for line in re.findall(r"`bisect-asgi ([^`]*)`", path.read_text("utf-8")):
        name, *words = shlex.split(line)
        assert name in COMMANDS
        build(name).make_context(name, words)

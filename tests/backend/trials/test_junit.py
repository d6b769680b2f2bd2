"""How pytest is asked for its JUnit file, and which file is read."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from bisect_asgi.backend.trials import junit, reports
from bisect_asgi.core.model import Probe, ProbeFile, Served


def command(line: str, *files: ProbeFile, served: Served | None = None) -> Probe:
    return Probe(name=line, script=None, command=line, files=files, served=served)


def test_the_file_goes_to_the_report_folder_and_the_probes_own_options_come_last() -> None:
    found = junit.variables(
        command("pytest"), Path("/a b/report"), {"PYTEST_ADDOPTS": "-x --junitxml=mine.xml"}
    )

    assert shlex.split(found["PYTEST_ADDOPTS"]) == [
        *("--junitxml=/a b/report/junit.xml", "-o", "junit_family=xunit1", "-x", "--junitxml=mine.xml")
    ]


def test_without_own_options_there_is_only_the_file() -> None:
    found = junit.variables(command("pytest"), Path("/report"), {})

    assert found == {"PYTEST_ADDOPTS": "--junitxml=/report/junit.xml -o junit_family=xunit1"}


@pytest.mark.parametrize(
    ("probe", "environ"),
    [
        pytest.param(command("pytest -p no:junitxml"), {}, id="in-the-command"),
        pytest.param(command("pytest"), {"PYTEST_ADDOPTS": "-p no:junitxml"}, id="in-the-variable"),
        pytest.param(
            command("pytest", ProbeFile(name="pytest.ini", content=b"[pytest]\naddopts = -p no:junitxml\n")),
            {},
            id="in-a-file",
        ),
        pytest.param(command("", served=Served(file="app.py")), {}, id="no-tests"),
    ],
)
def test_where_pytest_would_reject_the_option_it_is_not_given(probe: Probe, environ: dict[str, str]) -> None:
    assert junit.variables(probe, Path("/report"), environ) == {}


def test_the_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text("<testsuites name='é'/>", encoding="utf-8")

    with reports.opened(tmp_path) as report:
        assert junit.read(report) == "<testsuites name='é'/>"


def link(path: Path) -> None:
    target = path.with_name("other.xml")
    target.write_text("<testsuites/>")
    path.symlink_to(target)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: None, id="missing"),
        pytest.param(link, id="link"),
        pytest.param(os.mkfifo, id="fifo"),
        pytest.param(os.mkdir, id="folder"),
        pytest.param(lambda path: path.write_bytes(b"\xff\xfe<\0"), id="another-encoding"),
        pytest.param(lambda path: path.write_bytes(b" " * (4 * 1024 * 1024 + 1)), id="too-large"),
    ],
)
def test_what_may_not_be_pytests_is_not_read(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "junit.xml")

    with reports.opened(tmp_path) as report:
        assert junit.read(report) == ""

"""Bisections of real packages on the real index; what they answer is known from the packages' own history."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import bisect_asgi

PROJECT = Path(bisect_asgi.__file__).parent.parent
PATIENCE_S = 900.0

pytestmark = pytest.mark.network


@dataclass(frozen=True)
class Found:
    """What a script reads of the JSON document."""

    exit_code: int
    last: str | None
    first: str | None


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all cases of a package: they share what they observe."""
    return tmp_path_factory.mktemp("network") / "cache"


def bisect(cache: Path, *arguments: str) -> Found:
    report = report_of(cache, *arguments)
    return Found(report["exit_code"], report["last"], report["first"])


def report_of(cache: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bisect_asgi", *arguments, "--json", "--quiet"],
        cwd=PROJECT,
        env={**os.environ, "BISECT_ASGI_CACHE_DIR": str(cache), "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["exit_code"] == done.returncode, done.stderr
    return report


def test_fastapi_brings_anyio_from_0_69_0_on(cache: Path) -> None:
    found = bisect(cache, "fastapi", "--probe", "probes/anyio_import.py")

    # 0.69.0 raised its requirement to starlette 0.15, which is built on anyio.
    assert found == Found(0, "0.68.2", "0.69.0")


@pytest.mark.parametrize("python", [(), ("--python", "3.11")], ids=["our-choice", "python-3.11"])
def test_jinja2_lost_escape_in_3_1_0(cache: Path, tmp_path: Path, python: tuple[str, ...]) -> None:
    probe = tmp_path / "escape.py"
    probe.write_text("from jinja2 import escape\n")

    found = bisect(cache, "jinja2", "--probe", str(probe), *python)

    assert found == Found(0, "3.0.3", "3.1.0")


@pytest.mark.parametrize("span", [(), ("--releases", ">=0.10")], ids=["no-range", "limited"])
def test_starlette_reads_small_uploads_in_the_event_loops_thread_since_0_13_5(
    cache: Path, span: tuple[str, ...]
) -> None:
    found = bisect(cache, "starlette", "--probe", "probes/upload_threads.py", *span)

    assert found == Found(0, "0.13.4", "0.13.5")


FILTERS = """
def test_renders():
    import jinja2

    assert jinja2.Template("{{ name }}").render(name="x") == "x"


def test_context_functions():
    from jinja2 import contextfunction

    assert contextfunction
"""


def test_old_releases_whose_tests_fail_for_another_reason_are_no_part_of_the_change(
    cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "test_filters.py").write_text(FILTERS)
    command = "python -m pytest -q test_filters.py"
    arguments = [
        "--include",
        str(tmp_path / "test_filters.py"),
        "--with",
        "pytest==7.4.4",
        "--python",
        "3.10",
    ]

    # The oldest ones do not import on Python 3.10, and pytest's exit code is 1 there as well.
    report = report_of(
        cache, "jinja2", "--releases", ">=2.9,<3.1.2", "--command", command, *arguments, "--no-culprit"
    )

    assert (report["exit_code"], report["last"], report["first"]) == (0, "3.0.3", "3.1.0")
    assert report["affected"] == [">=3.1.0"]

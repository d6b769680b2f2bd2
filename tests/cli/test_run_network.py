"""Bisections of real packages on the real index; what they answer is known from the packages' own history."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.shell import Command, Document

PROBES = Path(__file__).parents[2] / "probes"

pytestmark = [pytest.mark.network, pytest.mark.e2e]


def found(report: Document) -> tuple[int, str | None, str | None]:
    """The exit code, and both sides of the boundary."""
    return report["exit_code"], report["last"], report["first"]


def test_fastapi_brings_anyio_from_0_69_0_on(real: Command) -> None:
    report = real.document("fastapi", "--probe", str(PROBES / "anyio_import.py"))

    # 0.69.0 raised its requirement to starlette 0.15, which is built on anyio.
    assert found(report) == (0, "0.68.2", "0.69.0")


@pytest.mark.parametrize("python", [(), ("--python", "3.11")], ids=["our-choice", "python-3.11"])
def test_jinja2_lost_escape_in_3_1_0(real: Command, python: tuple[str, ...]) -> None:
    real.write("escape.py", "from jinja2 import escape\n")

    report = real.document("jinja2", "--probe", "escape.py", "--history", "none", *python)

    assert found(report) == (0, "3.0.3", "3.1.0")


@pytest.mark.parametrize("span", [(), ("--releases", ">=0.10")], ids=["no-range", "limited"])
def test_starlette_reads_small_uploads_in_the_event_loops_thread_since_0_13_5(
    real: Command, span: tuple[str, ...]
) -> None:
    probe = str(PROBES / "upload_threads.py")

    report = real.document("starlette", "--probe", probe, "--history", "none", *span)

    assert found(report) == (0, "0.13.4", "0.13.5")


FILTERS = """
def test_renders():
    import jinja2

    assert jinja2.Template("{{ name }}").render(name="x") == "x"


def test_context_functions():
    from jinja2 import contextfunction

    assert contextfunction
"""


def test_old_releases_whose_tests_fail_for_another_reason_are_no_part_of_the_change(real: Command) -> None:
    real.write("test_filters.py", FILTERS)
    command = "python -m pytest -q test_filters.py"
    arguments = [
        "--include",
        "test_filters.py",
        "--with",
        "pytest==7.4.4",
        "--python",
        "3.10",
    ]

    # The oldest ones do not import on Python 3.10, and pytest's exit code is 1 there as well.
    report = real.document(
        "jinja2", "--releases", ">=2.9,<3.1.2", "--command", command, *arguments, "--no-culprit"
    )

    assert (report["exit_code"], report["last"], report["first"]) == (0, "3.0.3", "3.1.0")
    assert [stretch["specifier"] for stretch in report["affected"]] == [">=3.1.0"]


# --- Other axes


def test_markupsafe_2_1_0_broke_flask_1_1_4(real: Command) -> None:
    real.write("leak.py", "import flask\n")

    document = real.document(
        *("flask==1.1.4", "--over", "date", "--good", "2022-01-10", "--bad", "2022-04-01"),
        *("--probe", "leak.py", "--history", "none", "--python", "3.11"),
    )

    assert document["exit_code"] == 0, document["headline"]
    assert document["headline"].startswith("flask 1.1.4 broke with markupsafe 2.1.0 (uploaded 2022-02-18)")
    assert document["first"].startswith("2022-02-18 ")


def test_yarl_1_11_0_brought_what_aiohttp_3_10_6_is_the_first_to_require(real: Command) -> None:
    real.write(
        "leak.py",
        "from aiohttp.test_utils import make_mocked_request\n"
        "url = make_mocked_request('GET', '/?a=1').rel_url.extend_query(b='2')\n"
        "assert str(url) == '/?a=1&b=2', url\n",
    )

    document = real.document(
        *("aiohttp", "--probe", "leak.py", "--python", "3.11"),
        *("--bad", "3.10.5", "--good", "3.10.6", "--history", "none"),
    )

    headline = document["headline"]
    assert re.match(r"aiohttp was fixed in 3\.10\.6 \([\d-]+\), because it requires yarl", headline), headline
    assert re.search(r"; yarl was fixed in 1\.11\.0 \([\d-]+\)$", headline), headline


def test_jinja2_3_1_0_and_itsdangerous_2_1_0_each_broke_what_was_upgraded_with_them(real: Command) -> None:
    real.write("old.txt", "jinja2==3.0.3\nmarkupsafe==2.0.1\nitsdangerous==2.0.1\n")
    real.write("new.txt", "jinja2==3.1.2\nmarkupsafe==2.1.1\nitsdangerous==2.1.2\n")
    real.write("leak.py", "from itsdangerous import json\nfrom jinja2 import escape\n")

    document = real.document(
        *("locks", "old.txt", "new.txt", "--probe", "leak.py", "--python", "3.11", "--any-failure")
    )

    # jinja2 dropped `escape` in 3.1.0, itsdangerous its `json` in 2.1.0.
    assert "jinja2 broke in 3.1.0 (2022-03-24)" in document["headline"]
    assert "itsdangerous broke in 2.1.0 (" in document["headline"]
    assert "each alone" in document["headline"]


def test_a_compiled_package_is_searched_where_its_old_releases_have_wheels(real: Command) -> None:
    real.write("load.py", 'import yaml\n\nassert yaml.load("a: 1") == {"a": 1}\n')

    report = real.document("pyyaml", "--probe", "load.py", "--releases", ">=5.3,<6.1", "--history", "none")

    # No Python has wheels for both: those of 5.4.1 end at Python 3.9, and the newest need a later one.
    assert found(report) == (0, "5.4.1", "6.0")
    assert [note for note in report["notes"] if "fails on every release of pyyaml" in note]

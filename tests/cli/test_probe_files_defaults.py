"""What the user's variables and the folder's `pyproject.toml` add to a command."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.local_index import LocalIndex
from support.own_projects import lay_out
from support.shell import PYTHON, Command, told
from support.upgrades import USUAL, publish

from bisect_asgi.cli.probe_files import read_plan
from bisect_asgi.core.plan.options import Options


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a probe in it, whose table has a timeout of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leak.py").write_text("# /// script\n# [tool.bisect-asgi]\n# timeout = 7\n# ///\n")
    (tmp_path / "pyproject.toml").write_text(
        "[tool.bisect-asgi]\ntimeout = 1\njobs = 2\nbuild-timeout = 3\nwith = ['h11']\ncommand = 'true'\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("given", "timeout_s"),
    [(Options(timeout=9), 9), (Options(), 7)],
    ids=["the-command-line", "the-probes-table"],
)
def test_the_stronger_of_two_counts(
    here: Path, monkeypatch: pytest.MonkeyPatch, given: Options, timeout_s: float
) -> None:
    monkeypatch.setenv("BISECT_ASGI_TIMEOUT", "8")
    monkeypatch.setenv("BISECT_ASGI_JOBS", "5")
    options = Options(package="demo", probe="leak.py", timeout=given.timeout, with_=("anyio",))

    plan = read_plan(options)

    assert plan.probe.timeout_s == timeout_s
    assert (plan.jobs, plan.building.timeout_s) == (5, 3)
    assert plan.held == ("h11", "anyio")
    assert plan.probe.command is None


def test_the_projects_command_is_the_probe_where_none_is_given(here: Path) -> None:
    assert read_plan(Options(package="demo")).probe.command == "true"


def test_the_jobs_of_a_suite_are_not_those_of_its_probes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BISECT_ASGI_JOBS", "5")

    plan = read_plan(Options(package="demo", probe="leak.py"), defaults=Options(timeout=2))

    assert (plan.jobs, plan.probe.timeout_s) == (2, 7)


def test_a_project_with_defaults_needs_no_options(command: Command, local_index: LocalIndex) -> None:
    publish(local_index, "demo", "1.0 2020-01-01 good", "1.1 2020-02-01 bad")
    lay_out(
        command.folder,
        requires=["demo"],
        more=f'[tool.bisect-asgi]\nwith = ["."]\npython = "{PYTHON}"\nhistory = "none"\n',
    )
    command.write("leak.py", "import shop, sys\nsys.exit(shop.is_ != 'good')\n")
    command.environ["BISECT_ASGI_HISTORY"] = "all"

    done = command.run("demo", "--probe", "leak.py", "--verbose")

    assert done.returncode == 0, done.stdout
    assert "demo 1.1" in done.stdout
    assert "note: from the environment: --history\n" in done.stderr
    assert "note: from pyproject.toml: --with --python\n" in done.stderr


def test_an_unknown_default_is_one_message(command: Command) -> None:
    command.write("pyproject.toml", "[tool.bisect-asgi]\njbos = 2\n")

    done = command.run("demo", *USUAL)

    assert done.returncode == 2
    assert done.stderr.endswith(
        told("`[tool.bisect-asgi]` in `pyproject.toml` has an unknown option: `jbos`", "write `jobs`")
    )


def test_a_variable_that_cannot_be_read_is_one_message(command: Command) -> None:
    command.environ["BISECT_ASGI_JOBS"] = "all"

    done = command.run("demo", *USUAL)

    assert done.returncode == 2
    assert done.stderr == told("`all` cannot be read (`BISECT_ASGI_JOBS`)", "pass a whole number")

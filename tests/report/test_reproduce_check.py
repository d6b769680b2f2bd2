"""The short command of a report: `check` makes of it the environment that the search had on the bad side."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging.version import Version
from support.answer_reports import REPORTS
from support.builders import target
from support.explanations import Lab, fails_if
from support.services import FakeInterpreters, FakeTrials, MadeUpIndex, fake_services

from bisect_asgi import session
from bisect_asgi.cli import check
from bisect_asgi.cli.app import app
from bisect_asgi.cli.probe_files import read_plan
from bisect_asgi.core.model import TrialRequest
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.services import Services
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.session.axes import releases

TABLE = """\
# /// script
# requires-python = "==3.8.*"
# dependencies = ["app", "tool==1"]
#
# [tool.bisect-asgi]
# package = "app"
# timeout = 60
# deps = "latest"
# ///
"""
DAYS = {f"app=={number}": f"2021-0{number}-01" for number in range(1, 6)}
DAYS |= {f"dep=={number}": f"2021-0{number}-10" for number in range(1, 6)}
DAYS |= {"tool==1": "2021-01-01", "tool==2": "2021-01-02"}
INDEX = MadeUpIndex({pin: "dep" if pin.startswith("app") else "" for pin in DAYS}, DAYS)
PYTHONS = (target("3.8.20"), target("3.9.18"), target("3.10.13"))


class Searched:
    """A search by these options, and what `check` makes of its short command."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, probe: str, **said: object) -> None:
        (folder / "leak.py").write_text(probe)
        monkeypatch.chdir(folder)
        self.lab = Lab(INDEX, fails_if({"app": "3"}))
        self.plan = read_plan(Options(probe="leak.py", package="app", jobs=1, **said))  # type: ignore[arg-type]
        trials = FakeTrials(self.lab.run_trial, resolve=INDEX.resolve, declared=INDEX.declared)
        self.services = fake_services(index=INDEX, trials=trials, interpreters=FakeInterpreters(*PYTHONS))
        self._monkeypatch = monkeypatch

    def run(self, shows: object = None) -> Report:
        if shows:
            self.lab.shows = shows  # type: ignore[assignment]
        session.bisect(self.plan, self.services, self.lab.events.append)
        return fold(self.lab.events)

    def checked(self, command: str) -> tuple[Plan, str]:
        """What `check` reads of the command."""
        taken: list[tuple[Plan, str]] = []

        def take(plan: Plan, version: str, *_: object, **__: object) -> int:
            taken.append((plan, version))
            return 0

        self._monkeypatch.setattr(check, "_check", take)
        _, *told = shlex.split(command)
        app(told, standalone_mode=False)
        ((plan, version),) = taken
        return plan, version


def installed(request: TrialRequest) -> tuple[str, Sequence[str]]:
    return request.spec.interpreter.short, sorted(map(str, INDEX.resolve(request.spec)))


def checked_installed(plan: Plan, version: str, services: Services) -> tuple[str, Sequence[str]]:
    space, choice = releases.prepare_one(plan, version, services)
    (candidate,) = space.candidates
    return choice.interpreter.short, sorted(map(str, INDEX.resolve(candidate.spec)))


def assert_same(searched: Searched, report: Report) -> None:
    """The environment and the probe are those of the bad side."""
    bad = next(
        row for row in report.rows if row.verdict == "bad" and row.version in (report.last, report.first)
    )
    request = next(each for each in searched.lab.requests if each.stage == 0 and each.label == bad.version)
    plan, version = searched.checked(report.check)
    assert checked_installed(plan, version, searched.services) == installed(request)
    assert plan.probe == request.probe


@pytest.mark.parametrize(
    ("probe", "said", "options"),
    [
        pytest.param(TABLE, {}, " --probe leak.py", id="table"),
        pytest.param(TABLE, {"timeout": 30.0}, " --probe leak.py --timeout 30", id="another-value"),
        pytest.param(TABLE, {"timeout": 120.0}, " --probe leak.py --timeout 120", id="the-default"),
        pytest.param(
            TABLE, {"deps": "as-of-release"}, " --probe leak.py --deps as-of-release", id="another-policy"
        ),
        pytest.param(TABLE, {"with_": ("dep==2",)}, " --probe leak.py --with dep==2", id="one-more-is-held"),
        pytest.param(
            TABLE, {"with_": ("tool==2",)}, " --probe leak.py --with tool==2", id="another-one-is-held"
        ),
        pytest.param(TABLE, {"python": "3.9"}, " --python 3.9 --probe leak.py", id="another-python"),
        pytest.param("", {}, " --python {chosen} --probe leak.py", id="no-table"),
        pytest.param(
            "",
            {"deps": "latest", "timeout": 9.0},
            " --python {chosen} --probe leak.py --timeout 9 --deps latest",
            id="all-said",
        ),
    ],
)
def test_what_the_table_says_is_not_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, probe: str, said: dict[str, object], options: str
) -> None:
    searched = Searched(tmp_path, monkeypatch, probe, **said)

    report = searched.run()

    chosen = ".".join((report.rows[0].python or "").split(".")[:2])
    assert report.check == f"bisect-asgi check app==3{options.format(chosen=chosen)}"
    assert_same(searched, report)


def test_a_dependency_that_varies_is_held_and_overrides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = TABLE.replace('["app", "tool==1"]', '["app==1", "tool==1"]').replace('# deps = "latest"\n', "")
    searched = Searched(tmp_path, monkeypatch, probe, over="dep")

    report = searched.run(fails_if({"dep": "4"}))

    assert report.first == "4"
    assert report.check == (
        "bisect-asgi check app==1 --probe leak.py --with dep==4 --override dep==4 "
        "--deps 'as-of 2021-04-11T00:00'"
    )
    assert_same(searched, report)


def test_a_date_is_that_of_the_dependencies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = TABLE.replace('["app", "tool==1"]', '["app==1", "tool==1"]').replace('# deps = "latest"\n', "")
    searched = Searched(tmp_path, monkeypatch, probe, over="date", good="2021-02-01", bad="2021-05-30")

    report = searched.run(fails_if({"dep": "4"}))

    assert (report.first or "").endswith("dep 4")
    assert "--deps 'as-of 2021-04-10T" in report.check
    assert_same(searched, report)


def test_a_python_is_named_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = TABLE.replace('requires-python = "==3.8.*"', 'requires-python = ">=3.8"')
    probe = probe.replace('["app", "tool==1"]', '["app==1", "tool==1"]')
    searched = Searched(tmp_path, monkeypatch, probe, over="python")
    pythons = {each.interpreter.version: each for each in PYTHONS}
    searched.services.interpreters._find = lambda wish: pythons[wish]  # type: ignore[attr-defined]
    runs = searched.lab.trial

    def trial(request: TrialRequest) -> object:
        is_bad = Version(request.spec.interpreter.version) >= Version("3.9")
        searched.lab.shows = lambda _, __: fails_if({})({}, 0) if is_bad else fails_if({"app": "9"})({}, 0)
        return runs(request)

    monkeypatch.setattr(searched.lab, "trial", trial)

    report = searched.run()

    assert report.first == "3.9.18"
    assert report.check == "bisect-asgi check app==1 --python 3.9.18 --probe leak.py --deps latest"
    assert_same(searched, report)


@pytest.mark.parametrize("name", ["over-commits", "locks", "nothing", "outage"])
def test_without_a_release_or_a_boundary_there_is_none(name: str) -> None:
    assert REPORTS[name].check == ""


def test_a_path_is_said_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/opt/python-3.9.18/bin/python"
    searched = Searched(tmp_path, monkeypatch, "", python=path)

    report = searched.run()

    assert report.check == f"bisect-asgi check app==3 --python {path} --probe leak.py"
    assert_same(searched, report)

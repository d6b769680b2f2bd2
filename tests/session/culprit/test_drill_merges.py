"""Into merges: real git, and trials that show what was made up for each commit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.builders import a_plan, failed, passed, release, untestable
from support.local_repository import BARE_CONFIGURATION, LocalRepository
from support.services import FakeIndex, FakeRepositories, FakeTrials, fake_services

from bisect_asgi import session
from bisect_asgi.backend.repository import Repository
from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import BuiltEnvironment, Commit, Distribution, Observation, Trial, TrialRequest
from bisect_asgi.core.plan import COMMITS, Plan
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold

Shows = Callable[[Commit], Observation]


class Line:
    """A repository, and which of its commits have the fault in them: those that come after one."""

    def __init__(self, folder: Path) -> None:
        self.local = LocalRepository(folder / "work")
        self.folder = folder
        self.events: list[events.Event] = []
        self.local.commit("base", "v1.0")

    def branch(self, name: str, *subjects: str, start: str = "main") -> None:
        """Commit on a new branch."""
        self.local.git("checkout", "--quiet", "-b", name, start)
        for subject in subjects:
            self.local.commit(subject)

    def merge(self, into: str, name: str) -> str:
        self.local.git("checkout", "--quiet", into)
        return self.local.merge(name, f"merge {name}")

    def commit(self, subject: str, *tags: str, on: str = "main") -> str:
        self.local.git("checkout", "--quiet", on)
        return self.local.commit(subject, *tags)

    def has(self, commit: Commit, subject: str) -> bool:
        """Tell whether a commit is that one or comes after it."""
        told = self.local.git("log", "--format=%s", commit.sha).splitlines()
        return subject in told

    def fails_after(self, *subjects: str) -> Shows:
        """Fail in commits that come after all of these."""
        return lambda commit: failed() if all(self.has(commit, each) for each in subjects) else passed()

    def bisect(self, shows: Shows, **fields: Any) -> Report:
        """Search all of main's commits for the change, and into merges."""
        asked = {"good": "v1.0", "bad": "main", "first_parent": False, **fields}
        plan: Plan = a_plan(over=COMMITS, repository=str(self.local.folder), python="3.8", **asked)

        def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
            commit = request.spec.commit
            assert commit is not None
            built = BuiltEnvironment(
                digest=commit.sha, distributions=(Distribution(name="app", version="1.0"),), step="made up"
            )
            runs = tuple(shows(commit) for _ in range(request.runs))
            return Trial(key=request.key, label=request.label, observations=runs, environment=built)

        opened = Repository.open(str(self.local.folder), self.folder / "cache", CancelToken())
        there = fake_services(
            index=FakeIndex([release("1.0", uploaded="2021-01-01", project="app")]),
            repositories=FakeRepositories(lambda where: opened),
            trials=FakeTrials(run_trial),
        )
        session.bisect(plan, there, self.events.append)
        return fold(self.events)


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    for name, value in BARE_CONFIGURATION.items():
        monkeypatch.setenv(name, value)
    return Line(tmp_path)


def subject(label: str | None) -> str:
    assert label is not None
    return label.split(" ", 1)[1]


def looked_at(report: Report) -> list[str]:
    return [subject(row.version) for row in report.rows]


def test_the_commit_of_a_merged_branch_that_brought_the_change_is_found(line: Line) -> None:
    line.branch("side", "a", "b", "c", "d")
    line.commit("own")
    merged = line.merge("main", "side")
    line.commit("last")

    report = line.bisect(line.fails_after("c"))

    assert subject(report.first) == "merge side"
    (stage,) = report.stages
    assert looked_at(stage) == ["base", "a", "b", "c", "d"]
    assert (subject(stage.last), subject(stage.first)) == ("b", "c")
    assert stage.plan.axis.context == f"merged by {merged[:10]}"
    assert stage.headline == f"app {stage.first} is the first bad commit merged by {merged[:10]}"


def test_a_fix_on_a_merged_branch_is_found_as_well(line: Line) -> None:
    line.branch("side", "a", "b", "c")
    line.merge("main", "side")
    line.commit("last")
    fails = line.fails_after("b")

    report = line.bisect(
        lambda commit: passed() if fails(commit) != passed() else failed(), good="main", bad="v1.0"
    )

    assert subject(report.first) == "merge side"
    (stage,) = report.stages
    assert (subject(stage.first), stage.row(stage.first).verdict) == ("b", "good")  # type: ignore[union-attr]


def test_merges_on_a_merged_line_are_gone_into_as_well(line: Line) -> None:
    line.branch("outer", "a")
    line.branch("inner", "x", "y", "z", start="outer")
    line.commit("b", on="outer")
    line.merge("outer", "inner")
    line.commit("c", on="outer")
    line.merge("main", "outer")

    report = line.bisect(line.fails_after("y"))

    first, second = report.stages
    assert looked_at(first) == ["base", "a", "b", "merge inner", "c"]
    assert (subject(first.first), subject(second.first)) == ("merge inner", "y")
    assert looked_at(second) == ["a", "x", "y", "z"]
    assert second.stage == 2


def test_a_merge_that_brought_two_good_lines_together_is_where_it_ends(line: Line) -> None:
    line.branch("side", "a", "b")
    line.commit("own")
    line.merge("main", "side")

    report = line.bisect(line.fails_after("own", "a"))

    assert (report.kind, subject(report.first)) == (ResultKind.FOUND, "merge side")
    (stage,) = report.stages
    assert stage.kind is ResultKind.NOT_REPRODUCED
    assert "the bad end passes" in stage.headline
    assert stage.first is None


def test_a_line_that_cannot_be_tested_leaves_the_merge_as_the_answer(line: Line) -> None:
    line.branch("side", "a", "b")
    line.merge("main", "side")

    def shows(commit: Commit) -> Observation:
        return untestable() if commit.subject in ("a", "b") else line.fails_after("a")(commit)

    report = line.bisect(shows)

    assert (report.kind, subject(report.first)) == (ResultKind.FOUND, "merge side")
    assert [stage.kind for stage in report.stages] == [ResultKind.INCONCLUSIVE]


def test_a_commit_that_merges_nothing_is_where_it_ends(line: Line) -> None:
    line.branch("side", "a", "b")
    line.merge("main", "side")
    line.commit("last")

    report = line.bisect(line.fails_after("last"))

    assert (subject(report.first), report.stages) == ("last", ())


def test_a_merged_line_of_one_commit_is_that_commit_or_the_merge(line: Line) -> None:
    line.branch("side", "a")
    line.commit("own")
    line.merge("main", "side")

    report = line.bisect(line.fails_after("a"))

    assert subject(report.first) == "merge side"
    assert [subject(stage.first) for stage in report.stages] == ["a"]


def test_merges_are_gone_into_to_a_depth_that_has_an_end(line: Line) -> None:
    deepest = 8
    names = [f"level{depth}" for depth in range(deepest)]
    start = "main"
    for name in names:
        line.branch(name, f"a{name}", start=start)
        start = name
    line.commit("fault", on=names[-1])
    line.commit("after", on=names[-1])
    for outer, inner in zip(reversed(["main", *names[:-1]]), reversed(names), strict=True):
        line.commit(f"beside {inner}", on=outer)
        line.merge(outer, inner)

    report = line.bisect(line.fails_after("fault"))

    assert subject(report.first) == "merge level0"
    assert [subject(stage.first) for stage in report.stages] == [f"merge level{n}" for n in range(1, 7)]


def test_without_being_asked_for_merges_are_left_alone(line: Line) -> None:
    line.branch("side", "a", "b")
    line.merge("main", "side")

    report = line.bisect(line.fails_after("a"), first_parent=True)

    assert (subject(report.first), report.stages) == ("merge side", ())


def test_what_goes_wrong_in_a_merge_is_noted_beside_the_boundary(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.branch("side", "a", "b")
    line.merge("main", "side")

    def gone(*_: object) -> tuple[str, ...]:
        raise Unavailable("the repository is gone", hint="look for it")

    monkeypatch.setattr(Repository, "parents", gone)
    report = line.bisect(line.fails_after("a"))

    assert (report.kind, subject(report.first)) == (ResultKind.FOUND, "merge side")
    assert "the repository is gone" in report.notes

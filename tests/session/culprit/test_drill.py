"""From a boundary into what is behind it: the comparison, the command, and the search in the commits."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import ALL, a_plan, failed, passed, release, target
from support.local_repository import BARE_CONFIGURATION, LocalRepository
from support.services import FakeIndex, FakeInterpreters, FakeRepositories, FakeTrials, fake_services

from bisect_asgi.backend.release_contents import read_file
from bisect_asgi.backend.repository import Repository
from bisect_asgi.cli import run
from bisect_asgi.cli.app import app
from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import ExitCode, Unavailable, UsageError
from bisect_asgi.core.events import Compared, ResultKind
from bisect_asgi.core.metrics.criteria import Criteria, Threshold
from bisect_asgi.core.model import (
    BuiltEnvironment,
    Distribution,
    Interpreter,
    Move,
    Outcome,
    Served,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.plan import COMMITS, DATE, DependencyPolicy, Plan, PolicyKind
from bisect_asgi.core.records import replace
from bisect_asgi.core.release_diff import Contents, Metadata
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.session.bisection.stages import Stages, started
from bisect_asgi.session.culprit.drill import DrillTarget, command, drill_plan, go_into, is_of

PYTHON = target("3.8.18").interpreter
PLACE = "https://git.example.org/team/engine"


def carrier(
    old: str | None = "2.0",
    new: str | None = "3.0",
    *,
    name: str = "engine",
    new_is: Outcome = Outcome.FAILED,
    held: tuple[str, ...] = (),
    interpreter: Interpreter = PYTHON,
) -> DrillTarget:
    return DrillTarget(
        move=Move(name=name, old=old, new=new),
        new_is=new_is,
        interpreter=interpreter,
        failing=(failed(),),
        held=held,
    )


# --- What is searched


@pytest.mark.parametrize(
    ("new_is", "good", "bad"), [(Outcome.FAILED, "2.0", "3.0"), (Outcome.PASSED, "3.0", "2.0")]
)
def test_the_good_end_is_the_release_that_passes(new_is: Outcome, good: str, bad: str) -> None:
    plan = drill_plan(a_plan(), carrier(new_is=new_is), "here")

    assert (plan.good, plan.bad) == (good, bad)


def test_the_search_is_for_commits_of_what_carries_the_change_on_the_same_interpreter() -> None:
    told = a_plan(extras=("all",), over=DATE, good="2021-01-01", bad="2021-02-01", held=("uvicorn==1.0",))

    plan = drill_plan(told, carrier(held=("app==1.0", "uvicorn==1.0")), "here")

    assert (plan.project, plan.extras, plan.over) == ("engine", (), COMMITS)
    assert (plan.repository, plan.python) == ("here", PYTHON.path)
    assert plan.held == ("app==1.0", "uvicorn==1.0")
    assert (plan.probe, plan.criteria, plan.policy) == (told.probe, told.criteria, told.policy)


def test_the_extras_are_those_of_the_package_itself() -> None:
    plan = drill_plan(a_plan(extras=("all",)), carrier(name="app"), "here")

    assert plan.named == "app[all]"


def test_nothing_is_explained_or_drilled_again_below() -> None:
    plan = drill_plan(a_plan(drill=True, culprit=True, history=ALL), carrier(), "here")

    assert (plan.drill, plan.culprit, plan.all_changes, plan.locks) == (False, False, False, ())


# --- The command that does the same


def typed(text: str, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The plan that a command line makes when somebody types it."""
    plans: list[Plan] = []

    def take(plan: Plan, *_: object) -> ExitCode:
        plans.append(plan)
        return ExitCode.FOUND

    monkeypatch.setattr(run, "bisect", take)
    own, *words = shlex.split(text)
    assert own == "bisect-asgi"
    app(words, standalone_mode=False)
    (plan,) = plans
    return plan


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A probe in a place with a space in its name, whose own table has another idea of everything."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my probes" / "leak.py"
    path.parent.mkdir()
    path.write_text(
        "# /// script\n"
        '# dependencies = ["uvicorn==1.0"]\n'
        "# [tool.bisect-asgi]\n"
        '# package = "app[all]"\n'
        '# good = "1.0"\n'
        '# python = "3.9"\n'
        "# ///\n"
    )
    return path


SAME = (
    "project",
    "extras",
    "over",
    "repository",
    "good",
    "bad",
    "criteria",
    "policy",
    "overrides",
    "first_parent",
)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="plain"),
        pytest.param({"overrides": ("dep<2",)}, id="overrides"),
        pytest.param({"policy": DependencyPolicy(kind=PolicyKind.LATEST)}, id="latest"),
        pytest.param({"criteria": Criteria(threshold=Threshold(metric="growth", above=8e6))}, id="metric"),
        pytest.param(
            {"criteria": Criteria(threshold=Threshold(metric="growth", above=10 * 2**20 + 1))},
            id="many-digits",
        ),
        pytest.param({"criteria": Criteria(any_failure=True)}, id="any-failure"),
        pytest.param({"criteria": Criteria(match="it's (gone|lost)")}, id="match"),
        pytest.param({"first_parent": False}, id="every-commit"),
    ],
)
def test_the_command_asks_what_the_drill_asks(
    probe: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    plan = a_plan(
        **{"probe_path": str(probe), "policy": DependencyPolicy(), "held": ("uvicorn==1.0",), **fields}
    )
    told = carrier(held=("app==1.0", "uvicorn==1.0"))

    asked = typed(command(plan, told, f"{PLACE} x"), monkeypatch)

    wanted = drill_plan(plan, told, f"{PLACE} x")
    assert {name: getattr(asked, name) for name in SAME} == {name: getattr(wanted, name) for name in SAME}
    assert set(asked.held) == set(wanted.held)
    assert asked.python == "3.8"


def test_the_command_runs_the_probe_as_the_drill_runs_it(
    probe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "secret word")
    beside = probe.parent / "some data.txt"
    beside.write_text("data")
    ran = replace(a_plan().probe, timeout_s=7.5, environ=(("TOKEN", "secret word"),))
    plan = a_plan(probe_path=str(probe), probe=ran, include=(str(beside),))

    text = command(plan, carrier(), PLACE)

    asked = typed(text, monkeypatch).probe
    assert (asked.timeout_s, asked.environ) == (7.5, (("TOKEN", "secret word"),))
    assert {file.name: file.content for file in asked.files}[beside.name] == b"data"
    assert "secret" not in text


def test_the_command_serves_the_app_that_the_drill_serves(
    probe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (probe.parent / "main.py").write_text("async def site(scope, receive, send): ...\n")
    text = f"bisect-asgi app --probe '{probe}' --app '{probe.parent}/main.py:site'"
    plan = typed(text, monkeypatch)

    asked = typed(command(plan, carrier(), PLACE), monkeypatch)

    assert asked.probe.served == plan.probe.served == Served(file="main.py", name="site")


def test_where_no_repository_is_known_the_command_leaves_room_for_it() -> None:
    words = shlex.split(command(a_plan(probe_path="leak.py"), carrier(), None))

    assert words[words.index("--repo") + 1] == "PATH|URL"


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda text: text[0] != "-"),
    st.sampled_from([Outcome.FAILED, Outcome.PASSED]),
)
def test_whatever_a_repository_is_called_the_shell_reads_it_as_one_word(where: str, new_is: Outcome) -> None:
    words = shlex.split(command(a_plan(probe_path="leak.py"), carrier(new_is=new_is), where))

    assert words[words.index("--repo") + 1] == where


# --- Going into it


class Mine:
    """A project's repository with six commits, the fault in one of them, and what was told of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.local = LocalRepository(folder / "work")
        self.local.put("pyproject.toml", '[project]\nname = "engine"\n')
        self.events: list[events.Event] = []
        self.opened: list[str] = []
        self.requests: list[TrialRequest] = []

    def run_trial(self, request: TrialRequest, token: CancelToken) -> Trial:
        self.requests.append(request)
        commit = request.spec.commit
        assert commit is not None
        has = "fault" in self.local.git("log", "--format=%s", commit.sha).splitlines()
        built = BuiltEnvironment(
            digest=commit.sha, distributions=(Distribution(name="engine", version="2.0"),), step="made up"
        )
        runs = tuple(failed() if has else passed() for _ in range(request.runs))
        return Trial(key=request.key, label=request.label, observations=runs, environment=built)

    def repository(self, where: str) -> Repository:
        self.opened.append(where)
        return Repository.open(str(self.local.folder), self.folder / "cache", CancelToken())

    def go_into(self, told: DrillTarget, **fields: Any) -> list[events.Event]:
        """What is told of it, beside the run's own beginning."""
        plan = a_plan(probe_path="leak.py", **fields)
        releases = [
            release(version, uploaded="2021-01-01", project=name)
            for name, version in (("engine", "2.0"), ("engine", "3.0"), ("app", "1.0"))
        ]
        there = fake_services(
            index=FakeIndex(releases, contents=made_up),
            interpreters=FakeInterpreters(find=lambda wish: target("3.8.18", path=wish)),
            repositories=FakeRepositories(self.repository),
            trials=FakeTrials(self.run_trial),
        )
        self.events.append(started(plan))
        go_into(told, plan, Stages(there, self.events.append))
        return self.events[1:]

    @property
    def stages(self) -> tuple[Report, ...]:
        return fold(self.events).stages


def made_up(distribution: Distribution, _: Interpreter) -> Contents:
    source = f"version = {distribution.version!r}\n"
    return Contents(
        metadata=Metadata(
            name=distribution.name,
            version=distribution.version,
            urls=(("Source", f"{PLACE}/-/tree/main"),) if distribution.name == "engine" else (),
        ),
        files=(read_file(f"{distribution.name}.py", source.encode()),),
    )


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mine:
    for name, value in BARE_CONFIGURATION.items():
        monkeypatch.setenv(name, value)
    made = Mine(tmp_path)
    for subject, *tags in (["one", "v2.0"], ["two"], ["three"], ["fault"], ["five"], ["six", "v3.0"]):
        made.local.commit(subject, *tags)
    return made


def test_what_carries_the_change_is_compared_and_the_way_on_is_told(mine: Mine) -> None:
    told = carrier()

    (compared,) = mine.go_into(told)

    assert isinstance(compared, Compared)
    assert (compared.name, compared.old, compared.new, compared.repository) == ("engine", "2.0", "3.0", PLACE)
    assert compared.changed is not None
    assert [file.path for file in compared.changed.files] == ["engine.py"]
    assert compared.drill == command(a_plan(probe_path="leak.py"), told, PLACE)
    assert (mine.opened, mine.requests) == ([], [])


def test_the_drill_finds_the_commit_in_the_repository_that_the_project_links_to(mine: Mine) -> None:
    compared, *rest = mine.go_into(carrier(), drill=True)

    assert isinstance(compared, Compared)
    assert set(mine.opened) == {PLACE, str(mine.local.folder)}  # the second for the commit that is shown
    assert {type(event) for event in rest} == {events.StageEvent}
    (stage,) = mine.stages
    assert stage.kind is ResultKind.FOUND
    assert str(stage.last).endswith(" three")
    assert str(stage.first).endswith(" fault")
    assert (stage.plan.over, stage.plan.axis.subject, stage.plan.axis.noun) == (COMMITS, "engine", "commit")
    assert {request.spec.interpreter.path for request in mine.requests} == {PYTHON.path}


def test_the_repository_that_is_named_wins_over_the_links(mine: Mine) -> None:
    compared, *_ = mine.go_into(carrier(), drill=True, repository="named")

    assert isinstance(compared, Compared)
    assert set(mine.opened) == {"named", str(mine.local.folder)}
    assert "--repo named " in compared.drill


def test_a_named_repository_of_another_project_is_not_taken_for_this_ones(mine: Mine) -> None:
    mine.local.git("tag", "v0.9", "v2.0")
    mine.local.git("tag", "v1.0", "v3.0")

    compared, noted = mine.go_into(carrier("0.9", "1.0", name="other"), drill=True, repository="named")

    assert isinstance(compared, Compared)
    assert "--repo 'PATH|URL'" in compared.drill
    assert isinstance(noted, events.Note)
    assert noted.text.startswith("other links to no repository that is known")
    assert mine.requests == []


def test_a_named_repository_without_the_releases_is_left_for_the_linked_one(mine: Mine) -> None:
    compared, *_ = mine.go_into(carrier("7.0", "8.0"), drill=True, repository="named")

    assert isinstance(compared, Compared)
    assert f"--repo {PLACE} " in compared.drill


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("setup.cfg", "[metadata]\nname = my_engine\n"),
        ("setup.py", "setup(name='my-engine')\n"),
        ("setup.py", "setup(**{'name': 'my.engine'})\n"),
    ],
)
def test_the_files_of_a_repository_say_whose_it_is(tmp_path: Path, file: str, text: str) -> None:
    local = LocalRepository(tmp_path / "work")
    local.put(file, text)
    local.commit("one", "v2.0", "v3.0")
    repository = Repository.open(str(local.folder), tmp_path / "cache", CancelToken())

    assert is_of(repository, Move(name="my-engine", old="2.0", new="3.0"))
    assert not is_of(repository, Move(name="engine", old="2.0", new="3.0"))


def test_what_is_held_stays_where_it_was_in_every_commits_environment(mine: Mine) -> None:
    mine.go_into(carrier(held=("app==1.0",)), drill=True, repository="named", held=("app",))

    assert {request.spec.requirements for request in mine.requests} == {("engine", "app==1.0")}


def test_a_fix_is_drilled_into_as_well(mine: Mine) -> None:
    mine.local.git("tag", "v1.0", "main")  # the later commit is the older release: it fails, and was mended
    mine.local.git("tag", "--force", "v0.9", "v2.0")
    told = carrier("1.0", "0.9", new_is=Outcome.PASSED)

    mine.go_into(told, drill=True)

    (stage,) = mine.stages
    assert (stage.kind, stage.plan.good, stage.plan.bad) == (ResultKind.FOUND, "0.9", "1.0")
    assert str(stage.first).endswith(" fault")


@pytest.mark.parametrize("versions", [(None, "3.0"), ("2.0", None)])
def test_what_came_or_went_has_no_commits_to_go_between(
    mine: Mine, versions: tuple[str | None, str | None]
) -> None:
    (compared,) = mine.go_into(carrier(*versions), drill=True)

    assert isinstance(compared, Compared)
    assert compared.drill == ""
    assert mine.requests == []


def test_without_a_known_repository_the_drill_says_how_to_name_one(mine: Mine) -> None:
    compared, noted = mine.go_into(carrier(name="other"), drill=True)

    assert noted == events.Note(text="other links to no repository that is known: name it by `--repo`")
    assert isinstance(compared, Compared)
    assert "--repo 'PATH|URL'" in compared.drill


def test_a_release_without_a_tag_ends_the_drill_and_not_the_run(mine: Mine) -> None:
    mine.go_into(carrier("2.0", "2.5"), drill=True)

    (stage,) = mine.stages
    assert stage.kind is ResultKind.NOT_ASKED
    assert "no tag for engine 2.5 (`--bad`)" in stage.headline
    assert stage.hint


def test_a_repository_that_does_not_answer_ends_the_drill_and_not_the_run(mine: Mine) -> None:
    def gone(where: str) -> Repository:
        raise Unavailable(f"`{where}` does not answer", hint="try again")

    mine.repository = gone  # type: ignore[method-assign]

    mine.go_into(carrier(), drill=True)

    (stage,) = mine.stages
    assert (stage.kind, stage.headline) == (ResultKind.UNAVAILABLE, f"`{PLACE}` does not answer")


def test_a_named_repository_that_is_none_is_an_error(mine: Mine) -> None:
    def none(where: str) -> Repository:
        raise UsageError(f"there is no repository `{where}`", hint="name a clone")

    mine.repository = none  # type: ignore[method-assign]

    with pytest.raises(UsageError, match="there is no repository `nowhere`"):
        mine.go_into(carrier(), repository="nowhere", drill=True)


@pytest.mark.parametrize(
    ("first_parent", "found"), [(True, ["merge side"]), (False, ["merge side", "fault"])]
)
def test_every_commit_goes_into_a_merge_that_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_parent: bool, found: list[str]
) -> None:
    for name, value in BARE_CONFIGURATION.items():
        monkeypatch.setenv(name, value)
    mine = Mine(tmp_path)
    mine.local.commit("one", "v2.0")
    mine.local.git("checkout", "--quiet", "-b", "side")
    for subject in ("two", "fault", "four"):
        mine.local.commit(subject)
    mine.local.git("checkout", "--quiet", "main")
    mine.local.merge("side", "merge side")
    mine.local.commit("six", "v3.0")

    mine.go_into(carrier(), drill=True, first_parent=first_parent)

    assert [str(stage.first).split(" ", 1)[1] for stage in mine.stages] == found


def test_what_cannot_be_compared_can_be_drilled_into(mine: Mine, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> Contents:
        raise Unavailable("the index did not answer")

    monkeypatch.setitem(globals(), "made_up", none)

    compared, *_ = mine.go_into(carrier(), drill=True, repository="named")

    assert isinstance(compared, Compared)
    assert compared.problem == "the index did not answer"
    assert mine.stages[0].kind is ResultKind.FOUND
    assert replace(compared, problem="", drill="") == Compared(name="engine", old="2.0", new="3.0")

"""Trials that were made elsewhere: what is sent, and what is kept here of what comes back."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support import builders
from support.environments import Bench
from support.sandboxes import sandbox

from bisect_asgi.backend.environments.resolution import Resolution, read_resolution
from bisect_asgi.backend.executors import remote_trials as errands
from bisect_asgi.backend.executors.dask.calls import Unsuitable
from bisect_asgi.backend.executors.remote_trials import RemoteResult, RemoteRun
from bisect_asgi.backend.trials import TrialRunner
from bisect_asgi.backend.trials.store import Learnt, Store
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import (
    BuiltEnvironment,
    Commit,
    Confinement,
    Declared,
    EnvironmentSpec,
    Interpreter,
    Observation,
    Outcome,
    OwnProject,
    Probe,
    SamplingMode,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.records import replace

LONG_AGO = datetime(2021, 1, 1, tzinfo=UTC)
HERE = Interpreter(path="/usr/bin/python3.8", version="3.8.18")
THERE = Interpreter(path="/opt/python3.8", version="3.8.18")
SPEC = EnvironmentSpec(interpreter=HERE, requirements=("demo==1.0",), exclude_newer=LONG_AGO)
LOCK = """
[[packages]]
name = "demo"
version = "1.0"
wheels = [{ hashes = { sha256 = "aa" } }, { hashes = { sha256 = "bb" } }]
[[packages]]
name = "other"
version = "2.0"
sdist = { hashes = { sha256 = "cc" } }
"""
DECLARED = {"demo": Declared(requires=("other",), extras=("all",))}
REQUEST = TrialRequest(
    key=3, label="1.0", spec=SPEC, probe=Probe(name="p.py", script="p.py", command=None, files=())
)
MEASURED = replace(REQUEST, sampling=SamplingMode(reference=replace(SPEC, requirements=("demo==0.9",))))
NOTHING = Learnt(resolution=None, unresolvable=None, unbuildable=None)


def resolved(spec: EnvironmentSpec, interpreter: Interpreter) -> Resolution:
    """What resolving gives on a machine where the interpreter lies elsewhere."""
    return read_resolution(LOCK, replace(spec, interpreter=interpreter), "as of the date, wheels only")


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[TrialRunner]:
    with closing(Store(tmp_path / "store.db")) as store:
        yield Bench(tmp_path).runner(store)


def remote(runner: TrialRunner, *, folders_travel: bool = False) -> RemoteRun:
    return RemoteRun(
        runner,
        never_there,
        fits=lambda interpreter: repr,
        folders_travel=folders_travel,
    )


def never_there(request: TrialRequest, token: CancelToken) -> RemoteResult:
    raise AssertionError("it was made at once")


def passed() -> Observation:
    """A run that a worker has confined as this machine would."""
    return replace(builders.passed(), sandbox=sandbox().level(Confinement()))


def failed() -> Observation:
    return replace(builders.failed(), sandbox=sandbox().level(Confinement()))


def parcel(*observations: Observation, host: str = "far", remembered: int = 0) -> RemoteResult:
    """What a worker sends that made a trial of `SPEC`."""
    resolution = resolved(SPEC, THERE)
    reference = resolved(MEASURED.spec, THERE)
    return RemoteResult(
        host=host,
        trial=Trial(
            key=3,
            label="1.0",
            observations=observations,
            environment=BuiltEnvironment(
                digest=resolution.digest, distributions=resolution.distributions, step=resolution.step
            ),
            remembered=remembered,
        ),
        learnt=Learnt(resolution=resolution, unresolvable=None, unbuildable=None),
        reference=Learnt(resolution=reference, unresolvable=None, unbuildable=None),
        declared=DECLARED,
    )


# What is sent.


def test_interpreters_of_candidate_and_reference_are_the_workers_own() -> None:
    fitted = errands.fit(MEASURED, lambda wanted: replace(wanted, path="/opt/python3.8"))

    assert fitted.spec == replace(SPEC, interpreter=THERE)
    assert fitted.sampling
    assert fitted.sampling.reference
    assert fitted.sampling.reference.interpreter == THERE


def test_an_interpreter_is_found_by_its_exact_version_or_missed(tmp_path: Path) -> None:
    version = "{}.{}.{}".format(*sys.version_info[:3])
    elsewhere = Interpreter(path="/nowhere/python", version=version)

    assert errands.own_interpreter(elsewhere, tmp_path).version == version
    with pytest.raises(Unsuitable, match=r"^has no Python 3\.11\.99$") as caught:
        errands.own_interpreter(replace(elsewhere, version="3.11.99"), tmp_path)
    assert caught.value.hint == "`uv python install 3.11.99` there installs it"


def test_of_two_with_one_version_the_one_at_the_same_place_is_taken(tmp_path: Path) -> None:
    own = errands.own_interpreter(
        Interpreter(path=sys.executable, version=platform.python_version()), tmp_path
    )

    assert errands.own_interpreter(own, tmp_path) == own


@pytest.mark.parametrize(
    ("repository", "travels"),
    [
        pytest.param("https://example.org/app.git", True, id="address"),
        pytest.param("/home/user/app", False, id="commit-of-a-folder"),
        pytest.param("", False, id="folder"),
    ],
)
def test_projects_travel_by_their_address(runner: TrialRunner, repository: str, travels: bool) -> None:
    commit = Commit(repository=repository, sha="abc", project="app", subject="", committed=LONG_AGO)
    own = OwnProject(name="app", given=".", content="00", commit=commit if repository else None)
    request = replace(REQUEST, spec=replace(SPEC, projects=(own,)))

    if travels:
        assert remote(runner).pack(request, CancelToken()).call is never_there
        return
    with pytest.raises(UsageError) as caught:
        remote(runner).pack(request, CancelToken())
    assert str(caught.value) == "your project `.` is on this machine, and workers of a cluster cannot read it"
    assert caught.value.hint == (
        "push it, and pass `--with 'app @ git+https://…@REVISION'`; or run without `--executor`"
    )


@pytest.mark.parametrize(
    ("repository", "travels"),
    [
        pytest.param("https://example.org/project.git", True, id="address"),
        pytest.param("git@example.org:project.git", True, id="ssh"),
        pytest.param("/home/user/project", False, id="folder"),
        pytest.param("file:///home/user/project", False, id="address-of-a-folder"),
    ],
)
def test_commits_travel_by_their_address(runner: TrialRunner, repository: str, travels: bool) -> None:
    commit = Commit(repository=repository, sha="abc", project="demo", subject="", committed=LONG_AGO)
    request = replace(REQUEST, spec=replace(SPEC, commit=commit))

    if travels:
        assert remote(runner).pack(request, CancelToken()).call is never_there
    else:
        with pytest.raises(UsageError, match=r"^commits of a directory cannot be built on other machines: "):
            remote(runner).pack(request, CancelToken())
    assert remote(runner, folders_travel=True).pack(request, CancelToken()).call is never_there


def test_only_what_is_measured_goes_to_one_host(runner: TrialRunner) -> None:
    packed = [remote(runner).pack(request, CancelToken()) for request in (REQUEST, MEASURED)]

    assert [one.fits for one in packed] == [None, repr]
    assert {one.need for one in packed} == {"Python 3.8.18"}


# What is kept.


def test_a_resolution_has_the_digest_that_it_would_have_here() -> None:
    assert resolved(SPEC, THERE).digest != resolved(SPEC, HERE).digest
    assert errands.as_with(resolved(SPEC, THERE), HERE) == resolved(SPEC, HERE)


def test_what_came_back_is_recalled_as_if_it_had_been_made_here(runner: TrialRunner) -> None:
    made = remote(runner).unpack(parcel(passed(), failed()), REQUEST, CancelToken())

    known = runner.recall(REQUEST)

    assert made.host == "far"
    assert made.environment == BuiltEnvironment(
        digest=resolved(SPEC, HERE).digest,
        distributions=resolved(SPEC, HERE).distributions,
        step="as of the date, wheels only",
    )
    assert known is not None
    assert (known.observations, known.environment) == ((passed(), failed()), made.environment)


def test_a_trial_of_this_machine_has_no_host(runner: TrialRunner) -> None:
    made = remote(runner).unpack(parcel(passed(), host=platform.node()), REQUEST, CancelToken())

    assert made.host == ""


def test_what_is_there_already_is_not_kept_twice(runner: TrialRunner) -> None:
    one, two = replace(passed(), wall_s=0.1), replace(passed(), wall_s=0.2)
    remote(runner).unpack(parcel(one), REQUEST, CancelToken())

    remote(runner).unpack(parcel(one, two, remembered=1), REQUEST, CancelToken())

    known = runner.recall(REQUEST)
    assert known is not None
    assert known.observations == (one, two)


def test_what_could_not_be_asked_is_not_kept(runner: TrialRunner) -> None:
    remote(runner).unpack(parcel(replace(passed(), outcome=Outcome.ERROR)), REQUEST, CancelToken())

    assert runner.recall(REQUEST) is None


def test_fresh_runs_take_the_place_of_old_ones_once(runner: TrialRunner) -> None:
    old, new, newer = (replace(passed(), wall_s=float(n)) for n in range(3))
    remote(runner).unpack(parcel(old), REQUEST, CancelToken())
    again = remote(runner)

    again.unpack(parcel(new), replace(REQUEST, fresh=True), CancelToken())
    again.unpack(parcel(newer), replace(REQUEST, fresh=True, known_runs=1), CancelToken())

    known = runner.recall(REQUEST)
    assert known is not None
    assert known.observations == (new, newer)


def test_samples_of_one_host_are_not_another_ones(runner: TrialRunner) -> None:
    remote(runner).unpack(parcel(passed()), MEASURED, CancelToken())

    assert runner.recall(MEASURED, host="far") is not None
    assert runner.recall(MEASURED, host="near") is None
    assert runner.recall(MEASURED) is None


@pytest.mark.parametrize("reason", ["unresolvable", "unbuildable"])
def test_failures_of_a_past_date_are_remembered(runner: TrialRunner, reason: str) -> None:
    came = RemoteResult(
        host="far",
        trial=Trial(key=3, label="1.0", observations=(replace(passed(), outcome=Outcome.UNTESTABLE),)),
        learnt=replace(NOTHING, **{reason: "it does not work"}),
        reference=None,
        declared={},
    )

    remote(runner).unpack(came, REQUEST, CancelToken())

    assert runner.resolutions.learnt(SPEC) == came.learnt
    known = runner.recall(REQUEST)
    assert known is not None
    assert known.observations[0].outcome is Outcome.UNTESTABLE


def test_the_wheel_of_a_commit_stays_where_it_was_built(runner: TrialRunner) -> None:
    commit = Commit(
        repository="https://example.org/p.git", sha="abc", project="demo", subject="", committed=LONG_AGO
    )
    request = replace(REQUEST, spec=replace(SPEC, commit=commit))

    remote(runner).unpack(parcel(passed()), request, CancelToken())

    assert runner.resolutions.learnt(request.spec) == NOTHING


def test_what_distributions_require_is_kept_with_their_environment(runner: TrialRunner) -> None:
    made = remote(runner).unpack(parcel(passed()), REQUEST, CancelToken())

    assert made.environment
    assert runner.declared(made.environment) == DECLARED
    assert runner.declared(replace(made.environment, digest="else")) == {}


# --- Runs of one trial on several workers


@pytest.mark.parametrize(
    ("runs", "parallel", "shares"),
    [
        pytest.param(3, 3, [1, 1, 1], id="one-each"),
        pytest.param(5, 2, [3, 2], id="fewer-places-than-runs"),
        pytest.param(2, 8, [1, 1], id="more-places-than-runs"),
        pytest.param(3, 1, [3], id="one-place"),
        pytest.param(1, 4, [1], id="one-run"),
    ],
)
def test_runs_go_to_as_many_workers_as_there_are_places(
    runner: TrialRunner, runs: int, parallel: int, shares: list[int]
) -> None:
    token = CancelToken()
    request = replace(REQUEST, runs=runs, parallel=parallel, known_runs=1)

    parts = remote(runner).parts(request, token)

    requests = [part[0] for part in parts]
    assert all(isinstance(each, TrialRequest) for each in requests)
    assert [each.runs for each in requests] == shares  # type: ignore[attr-defined]
    assert all(part[1] is token for part in parts)
    if len(shares) > 1:
        assert all(each.apart and each.parallel == 1 for each in requests)  # type: ignore[attr-defined]


def test_samples_are_taken_one_by_one_on_one_worker(runner: TrialRunner) -> None:
    request = replace(MEASURED, runs=5, parallel=5)

    assert list(remote(runner).parts(request)) == [(request,)]


def test_a_trial_has_the_runs_of_all_its_parts_and_the_seconds_of_the_longest(runner: TrialRunner) -> None:
    run = remote(runner)
    parts = [
        run.unpack(replace(parcel(each), host=host), REQUEST)
        for each, host in ((passed(), "a"), (failed(), "b"), (passed(), "c"))
    ]
    timed = [replace(part, run_s=float(place), build_s=1.0) for place, part in enumerate(parts)]

    whole = run.join(timed)

    assert [each.outcome for each in whole.observations] == [
        Outcome.PASSED,
        Outcome.FAILED,
        Outcome.PASSED,
    ]
    assert (whole.key, whole.label, whole.remembered) == (3, "1.0", 0)
    assert whole.environment == parts[0].environment
    assert whole.run_s == 2.0


def test_runs_in_another_environment_do_not_count(runner: TrialRunner) -> None:
    run = remote(runner)
    first, second = (run.unpack(parcel(each), REQUEST) for each in (passed(), failed()))
    assert second.environment is not None
    other = replace(second, environment=replace(second.environment, digest="another"))

    assert [each.outcome for each in run.join([first, other]).observations] == [Outcome.PASSED]


def test_a_part_without_an_environment_does_not_hide_the_others(runner: TrialRunner) -> None:
    run = remote(runner)
    ran = run.unpack(parcel(passed()), REQUEST)
    broken = Trial(key=3, label="1.0", observations=(builders.broken(),))

    assert run.join([broken, ran]).observations == ran.observations
    assert run.join([broken, broken]).observations == (*broken.observations, *broken.observations)


def test_equal_looking_runs_of_several_workers_are_all_kept(runner: TrialRunner) -> None:
    run = remote(runner)
    for seconds in (1.0, 2.0, 3.0):
        run.unpack(parcel(replace(passed(), wall_s=seconds)), replace(REQUEST, apart=True))

    recalled = runner.recall(REQUEST)

    assert recalled is not None
    assert [each.wall_s for each in recalled.observations] == [1.0, 2.0, 3.0]

"""Executors: what all of them keep to, and what becomes of calls when machines go away."""

from __future__ import annotations

import os
import pickle
import re
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, wait
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from support import remote_calls
from support.clusters import HandMade
from support.processes import eventually

from bisect_asgi import __version__
from bisect_asgi.backend.executors import open_executor
from bisect_asgi.backend.executors.dask import calls, cluster
from bisect_asgi.backend.executors.dask.calls import Packed
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, Lost, Unavailable, UsageError

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with open_executor(None, 2) as executor:
        yield executor


@pytest.fixture(scope="module")
def local_cluster() -> Iterator[Executor]:
    with open_executor("dask", 2) as executor:
        yield executor


@pytest.fixture(params=["threads", "local_cluster"])
def executor(request: pytest.FixtureRequest) -> Executor:
    """Of each kind one, with room for two calls."""
    found: Executor = request.getfixturevalue(request.param)
    return found


# What all keep to.


def test_a_call_gives_its_result_and_raises_its_exception(executor: Executor) -> None:
    squared = executor.submit(remote_calls.square, 7)
    refused = executor.submit(remote_calls.refuse, "this")

    assert squared.result(PATIENCE_S) == 49
    with pytest.raises(UsageError, match=r"^not `this`$") as caught:
        refused.result(PATIENCE_S)
    assert caught.value.hint == "something else"


def test_two_calls_run_side_by_side_and_end_in_any_order(executor: Executor, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"

    first = executor.submit(remote_calls.touch_and_wait, one, other)
    second = executor.submit(remote_calls.touch_and_wait, other, one)

    assert (first.result(PATIENCE_S), second.result(PATIENCE_S)) == ("one", "other")


def test_equal_calls_are_made_as_often_as_asked(executor: Executor, tmp_path: Path) -> None:
    diary = tmp_path / "diary"

    wait([executor.submit(remote_calls.note, diary) for _ in range(5)], timeout=PATIENCE_S)

    assert diary.read_text().count("done") == 5


def test_large_arguments_travel_and_nothing_is_said_about_them(
    executor: Executor, capfd: pytest.CaptureFixture[str]
) -> None:
    content = os.urandom(20_000_000)

    assert executor.submit(remote_calls.length, content).result(PATIENCE_S) == len(content)
    assert capfd.readouterr() == ("", "")


def test_a_waiting_call_that_is_cancelled_is_never_made(executor: Executor, tmp_path: Path) -> None:
    ends = [tmp_path / "one", tmp_path / "other"]
    gate, diary = tmp_path / "gate", tmp_path / "diary"
    busy = [executor.submit(remote_calls.touch_and_wait, end, gate) for end in ends]
    for end in ends:
        remote_calls.wait_for(end)

    waiting = executor.submit(remote_calls.note, diary)
    assert waiting.cancel()
    if isinstance(executor, cluster.Cluster):  # word of it has to reach the worker at which the call waits
        eventually(lambda: not any(executor._client._client.run(remote_calls.queued).values()))
    gate.touch()
    wait([*busy, waiting], timeout=PATIENCE_S)
    after = [executor.submit(remote_calls.square, 2) for _ in range(4)]

    assert [future.result(PATIENCE_S) for future in after] == [4] * 4
    assert waiting.cancelled()
    assert not diary.exists()


def test_a_running_call_that_is_cancelled_leaves_no_process_and_makes_room(
    executor: Executor, tmp_path: Path
) -> None:
    pids, tokens = [tmp_path / "one", tmp_path / "other"], [CancelToken(), CancelToken()]
    running = [
        executor.submit(remote_calls.run_family, tmp_path, pid, token)
        for pid, token in zip(pids, tokens, strict=True)
    ]
    for pid in pids:
        remote_calls.wait_for(pid)

    for future, token in zip(running, tokens, strict=True):
        future.cancel()
        token.cancel()
    room = [tmp_path / "room", tmp_path / "more room"]
    both = [executor.submit(remote_calls.touch_and_wait, *order) for order in (room, room[::-1])]

    assert [future.result(PATIENCE_S) for future in both] == ["room", "more room"]
    for pid in pids:
        _gone(int(pid.read_text()))


def test_the_parts_of_a_call_run_on_several_workers_at_the_same_time(
    local_cluster: Executor, tmp_path: Path
) -> None:
    whole = local_cluster.submit(remote_calls.InParts(), tmp_path / "one", tmp_path / "other")  # type: ignore[call-arg]

    assert whole.result(PATIENCE_S) == ("one", "other")  # type: ignore[comparison-overlap]


def test_a_token_alone_ends_its_call_as_cancelled(executor: Executor, tmp_path: Path) -> None:
    pid, token = tmp_path / "pid", CancelToken()
    future = executor.submit(remote_calls.run_family, tmp_path, pid, token)
    remote_calls.wait_for(pid)

    token.cancel()

    with pytest.raises(Cancelled):
        future.result(PATIENCE_S)
    _gone(int(pid.read_text()))


@pytest.mark.parametrize("where", [pytest.param(None, id="threads"), pytest.param("dask", id="cluster")])
def test_an_executor_ends_with_its_calls_and_leaves_no_process(where: str | None, tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    with open_executor(where, 1) as executor:
        futures = [executor.submit(remote_calls.square, number) for number in range(3)]

    assert [future.result(0) for future in futures] == [0, 1, 4]
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(remote_calls.square, 1)
    # Python's own tracker of shared memory is one for all clusters of a process, and stays.
    left = set(psutil.Process().children(recursive=True)) - before
    assert [child for child in left if not any("resource_tracker" in part for part in child.cmdline())] == []


def _gone(pid: int) -> None:
    """Wait until there is no process of that number, or none but its corpse."""
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(PATIENCE_S)


# Workers that die.


def test_the_call_of_a_worker_that_dies_is_made_again_elsewhere(
    local_cluster: Executor, tmp_path: Path
) -> None:
    future = local_cluster.submit(remote_calls.die_once, tmp_path / "marker")

    assert future.result(PATIENCE_S) == "alive"
    assert (tmp_path / "marker").exists()


def test_a_call_that_kills_every_worker_is_lost_and_no_other_is(local_cluster: Executor) -> None:
    deadly = local_cluster.submit(remote_calls.die)

    with pytest.raises(Lost, match="died"):
        deadly.result(PATIENCE_S)
    assert local_cluster.submit(remote_calls.square, 3).result(PATIENCE_S) == 9


# Other machines.


class OnOneHost:
    """A call that has to be made where all others of its kind are."""

    def __call__(self) -> str:
        raise AssertionError("it was made here")

    def pack(self, *arguments: object) -> Packed:
        return Packed(call=remote_calls.host, fits=remote_calls.host)

    def unpack(self, result: object, *arguments: object) -> str:
        return f"on {result}"


class Choosy:
    """A call that some hosts decline."""

    def __init__(self, *declines: str) -> None:
        self._declines = declines

    def __call__(self, token: CancelToken) -> str:
        raise AssertionError("it was made here")

    def pack(self, *arguments: object) -> Packed:
        return Packed(call=remote_calls.Declining(self._declines), need=f"not {self._declines}")

    def unpack(self, result: object, *arguments: object) -> str:
        return str(result)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HandMade]:
    hosts = {"alpha": __version__, "beta": __version__, "gamma": "0.0.1"}
    with HandMade(tmp_path_factory.mktemp("machines"), hosts) as machines:
        yield machines


@pytest.fixture(scope="module")
def three(machines: HandMade) -> Iterator[cluster.Cluster]:
    """A cluster of three hosts, one of which has another version."""
    with cluster.connect(machines.place.removeprefix("dask://")) as found:
        await_hosts(found, 3)
        yield found


def await_hosts(found: cluster.Cluster, count: int) -> None:
    """Wait until so many workers are known."""
    while len(found.workers.hosts()) < count:
        found.workers.wait(suitable=False)


def test_a_worker_with_another_version_gets_no_calls(three: cluster.Cluster) -> None:
    futures = [three.submit(remote_calls.host) for _ in range(6)]

    assert {future.result(PATIENCE_S) for future in futures} <= {"alpha", "beta"}
    assert three.threads == 2


def test_what_one_worker_declines_another_does(three: cluster.Cluster) -> None:
    futures = [three.submit(Choosy("alpha"), CancelToken()) for _ in range(4)]

    assert {future.result(PATIENCE_S) for future in futures} == {"beta"}


def test_where_no_worker_is_suitable_it_says_what_each_lacks(three: cluster.Cluster) -> None:
    future = three.submit(Choosy("alpha", "beta"), CancelToken())

    with pytest.raises(Unavailable) as caught:
        future.result(PATIENCE_S)
    message = str(caught.value)
    assert message.startswith("no worker of the cluster can do this: ")
    for told in (
        "`alpha tcp://",
        "`beta tcp://",
        "has no Python 2.7",
        f"has bisect-asgi 0.0.1, not {__version__}",
    ):
        assert told in message
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("install it; ")
    assert "bisect-asgi doctor --executor" in caught.value.hint


def test_calls_that_belong_on_one_host_are_all_made_there(three: cluster.Cluster) -> None:
    chosen = three.one_host("", remote_calls.host)
    futures = [three.submit(OnOneHost()) for _ in range(8)]

    assert {future.result(PATIENCE_S) for future in futures} == {f"on {chosen}"}
    assert chosen == "alpha"  # both have one thread: the first by name


def test_every_worker_can_be_asked_those_that_are_not_suitable_too(three: cluster.Cluster) -> None:
    answers = three.workers.ask(remote_calls.host)

    hosts = three.workers.hosts()
    assert {hosts[address]: answer for address, answer in answers.items()} == {
        name: name for name in ("alpha", "beta", "gamma")
    }


def test_a_host_that_is_lost_is_not_replaced_where_values_are_compared(tmp_path: Path) -> None:
    with (
        HandMade(tmp_path, {"alpha": __version__, "beta": __version__}) as machines,
        cluster.connect(machines.place.removeprefix("dask://"), patience_s=PATIENCE_S) as found,
    ):
        await_hosts(found, 2)
        lost = found.one_host("", remote_calls.host)
        machines.workers[lost].kill()
        machines.workers[lost].wait()

        found.workers.patience_s = 1.0
        future = found.submit(OnOneHost())

        with pytest.raises(Unavailable, match=f"^all workers on `{lost}`, where everything was measured"):
            future.result(PATIENCE_S)
        found.workers.patience_s = PATIENCE_S
        assert found.submit(remote_calls.host).result(PATIENCE_S) != lost


def test_when_the_scheduler_goes_calls_end_and_say_that_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_S", 1)
    pid = tmp_path / "pid"
    with (
        HandMade(tmp_path, {"alpha": __version__}) as machines,
        cluster.connect(machines.place.removeprefix("dask://")) as found,
    ):
        await_hosts(found, 1)
        running = found.submit(remote_calls.run_family, tmp_path, pid, CancelToken())
        waiting = found.submit(remote_calls.square, 2)
        remote_calls.wait_for(pid)

        machines.scheduler.kill()

        for future in (running, waiting, found.submit(remote_calls.square, 3)):
            with pytest.raises(Unavailable, match=r"^the cluster's scheduler does not answer: ") as told:
                future.result(PATIENCE_S)
            assert told.value.hint is not None
            assert "run the same command again to continue" in told.value.hint
    assert capfd.readouterr() == ("", "")


# Opening.


@pytest.mark.parametrize(
    "where", ["dask:", "dask://", "dask://host", "tcp://host:1", "slurm", "dask://a:1/b"]
)
def test_what_is_no_executor_is_refused(where: str) -> None:
    with pytest.raises(UsageError, match=r"is no executor \(`--executor`\)$") as caught:
        open_executor(where, 1)

    assert caught.value.hint == (
        "`dask` starts a cluster here, `dask://HOST:PORT` uses the one of that scheduler"
    )


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_S", 1)

    # The discard service's port, on a machine's own address: nothing listens.
    with pytest.raises(
        Unavailable, match=r"^there is no dask scheduler that answers at `tcp://127\.0\.0\.1:9`$"
    ):
        open_executor("dask://127.0.0.1:9", 1)


def test_what_listens_and_is_no_scheduler_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"

        with pytest.raises(
            Unavailable, match=f"^there is no dask scheduler that answers at `tcp://{re.escape(place)}`$"
        ):
            open_executor(f"dask://{place}", 1)


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "bisect_asgi.backend.executors.dask.cluster")
    monkeypatch.delattr("bisect_asgi.backend.executors.dask.cluster")

    with pytest.raises(UsageError, match=r"needs dask\.distributed, which is not installed$") as caught:
        open_executor("dask", 1)

    assert caught.value.hint == "pip install 'bisect-asgi[dask]'"


# What travels.


def test_a_call_that_was_stopped_before_it_came_is_not_begun(tmp_path: Path) -> None:
    payload = calls.pack(remote_calls.note, [tmp_path / "diary"], {})
    own = calls.own_kind()

    calls.stop(["early"])
    result = pickle.loads(calls.perform("early", own.version, own.machine, payload))

    assert isinstance(result, calls.Raised)
    assert isinstance(result.error, Cancelled)
    assert not (tmp_path / "diary").exists()


def test_an_exception_that_cannot_travel_is_told_in_words() -> None:
    payload = calls.pack(remote_calls.raise_unpicklable, [], {})
    own = calls.own_kind()

    result = pickle.loads(calls.perform("odd", own.version, own.machine, payload))

    assert isinstance(result, calls.Raised)
    assert str(result.error) == "Unpicklable: it holds a lock"

"""Who is in a cluster, and what each worker lacks."""

from __future__ import annotations

import pytest

from bisect_asgi.backend.executors.dask.calls import Declined, Facts, Unsuitable, WorkerKind, own_kind
from bisect_asgi.backend.executors.dask.workers import WorkerRegistry
from bisect_asgi.core.errors import Unavailable

OWN = own_kind()


def facts(host: str, kind: WorkerKind = OWN) -> Facts:
    return Facts(kind=kind, host=host)


def crew(*hosts: str) -> WorkerRegistry:
    """Workers with one thread each, whose addresses are numbers."""
    made = WorkerRegistry()
    made.note({str(n): 1 for n, _ in enumerate(hosts)}, {str(n): facts(host) for n, host in enumerate(hosts)})
    return made


def test_those_who_go_are_forgotten_and_those_who_come_are_asked() -> None:
    made = crew("a", "b")

    made.note({"1": 4, "2": 2}, {"2": facts("c")})

    assert made.threads == {"1": 4, "2": 2}
    assert [made.host(address) for address in "012"] == ["", "b", "c"]


def test_one_that_did_not_answer_is_not_there_yet() -> None:
    made = crew("a")

    made.note({"0": 1, "1": 1}, {"1": OSError("connection refused")})
    assert made.threads == {"0": 1}
    made.note({"0": 1, "1": 1}, {"1": facts("b")})

    assert made.suitable("") == {"0", "1"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(
            facts("b", WorkerKind(version="0.0.1", machine=OWN.machine)),
            f"`b 1` has bisect-asgi 0.0.1, not {OWN.version}",
            id="version",
        ),
        pytest.param(
            facts("b", WorkerKind(version=OWN.version, machine="plan9 mips")),
            f"`b 1` runs on plan9 mips, not {OWN.machine}",
            id="machine",
        ),
        pytest.param(
            ModuleNotFoundError("No module named 'bisect_asgi'"),
            "`1` cannot run bisect-asgi (ModuleNotFoundError: No module named 'bisect_asgi')",
            id="nothing-of-ours",
        ),
    ],
)
def test_one_of_another_kind_is_there_and_suitable_for_nothing(
    answer: Facts | Exception, reason: str
) -> None:
    made = crew("a")

    made.note({"0": 1, "1": 1}, {"1": answer})

    assert made.threads == {"0": 1, "1": 1}
    assert made.suitable("anything") == {"0"}
    assert str(made.complaint("", ["1"])) == f"no worker of the cluster can do this: {reason}"


def test_what_is_lacking_for_one_need_is_not_for_another() -> None:
    made = crew("a", "b")

    made.lacking["0", "Python 2"] = Declined(worker="0", reason="has none", hint=None, forever=False)

    assert made.suitable("Python 2") == {"1"}
    assert made.suitable("Python 3") == {"0", "1"}


@pytest.mark.parametrize(
    ("hosts", "chosen"),
    [
        pytest.param(["b", "a", "b"], "b", id="most-threads"),
        pytest.param(["b", "a"], "a", id="the-first-by-name"),
    ],
)
def test_the_host_with_the_most_threads_is_chosen(hosts: list[str], chosen: str) -> None:
    made = crew(*hosts)

    assert made.choose_host("", dict.fromkeys(made.threads)) == chosen
    assert made.on(chosen) == {str(n) for n, host in enumerate(hosts) if host == chosen}


def test_a_host_without_what_is_needed_is_not_chosen() -> None:
    made = crew("a", "a", "b")
    no = Unsuitable("has no Python 2", hint="install it")

    assert made.choose_host("Python 2", {"0": no, "1": no, "2": None}) == "b"
    with pytest.raises(Unavailable, match=r"`a 0` has no Python 2, `a 1` has .* and `b 2` has no Python 2"):
        made.choose_host("Python 2", dict.fromkeys("012", no))


def test_where_nobody_answers_no_host_is_chosen() -> None:
    made = crew("a")

    with pytest.raises(Unavailable, match=r"^no worker of the cluster has answered in time$"):
        made.choose_host("", {"0": Unavailable("it has not answered")})


def test_a_call_is_restricted_only_where_somebody_has_to_be_left_out() -> None:
    made = crew("a", "b")

    assert made.takers("x", is_bound=False) == frozenset()
    made.lacking["0", "x"] = Declined(worker="0", reason="has none", hint=None, forever=False)

    assert made.takers("x", is_bound=False) == {"1"}
    assert made.takers("y", is_bound=False) == frozenset()


def test_a_call_that_belongs_on_one_host_waits_for_it_and_goes_nowhere_else() -> None:
    made = crew("a", "b")
    made.choose_host("x", {"1": None})

    assert made.takers("x", is_bound=True) == {"1"}
    made.note({"0": 1}, {})

    assert made.takers("x", is_bound=True) is None
    assert made.takers("x", is_bound=False) == frozenset()
    assert str(made.deserted("x", is_bound=True)).startswith("all workers on `b`, where everything was")

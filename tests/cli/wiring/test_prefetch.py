"""What is begun before it is needed."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest
from support.builders import a_plan
from support.local_index import LocalIndex
from support.processes import eventually

from bisect_asgi.backend.network import configured as configured_module
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.cli.wiring import prefetch as early
from bisect_asgi.cli.wiring.paths import CachePaths
from bisect_asgi.cli.wiring.prefetch import ImportReport, ask_for_indexes, asked_ahead
from bisect_asgi.core import events
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.events import Activity
from bisect_asgi.core.plan import DATE


@pytest.fixture(autouse=True)
def _nothing_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "_asked", None)


def test_uv_is_asked_once_while_the_caller_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    may_answer, asked = threading.Event(), []

    def configured() -> Indexes:
        asked.append(threading.current_thread())
        assert may_answer.wait(30)
        return Indexes(urls=("there",))

    monkeypatch.setattr(configured_module, "configured_indexes", configured)

    first, second = ask_for_indexes(), ask_for_indexes()
    assert not first.done()
    may_answer.set()

    assert first.result(30) == second.result(30) == Indexes(urls=("there",))
    assert len(asked) == 1
    assert asked[0] is not threading.current_thread()


def test_what_uv_complains_of_is_raised_where_the_answer_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def configured() -> Indexes:
        raise Unavailable("uv cannot read its configuration")

    monkeypatch.setattr(configured_module, "configured_indexes", configured)

    with pytest.raises(Unavailable, match="cannot read its configuration"):
        ask_for_indexes().result(30)


def indexes_at(url: str) -> Future[Indexes]:
    known: Future[Indexes] = Future()
    known.set_result(Indexes(urls=(url,)))
    return known


@pytest.mark.parametrize("ends", [{}, {"good": "1.0"}, {"good": "1.0", "bad": "2.0"}])
def test_the_page_of_the_package_is_asked_for_ahead_and_once(
    local_index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: dict[str, str]
) -> None:
    local_index.add_wheel("app", "1.0", uploaded="2021-03-01")
    monkeypatch.setattr(early, "_asked", indexes_at(local_index.url))

    with asked_ahead(a_plan(**ends), CachePaths(tmp_path)) as client:
        eventually(lambda: len(local_index.requests) == 1)

        assert client is not None
        assert [release.version for release in client.releases("app")] == ["1.0"]
    assert len(local_index.requests) == 1


def test_a_search_over_something_else_asks_for_nothing_ahead(tmp_path: Path) -> None:
    with asked_ahead(a_plan(over=DATE), CachePaths(tmp_path)) as client:
        assert client is None


RUNNING = events.TrialProgressed(key=3, activity=Activity.RUNNING)
REPEATS = events.RepeatsStarted(runs=((3, 2),))


def test_the_report_is_imported_once_the_boundary_is_confirmed() -> None:
    code = (
        "import sys, threading\n"
        "from bisect_asgi.core import events\n"
        "from bisect_asgi.cli.wiring.prefetch import ImportReport\n"
        "sink = ImportReport()\n"
        "running = events.TrialProgressed(key=3, activity=events.Activity.RUNNING)\n"
        "for each in (running, events.RepeatsStarted(runs=((3, 2),)), running):\n"
        "    sink(each)\n"
        "    [thread.join() for thread in threading.enumerate() if thread.name == 'report']\n"
        "    print('bisect_asgi.report.text' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "False", "True"]


def test_it_is_imported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[None] = []
    monkeypatch.setattr(early, "_import_report", lambda: begun.append(None))
    sink = ImportReport()

    for event in (REPEATS, RUNNING, RUNNING, REPEATS, RUNNING):
        sink(event)
    for thread in threading.enumerate():
        if thread.name == "report":
            thread.join()

    assert len(begun) == 1

"""What is begun before it is needed."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from bisect_asgi.backend.network import configured as configured_module
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.cli.wiring import prefetch as early
from bisect_asgi.cli.wiring.prefetch import ImportReport, ask_for_indexes
from bisect_asgi.core import events
from bisect_asgi.core.errors import Unavailable


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


def test_the_report_is_imported_once_a_trial_runs() -> None:
    code = (
        "import sys, threading\n"
        "from bisect_asgi.core import events\n"
        "from bisect_asgi.cli.wiring.prefetch import ImportReport\n"
        "sink = ImportReport()\n"
        "sink(events.Note(text='hello'))\n"
        "print('bisect_asgi.report.text' in sys.modules)\n"
        "sink(events.TrialStarted(key=3))\n"
        "[thread.join() for thread in threading.enumerate() if thread.name == 'report']\n"
        "print('bisect_asgi.report.text' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "True"]


def test_it_is_imported_with_the_first_trial_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[None] = []
    monkeypatch.setattr(early, "_import_report", lambda: begun.append(None))
    sink = ImportReport()

    for key in range(3):
        sink(events.TrialStarted(key=key))
    for thread in threading.enumerate():
        if thread.name == "report":
            thread.join()

    assert len(begun) == 1

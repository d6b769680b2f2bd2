"""If the chosen Python cannot import the releases that matter, an older one is searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from packaging.version import Version
from support.builders import IMPORT_ERROR, TYPE_ERROR, failed, passed, release, target, wheel
from support.sessions import FakeWorld, a_plan

from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.metrics.criteria import Criteria
from bisect_asgi.core.model import Observation, Signature, Trial, TrialRequest
from bisect_asgi.core.records import replace
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold

# Older than 3.12, of October 2023, and newer than 3.8 and 3.9.
RELEASES = [release(f"0.{minor}", uploaded=f"2021-11-{minor:02}") for minor in range(1, 11)]
NEW = [
    *(release(f"0.{minor}", uploaded=f"2024-11-{minor:02}") for minor in range(11, 30)),
    release("0.30", wheel(requires_python=">=3.12"), uploaded="2024-11-30"),
]
PYTHONS = ("3.8.1", "3.9.1", "3.12.1")
LOST = replace(
    IMPORT_ERROR,
    text="ImportError: cannot import name 'Mapping' from 'collections'",
    shown="ImportError: cannot import name 'Mapping' from 'collections'",
)


class Machine(FakeWorld):
    """A machine whose Python 3.12 cannot import `lost`; `broken` is the first bad release of the others."""

    def __init__(
        self,
        broken: str,
        *,
        lost: Sequence[str],
        pythons: Sequence[str] = PYTHONS,
        reason: Signature = LOST,
        elsewhere: Observation | None = None,
    ) -> None:
        super().__init__(lambda *_: passed(), [*RELEASES, *NEW], interpreters=[*map(target, pythons)])
        self._broken, self._lost, self._reason = Version(broken), lost, failed(reason)
        self._elsewhere = elsewhere or failed()
        self.pythons: set[str] = set()

    def _trial(self, request: TrialRequest) -> Trial:
        (pin,) = request.spec.requirements
        python, version = request.spec.interpreter.short, pin.partition("==")[2]
        self.pythons.add(python)
        seen = self._shown(Version(version), python)
        return Trial(key=request.key, label=request.label, observations=(seen,) * request.runs)

    def _shown(self, version: Version, python: str) -> Observation:
        if python == "3.12" and str(version) in self._lost:
            return self._reason
        if version < self._broken:
            return passed()
        return failed() if python == "3.12" else self._elsewhere

    def report(self, *, criteria: Criteria = Criteria(), **fields: Any) -> Report:
        self.bisect(replace(a_plan(**fields), criteria=criteria))
        return fold(self.events)


OLD = [each.version for each in RELEASES]


def test_if_the_probe_fails_on_all_that_can_be_imported_an_older_python_has_the_boundary() -> None:
    machine = Machine("0.4", lost=OLD)

    report = machine.report()

    assert (report.kind, report.last, report.first) == (ResultKind.FOUND, "0.3", "0.4")
    assert report.interpreter is not None
    assert report.interpreter.short == "3.9"
    assert report.interpreter_reason == "fastapi 0.10 cannot be imported on Python 3.12"
    (note,) = report.notes
    assert note.startswith("on Python 3.12, `leak.py` fails on every release of fastapi that was run")
    assert machine.pythons == {"3.12", "3.9"}


def test_releases_inside_the_boundary_are_run_on_an_older_python() -> None:
    report = Machine("0.6", lost=OLD[2:]).report()

    assert (report.kind, report.last, report.first) == (ResultKind.FOUND, "0.5", "0.6")
    (note,) = report.notes
    assert note.startswith("on Python 3.12, the change is in one of 0.3, ")


@pytest.mark.parametrize(
    ("lost", "kind", "beginning"),
    [
        pytest.param(OLD, ResultKind.NOT_REPRODUCED, "`leak.py` fails on every release", id="all-fail"),
        pytest.param(OLD[2:], ResultKind.INCONCLUSIVE, "the change is in one of 0.3, ", id="a-gap"),
    ],
)
def test_another_failure_on_the_older_python_is_not_the_result(
    lost: Sequence[str], kind: ResultKind, beginning: str
) -> None:
    report = Machine("0.6", lost=lost, elsewhere=failed(TYPE_ERROR)).report()

    assert report.kind is kind
    assert report.headline.startswith(beginning)
    assert report.interpreter is not None
    assert report.interpreter.short == "3.12"
    assert any(note.startswith("on Python 3.9, ") for note in report.notes)


@pytest.mark.parametrize(
    ("made_up", "plan"),
    [
        pytest.param({}, {"python": "3.12"}, id="the-user-chose"),
        pytest.param({"pythons": ("3.12.1",)}, {}, id="no-other"),
        pytest.param({"reason": IMPORT_ERROR}, {}, id="for-another-reason"),
        pytest.param({"lost": OLD + [each.version for each in NEW[:5]]}, {}, id="newer-than-this-python"),
        pytest.param({}, {"criteria": Criteria(match="expected")}, id="failures-are-not-compared"),
    ],
)
def test_else_the_search_stays(made_up: dict[str, Any], plan: dict[str, Any]) -> None:
    machine = Machine(**{"broken": "0.4", "lost": OLD, **made_up})

    report = machine.report(**plan)

    assert report.kind is ResultKind.NOT_REPRODUCED
    assert machine.pythons == {"3.12"}


def test_if_no_python_is_as_old_as_the_releases_the_oldest_one_is_searched() -> None:
    machine = Machine("0.4", lost=OLD, pythons=("3.11.1", "3.12.1"))

    assert machine.report().first == "0.4"
    assert machine.pythons == {"3.11", "3.12"}

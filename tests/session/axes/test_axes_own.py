"""Whoever adds an axis writes one class and registers it: options, search and reports take it from there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from support.builders import failed, make_plan, passed, probe
from support.services import FakeTrials, MadeUpIndex, fake_services

from bisect_asgi import session
from bisect_asgi.core import events
from bisect_asgi.core.axis_words import AxisWords, EndHints
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.model import BuiltEnvironment, Candidate, EnvironmentSpec, Trial, TrialRequest
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.parsing import malformed
from bisect_asgi.core.plan.tables import ProbeMetadata
from bisect_asgi.core.services import Services
from bisect_asgi.report import document, text
from bisect_asgi.report.document import Report
from bisect_asgi.report.folding import fold
from bisect_asgi.report.progress.console import SafeConsole
from bisect_asgi.report.progress.plain import PlainSink
from bisect_asgi.session.axes import AXES
from bisect_asgi.session.axes.base import Axis, SearchSpace

INDEX = MadeUpIndex({"app==2": "engine"} | {f"engine=={version}": "" for version in range(1, 13)})


class Ceilings(Axis):
    """Upper limits of a dependency, which a real axis would read from an option of its own."""

    name = "ceiling"
    words = AxisWords(
        noun="ceiling", nouns="ceilings", context="with {base}", title="Ceiling", has_versions=False
    )
    hints = EndHints(good_fails="name a lower {noun} with `--good`")
    holds_package = True
    replaces = "--deps"
    as_of = None

    def read_end(self, text: str, option: str) -> str:
        if not text.isdigit():
            raise malformed(option, text, "a whole number")
        return str(int(text))

    def is_same_end(self, good: str, bad: str) -> bool:
        return good == bad

    def prepare(self, plan: Plan, services: Services) -> SearchSpace:
        (found,) = services.interpreters.find_all()
        good, bad = int(plan.good or 2), int(plan.bad or 12)
        return SearchSpace(
            choice=None,
            candidates=tuple(
                Candidate(
                    label=f"engine<{limit}",
                    spec=EnvironmentSpec(
                        interpreter=found.interpreter, requirements=(plan.base, f"engine<{limit}")
                    ),
                )
                for limit in range(good, bad + 1)
            ),
            expectation=Expectation(good=0, bad=bad - good),
        )


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    AXES.register(Ceilings())
    yield
    AXES.unregister(Ceilings.name)


def planned(**options: Any) -> Plan:
    asked = Options(package="app==2", over="ceiling", jobs=1, **options)
    plan: Plan = make_plan(asked, probe(), ProbeMetadata())
    return plan


def run_trial(request: TrialRequest, token: CancelToken) -> Trial:
    """Run a probe that fails from engine 7 on."""
    installed = INDEX.resolve(request.spec)
    engine = next(int(each.version) for each in installed if each.name == "engine")
    return Trial(
        key=request.key,
        label=request.label,
        observations=((failed() if engine >= 7 else passed()),) * request.runs,
        environment=BuiltEnvironment(digest=request.label, distributions=installed, step=""),
    )


def bisected(plan: Plan) -> tuple[list[events.Event], ResultKind]:
    log: list[events.Event] = []
    services = fake_services(index=INDEX, trials=FakeTrials(run_trial))
    return log, session.bisect(plan, services, log.append)


def shown(report: Report) -> list[str]:
    out = StringIO()
    text.render(report, SafeConsole(file=out, width=120), whole=True)
    return out.getvalue().splitlines()


def test_options_are_read_as_the_axis_reads_them() -> None:
    plan = planned(good="02", bad="10")

    assert (plan.over, plan.good, plan.bad, plan.base) == ("ceiling", "2", "10", "app==2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"good": "low"}, "`low` cannot be read (`--good`)", id="no-end-of-this-axis"),
        pytest.param({"good": "2", "bad": "02"}, "`--good` and `--bad` are the same: `2`", id="one-end"),
        pytest.param(
            {"deps": "latest"}, "`--deps latest` conflicts with `--over ceiling`", id="replaced-option"
        ),
    ],
)
def test_what_the_axis_does_not_take_is_an_error_with_a_way_out(
    options: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        planned(**options)

    assert str(caught.value) == message
    assert caught.value.hint


def test_the_boundary_is_found_explained_and_reported_in_the_words_of_the_axis() -> None:
    log, kind = bisected(planned(good="2", bad="12"))
    report = fold(log)
    lines = shown(report)

    assert kind is ResultKind.FOUND
    assert lines[0] == "engine<8 is the first bad ceiling with app==2, because of engine 7"
    assert [line.split()[:3] for line in lines if line.startswith(("Last", "First"))] == [
        ["Last", "good", "engine<7:"],
        ["First", "bad", "engine<8:"],
    ]
    assert any(line.startswith("Runs ") and " of 11 ceilings, " in line for line in lines)
    assert any(line.split()[:2] == ["Ceiling", "Verdict"] for line in lines)
    assert not any(line.startswith(("With", "Affected")) for line in lines)


def test_the_json_report_has_the_words_of_the_axis() -> None:
    log, _ = bisected(planned(good="2", bad="12"))

    read = json.loads(document.render(fold(log)))

    assert read["plan"]["over"] == "ceiling"
    assert (read["plan"]["axis"]["nouns"], read["plan"]["axis"]["title"]) == ("ceilings", "Ceiling")
    assert (read["last"], read["first"], read["affected"]) == ("engine<7", "engine<8", [])


def test_progress_is_told_in_the_words_of_the_axis() -> None:
    lines: list[str] = []
    log, _ = bisected(planned(good="2", bad="12"))
    sink = PlainSink(lines.append)

    for event in log:
        sink(event)

    assert "searching 11 ceilings with app==2: engine<2 to engine<12" in lines


def test_an_end_that_is_not_what_the_user_says_has_the_hint_of_the_axis() -> None:
    log, kind = bisected(planned(good="9", bad="12"))

    assert kind is ResultKind.GOOD_END_FAILS
    assert isinstance(log[-1], events.RunFinished)
    assert log[-1].hint == "name a lower ceiling with `--good`"


def test_two_axes_of_one_name_are_none() -> None:
    with pytest.raises(ValueError, match="there is an axis `ceiling`"):
        AXES.register(Ceilings())

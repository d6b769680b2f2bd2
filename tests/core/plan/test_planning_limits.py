"""A metric and its limit, from the options to the verdict; what else a served probe brings into a plan."""

from __future__ import annotations

import pytest
from support.builders import failed, make_plan, passed, probe

from bisect_asgi.core.answers import result_of
from bisect_asgi.core.answers.result import Result, ResultContext
from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.judge.judge import Expectation, Judgement, judge
from bisect_asgi.core.metrics.criteria import Criteria, Threshold, ThresholdSearch
from bisect_asgi.core.model import Observation, Outcome, ReadyMadeLoad, Ruling, Served, Verdict
from bisect_asgi.core.plan import Claim, DependencyPolicy, Plan, PolicyKind
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.parsing import read_moment
from bisect_asgi.core.plan.tables import ProbeMetadata
from bisect_asgi.core.records import replace
from bisect_asgi.core.search import AllBoundaries, Boundary

GROWTH = Criteria(threshold=Threshold(metric="growth", above=10.0))


def measured(**metrics: float) -> Observation:
    return replace(passed(), metrics=metrics)


def planned(options: Options) -> Plan:
    return make_plan(options, probe(), ProbeMetadata())


def refusal(options: Options) -> tuple[str, str | None]:
    with pytest.raises(UsageError) as caught:
        planned(options)
    return str(caught.value), caught.value.hint


def ruled(run: Observation, criteria: Criteria) -> Ruling:
    return judge({0: [run]}, size=1, expectation=Expectation(), criteria=criteria).rulings[0]


@pytest.mark.parametrize(
    ("limit", "value", "outcome"),
    [
        pytest.param(Threshold(metric="growth", above=10.0), 10.0, Outcome.PASSED, id="at-the-limit"),
        pytest.param(Threshold(metric="growth", above=10.0), 10.1, Outcome.FAILED, id="above"),
        pytest.param(Threshold(metric="growth", below=10.0), 10.0, Outcome.PASSED, id="at-the-lower-limit"),
        pytest.param(Threshold(metric="growth", below=10.0), 9.9, Outcome.FAILED, id="below"),
    ],
)
def test_a_run_beyond_the_limit_is_bad(limit: Threshold, value: float, outcome: Outcome) -> None:
    assert ruled(measured(growth=value), Criteria(threshold=limit)).outcome is outcome


@pytest.mark.parametrize(
    ("limit", "text", "shown"),
    [
        pytest.param(
            Threshold(metric="growth", above=10.0), "growth above 10", "growth = 30.5, above 10", id="above"
        ),
        pytest.param(
            Threshold(metric="rate", below=99.5), "rate below 99.5", "rate = 30.5, below 99.5", id="below"
        ),
    ],
)
def test_crossing_a_limit_is_one_failure_whatever_the_number(limit: Threshold, text: str, shown: str) -> None:
    signature = limit.signature(30.5)

    assert (signature.text, signature.shown) == (text, shown)
    assert signature.is_same_failure(limit.signature(31.25))


def test_a_run_without_the_metric_cannot_be_told() -> None:
    ruling = ruled(measured(p95=0.1), GROWTH)

    assert ruling.verdict is Verdict.SKIP
    assert ruling.signature is not None
    assert ruling.signature.shown == "no metric `growth`"


def test_a_run_that_failed_by_itself_stays_as_it_is() -> None:
    run = failed()

    assert ruled(run, GROWTH).signature == run.signature


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        pytest.param(Options(bad_above=8.0), Threshold(metric="value", above=8.0), id="the-value"),
        pytest.param(Options(metric="p95", bad_below=0.5), Threshold(metric="p95", below=0.5), id="named"),
        pytest.param(Options(), None, id="none"),
    ],
)
def test_options_give_the_limit(options: Options, limit: Threshold | None) -> None:
    assert planned(replace(options, package="fastapi")).criteria.threshold == limit


def test_a_metric_without_a_limit_has_an_aim() -> None:
    criteria = planned(Options(package="fastapi", metric="growth")).criteria

    assert criteria == Criteria(threshold_search=ThresholdSearch(metric="growth"))


def test_two_limits_are_refused() -> None:
    assert refusal(Options(package="fastapi", bad_above=1.0, bad_below=0.5)) == (
        "`--bad-above 1.0` conflicts with `--bad-below 0.5`",
        "drop one of them",
    )


@pytest.mark.parametrize(
    ("options", "claim"),
    [
        pytest.param(
            Options(fixed_in="0.15.0", source="starlette issue 1012"),
            Claim(version="0.15.0", fixed=True, source="starlette issue 1012"),
            id="fixed",
        ),
        pytest.param(Options(broken_in="0.69"), Claim(version="0.69", fixed=False), id="broken"),
        pytest.param(Options(source="hearsay"), None, id="none"),
    ],
)
def test_options_give_the_claim(options: Options, claim: Claim | None) -> None:
    assert planned(replace(options, package="starlette")).claim == claim


def test_a_claim_says_one_thing() -> None:
    assert refusal(Options(package="starlette", fixed_in="0.15.0", broken_in="0.16.0")) == (
        "a claim is `--fixed-in` or `--broken-in`, not both",
        "verify them one after the other",
    )


def test_match_and_any_failure_contradict_each_other() -> None:
    assert refusal(Options(package="fastapi", match="x", any_failure=True)) == (
        "`--match` conflicts with `--any-failure`",
        "drop one of them",
    )


def test_a_served_probe_holds_a_server() -> None:
    served = replace(probe(), served=Served(file="leak.py"))

    plan = make_plan(Options(package="starlette"), served, ProbeMetadata())

    assert plan.held == ("uvicorn",)


@pytest.mark.parametrize(
    ("package", "with_"),
    [
        pytest.param("uvicorn", (), id="it-is-what-moves"),
        pytest.param("starlette", ("Uvicorn==0.17.6",), id="one-is-held"),
    ],
)
def test_no_second_server_is_held(package: str, with_: tuple[str, ...]) -> None:
    served = replace(probe(), served=Served(file="leak.py"))

    plan = make_plan(Options(package=package, with_=with_), served, ProbeMetadata())

    assert plan.held == with_


def test_a_check_needs_the_options_that_the_search_had() -> None:
    load = ReadyMadeLoad(request="GET /x", requests=50, concurrency=4, keep_alive=False)
    served = Served(file="app.py", load=load, options={"http": "h11"})
    plan = Plan(
        project="fastapi",
        extras=(),
        probe=replace(probe(), name="app.py", served=served),
        app="app.py:api",
        held=("uvicorn==0.17.6",),
        policy=DependencyPolicy(kind=PolicyKind.AS_OF, moment=read_moment("2022-01-10")),
        criteria=Criteria(threshold=Threshold(metric="p95", below=0.5)),
    )

    assert plan.check_options() == (
        *("--app", "app.py:api", "--load", "'GET /x'", "--requests", "50", "--concurrency", "4"),
        *("--no-keep-alive", "--uvicorn", "http=h11", "--metric", "p95", "--bad-below", "0.5"),
        *("--with", "uvicorn==0.17.6", "--deps", "'as-of 2022-01-10'"),
    )


def test_a_probe_file_is_named_as_the_user_named_it() -> None:
    plan = Plan(
        project="fastapi",
        extras=(),
        probe=replace(probe(), served=Served(file="leak.py")),
        probe_path="probes/leak.py",
        criteria=GROWTH,
    )

    assert plan.check_options() == (
        *("--probe", "probes/leak.py", "--metric", "growth", "--bad-above", "10"),
    )


CASE = ResultContext(
    axis=AxisWords(subject="starlette"),
    probe="leak.py",
    labels=("0.1", "0.2", "0.3"),
    expectation=Expectation(),
)


def test_the_newest_of_all_changes_is_the_boundary() -> None:
    changes = (Boundary(low=0, high=1), Boundary(low=1, high=2))
    mapped = AllBoundaries(changes=changes, shortest=1)

    said = result_of(CASE, mapped, Judgement())

    assert said == Result(kind=ResultKind.FOUND, found=changes[1], mapped=mapped)
    event = said.event(elapsed_s=1.0)
    assert (event.boundary, event.changes) == (changes[1], changes)
    assert event.shortest == 1


@pytest.mark.parametrize(
    ("judgement", "kind"),
    [
        pytest.param(
            Judgement(
                rulings={2: Ruling(verdict=Verdict.NEW, outcome=Outcome.PASSED, passed=1)},
                new_is=Outcome.PASSED,
            ),
            ResultKind.NOT_REPRODUCED,
            id="nothing-changes",
        ),
        pytest.param(Judgement(), ResultKind.INCONCLUSIVE, id="nothing-can-be-tested"),
    ],
)
def test_a_map_without_changes_is_no_boundary(judgement: Judgement, kind: ResultKind) -> None:
    assert result_of(CASE, AllBoundaries(changes=(), shortest=1), judgement).kind is kind

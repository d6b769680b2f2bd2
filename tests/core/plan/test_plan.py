"""A plan: what the rest reads off it."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from packaging.version import Version
from support.builders import a_plan, day, probe, release

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.metrics.criteria import Criteria, Threshold, ThresholdSearch
from bisect_asgi.core.model import Confinement, Limits, ReadyMadeLoad, Release, SandboxLevel, Served
from bisect_asgi.core.plan import (
    Budget,
    DependencyPolicy,
    PolicyKind,
    asked_for,
    named_release,
    pinned_version,
)
from bisect_asgi.core.plan.metric_options import read_rules
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.records import replace

NOON = datetime(2022, 1, 10, 12, tzinfo=UTC)
END_OF_DAY = datetime(2022, 1, 10, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("policy", "candidate", "exclude_newer"),
    [
        pytest.param(
            DependencyPolicy(),
            release("0.69.0", uploaded="2021-10-07"),
            datetime(2021, 10, 8, tzinfo=UTC),
            id="a-day-after-the-release",
        ),
        pytest.param(DependencyPolicy(), release("0.69.0"), None, id="release-without-a-date"),
        pytest.param(
            DependencyPolicy(kind=PolicyKind.LATEST),
            release("0.69.0", uploaded="2021-10-07"),
            None,
            id="latest",
        ),
        pytest.param(
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=END_OF_DAY),
            release("0.69.0", uploaded="2021-10-07"),
            END_OF_DAY,
            id="as-of-a-day",
        ),
    ],
)
def test_the_policy_limits_how_new_dependencies_may_be(
    policy: DependencyPolicy, candidate: Release, exclude_newer: datetime | None
) -> None:
    assert policy.exclude_newer(candidate) == exclude_newer


@pytest.mark.parametrize(
    ("requirement", "pinned"),
    [
        pytest.param("Uvicorn_X==0.17.6", ("uvicorn-x", Version("0.17.6")), id="exact"),
        pytest.param("uvicorn[standard]==0.17.6", ("uvicorn", Version("0.17.6")), id="extras"),
        pytest.param("uvicorn>=0.17,==0.17.6", ("uvicorn", Version("0.17.6")), id="one-exact-of-several"),
        pytest.param("uvicorn===0.17.6", ("uvicorn", Version("0.17.6")), id="identical"),
        pytest.param("uvicorn===final", None, id="identical-to-no-version"),
        pytest.param("uvicorn==0.17.*", None, id="any-patch"),
        pytest.param("uvicorn>=0.17", None, id="at-least"),
        pytest.param("uvicorn", None, id="any"),
    ],
)
def test_only_an_exact_requirement_pins(requirement: str, pinned: tuple[str, Version] | None) -> None:
    assert pinned_version(requirement) == pinned


def test_a_release_is_named_with_its_extras_and_no_range_names_one() -> None:
    assert named_release("Fast_API[standard,all]==0.69") == ("Fast_API[all,standard]", "0.69")
    with pytest.raises(UsageError, match="names no single release") as raised:
        named_release("fastapi>=1")
    assert raised.value.hint == "write it as `fastapi==VERSION`"


def test_a_width_is_said_if_trials_that_wait_may_not_be_more() -> None:
    assert a_plan(jobs=3, most_jobs=3).is_width_said
    assert not a_plan(jobs=2, most_jobs=8).is_width_said


def test_what_is_asked_for_has_its_extras_under_its_normalised_name() -> None:
    plan = replace(a_plan(held=("Typing_Extensions>=4", "uvicorn[standard]")), extras=("all",))

    assert asked_for(plan) == {
        "app": "app[all]",
        "typing-extensions": "Typing_Extensions",
        "uvicorn": "uvicorn[standard]",
    }


def test_where_no_package_moves_only_what_is_held_is_asked_for() -> None:
    assert asked_for(a_plan(project="", held=("h11==0.9",))) == {"h11": "h11"}


GROWTH_ABOVE = Criteria(threshold=Threshold(metric="growth", above=8e6))
LATENCY_BELOW = Criteria(threshold=Threshold(metric="p95", below=0.5))
LOAD = ReadyMadeLoad(request="GET /x", requests=50, concurrency=4)
SERVED, DRIVEN = Served(file="leak.py", options={"http": "h11"}), Served(file="leak.py", load=LOAD)
AS_OF_RELEASE = DependencyPolicy()


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        pytest.param({}, "--probe leak.py --deps latest", id="a-script"),
        pytest.param({"policy": AS_OF_RELEASE}, "--probe leak.py", id="the-usual-policy-is-not-said"),
        pytest.param(
            {"policy": DependencyPolicy(kind=PolicyKind.AS_OF, moment=END_OF_DAY)},
            "--probe leak.py --deps 'as-of 2022-01-10'",
            id="as-of-a-day",
        ),
        pytest.param(
            {"policy": DependencyPolicy(kind=PolicyKind.AS_OF, moment=NOON)},
            "--probe leak.py --deps 'as-of 2022-01-10T12:00'",
            id="as-of-a-time-of-day",
        ),
        pytest.param(
            {"probe": replace(probe(), command="make check"), "policy": AS_OF_RELEASE},
            "--probe leak.py --command 'make check'",
            id="a-command-beside-a-script",
        ),
        pytest.param(
            {"probe": replace(probe(), command="make check"), "probe_path": "", "policy": AS_OF_RELEASE},
            "--command 'make check'",
            id="a-command-alone",
        ),
        pytest.param(
            {"probe": replace(probe(), name="main.py", served=SERVED), "probe_path": "", "app": "main:app"},
            "--app main:app --uvicorn http=h11 --deps latest",
            id="an-app",
        ),
        pytest.param(
            {"probe": replace(probe(), served=DRIVEN)},
            "--probe leak.py --load 'GET /x' --requests 50 --concurrency 4 --deps latest",
            id="a-load",
        ),
        pytest.param(
            {"probe": replace(probe(), served=replace(DRIVEN, load=replace(LOAD, keep_alive=False)))},
            "--probe leak.py --load 'GET /x' --requests 50 --concurrency 4 --no-keep-alive --deps latest",
            id="a-load-with-new-connections",
        ),
        pytest.param(
            {"criteria": Criteria(match="pool .* exhausted")},
            "--probe leak.py --match 'pool .* exhausted' --deps latest",
            id="a-pattern",
        ),
        pytest.param(
            {"criteria": GROWTH_ABOVE},
            "--probe leak.py --metric growth --bad-above 8000000 --deps latest",
            id="an-upper-limit",
        ),
        pytest.param(
            {"criteria": LATENCY_BELOW},
            "--probe leak.py --metric p95 --bad-below 0.5 --deps latest",
            id="a-lower-limit",
        ),
        pytest.param(
            {"criteria": Criteria(threshold=Threshold(metric="p95", above=0.25, unit="s"))},
            "--probe leak.py --metric p95 --bad-above '0.25 s' --deps latest",
            id="a-limit-with-a-unit",
        ),
        pytest.param(
            {"criteria": Criteria(threshold=Threshold(metric="rate", below=0.0, unit="1/s"))},
            "--probe leak.py --metric rate --bad-below '0 1/s' --deps latest",
            id="nought-is-a-limit",
        ),
        pytest.param(
            {"criteria": Criteria(threshold_search=ThresholdSearch(metric="wall"))},
            "--probe leak.py --metric wall --deps latest",
            id="no-limit-yet",
        ),
        pytest.param(
            {"criteria": Criteria(threshold_search=ThresholdSearch(metric="wall", above=0.15, effect=0.05))},
            "--probe leak.py --metric wall --deps latest",
            id="a-share-has-no-meaning-for-one-release",
        ),
        pytest.param(
            {"include": ("data.json", "my files"), "held": ("h11==0.9",), "overrides": ("anyio<4",)},
            "--probe leak.py --include data.json --include 'my files' --with h11==0.9 --override 'anyio<4' "
            "--deps latest",
            id="what-lies-beside-it",
        ),
        pytest.param(
            {"probe": replace(probe(), environ=(("TOKEN", "secret"),), timeout_s=7.5)},
            "--probe leak.py --env TOKEN --timeout 7.5 --deps latest",
            id="variables-by-name-and-a-limit-of-time",
        ),
        pytest.param(
            {"probe": replace(probe(), confinement=Confinement(level=SandboxLevel.STRONG, network=False))},
            "--probe leak.py --sandbox strong --no-network --deps latest",
            id="how-it-is-confined",
        ),
        pytest.param(
            {"probe": replace(probe(), limits=Limits(memory_bytes=2**20, processes=9))},
            "--probe leak.py --limit-memory '1048576 B' --limit-processes 9 --deps latest",
            id="limits",
        ),
    ],
)
def test_a_check_has_the_options_of_the_plan(fields: dict[str, Any], options: str) -> None:
    assert " ".join(a_plan(**fields).check_options()) == options


@pytest.mark.parametrize("said", ["250 ms", "8 MiB", "1200/s", "-3", "1e-7", "123456789012 B", "2 h"])
@pytest.mark.parametrize("option", ["bad_above", "bad_below"])
def test_a_check_reads_the_limit_as_the_search_did(said: str, option: str) -> None:
    criteria = read_rules(Options(metric="growth", **{option: said}))  # type: ignore[arg-type]

    words = shlex.split(" ".join(a_plan(criteria=criteria).check_options()))

    *_, (name, value) = [pair for pair in pairwise(words) if pair[0].startswith("--bad")]
    again = read_rules(Options(metric="growth", **{name[2:].replace("-", "_"): value}))  # type: ignore[arg-type]
    assert again == criteria


@pytest.mark.parametrize(
    ("budget", "runs", "seconds", "is_spent"),
    [
        pytest.param(Budget(), 399, 1e9, False, id="one-run-is-left-and-time-does-not-count"),
        pytest.param(Budget(), 400, 0.0, True, id="no-run-is-left"),
        pytest.param(Budget(runs=None, seconds=60.0), 10**6, 59.9, False, id="time-is-left"),
        pytest.param(Budget(runs=None, seconds=60.0), 0, 60.0, True, id="time-is-up"),
        pytest.param(Budget(runs=10, seconds=60.0), 10, 1.0, True, id="the-first-of-both"),
        pytest.param(Budget(runs=10, seconds=60.0), 1, 61.0, True, id="the-second-of-both"),
    ],
)
def test_a_budget_is_spent_when_its_runs_or_its_time_are(
    budget: Budget, runs: int, seconds: float, is_spent: bool
) -> None:
    assert budget.is_spent(runs, seconds) is is_spent


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        pytest.param(Budget(), "400 runs", id="default"),
        pytest.param(Budget(runs=1), "1 run", id="one"),
        pytest.param(Budget(runs=None, seconds=1800.0), "30 min", id="time"),
        pytest.param(Budget(runs=None), "0.00 s", id="nothing"),
    ],
)
def test_a_budget_is_told_in_words(budget: Budget, words: str) -> None:
    assert str(budget) == words


@pytest.mark.parametrize(
    ("confirm", "repeats"),
    [
        pytest.param(None, 2, id="as-often-as-needed"),
        pytest.param(0, 0, id="never"),
        pytest.param(3, 3, id="three"),
    ],
)
def test_what_an_answer_rests_on_is_repeated(confirm: int | None, repeats: int) -> None:
    assert a_plan(confirm=confirm).repeats == repeats


@pytest.mark.parametrize(
    ("policy", "moment", "exclude_newer"),
    [
        pytest.param(DependencyPolicy(), day("2021-10-07"), day("2021-10-08"), id="a-day-later"),
        pytest.param(DependencyPolicy(), None, None, id="nobody-knows-when"),
        pytest.param(DependencyPolicy(kind=PolicyKind.LATEST), day("2021-10-07"), None, id="latest"),
        pytest.param(
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=END_OF_DAY), None, END_OF_DAY, id="as-of-a-day"
        ),
    ],
)
def test_the_policy_limits_what_came_about_at_a_moment(
    policy: DependencyPolicy, moment: datetime | None, exclude_newer: datetime | None
) -> None:
    assert policy.as_of(moment) == exclude_newer

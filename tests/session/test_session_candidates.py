"""Which candidates a session has: the interpreter, the releases, and what surrounds them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from packaging.specifiers import SpecifierSet
from support.builders import (
    AUTO,
    day,
    failed,
    passed,
    release,
    target,
    wheel,
)
from support.services import never
from support.sessions import (
    SPECIAL,
    TWELVE,
    FakeWorld,
    a_plan,
    broke_in,
)

from bisect_asgi.core import events
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.model import Distribution, EnvironmentSpec, Release
from bisect_asgi.core.plan import DependencyPolicy, Plan, PolicyKind
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.installable import TargetPython
from bisect_asgi.report.folding import fold
from bisect_asgi.session.axes import releases as release_axis

LATEST = DependencyPolicy(kind=PolicyKind.LATEST)


# The interpreter.


def test_the_users_interpreter_is_taken_without_question() -> None:
    fake = FakeWorld(broke_in("0.7"), interpreters=[target("3.8.20"), target("3.12.1")])

    fake.bisect(a_plan(python="3.12"))

    assert (fake.chosen.interpreter.version, fake.chosen.reason) == ("3.12.1", "`--python 3.12`")
    assert {request.spec.interpreter.version for request in fake.requests} == {"3.12.1"}


def test_the_interpreter_that_suits_the_whole_range_is_taken_and_the_reason_told() -> None:
    old = [release(f"0.{n}", wheel(requires_python="<3.9"), uploaded=f"2021-0{n}-01") for n in range(1, 9)]
    new = [release("1.0", uploaded="2021-11-01")]
    fake = FakeWorld(
        broke_in("0.7"), [*old, *new], interpreters=[target("3.12.1"), target("3.8.20"), target("3.10.2")]
    )

    fake.bisect(a_plan())

    assert fake.chosen.interpreter.version == "3.8.20"
    assert fake.chosen.reason == "can install 9 of 9 releases"


def test_an_interpreter_younger_than_the_releases_is_not_preferred() -> None:
    fake = FakeWorld(broke_in("0.7"), interpreters=[target("3.8.20"), target("3.12.1")])

    fake.bisect(a_plan())

    assert fake.chosen.interpreter.version == "3.8.20"


def test_of_interpreters_that_suit_nearly_as_well_the_one_with_the_dependencies_of_its_day_is_taken() -> None:
    # As fastapi 0.115.12, whose newest dependencies no longer install on Python 3.8.
    asked: list[tuple[str, tuple[str, ...]]] = []

    def wheels(spec: EnvironmentSpec) -> list[Distribution]:
        asked.append((spec.interpreter.short, spec.requirements))
        is_old = spec.interpreter.short == "3.8" and spec.requirements == ("fastapi==0.12",)
        return [Distribution(name="starlette", version="0.44.0" if is_old else "0.46.1")]

    fake = FakeWorld(
        broke_in("0.7"), interpreters=[target("3.7.17"), target("3.8.20"), target("3.9.18")], wheels=wheels
    )
    fake.releases = tuple(
        release(
            f"0.{n}",
            wheel(requires_python=">=3.8"),
            uploaded=f"{2020 + (n + 4) // 12}-{(n + 4) % 12 + 1:02}-01",
        )
        for n in range(1, 13)
    )

    fake.bisect(a_plan(good="0.1", bad="0.12"))

    assert fake.chosen.interpreter.version == "3.9.18"
    assert fake.chosen.reason == (
        "can install 12 of 12 releases (5 of them predate this Python); "
        "on Python 3.8, fastapi 0.12 gets older dependencies, such as starlette 0.44.0"
    )
    both = [("fastapi==0.1",), ("fastapi==0.12",)]
    assert sorted(asked) == [(python, pins) for python in ("3.8", "3.9") for pins in both]


def test_nothing_is_resolved_to_choose_an_interpreter_that_is_the_only_one_in_question() -> None:
    fake = FakeWorld(broke_in("0.7"), interpreters=[target("3.8.20"), target("3.12.1")], wheels=never)

    fake.bisect(a_plan(requires_python="<3.12"))

    assert fake.chosen.interpreter.version == "3.8.20"


def test_the_reason_tells_how_many_releases_are_older_than_the_interpreter() -> None:
    fake = FakeWorld(broke_in("0.7"), interpreters=[target("3.12.1")])

    fake.bisect(a_plan())

    assert fake.chosen.reason == "can install 12 of 12 releases (12 of them predate this Python)"


def test_the_probes_own_requirement_limits_the_choice_and_is_told() -> None:
    fake = FakeWorld(broke_in("0.7"), interpreters=[target("3.8.20"), target("3.12.1")])

    fake.bisect(a_plan(requires_python=">=3.10"))

    assert fake.chosen.interpreter.version == "3.12.1"
    assert fake.chosen.reason == (
        "the probe requires >=3.10; can install 12 of 12 releases (12 of them predate this Python)"
    )


@pytest.mark.parametrize(
    ("downloadable", "hint"),
    [
        pytest.param(
            [],
            "run `bisect-asgi releases`, which shows the Python that each release requires",
            id="none-to-get",
        ),
        pytest.param([target("3.14.0")], "run `uv python install 3.14`", id="uv-has-one"),
    ],
)
def test_no_interpreter_for_the_probe_is_an_error_with_a_way_out(
    downloadable: list[TargetPython], hint: str
) -> None:
    fake = FakeWorld(broke_in("0.7"), downloadable=downloadable)

    with pytest.raises(UsageError) as caught:
        fake.bisect(a_plan(requires_python=">=3.13"))

    assert str(caught.value) == (
        "no Python on this machine satisfies the probe's `requires-python`: `>=3.13`"
    )
    assert caught.value.hint == hint


def test_no_interpreter_for_the_named_ends_is_an_error_that_names_them() -> None:
    releases = [
        release("1.0", wheel(requires_python="<3.7"), uploaded="2021-01-01"),
        release("2.0", wheel(requires_python=">=3.10"), uploaded="2021-02-01"),
    ]
    fake = FakeWorld(broke_in("2.0"), releases)

    with pytest.raises(UsageError) as caught:
        fake.bisect(a_plan(good="1.0", bad="2.0"))

    assert str(caught.value) == "no Python on this machine can install fastapi 1.0 and fastapi 2.0"


def test_named_ends_decide_where_one_interpreter_cannot_install_all() -> None:
    old = [release(f"0.{n}", wheel(requires_python="<3.9"), uploaded=f"2021-0{n}-01") for n in range(1, 9)]
    new = [release("1.0", wheel(requires_python=">=3.9"), uploaded="2022-11-01")]
    new += [release("1.1", wheel(requires_python=">=3.9"), uploaded="2022-12-01")]
    fake = FakeWorld(broke_in("1.1"), [*old, *new], interpreters=[target("3.8.20"), target("3.9.18")])

    fake.bisect(a_plan(good="1.0", bad="1.1"))

    assert fake.chosen.interpreter.version == "3.9.18"
    assert fake.boundary() == ("1.0", "1.1")


@pytest.mark.parametrize(
    ("plan", "listed"),
    [
        pytest.param(a_plan(), ["0.1", "0.4"], id="left-out-by-default"),
        pytest.param(a_plan(yanked=True), ["0.1", "0.2", "0.4"], id="yanked-asked-for"),
        pytest.param(a_plan(pre=True), ["0.1", "0.3b1", "0.4"], id="pre-releases-asked-for"),
        pytest.param(a_plan(good="0.2", bad="0.4"), ["0.2", "0.4"], id="yanked-end"),
        pytest.param(a_plan(good="0.1", bad="0.3b1"), ["0.1", "0.3b1"], id="pre-release-end"),
    ],
)
def test_yanked_and_pre_releases_come_in_when_they_are_asked_for_or_named(
    plan: Plan, listed: list[str]
) -> None:
    fake = FakeWorld(broke_in(listed[-1]), SPECIAL)

    finished = fake.bisect(plan)

    assert finished.kind is ResultKind.FOUND
    assert fake.listed == listed


def test_releases_that_are_left_out_are_told_with_reasons() -> None:
    fake = FakeWorld(broke_in("0.4"), SPECIAL)

    fake.bisect(a_plan())

    (listed,) = (event for event in fake.events if isinstance(event, events.CandidatesListed))
    assert {out.version: out.reason for out in listed.excluded} == {
        "0.2": "yanked: loses data (include with `--yanked`)",
        "0.3b1": "pre-release (include with `--pre`)",
    }


def test_a_yanked_release_above_the_range_does_not_divide_the_affected_ones() -> None:
    releases = [release(f"0.{minor}", uploaded=f"2021-0{minor}-01") for minor in range(1, 9)]
    releases[5] = release("0.6", replace(wheel(), yanked="uploaded too early"), uploaded="2021-06-01")
    fake = FakeWorld(broke_in("0.3"), releases)

    fake.bisect(replace(a_plan(), releases=SpecifierSet(">=0.2,<0.5"), history=AUTO))

    report = fold(fake.events)
    assert [stretch.specifier for stretch in report.affected] == [">=0.3"]
    assert {out.version: out.reason for out in report.excluded} == {
        "0.1": "not in `--releases <0.5,>=0.2`",
        "0.6": "yanked: uploaded too early (include with `--yanked`)",
    }


def test_the_order_of_upload_is_the_users_choice() -> None:
    releases = [
        release("1.0", uploaded="2021-01-01"),
        release("2.0", uploaded="2021-02-01"),
        release("1.1", uploaded="2021-03-01"),
    ]
    shown = {"1.0": passed(), "2.0": passed(), "1.1": failed()}
    fake = FakeWorld(lambda version, _: shown[str(version)], releases)

    fake.bisect(a_plan(by_upload=True))

    assert fake.listed == ["1.0", "2.0", "1.1"]
    assert fake.boundary() == ("2.0", "1.1")


@pytest.mark.parametrize(
    ("policy", "limits"),
    [
        pytest.param(
            DependencyPolicy(),
            [day("2021-01-01") + timedelta(days=1), day("2021-02-01") + timedelta(days=1)],
            id="as-of-release-is-the-day-after-its-upload",
        ),
        pytest.param(LATEST, [None, None], id="latest-has-no-limit"),
        pytest.param(
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=day("2020-05-05")),
            [day("2020-05-05"), day("2020-05-05")],
            id="as-of-a-day-is-one-for-all",
        ),
    ],
)
def test_the_dependency_policy_sets_the_limit_of_every_candidate(
    policy: DependencyPolicy, limits: list[object]
) -> None:
    fake = FakeWorld(broke_in("0.2"), TWELVE[:2])

    space = release_axis.AXIS.prepare(a_plan(policy=policy), fake.services())

    assert [candidate.spec.exclude_newer for candidate in space.candidates] == limits


UNDATED = tuple(release(f"0.{minor}") for minor in range(1, 5))


def test_an_index_without_dates_serves_the_latest_policy() -> None:
    fake = FakeWorld(broke_in("0.3"), UNDATED)

    finished = fake.bisect(a_plan(policy=LATEST))

    assert finished.kind is ResultKind.FOUND
    assert fake.boundary() == ("0.2", "0.3")


def test_an_index_without_dates_cannot_serve_a_policy_by_date_and_says_so() -> None:
    fake = FakeWorld(broke_in("0.3"), UNDATED)

    with pytest.raises(UsageError) as caught:
        fake.bisect(a_plan())

    assert str(caught.value) == (
        "the index gives no upload time for fastapi 0.1, and `--deps as-of-release` needs one"
    )
    assert caught.value.hint == "use `--deps latest`, or an index that gives them (JSON pages, PEP 700)"
    assert fake.finished.kind is ResultKind.NOT_ASKED
    assert fake.requests == []


@pytest.mark.parametrize(
    ("releases", "plan", "message"),
    [
        pytest.param([], a_plan(), "there is no release of `fastapi` to search", id="no-release-at-all"),
        pytest.param(
            TWELVE[:1], a_plan(), "there is only one release of `fastapi` to search", id="one-release"
        ),
        pytest.param(
            TWELVE[:3],
            a_plan(within=">=5"),
            "there is no release of `fastapi` to search; excluded: not in `--releases >=5`",
            id="none-in-range",
        ),
        pytest.param(
            SPECIAL[:3],
            a_plan(),
            "there is only one release of `fastapi` to search; excluded: "
            "pre-release (include with `--pre`); yanked: loses data (include with `--yanked`)",
            id="the-others-are-left-out",
        ),
        pytest.param(
            TWELVE,
            a_plan(good="0.12"),
            "there is only one release of `fastapi` to search",
            id="good-end-is-the-newest",
        ),
    ],
)
def test_too_few_releases_are_an_error_that_says_why(
    releases: Sequence[Release], plan: Plan, message: str
) -> None:
    fake = FakeWorld(broke_in("0.7"), releases)

    with pytest.raises(UsageError) as caught:
        fake.bisect(plan)

    assert str(caught.value) == message
    assert caught.value.hint is not None


def test_an_end_that_does_not_exist_is_answered_with_the_nearest_ones() -> None:
    fake = FakeWorld(broke_in("0.7"))

    with pytest.raises(UsageError) as caught:
        fake.bisect(a_plan(good="0.4.5"))

    assert str(caught.value) == "there is no release `0.4.5` of fastapi (`--good`)"
    assert caught.value.hint == "pass `--good 0.4` or `--good 0.5`"

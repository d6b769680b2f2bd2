"""Options become a plan, or a message that says what is wrong with them."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from builders import probe, release
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from bisect_asgi.errors import UsageError
from bisect_asgi.judge import Rules
from bisect_asgi.metadata import Options, ProbeMetadata
from bisect_asgi.model import Release
from bisect_asgi.plan import (
    DependencyPolicy,
    Plan,
    PolicyKind,
    make_plan,
    parse_package,
    parse_policy,
    parse_project,
    pinned_version,
)


def test_what_the_user_does_not_say_has_a_default() -> None:
    plan = make_plan(Options(package="fastapi"), probe(), ProbeMetadata())

    assert plan == Plan(
        project="fastapi",
        extras=(),
        probe=probe(),
        probe_path="",
        good=None,
        bad=None,
        releases=SpecifierSet(),
        pre=False,
        yanked=False,
        by_upload=False,
        held=(),
        policy=DependencyPolicy(kind=PolicyKind.AS_OF_RELEASE),
        python=None,
        requires_python=SpecifierSet(),
        rules=Rules(any_failure=False, match=None),
        jobs=os.cpu_count() or 1,
        confirm=1,
        fresh=False,
        term_old="good",
        term_new="bad",
    )


def test_everything_that_the_user_says_is_in_the_plan() -> None:
    options = Options(
        package="Fast_API[standard,all]",
        good="0.69",
        bad="0.70.0",
        releases=">=0.60,<0.110",
        pre=True,
        yanked=True,
        order="upload",
        with_=("uvicorn==0.17.6",),
        deps="latest",
        python="3.8",
        match="exhausted",
        jobs=1,
        confirm=0,
        fresh=True,
        term_old="fast",
        term_new="slow",
    )

    plan = make_plan(options, probe(), ProbeMetadata(requires_python=">=3.8"), probe_path="probes/leak.py")

    assert plan == Plan(
        project="fast-api",
        extras=("all", "standard"),
        probe=probe(),
        probe_path="probes/leak.py",
        good=Version("0.69"),
        bad=Version("0.70.0"),
        releases=SpecifierSet(">=0.60,<0.110"),
        pre=True,
        yanked=True,
        by_upload=True,
        held=("uvicorn==0.17.6",),
        policy=DependencyPolicy(kind=PolicyKind.LATEST),
        python="3.8",
        requires_python=SpecifierSet(">=3.8"),
        rules=Rules(match="exhausted"),
        jobs=1,
        confirm=0,
        fresh=True,
        term_old="fast",
        term_new="slow",
    )


def test_an_order_by_version_is_not_one_by_upload() -> None:
    plan = make_plan(Options(package="fastapi", order="version"), probe(), ProbeMetadata())

    assert not plan.by_upload


@pytest.mark.parametrize(
    ("package", "requirement"),
    [
        pytest.param("fastapi", "fastapi==0.69.0", id="plain"),
        pytest.param("FastAPI[standard, all]", "fastapi[all,standard]==0.69.0", id="extras"),
    ],
)
def test_a_candidate_is_written_as_a_requirement(package: str, requirement: str) -> None:
    plan = make_plan(Options(package=package), probe(), ProbeMetadata())

    assert plan.requirement("0.69.0") == requirement


VERSION_FORM = "it is a version (PEP 440), such as `0.69.0`"
SPECIFIER_FORM = "it is version specifiers (PEP 440), such as `>=0.60,<0.110`"
NAME_FORM = "it is a name as on the index, such as `fastapi` or `fastapi[all]`"
PLAIN_NAME_FORM = "it is a name as on the index, without address or marker"
REQUIREMENT_FORM = "it is a requirement (PEP 508), such as `uvicorn==0.17.6`"
POLICY_FORM = "it is `as-of-release`, `latest` or `as-of 2022-01-10`"


@pytest.mark.parametrize(
    ("options", "metadata", "message", "hint"),
    [
        pytest.param(
            Options(),
            ProbeMetadata(),
            "no package is named",
            "`bisect-asgi PACKAGE --probe FILE`, or `package = …` in the probe's table",
            id="no-package",
        ),
        pytest.param(
            Options(package="fastapi==0.69.0"),
            ProbeMetadata(),
            "`fastapi==0.69.0` names releases, and a bisection looks for one",
            "limit the range by `--releases '==0.69.0'`; one release: `bisect-asgi check`",
            id="package-with-version",
        ),
        pytest.param(
            Options(package="fast api"),
            ProbeMetadata(),
            "`fast api` cannot be read (package)",
            NAME_FORM,
            id="package-malformed",
        ),
        pytest.param(
            Options(package="fastapi @ https://example.org/fastapi.whl"),
            ProbeMetadata(),
            "`fastapi @ https://example.org/fastapi.whl` cannot be read (package)",
            PLAIN_NAME_FORM,
            id="package-with-address",
        ),
        pytest.param(
            Options(package="fastapi; python_version > '3.8'"),
            ProbeMetadata(),
            "`fastapi; python_version > '3.8'` cannot be read (package)",
            PLAIN_NAME_FORM,
            id="package-with-marker",
        ),
        pytest.param(
            Options(package="fastapi", good="old"),
            ProbeMetadata(),
            "`old` cannot be read (--good)",
            VERSION_FORM,
            id="good",
        ),
        pytest.param(
            Options(package="fastapi", good=""),
            ProbeMetadata(),
            "`` cannot be read (--good)",
            VERSION_FORM,
            id="good-empty",
        ),
        pytest.param(
            Options(package="fastapi", bad=">0.69"),
            ProbeMetadata(),
            "`>0.69` cannot be read (--bad)",
            VERSION_FORM,
            id="bad",
        ),
        pytest.param(
            Options(package="fastapi", releases="0.60..0.70"),
            ProbeMetadata(),
            "`0.60..0.70` cannot be read (--releases)",
            SPECIFIER_FORM,
            id="releases",
        ),
        pytest.param(
            Options(package="fastapi"),
            ProbeMetadata(requires_python="3.8"),
            "`3.8` cannot be read (requires-python)",
            SPECIFIER_FORM,
            id="requires-python",
        ),
        pytest.param(
            Options(package="fastapi", deps="newest"),
            ProbeMetadata(),
            "`newest` cannot be read (--deps)",
            POLICY_FORM,
            id="policy",
        ),
        pytest.param(
            Options(package="fastapi", match="("),
            ProbeMetadata(),
            "`(` cannot be read (--match)",
            "it is a regular expression of Python's `re`",
            id="match",
        ),
        pytest.param(
            Options(package="fastapi", jobs=0),
            ProbeMetadata(),
            "`--jobs 0` is out of range",
            "it is 1 or more",
            id="jobs",
        ),
        pytest.param(
            Options(package="fastapi", confirm=-1),
            ProbeMetadata(),
            "`--confirm -1` is out of range",
            "it is 0 or more",
            id="confirm",
        ),
        pytest.param(
            Options(package="fastapi", good="0.69", bad="0.69.0"),
            ProbeMetadata(),
            "`--good` and `--bad` are the same release: `0.69`",
            "name two, one or none",
            id="same-ends",
        ),
        pytest.param(
            Options(package="fastapi", term_old="slow", term_new="slow"),
            ProbeMetadata(),
            "`--term-old` and `--term-new` are the same word: `slow`",
            "choose two words",
            id="same-terms",
        ),
        pytest.param(
            Options(package="fastapi", term_old="bad"),
            ProbeMetadata(),
            "`--term-old` and `--term-new` are the same word: `bad`",
            "choose two words",
            id="a-term-like-the-default-of-the-other",
        ),
        pytest.param(
            Options(package="fast_api", with_=("h11", "Fast.API<0.70")),
            ProbeMetadata(),
            "`fast-api` is what moves; it cannot be held as well",
            "drop it from `--with`; `--releases` limits its range",
            id="package-held",
        ),
        pytest.param(
            Options(package="fastapi", with_=("uvicorn=0.17",)),
            ProbeMetadata(),
            "`uvicorn=0.17` cannot be read (--with)",
            REQUIREMENT_FORM,
            id="with",
        ),
        pytest.param(
            Options(package="fastapi"),
            ProbeMetadata(dependencies=("uvicorn=0.17",)),
            "`uvicorn=0.17` cannot be read (the probe's dependencies)",
            REQUIREMENT_FORM,
            id="dependencies-of-the-probe",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_way_out(
    options: Options, metadata: ProbeMetadata, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(options, probe(), metadata)

    assert (str(caught.value), caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("said", "of_probe", "held"),
    [
        pytest.param((), ("anyio<4", "h11"), ("anyio<4", "h11"), id="the-probes"),
        pytest.param(("uvicorn==0.17.6",), (), ("uvicorn==0.17.6",), id="the-command-lines"),
        pytest.param(
            ("uvicorn==0.17.6",),
            ("Uvicorn>=0.20", "h11"),
            ("h11", "uvicorn==0.17.6"),
            id="the-command-line-replaces-the-probes",
        ),
        pytest.param((), ("FastAPI>=0.60", "h11"), ("h11",), id="the-package-itself-moves"),
    ],
)
def test_requirements_are_held_as_the_command_line_or_else_the_probe_says(
    said: tuple[str, ...], of_probe: tuple[str, ...], held: tuple[str, ...]
) -> None:
    plan = make_plan(Options(package="fastapi", with_=said), probe(), ProbeMetadata(dependencies=of_probe))

    assert plan.held == held


def test_a_package_can_be_named_with_one_release() -> None:
    requirement = parse_package("fastapi[all]==0.69.0")

    assert (requirement.name, requirement.extras, str(requirement.specifier)) == (
        "fastapi",
        {"all"},
        "==0.69.0",
    )


END_OF_DAY = datetime(2022, 1, 10, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "policy", "shown"),
    [
        pytest.param(
            "as-of-release",
            DependencyPolicy(kind=PolicyKind.AS_OF_RELEASE),
            "as-of-release",
            id="as-of-release",
        ),
        pytest.param("latest", DependencyPolicy(kind=PolicyKind.LATEST), "latest", id="latest"),
        pytest.param(
            "as-of 2022-01-10",
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=END_OF_DAY),
            "as-of 2022-01-10",
            id="as-of-a-day",
        ),
        pytest.param(
            "  as-of   2022-01-10 ",
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=END_OF_DAY),
            "as-of 2022-01-10",
            id="blanks",
        ),
        pytest.param(
            "as-of 9999-12-31",
            DependencyPolicy(kind=PolicyKind.AS_OF, moment=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
            "as-of 9999-12-31",
            id="the-last-day",
        ),
    ],
)
def test_a_policy_is_read_and_shown_in_the_same_words(
    text: str, policy: DependencyPolicy, shown: str
) -> None:
    parsed = parse_policy(text)

    assert parsed == policy
    assert str(parsed) == shown


@pytest.mark.parametrize(
    "text", ["", " ", "newest", "as-of", "as-of yesterday", "as-of 2022-02-30", "latest now", "2022-01-10"]
)
def test_a_policy_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy(text)

    assert (str(caught.value), caught.value.hint) == (f"`{text}` cannot be read (--deps)", POLICY_FORM)


@pytest.mark.parametrize(
    ("policy", "candidate", "not_after"),
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
    policy: DependencyPolicy, candidate: Release, not_after: datetime | None
) -> None:
    assert policy.not_after(candidate) == not_after


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


@pytest.mark.parametrize("text", ["Flask_SQLAlchemy", "flask.sqlalchemy", "flask-sqlalchemy[async]==3.1"])
def test_a_project_is_named_in_any_spelling(text: str) -> None:
    assert parse_project(text) == "flask-sqlalchemy"

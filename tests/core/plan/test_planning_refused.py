"""What cannot be planned is refused with a way out."""

from __future__ import annotations

import pytest
from support.builders import make_plan, probe

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.parsing import parse_moment
from bisect_asgi.core.plan.planning import parse_policy
from bisect_asgi.core.plan.tables import ProbeMetadata

VERSION_FORM = "pass a version (PEP 440), such as `0.69.0`"


SPECIFIER_FORM = "pass version specifiers (PEP 440), such as `>=0.60,<0.110`"


NAME_FORM = "pass a name as on the index, such as `fastapi` or `fastapi[all]`"


PLAIN_NAME_FORM = "pass a name as on the index, without address or marker"


REQUIREMENT_FORM = "pass a requirement (PEP 508), such as `uvicorn==0.17.6`"


MOMENT_FORM = "pass a day, `2022-01-10`, or a moment, `2022-01-10T12:00`"


POLICY_FORM = "pass `as-of-release`, `latest`, `as-of 2022-01-10` or `as-of 2022-01-10T12:00`"


@pytest.mark.parametrize(
    ("options", "metadata", "message", "hint"),
    [
        pytest.param(
            Options(),
            ProbeMetadata(),
            "no package given",
            "pass PACKAGE, or set `package` in the probe's `[tool.bisect-asgi]` table",
            id="no-package",
        ),
        pytest.param(
            Options(package="fastapi", if_newest_fails=True, metric="wall"),
            ProbeMetadata(),
            "`--if-newest-fails` needs a threshold for `wall`: it runs one release alone",
            "pass one with a unit, such as `--bad-above '250 ms'`",
            id="the-newest-alone-has-no-threshold",
        ),
        pytest.param(
            Options(package="fastapi==0.69.0"),
            ProbeMetadata(),
            "`fastapi==0.69.0` names releases, and a bisection over releases looks for one",
            "limit the range by `--releases '==0.69.0'`; one release: `bisect-asgi check`",
            id="package-with-version",
        ),
        pytest.param(
            Options(package="fastapi>0.60", over="commits"),
            ProbeMetadata(),
            "`fastapi>0.60` names releases, and a bisection over commits looks for one",
            "limit the range by `--releases '>0.60'`; one release: `bisect-asgi check`",
            id="commits-of-a-package-with-versions",
        ),
        pytest.param(
            Options(package="fastapi==0.69.0", over="FastAPI"),
            ProbeMetadata(),
            "`--over FastAPI` is the package itself",
            "releases of it move without `--over`",
            id="over-the-package-itself",
        ),
        pytest.param(
            Options(package="fastapi==0.69.0", over="star lette"),
            ProbeMetadata(),
            "`star lette` cannot be read (`package`)",
            NAME_FORM,
            id="over-malformed",
        ),
        pytest.param(
            Options(package="fastapi", over="Starlette"),
            ProbeMetadata(),
            "`fastapi` names no single release to hold while starlette moves",
            "write it as `bisect-asgi 'fastapi==VERSION' --over Starlette …`",
            id="over-a-dependency-with-nothing-held",
        ),
        pytest.param(
            Options(package="fastapi>=0.69", over="starlette"),
            ProbeMetadata(),
            "`fastapi>=0.69` names no single release to hold while starlette moves",
            "write it as `bisect-asgi 'fastapi==VERSION' --over starlette …`",
            id="over-a-dependency-with-a-choice-left",
        ),
        pytest.param(
            Options(package="fastapi==0.69.0", over="starlette", with_=("Starlette==0.15",)),
            ProbeMetadata(),
            "`Starlette` is searched, and cannot be held as well",
            "drop it from `--with`, or limit its range with `--releases`",
            id="what-moves-held",
        ),
        pytest.param(
            Options(package="fastapi==0.69.0", over="starlette", with_=("fastapi==0.69.0",)),
            ProbeMetadata(),
            "`fastapi` is searched, and cannot be held as well",
            "drop it from `--with`, or limit its range with `--releases`",
            id="the-package-held-beside-itself",
        ),
        pytest.param(
            Options(package="fastapi", over="date", good="yesterday"),
            ProbeMetadata(),
            "`yesterday` cannot be read (`--good`)",
            MOMENT_FORM,
            id="good-day",
        ),
        pytest.param(
            Options(package="fastapi", over="python", bad="newest"),
            ProbeMetadata(),
            "`newest` cannot be read (`--bad`)",
            VERSION_FORM,
            id="bad-python",
        ),
        pytest.param(
            Options(package="fastapi", over="commits", good="v1", bad="v1"),
            ProbeMetadata(),
            "`--good` and `--bad` are the same: `v1`",
            "pass two different ones, or one alone",
            id="same-commits",
        ),
        pytest.param(
            Options(package="fastapi", over="date", good="2022-01-10", bad="2022-01-10T23:59:59+00:00"),
            ProbeMetadata(),
            "`--good` and `--bad` are the same: `2022-01-10`",
            "pass two different ones, or one alone",
            id="same-moments",
        ),
        pytest.param(
            Options(package="fastapi", over="date", good="2022-01-10T12:00", bad="2022-01-10T13:00+01:00"),
            ProbeMetadata(),
            "`--good` and `--bad` are the same: `2022-01-10T12:00`",
            "pass two different ones, or one alone",
            id="same-moments-in-two-time-zones",
        ),
        pytest.param(
            Options(package="fastapi", over="date", deps="latest"),
            ProbeMetadata(),
            "`--deps latest` conflicts with `--over date`",
            "drop one of them",
            id="date-and-policy",
        ),
        pytest.param(
            Options(package="fastapi", over="python", python="3.8"),
            ProbeMetadata(),
            "`--python 3.8` conflicts with `--over python`",
            "drop one of them",
            id="python-and-python",
        ),
        pytest.param(
            Options(package="fastapi", repo="../fastapi"),
            ProbeMetadata(),
            "`--repo ../fastapi` has no effect without `--over commits` or `--drill`",
            "add one of them, or drop `--repo`",
            id="repository-without-commits",
        ),
        pytest.param(
            Options(package="fastapi", override=("anyio=3",)),
            ProbeMetadata(),
            "`anyio=3` cannot be read (`--override`)",
            REQUIREMENT_FORM,
            id="override",
        ),
        pytest.param(
            Options(package="Fast_API[all]", override=("anyio<4", "Fast.API==1")),
            ProbeMetadata(),
            "`--override Fast.API==1` names one release of the package itself",
            "name releases by `--good`, `--bad` or `--releases`; `--override Fast.API` has each of them "
            "installed whatever requires another one",
            id="override-of-the-package",
        ),
        pytest.param(
            Options(package="fastapi==0.69.0", over="starlette", override=("fastapi==1",)),
            ProbeMetadata(),
            "`--override fastapi==1` names one release of the package itself",
            "name releases by `--good`, `--bad` or `--releases`; `--override fastapi` has each of them "
            "installed whatever requires another one",
            id="override-of-the-package-while-something-else-moves",
        ),
        pytest.param(
            Options(package="fastapi", match="exhausted", any_failure=True),
            ProbeMetadata(),
            "`--match` conflicts with `--any-failure`",
            "drop one of them",
            id="a-pattern-and-any-failure",
        ),
        pytest.param(
            Options(package="fastapi", bad_above="2 s", bad_below=1.0),
            ProbeMetadata(),
            "`--bad-above 2 s` conflicts with `--bad-below 1.0`",
            "drop one of them",
            id="two-limits",
        ),
        pytest.param(
            Options(package="fastapi", fixed_in="0.70", broken_in="0.69"),
            ProbeMetadata(),
            "a claim is `--fixed-in` or `--broken-in`, not both",
            "verify them one after the other",
            id="two-claims",
        ),
        pytest.param(
            Options(package="fastapi", with_=("uvicorn===latest",)),
            ProbeMetadata(),
            "`uvicorn===latest` cannot be read (`--with`)",
            REQUIREMENT_FORM,
            id="with-identical-to-no-version",
        ),
        pytest.param(
            Options(package="fast api"),
            ProbeMetadata(),
            "`fast api` cannot be read (`package`)",
            NAME_FORM,
            id="package-malformed",
        ),
        pytest.param(
            Options(package="fastapi=0.69.0"),
            ProbeMetadata(),
            "`fastapi=0.69.0` cannot be read (`package`)",
            "write `fastapi==0.69.0`",
            id="package-with-one-equals-sign",
        ),
        pytest.param(
            Options(package="fast api=0.69.0"),
            ProbeMetadata(),
            "`fast api=0.69.0` cannot be read (`package`)",
            NAME_FORM,
            id="no-package-with-one-equals-sign",
        ),
        pytest.param(
            Options(package="fastapi @ https://example.org/fastapi.whl"),
            ProbeMetadata(),
            "`fastapi @ https://example.org/fastapi.whl` cannot be read (`package`)",
            PLAIN_NAME_FORM,
            id="package-with-address",
        ),
        pytest.param(
            Options(package="fastapi; python_version > '3.8'"),
            ProbeMetadata(),
            "`fastapi; python_version > '3.8'` cannot be read (`package`)",
            PLAIN_NAME_FORM,
            id="package-with-marker",
        ),
        pytest.param(
            Options(package="fastapi", good="old"),
            ProbeMetadata(),
            "`old` cannot be read (`--good`)",
            VERSION_FORM,
            id="good",
        ),
        pytest.param(
            Options(package="fastapi", good=""),
            ProbeMetadata(),
            "`` cannot be read (`--good`)",
            VERSION_FORM,
            id="good-empty",
        ),
        pytest.param(
            Options(package="fastapi", bad=">0.69"),
            ProbeMetadata(),
            "`>0.69` cannot be read (`--bad`)",
            VERSION_FORM,
            id="bad",
        ),
        pytest.param(
            Options(package="fastapi", releases="0.60..0.70"),
            ProbeMetadata(),
            "`0.60..0.70` cannot be read (`--releases`)",
            SPECIFIER_FORM,
            id="releases",
        ),
        pytest.param(
            Options(package="fastapi"),
            ProbeMetadata(requires_python="3.8"),
            "`3.8` cannot be read (`requires-python`)",
            SPECIFIER_FORM,
            id="requires-python",
        ),
        pytest.param(
            Options(package="fastapi", deps="newest"),
            ProbeMetadata(),
            "`newest` cannot be read (`--deps`)",
            POLICY_FORM,
            id="policy",
        ),
        pytest.param(
            Options(package="fastapi", match="("),
            ProbeMetadata(),
            "`(` cannot be read (`--match`)",
            "pass a regular expression of Python's `re`",
            id="match",
        ),
        pytest.param(
            Options(package="fastapi", good="0.69", bad="0.69.0"),
            ProbeMetadata(),
            "`--good` and `--bad` are the same: `0.69`",
            "pass two different ones, or one alone",
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
            "`Fast.API` is searched, and cannot be held as well",
            "drop it from `--with`, or limit its range with `--releases`",
            id="package-held",
        ),
        pytest.param(
            Options(package="fastapi", with_=("uvicorn=0.17",)),
            ProbeMetadata(),
            "`uvicorn=0.17` cannot be read (`--with`)",
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
        *(
            pytest.param(
                Options(package="fastapi", python=python),
                ProbeMetadata(),
                f"`{python}` cannot be read (`--python`)",
                "pass a version or a path, several versions (`3.8,3.11`), or `all`",
                id=f"python-{python}",
            )
            for python in ("", "3.8,", ",3.8", "3.8,,3.9", "3.8,all")
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
    "text",
    [
        "",
        " ",
        "newest",
        "as-of",
        "as-of yesterday",
        "as-of 2022-02-30",
        "latest now",
        "2022-01-10",
        "as-of 2022-01-10T25:00",
        "as-of 2022-01-10 at noon",
        "as-of 9999-12-31T23:00-05:00",
    ],
)
def test_a_policy_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy(text)

    assert (str(caught.value), caught.value.hint) == (f"`{text}` cannot be read (`--deps`)", POLICY_FORM)


@pytest.mark.parametrize("text", ["", "yesterday", "2022-02-30", "2022-01-10T25:00", "0.69.0"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_moment(text, "--bad")

    assert (str(caught.value), caught.value.hint) == (f"`{text}` cannot be read (`--bad`)", MOMENT_FORM)

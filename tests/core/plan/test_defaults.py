"""Options of environment variables, and of the `pyproject.toml` of the folder."""

from __future__ import annotations

from typing import Any

import pytest

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.defaults import of_command, read_project_table, read_variables, used
from bisect_asgi.core.plan.options import OPTIONS, Options

TABLE = "`[tool.bisect-asgi]` in `pyproject.toml`"
HABITS = [option for option in OPTIONS.values() if option.is_habit]


def test_a_variable_is_named_like_its_option() -> None:
    assert {option.variable for option in HABITS} >= {"BISECT_ASGI_JOBS", "BISECT_ASGI_BUILD_TIMEOUT"}


def test_no_repeatable_option_has_a_variable() -> None:
    assert not [option.key for option in HABITS if option.is_repeatable]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("jobs", " 3 ", 3),
        ("python", "3.8", "3.8"),
        ("sandbox", "basic", "basic"),
        ("timeout", "30 s", "30 s"),
        ("confidence", "0.95", "0.95"),
        ("no_network", "Yes", True),
        ("quiet", "0", False),
        ("history", "", None),
    ],
)
def test_a_variable_gives_its_option(name: str, text: str, expected: Any) -> None:
    found = read_variables({OPTIONS[name].variable: text, "BISECT_ASGI_PROBE": "leak.py", "HOME": "/"})

    assert found == Options(**{name: expected})


@pytest.mark.parametrize(
    ("name", "text", "message", "hint"),
    [
        ("JOBS", "many", "`many` cannot be read (`BISECT_ASGI_JOBS`)", "pass a whole number"),
        ("JOBS", "0", "`BISECT_ASGI_JOBS=0` is out of range", "set it to 1 or more"),
        ("QUIET", "very", "`very` cannot be read (`BISECT_ASGI_QUIET`)", "pass `1` or `0`"),
        (
            "SANDBOX",
            "weak",
            "`weak` cannot be read (`BISECT_ASGI_SANDBOX`)",
            "pass `auto` or `strong` or `basic` or `none`",
        ),
    ],
)
def test_a_variable_that_cannot_be_read_is_one_message(name: str, text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_variables({f"BISECT_ASGI_{name}": text})

    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_what_no_table_may_have_is_a_default_of_the_command_line() -> None:
    variables = Options(jobs=2, executor="dask", quiet=True, python="3.8")

    assert of_command(variables, "run") == Options(executor="dask", quiet=True)
    assert of_command(variables, "suite") == Options(jobs=2, executor="dask", quiet=True)
    assert of_command(variables, "releases") == Options(python="3.8")
    assert of_command(variables, "cache") == Options()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Options()),
        ("[project]\nname = 'app'\n", Options()),
        ("no toml", Options()),
        ("[tool.bisect-asgi]\nwith = ['.']\ntimeout = 30\n", Options(with_=(".",), timeout=30)),
    ],
)
def test_the_table_of_a_project_has_options(text: str, expected: Options) -> None:
    assert read_project_table(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[tool.bisect-asgi]\nwiht = ['.']\n",
            "`[tool.bisect-asgi]` in `pyproject.toml` has an unknown option: `wiht`",
        ),
        (
            "[tool.bisect-asgi]\nprobe = 'a.py'\n",
            "`probe` cannot stand in `[tool.bisect-asgi]` in `pyproject.toml`",
        ),
        ("[tool]\nbisect-asgi = 1\n", "invalid value `1` for `bisect-asgi` in `pyproject.toml`"),
        ("[tool.bisect-asgi]\nno toml\n", "`pyproject.toml` is no valid TOML: "),
    ],
)
def test_what_a_project_may_not_have_is_one_message(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_project_table(text)

    assert str(caught.value).startswith(message)
    assert caught.value.hint


def test_the_defaults_that_count_are_those_that_nothing_stronger_says() -> None:
    defaults = Options(jobs=2, timeout=30, with_=("h11",), culprit=False)

    assert used(defaults, Options(jobs=1, with_=(".",)), Options(timeout=9)) == ("--with", "--culprit")

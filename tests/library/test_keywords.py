"""The keywords of the library are the options of the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan.option import Command, Option, Setting
from bisect_asgi.library.keywords import (
    BisectOptions,
    CheckOptions,
    VerifyOptions,
    keywords_of,
    options_of,
)

PathText = str | os.PathLike[str]


def declared(option: Option) -> Any:
    """The type of the keyword of an option: what a caller may pass for its declared type."""
    takes_paths = option.is_path or option.name in ("python", "repo")
    if option.is_settings:
        return Mapping[str, Setting] | None
    if get_origin(option.kind) is tuple:
        return Sequence[PathText if takes_paths else str] | None
    return (PathText if takes_paths else option.kind) | None


@pytest.mark.parametrize(
    ("command", "keywords"),
    [
        pytest.param("run", BisectOptions, id="bisect"),
        pytest.param("check", CheckOptions, id="check"),
        pytest.param("verify", VerifyOptions, id="verify"),
    ],
)
def test_keywords_are_the_options_of_the_command(command: Command, keywords: type) -> None:
    found = get_type_hints(keywords)
    wanted = {name: declared(option) for name, option in keywords_of(command).items()}

    assert {name: set(get_args(kind)) for name, kind in found.items()} == {
        name: set(get_args(kind)) for name, kind in wanted.items()
    }


def test_values_are_read_as_a_table_has_them() -> None:
    found = options_of(
        "run",
        {
            "jobs": 2,
            "with_": ["uvicorn==0.17.6"],
            "include": [Path("data")],
            "app": Path("app.py"),
            "uvicorn": {"http": "h11"},
            "timeout": 5,
            "env": "TOKEN",
            "good": None,
        },
    )

    assert (found.jobs, found.with_, found.include, found.app) == (
        2,
        ("uvicorn==0.17.6",),
        ("data",),
        "app.py",
    )
    assert (found.uvicorn, found.timeout, found.env, found.good) == ({"http": "h11"}, 5.0, ("TOKEN",), None)


def test_an_unknown_keyword_is_a_type_error_that_names_the_nearest() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument `jbos`; did you mean `jobs`"):
        options_of("run", {"jbos": 1})
    with pytest.raises(TypeError, match="unexpected keyword argument `quiet`"):
        options_of("run", {"quiet": True})


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        pytest.param({"jobs": "2"}, "invalid value `'2'` for `jobs`", "a whole number: jobs=N", id="type"),
        pytest.param({"with_": [1]}, "invalid value `[1]` for `with_`", 'a list: with_=["REQ"]', id="item"),
        pytest.param({"jobs": 0}, "`--jobs 0` is out of range", "pass 1 or more", id="range"),
    ],
)
def test_a_wrong_value_is_told(given: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        options_of("run", given)

    assert message in str(error.value)
    assert hint in str(error.value.hint)

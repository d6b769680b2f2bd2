"""What a command line gives is what the declarations of the options say."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
import typer
from support.builders import make_plan

import bisect_asgi
from bisect_asgi.cli import parameters
from bisect_asgi.cli.app import app, build
from bisect_asgi.cli.probe_files import load
from bisect_asgi.cli.usage import COMMANDS
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.plan.option import Command, Option
from bisect_asgi.core.plan.options import OPTIONS, Options
from bisect_asgi.core.plan.tables import ProbeMetadata
from bisect_asgi.core.records import replace


def words_of(option: Option) -> tuple[list[str], object]:
    """The option with a value that it accepts, as words of a command line, and what that stands for."""
    if option.is_switch:
        return [option.flag], True
    if option.is_settings:
        return [option.flag, "http=h11"], {"http": "h11"}
    if get_origin(option.kind) is Literal:
        (*_, word) = get_args(option.kind)
        return [option.flag, word], word
    if option.is_repeatable:
        return [option.flag, "one", option.flag, "two"], ("one", "two")
    return [option.flag, "7"], option.kind(7) if option.kind in (int, float) else "7"


GIVEN: list[Options] = []
"""The options that the functions of commands were given."""


def take(options: Options, arguments: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    GIVEN.append(options)


@functools.cache
def built(command: Command) -> Any:
    """The command with `take` in the place of its function, built once: that takes longer than a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"bisect_asgi.cli.{command}.{command}", take)
        return build(command)


def taken(monkeypatch: pytest.MonkeyPatch, command: Command, *words: str) -> Options:
    """The options that the function of the command is given."""
    GIVEN.clear()
    monkeypatch.setattr("bisect_asgi.cli.app.build", built)
    monkeypatch.setenv("UV_OFFLINE", "0")  # `--offline` sets it for the whole process
    app([command, *words], standalone_mode=False)
    (options,) = GIVEN
    return options


@pytest.mark.parametrize("option", OPTIONS.values(), ids=list(OPTIONS))
def test_a_command_has_the_options_that_say_so_and_says_who_has_the_others(
    monkeypatch: pytest.MonkeyPatch, option: Option
) -> None:
    words, value = words_of(option)

    def answer(command: Command) -> object:
        try:
            return taken(monkeypatch, command, *words)
        except UsageError as error:
            return str(error), {other for other in option.commands if f"`{other}`" in str(error.hint)}

    own = dict.fromkeys(option.commands, Options(**{option.name: value}))
    assert {command: answer(command) for command in COMMANDS} == {
        command: own.get(command)
        or (f"`bisect-asgi {command}` has no option `{option.flag}`", set(option.commands))
        for command in COMMANDS
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param([], Options(), id="nothing"),
        pytest.param(["-j", "3", "-qv"], Options(jobs=3, quiet=True, verbose=True), id="letters"),
        pytest.param(["--no-culprit"], Options(culprit=False), id="turned-off"),
        pytest.param(["--every-commit"], Options(first_parent=False), id="turned-off-by-another-name"),
        pytest.param(
            [f"--uvicorn={pair}" for pair in ("a=1", "b=1.5", "c=true", "d=None", "e=x=y", "f=")],
            Options(uvicorn={"a": 1, "b": 1.5, "c": True, "d": None, "e": "x=y", "f": ""}),
            id="pairs",
        ),
        pytest.param(["--bad-above", "8 MiB"], Options(bad_above="8 MiB"), id="a-quantity"),
        pytest.param(["demo", "--pre"], Options(pre=True), id="behind-an-argument"),
    ],
)
def test_a_command_line_becomes_options(
    monkeypatch: pytest.MonkeyPatch, words: list[str], expected: Options
) -> None:
    assert taken(monkeypatch, "run", *words) == expected


@pytest.mark.parametrize(
    ("command", "words", "message", "hint"),
    [
        pytest.param(
            "check",
            ["demo==1", "-j", "2"],
            "`bisect-asgi check` has no option `-j`",
            "remove it, as `check` does without; it is an option of `run`, `locks` and `suite`",
            id="a-letter-of-others",
        ),
        pytest.param(
            "check",
            ["--no-culprit"],
            "`bisect-asgi check` has no option `--no-culprit`",
            "remove it, as `check` does without; it is an option of `run`, `suite` and `verify`",
            id="the-opposite-of-others",
        ),
        pytest.param(
            "verify",
            ["--source", "notes"],
            "`bisect-asgi verify` has no option `--source`",
            "write it as `source` in a probe's table or a suite's table or a project's table",
            id="of-tables-alone",
        ),
        pytest.param(
            "suite", ["s.toml", "-j0"], "`--jobs 0` is out of range", "pass 1 or more", id="too-small"
        ),
        pytest.param(
            "run",
            ["--uvicorn", "h11"],
            "invalid value `h11` for `--uvicorn`",
            "pass `KEY=VALUE`, such as `http=h11`",
            id="no-pair",
        ),
    ],
)
def test_what_is_wrong_with_a_command_line_is_said(
    monkeypatch: pytest.MonkeyPatch, command: Command, words: list[str], message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        taken(monkeypatch, command, *words)

    assert (str(caught.value), caught.value.hint) == (message, hint)


# --- Defaults


def planned(options: Options) -> Plan:
    return make_plan(options, load(options), ProbeMetadata())


def of_text(option: Option) -> Any:
    """The value of the option's default."""
    if option.is_switch:
        return option.default == option.flag
    return option.kind(option.default) if option.kind in (int, float) else option.default


@pytest.mark.parametrize(
    "option",
    [
        option
        for option in OPTIONS.values()
        if option.default and option.places and option.name not in {"python", "jobs", "confirm"}
    ],
    ids=lambda option: option.key,
)
def test_a_default_that_the_help_names_is_the_one_that_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: Option
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.py").touch()
    base = Options(package="demo", app="site.py", load="GET /", metric="wall")

    assert planned(replace(base, **{option.name: of_text(option)})) == planned(base)


# --- A new option


NEW = """
    flavor: Annotated[
        str | None, Option(Section.RANGE, "Flavor of the release", "FLAVOR", "red", commands=("check",))
    ] = None
"""
SEEN = r"""
from bisect_asgi.core.plan.suites import read
from bisect_asgi.core.plan.tables import read_probe

print(read_probe('# /// script\n# [tool.bisect-asgi]\n# flavor = "blue"\n# ///\n', name="p").options.flavor)
print(read('[[probe]]\nprobe = "p.py"\nflavor = "green"', name="s").entries[0].flavor)
"""


@pytest.fixture
def extended(tmp_path: Path) -> Path:
    """A folder with the package, in which one more option is declared, and nothing else is different."""
    source = Path(bisect_asgi.__file__).parent
    shutil.copytree(source, tmp_path / "bisect_asgi", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "bisect_asgi" / "core" / "plan" / "options.py"
    before, first, after = path.read_text(encoding="utf-8").partition("\n    package: Annotated[")
    path.write_text(f"{before}{NEW}{first}{after}", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(
            ["-m", "bisect_asgi", "check", "--help"],
            "--flavor FLAVOR Flavor of the release (default: red).",
            id="command-line",
        ),
        pytest.param(["-c", SEEN], "blue green", id="tables"),
        pytest.param(
            ["-m", "bisect_asgi.cli.parameters"],
            "| `--flavor FLAVOR` | Flavor of the release. | red | `check` | probe, suite, project |",
            id="reference",
        ),
    ],
)
def test_a_new_option_is_one_entry(extended: Path, words: list[str], expected: str) -> None:
    seen = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(extended), "COLUMNS": "100"},
        cwd=extended,
        check=True,
        capture_output=True,
        text=True,
    )

    assert expected in " ".join(seen.stdout.split())


def test_the_page_of_the_options_is_as_generated() -> None:
    page = Path(bisect_asgi.__file__).parents[1] / "docs" / "options.md"

    assert page.read_text(encoding="utf-8") == parameters.render(), "write it anew: make docs"

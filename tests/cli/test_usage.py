"""Mistakes on a command line, as their user reads them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bisect_asgi.cli.app import main

Said = Callable[..., tuple[object, str, str]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Said:
    """Return the exit code, what is on the standard output, and what is on the standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["bisect-asgi", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return ended.value.code, shown.out, shown.err

    return run


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        pytest.param(
            "jinja2 p.py",
            "unexpected argument `p.py`",
            "pass the probe as an option: `--probe p.py`",
            id="a-probe-as-an-argument",
        ),
        pytest.param(
            "jinja2 more",
            "unexpected argument `more`",
            "remove it; `bisect-asgi help run` lists what the command takes",
            id="one-argument-more",
        ),
        pytest.param(
            "chek jinja2==3.0.0",
            "there is no command `chek`",
            "run `bisect-asgi check`, or for a package of that name `bisect-asgi chek --probe FILE`",
            id="nearly-a-command",
        ),
        pytest.param(
            "jinja2 --prob p.py",
            "`bisect-asgi run` has no option `--prob`",
            "write `--probe` or `--pre`",
            id="nearly-an-option",
        ),
        pytest.param(
            "jinja2 --zzz",
            "`bisect-asgi run` has no option `--zzz`",
            "remove it; `bisect-asgi help run` lists the options",
            id="no-option",
        ),
        pytest.param(
            "jinja2 --probe", "`--probe` has no value", "write it as `--probe FILE`", id="without-value"
        ),
        pytest.param("jinja2 -j", "`-j` has no value", "write it as `-j N`", id="a-letter-without-value"),
        pytest.param(
            "jinja2 --jobs=x", "invalid value `x` for `--jobs`", "pass a whole number", id="no-number"
        ),
        pytest.param(
            "jinja2 -jx", "invalid value `x` for `--jobs`", "pass a whole number", id="behind-a-letter"
        ),
        pytest.param(
            "jinja2 --order size",
            "invalid value `size` for `--order`",
            "pass `version` or `upload`",
            id="none-of-the-values",
        ),
        pytest.param(
            "check",
            "no PACKAGE==VERSION given",
            "write it as `bisect-asgi check PACKAGE==VERSION …`; `bisect-asgi help check` has the rest",
            id="without-argument",
        ),
    ],
)
def test_a_mistake_is_one_message_and_what_to_type(said: Said, line: str, message: str, hint: str) -> None:
    _, out, err = said(*line.split())

    assert (out, err) == ("", f"error: {message}\n\nhint: {hint}\n")


def test_a_command_that_is_nearly_a_package_is_run_with_a_probe(said: Said) -> None:
    code, _, err = said("chek", "--probe", "no.py")

    assert code == 2
    assert "there is no file `no.py`" in err


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"]], ids=["nothing", "help", "--help"])
def test_help_is_what_nothing_and_help_show(said: Said, arguments: list[str]) -> None:
    code, out, err = said(*arguments)

    assert (code, err) == (0, "")
    assert "is short for `bisect-asgi run PACKAGE" in out


def test_help_shows_that_of_a_command(said: Said) -> None:
    assert said("help", "check") == said("check", "--help")

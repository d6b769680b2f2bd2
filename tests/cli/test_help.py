"""The help of the command line: what PACKAGE means, and examples that can be typed."""

from __future__ import annotations

import shlex
from typing import get_args

import pytest
from support.shell import Shell

from bisect_asgi.cli.app import build
from bisect_asgi.cli.help import EXAMPLES
from bisect_asgi.core.plan.option import SUMMARIES, Command


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]], ids=" ".join)
def test_the_command_alone_says_what_a_package_means(shell: Shell, arguments: list[str]) -> None:
    done = shell.run(*arguments)

    assert done.returncode == 0
    assert "A line that begins with a PACKAGE is short for `bisect-asgi run PACKAGE …`." in done.stdout
    assert len(done.stdout.splitlines()) <= 32
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


@pytest.mark.parametrize("command", get_args(Command))
def test_the_help_of_a_command_fits_eighty_columns(shell: Shell, command: Command) -> None:
    done = shell.run(command, "--help")

    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: bisect-asgi {command} ")
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line, _ in lines])
def test_an_example_can_be_typed(line: str) -> None:
    called = line.removeprefix('eval "$(').removesuffix(')"').partition(" | ")[0]
    program, first, *rest = shlex.split(called)
    name = first if first in get_args(Command) else "run"
    arguments = rest if first == name else [first, *rest]

    assert program == "bisect-asgi"
    assert build(name).make_context(name, arguments).params


def test_the_summaries_are_those_of_the_commands() -> None:
    assert {name: build(name).help.split("\n")[0] for name in SUMMARIES} == SUMMARIES


def test_each_command_has_an_example_and_a_search_has_three() -> None:
    assert list(EXAMPLES) == list(get_args(Command))
    assert len(EXAMPLES["run"]) == 3

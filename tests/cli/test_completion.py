"""The scripts of `bisect-asgi completion`, in the shells that this machine has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.shell import Shell

ROOT = Path(__file__).parents[2]

BASH = """
source {script}
COMP_LINE={line}; COMP_POINT=${{#COMP_LINE}}
_bisect_asgi
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
compdef() {{ :; }}
_files() {{ print -l files; }}
compadd() {{ print -l -- ${{(P)@[-1]}}; }}
source {script}
words=(${{(z)${{:-{line}}}}}); [[ {line} == *' ' ]] && words+=("")
CURRENT=$#words
_bisect_asgi
"""
FISH = """
source {script}
complete -C {line}
"""
SHELLS = {
    "bash": (["bash", "--norc", "-c"], BASH),
    "zsh": (["zsh", "-f", "-c"], ZSH),
    "fish": (["fish", "-N", "-c"], FISH),
}

Complete = Callable[[str], list[str]]


@pytest.fixture(params=list(SHELLS))
def complete(request: pytest.FixtureRequest, shell: Shell) -> Complete:
    """Completes a line in a shell, with what is cached, and returns the words."""
    name = request.param
    program, template = SHELLS[name]
    if shutil.which(program[0]) is None:
        pytest.skip(f"there is no {name}")
    own = shell.write(
        "bisect-asgi", f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m bisect_asgi "$@"\n'
    )
    own.chmod(0o755)
    script = shell.write("script", shell.run("completion", name).stdout)
    versions = shell.cache / "index" / "versions"
    versions.mkdir(parents=True)
    (versions / "demo").write_text("1.0\t2021-01-01\n1.1\t2021-02-01\n")
    path = os.pathsep.join([str(shell.folder), shell.environ["PATH"]])

    def typed(line: str) -> list[str]:
        done = subprocess.run(
            [*program, template.format(script=script, line=f"'{line}'")],
            env={**shell.environ, "PATH": path, "TERM": "dumb"},
            cwd=shell.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        return [each.partition("\t")[0] for each in done.stdout.splitlines()]

    return typed


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("bisect-asgi ver", ["verify"], id="command"),
        pytest.param("bisect-asgi run --bad-", ["--bad-above", "--bad-below"], id="option"),
        pytest.param(
            "bisect-asgi new p.py --kind ", ["memory", "latency", "hang", "status", "script"], id="value"
        ),
        pytest.param("bisect-asgi de", ["demo"], id="package"),
        pytest.param("bisect-asgi demo --good ", ["1.1", "1.0", "latest"], id="version"),
    ],
)
def test_a_shell_offers_what_may_follow(complete: Complete, line: str, words: list[str]) -> None:
    assert sorted(complete(line)) == sorted(words)


def test_a_release_is_completed_behind_its_package(complete: Complete) -> None:
    # bash replaces what stands behind the last `=`.
    assert [each.removeprefix("demo==") for each in complete("bisect-asgi check demo==1.")] == ["1.1", "1.0"]


def test_files_are_the_shells_own(complete: Complete) -> None:
    assert {"leak.py", "files"} & set(complete("bisect-asgi demo --probe le"))


def test_a_shell_without_a_script_is_an_error(shell: Shell) -> None:
    done = shell.run("completion", "tcsh")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: there is no completion for `tcsh`\n\nhint: pass `bash` or `zsh` or `fish`\n"
    )

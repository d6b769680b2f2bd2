"""`bisect-asgi check` as a user meets it: one release, with the exit codes of git bisect."""

from __future__ import annotations

import sys

import pytest
from support.shell import DIARY, PROBE, PYTHON, Shell, publish, told

# The other commands.


@pytest.mark.parametrize(
    ("release", "code", "word", "seen"),
    [
        pytest.param("demo==1.0", 0, "good", "", id="passes"),
        pytest.param("Demo==1.1", 1, "bad", "AssertionError: it does not work", id="fails"),
        pytest.param("demo==1.2", 125, "skip", "exit code 125", id="cannot-tell"),
    ],
)
def test_one_release_is_checked_with_git_bisects_exit_codes(
    shell: Shell, release: str, code: int, word: str, seen: str
) -> None:
    publish(shell.index, "+--")
    shell.write("leak.py", PROBE.replace("assert", "assert demo.version != '1.2' or exit(125)\nassert"))

    done = shell.run("check", release, "--probe", "leak.py", "--python", PYTHON, *DIARY)

    lines = done.stdout.splitlines()
    assert done.returncode == code
    version = "{}.{}.{}".format(*sys.version_info[:3])
    assert lines[0] == f"demo {release[-3:]} on Python {version}: {word}"
    assert (seen in lines[1]) if seen else lines[1].startswith("  run in ")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        pytest.param(
            ["demo"], "`demo` names no single release", "write it as `fastapi==0.69.0`", id="no-version"
        ),
        pytest.param(
            ["demo==7"], "there is no release `7` (`demo`)", "the nearest ones: `1.1`", id="no-such-release"
        ),
    ],
)
def test_a_release_that_cannot_be_checked_is_told(
    shell: Shell, arguments: list[str], message: str, hint: str
) -> None:
    publish(shell.index, "+-")

    done = shell.run("check", *arguments, "--probe", "leak.py", "--python", PYTHON, *DIARY)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", told(message, hint))

"""Metrics on the command line: their boundary, their limits, and what is refused."""

from __future__ import annotations

import pytest
from support.shell import PROBE, PYTHON, Shell, publish, told

# What is measured.

SIZES = """\
import demo
print("@metric size", 1 if demo.works else 2, "KiB")
"""


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(["--bad-above", "1500 B"], id="a-limit"),
        pytest.param(["--bad-above", "15%"], id="so-much-more-than-the-good-end"),
        pytest.param([], id="none"),
    ],
)
def test_a_metric_finds_its_boundary_and_is_drawn_when_asked(shell: Shell, limit: list[str]) -> None:
    publish(shell.index, "++--")
    shell.write("leak.py", SIZES)

    done = shell.bisect("--metric", "size", *limit, "--plot")
    again = shell.run("report", "--plot")
    plain = shell.run("report")

    assert (done.returncode, again.returncode) == (0, 0)
    lines = done.stdout.splitlines()
    assert lines[0] == "demo broke in 1.2 (2021-03-01)"
    drawn = [line.split() for line in lines if line.endswith((" good", " bad")) and "KiB" in line]
    tested = {line[0]: (line[-1], " ".join(line[-3:-1])) for line in drawn}
    assert tested["1.1"] == ("good", "1.0 KiB")
    assert tested["1.2"] == ("bad", "2.0 KiB")
    assert again.stdout == done.stdout
    assert set(plain.stdout.splitlines()) < set(lines)
    assert not any(line.endswith("KiB good") for line in plain.stdout.splitlines())


def test_a_probe_that_measures_nothing_has_nothing_to_draw(shell: Shell) -> None:
    publish(shell.index, "+-")

    done = shell.bisect("--plot")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == told("`--plot` has nothing to draw", "add `--metric wall`, for example")


@pytest.mark.parametrize(
    ("limit", "code", "word"),
    [
        pytest.param([], 125, "skip", id="no-limit"),
        pytest.param(["--bad-above", "15%"], 125, "skip", id="a-share"),
        pytest.param(["--bad-above", "1500 B"], 1, "bad", id="beyond-it"),
        pytest.param(["--bad-above", "3 KiB"], 0, "good", id="within-it"),
    ],
)
def test_one_release_is_judged_by_a_limit_only(shell: Shell, limit: list[str], code: int, word: str) -> None:
    publish(shell.index, "+-")
    shell.write("leak.py", SIZES)

    done = shell.run(
        "check", "demo==1.1", "--probe", "leak.py", "--python", PYTHON, "--metric", "size", *limit
    )

    assert done.returncode == code
    first, second, *_ = done.stdout.splitlines()
    assert first.endswith(f": {word}")
    assert "  size = 2.0 KiB" in done.stdout
    hint = "; pass one with a unit, such as --bad-above '250 ms'"
    assert second.endswith(hint) == (word == "skip")


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        pytest.param(["--metric", "size", "--bad-above", "3 KiB"], 0, "good", id="another-decides"),
        pytest.param([], 0, "good", id="passing-decides"),
        pytest.param(["--metric", "other", "--bad-above", "3"], 125, "skip", id="it-decides"),
    ],
)
def test_a_metric_that_cannot_be_read_matters_where_it_decides(
    shell: Shell, options: list[str], code: int, word: str
) -> None:
    publish(shell.index, "+-")
    shell.write("leak.py", f"{SIZES}\nprint('@metric other nan')\n")

    done = shell.run("check", "demo==1.1", "--probe", "leak.py", "--python", PYTHON, *options)

    first, second, *_ = done.stdout.splitlines()
    assert (done.returncode, first.rpartition(": ")[2]) == (code, word)
    assert second.startswith("  check: the metric `other` cannot be read: ")


@pytest.mark.parametrize("limit", [[], ["--bad-above", "15%"], ["--bad-above", "3 KiB"]])
def test_a_probe_that_fails_is_bad_whatever_it_measures(shell: Shell, limit: list[str]) -> None:
    publish(shell.index, "+-")
    shell.write("leak.py", f"{SIZES}\nassert False, 'no page'\n")

    done = shell.run(
        "check", "demo==1.1", "--probe", "leak.py", "--python", PYTHON, "--metric", "size", *limit
    )

    assert done.returncode == 1
    first, second, *_ = done.stdout.splitlines()
    assert first.endswith(": bad")
    assert second == "  check: AssertionError: no page"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        pytest.param(
            ["--load", "GET /"],
            "`--load 'GET /'` has no app to drive",
            "name it: `--app FILE[:NAME]`",
            id="a-load-without-an-app",
        ),
        pytest.param(
            ["--metric", "wall", "--match", "lost"],
            "`--metric` conflicts with `--match`",
            "drop one of them",
            id="a-metric-and-a-pattern",
        ),
        pytest.param(
            ["--confidence", "high"],
            "`high` cannot be read (`--confidence`)",
            "pass a probability from 0.5 to 0.9999: `0.99` or `99%`",
            id="no-probability",
        ),
        pytest.param(
            ["--confidence", "100%"],
            "`--confidence 100%` is out of range",
            "pass a probability from 0.5 to 0.9999, such as `99%`",
            id="certainty",
        ),
    ],
)
def test_a_question_without_meaning_is_refused(
    shell: Shell, arguments: list[str], message: str, hint: str
) -> None:
    done = shell.run("demo", "--probe", "leak.py", *arguments)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", told(message, hint))


def test_a_claim_of_the_command_line_stands_for_the_tables(shell: Shell) -> None:
    publish(shell.index, "+-")
    table = '# /// script\n# [tool.bisect-asgi]\n# fixed-in = "1.1"\n# source = "notes"\n# ///\n'
    shell.write("leak.py", table + PROBE.replace("os.environ", "{'DIARY': os.devnull}"))

    done = shell.run("verify", "demo", "--probe", "leak.py", "--python", PYTHON, "--broken-in", "1.1")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("confirmed")
    assert "notes" not in done.stdout

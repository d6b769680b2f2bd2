"""A search with a person as the judge (`--ask`), and verdicts that are taken back."""

from __future__ import annotations

import pytest
from support.shell import PYTHON, Shell, publish, told
from support.terminals import type_at

QUESTION = "does the page look right?"
ASK = ("demo", "--ask", QUESTION, "--python", PYTHON)


def answers(**said: str) -> dict[str, str]:
    """What is typed whenever a release is asked about; `v1_0` stands for 1.0."""
    return {f"{name[1:].replace('_', '.')} on Python": f"{text}\n" for name, text in said.items()}


ALL = answers(v1_0="good", v1_1="good", v1_2="b the page is empty", v1_3="bad")


def test_a_person_is_asked_until_the_change_is_found(shell: Shell) -> None:
    publish(shell.index, "++--")

    code, shown = type_at(shell, ASK, always=ALL)

    assert code == 0
    assert "demo broke in 1.2" in shown
    assert QUESTION in shown
    assert "the page is empty" in shown
    assert all(shown.count(words) <= 1 for words in ALL)


def test_the_same_command_goes_on_and_another_question_begins_anew(shell: Shell) -> None:
    publish(shell.index, "++--")
    first, shown = type_at(shell, ASK, [("1.3 on Python", "bad\n"), (" on Python", "quit\n")])
    again, more = type_at(shell, ASK, always=ALL)
    other, anew = type_at(
        shell, ("demo", "--ask", "is it fast?", "--python", PYTHON), [("1.3 on Python", "\x04")]
    )

    assert (first, again, other) == (130, 0, 130)
    assert "interrupted" in shown
    assert "1.3 on Python" not in more
    assert "is it fast?" in anew


def test_a_verdict_is_taken_back(shell: Shell) -> None:
    publish(shell.index, "++--")

    code, shown = type_at(
        shell,
        ASK,
        [
            ("1.3 on Python", "back\n"),
            ("this command has no verdict yet", ""),
            ("1.3 on Python", "good\n"),
            (" on Python", "back\n"),
            ("1.3 on Python", "bad\n"),
            (" on Python", "back 1.3\n"),
        ],
        always=ALL,
    )

    assert code == 0
    assert shown.count("1.3 on Python") == 4
    assert "demo broke in 1.2" in shown


def test_what_cannot_be_read_is_asked_again_and_skip_is_no_verdict(shell: Shell) -> None:
    publish(shell.index, "++--")

    code, shown = type_at(
        shell,
        ASK,
        [("1.3 on Python", "perhaps\n"), ("type good, bad, skip, retry, back, shell or quit", "")],
        always={**ALL, **answers(v1_2="skip no login")},
    )

    assert "no login" in shown
    assert code == 5  # the change is in 1.2 or 1.3


def test_a_probe_is_run_before_its_release_is_judged_and_again_on_request(shell: Shell) -> None:
    publish(shell.index, "+-")
    shell.write("shows.py", "import demo\nprint('works:', demo.works)")

    code, shown = type_at(
        shell,
        (*ASK, "--probe", "shows.py"),
        [("1.1 on Python", "retry\n")],
        always=answers(v1_0="good", v1_1="bad"),
    )

    assert code == 0
    assert shown.count("works: False") == 2
    assert shown.count("the probe: passed, exit code 0") == 3


def test_a_shell_opens_in_the_release_that_is_asked_about(shell: Shell) -> None:
    publish(shell.index, "+-")

    code, shown = type_at(
        shell,
        ASK,
        [
            ("1.1 on Python", "shell\n"),
            ("(1.1) $ ", "python -c 'import demo; print(\"it is\", demo.works)'\n"),
            ("it is False", "exit\n"),
        ],
        always=answers(v1_0="good", v1_1="bad"),
    )

    assert code == 0
    assert "demo broke in 1.1" in shown


def test_ctrl_c_while_somebody_is_asked_keeps_the_verdicts(shell: Shell) -> None:
    publish(shell.index, "++--")

    code, shown = type_at(shell, ASK, [("1.3 on Python", "bad\n"), (" on Python", "\x03")])

    assert code == 130
    assert "interrupted" in shown


def test_asking_needs_a_terminal(shell: Shell) -> None:
    done = shell.run(*ASK)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == told(
        "`--ask` asks a person at a terminal, and the standard input is none",
        "run it in a terminal, or have a script judge: `--probe FILE`",
    )


def test_the_cached_runs_of_any_release_can_be_dropped(shell: Shell) -> None:
    publish(shell.index, "++--")
    shell.bisect()
    before = shell.noted("start")

    done = shell.bisect("--undo", "1.2", "--undo", "7.7")

    assert done.returncode == 0
    after = shell.noted("start")
    assert {version for version in after if after[version] > before[version]} == {"1.2"}
    assert "note: `--undo 7.7`: no run of it was cached\n" in done.stderr


@pytest.mark.parametrize("arguments", [["--metric", "wall"], ["--match", "x"]])
def test_what_a_person_cannot_do_is_refused(shell: Shell, arguments: list[str]) -> None:
    publish(shell.index, "+-")

    code, shown = type_at(shell, [*ASK, *arguments])

    assert code == 2
    assert f"`{' '.join(arguments)}` conflicts with `--ask`" in shown

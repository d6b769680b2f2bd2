"""Signatures: what two sights of one failure have in common, and what tells two failures apart."""

from __future__ import annotations

import pytest

from bisect_asgi import signature
from bisect_asgi.model import FailureKind, Phase, Signature


@pytest.mark.parametrize(
    ("message", "normal"),
    [
        pytest.param("expected 200, got 500", "expected N, got N", id="numbers"),
        pytest.param("needs starlette 0.37.2", "needs starlette N", id="versions"),
        pytest.param("took 0.25 s", "took N s", id="fractions"),
        pytest.param(
            "cannot open '/tmp/probe-x1/app.py': denied", "cannot open '<path>': denied", id="posix-path"
        ),
        pytest.param(r"cannot open C:\Temp\app.py", "cannot open <path>", id="windows-path"),
        pytest.param("text/html or starlette.routing", "text/html or starlette.routing", id="no-path"),
        pytest.param("  too \t many\n blanks ", "too many blanks", id="blanks"),
        pytest.param("", "", id="empty"),
        pytest.param("the limit is reached.", "the limit is reached", id="full-stop"),
        pytest.param("no space left!", "no space left", id="exclamation"),
        pytest.param("ValueError: ", "ValueError", id="nothing-behind-the-type"),
        pytest.param("one of a, b, …: ; .", "one of a, b, …", id="several-marks"),
        pytest.param("why?", "why?", id="a-question-stays"),
        pytest.param(
            "f() takes no arguments (1 given)", "f() takes no arguments (N given)", id="brackets-stay"
        ),
        pytest.param("...", "", id="marks-alone"),
    ],
)
def test_what_may_differ_between_two_sights_is_taken_out(message: str, normal: str) -> None:
    assert signature.normalise(message) == normal


def test_addresses_are_taken_out() -> None:
    one = signature.normalise("<Router object at 0x7f3aBC00> is closed")
    other = signature.normalise("<Router object at 0xdeadbeef> is closed")

    assert one == other
    assert "7f3a" not in one


def test_a_message_that_only_gained_a_full_stop_is_the_same_failure() -> None:
    one = signature.of_exception("ValueError", "the pool is closed", phase=Phase.CHECK)
    other = signature.of_exception("ValueError", "the pool is closed.", phase=Phase.CHECK)

    assert one.is_same_failure(other)
    assert (one.shown, other.shown) == ("ValueError: the pool is closed", "ValueError: the pool is closed.")


def test_different_words_stay_different() -> None:
    assert signature.normalise("no attribute 'app'") != signature.normalise("no attribute 'router'")


def test_an_exception_is_known_by_its_type_and_message() -> None:
    assert signature.of_exception("ValueError", "bad port 8000", phase=Phase.CHECK) == Signature(
        kind=FailureKind.EXCEPTION,
        phase=Phase.CHECK,
        text="ValueError: bad port N",
        shown="ValueError: bad port 8000",
    )


def test_an_exception_that_comes_out_of_an_import_is_of_the_import_phase() -> None:
    at_import = signature.of_exception("TypeError", "no", phase=Phase.IMPORT)

    assert at_import.phase is Phase.IMPORT
    assert not at_import.is_same_failure(signature.of_exception("TypeError", "no", phase=Phase.CHECK))


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        pytest.param("", "ValueError", id="no-message"),
        pytest.param("\n  \n", "ValueError", id="blank-message"),
        pytest.param("first\nsecond", "ValueError: first", id="several-lines"),
        pytest.param("\n\nthird", "ValueError: third", id="blank-lines-before"),
    ],
)
def test_the_first_line_that_says_something_stands_for_the_message(message: str, shown: str) -> None:
    assert signature.of_exception("ValueError", message, phase=Phase.CHECK).shown == shown


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        pytest.param(
            "no 'x' (/home/me/.cache/env/site-packages/jinja2/__init__.py)",
            "ImportError: no 'x' (…/jinja2/__init__.py)",
            id="long",
        ),
        pytest.param("no 'x' (/opt/probe/leak.py)", "ImportError: no 'x' (/opt/probe/leak.py)", id="short"),
    ],
)
def test_of_a_long_path_the_end_is_shown(message: str, shown: str) -> None:
    assert signature.of_exception("ImportError", message, phase=Phase.IMPORT).shown == shown


def test_what_is_shown_is_cut_and_what_is_compared_is_not() -> None:
    fits = signature.of_exception("ValueError", "x" * 148, phase=Phase.CHECK)
    cut = signature.of_exception("ValueError", "x" * 149, phase=Phase.CHECK)
    other = signature.of_exception("ValueError", "x" * 149 + "y", phase=Phase.CHECK)

    assert fits.shown == "ValueError: " + "x" * 148
    assert cut.shown == "ValueError: " + "x" * 147 + "…"
    assert cut.shown == other.shown
    assert not cut.is_same_failure(other)


@pytest.mark.parametrize(
    ("exit_code", "kind", "text"),
    [
        pytest.param(3, FailureKind.EXIT, "exit code 3", id="exit-code"),
        pytest.param(-1, FailureKind.SIGNAL, "killed by SIGHUP", id="lowest-signal"),
        pytest.param(-9, FailureKind.SIGNAL, "killed by SIGKILL", id="known-signal"),
        pytest.param(-11, FailureKind.SIGNAL, "killed by SIGSEGV", id="segfault"),
        pytest.param(-200, FailureKind.SIGNAL, "killed by signal 200", id="unknown-signal"),
    ],
)
def test_an_exit_without_an_exception_is_known_by_its_code(
    exit_code: int, kind: FailureKind, text: str
) -> None:
    assert signature.of_exit(exit_code) == Signature(kind=kind, phase=Phase.CHECK, text=text, shown=text)


def test_different_exit_codes_are_different_failures() -> None:
    assert not signature.of_exit(3).is_same_failure(signature.of_exit(4))


def test_hangs_are_one_failure_whatever_the_limit_was() -> None:
    short, long = signature.of_timeout(2.5), signature.of_timeout(120.0)

    assert short.is_same_failure(long)
    assert (short.kind, short.phase) == (FailureKind.TIMEOUT, Phase.CHECK)
    assert (short.shown, long.shown) == ("time-out after 2.5 s", "time-out after 120 s")


def test_an_environment_that_cannot_be_had_says_why() -> None:
    reason = "no version of starlette satisfies >=0.40"

    assert signature.of_environment(Phase.RESOLVE, reason) == Signature(
        kind=FailureKind.ENVIRONMENT,
        phase=Phase.RESOLVE,
        text="no version of starlette satisfies >=N",
        shown=reason,
    )


@pytest.mark.parametrize(
    ("output", "shown", "phase"),
    [
        pytest.param(
            "starting\n"
            "Traceback (most recent call last):\n"
            '  File "leak.py", line 3, in <module>\n'
            "    main()\n"
            "ValueError: bad port 8000\n"
            "bye: done\n",
            "ValueError: bad port 8000",
            Phase.CHECK,
            id="one-traceback",
        ),
        pytest.param(
            "Traceback (most recent call last):\n"
            '  File "leak.py", line 3, in <module>\n'
            "KeyError: 'lifespan'\n"
            "\n"
            "During handling of the above exception, another exception occurred:\n"
            "\n"
            "Traceback (most recent call last):\n"
            '  File "leak.py", line 5, in <module>\n'
            "httpx.ReadTimeout: timed out\n",
            "ReadTimeout: timed out",
            Phase.CHECK,
            id="the-last-one-without-its-module",
        ),
        pytest.param(
            'Traceback (most recent call last):\n  File "leak.py", line 1\nKeyboardInterrupt\n',
            "KeyboardInterrupt",
            Phase.CHECK,
            id="no-message",
        ),
        pytest.param(
            "Traceback (most recent call last):\n"
            '  File "leak.py", line 1, in <module>\n'
            "ModuleNotFoundError: No module named 'starlette'\n",
            "ModuleNotFoundError: No module named 'starlette'",
            Phase.IMPORT,
            id="an-import-error",
        ),
    ],
)
def test_the_last_traceback_of_a_program_is_its_signature(output: str, shown: str, phase: Phase) -> None:
    found = signature.from_output(output)

    assert found is not None
    assert (found.kind, found.phase, found.shown) == (FailureKind.EXCEPTION, phase, shown)


@pytest.mark.parametrize(
    "output",
    [
        pytest.param("", id="nothing"),
        pytest.param("ValueError: mentioned only\n", id="no-traceback"),
        pytest.param('Traceback (most recent call last):\n  File "leak.py", line 1\n', id="cut-off"),
        pytest.param("log: Traceback (most recent call last):\nValueError: x\n", id="quoted"),
    ],
)
def test_an_output_without_a_whole_traceback_has_no_signature(output: str) -> None:
    assert signature.from_output(output) is None


@pytest.mark.parametrize(
    ("failure", "plainness"),
    [
        pytest.param(signature.of_exception("AssertionError", "no", phase=Phase.CHECK), 2, id="assertion"),
        pytest.param(signature.of_exception("AssertionError", "", phase=Phase.CHECK), 2, id="bare-assertion"),
        pytest.param(signature.of_exit(3), 2, id="exit-code"),
        pytest.param(signature.of_timeout(3), 2, id="hang"),
        pytest.param(signature.of_exception("TypeError", "no", phase=Phase.CHECK), 1, id="exception"),
        pytest.param(signature.of_exit(-11), 1, id="crash"),
        pytest.param(signature.of_exception("ImportError", "no", phase=Phase.IMPORT), 0, id="import-error"),
        pytest.param(
            signature.of_exception("AssertionError", "no", phase=Phase.IMPORT), 0, id="while-importing"
        ),
    ],
)
def test_some_failures_speak_more_plainly_than_others(failure: Signature, plainness: int) -> None:
    assert signature.plainness(failure) == plainness

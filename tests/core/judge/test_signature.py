"""Signatures: what two sights of one failure have in common, and what tells two failures apart."""

from __future__ import annotations

import pytest
from support.signatures import FILES, SITE, STDLIB, WORK, place, raised

from bisect_asgi.core.judge import signature
from bisect_asgi.core.judge.tracebacks import LastException
from bisect_asgi.core.model import FailureKind, Phase, Signature


def test_a_message_that_only_gained_a_full_stop_is_the_same_failure() -> None:
    one = signature.of_exception("ValueError", "the pool is closed", phase=Phase.CHECK)
    other = signature.of_exception("ValueError", "the pool is closed.", phase=Phase.CHECK)

    assert one.is_same_failure(other)
    assert (one.shown, other.shown) == ("ValueError: the pool is closed", "ValueError: the pool is closed.")


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


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        pytest.param("", "exit code 2", id="silent"),
        pytest.param(" \n\n", "exit code 2", id="blank"),
        pytest.param(
            "usage: check\nerror: no such option\n\n",
            "exit code 2: error: no such option",
            id="the-last-line",
        ),
        pytest.param("\x1b[31mnot found\x1b[0m\r\n", "exit code 2: not found", id="in-color"),
        pytest.param("a\x07b", "exit code 2: a�b", id="control-characters"),
    ],
)
def test_an_exit_code_is_shown_with_the_last_line_and_compared_without(output: str, shown: str) -> None:
    failure = signature.of_exit(2, output)

    assert failure.shown == shown
    assert failure.is_same_failure(signature.of_exit(2, "another\n"))


def test_a_long_last_line_is_cut() -> None:
    assert len(signature.of_exit(2, "x" * 1000).shown) == 160


def test_the_last_line_of_a_killed_program_is_not_its_reason() -> None:
    assert signature.of_exit(-11, "Extension modules: a\n").shown == "killed by SIGSEGV"


def served(
    error: str, message: str, *frames: tuple[str, int, str], by_probe: str = "expected 200, got 500"
) -> Signature:
    """The signature of a probe whose server logged an exception."""
    failure = signature.of_exception("AssertionError", by_probe, phase=Phase.CHECK)
    logged = LastException(type=error, message=message, frames=frames or (place("/w/app.py", "view"),))
    return signature.with_server_error(failure, logged, probe_files=FILES)


def test_a_served_probe_fails_with_what_it_says_and_with_what_its_server_raised() -> None:
    failure = served("KeyError", "'id 7'")

    assert failure.text == "AssertionError: expected N, got N; server: KeyError: 'id N' at ./app.py in view"
    assert failure.shown == "AssertionError: expected 200, got 500; server: KeyError: 'id 7'"
    assert signature.plainness(failure) == 2


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        pytest.param(served("KeyError", "'id 8'"), True, id="another-number"),
        pytest.param(served("ValueError", "'id 7'"), False, id="another-exception"),
        pytest.param(served("KeyError", "'name'"), False, id="another-message"),
        pytest.param(served("KeyError", "'id 7'", place("/w/app.py", "g")), False, id="another-function"),
        pytest.param(served("KeyError", "'id 7'", place(f"{SITE}/six.py")), False, id="of-a-package"),
        pytest.param(served("KeyError", "'id 7'", by_probe="no answer"), False, id="another-assertion"),
        pytest.param(
            signature.of_exception("AssertionError", "expected 200, got 500", phase=Phase.CHECK),
            False,
            id="nothing-logged",
        ),
    ],
)
def test_failures_of_served_probes_are_the_same_if_both_parts_are(other: Signature, is_same: bool) -> None:
    assert served("KeyError", "'id 7'").is_same_failure(other) is is_same


def test_of_two_long_messages_the_beginnings_are_shown() -> None:
    assert served("KeyError", "y" * 200, by_probe="x" * 200).shown == (
        f"AssertionError: {'x' * 63}…; server: KeyError: {'y' * 61}…"
    )


def test_an_exception_of_the_server_without_a_place_is_known_by_its_message() -> None:
    assert served("KeyError", "'x'", place("<string>")).text.endswith("; server: KeyError: 'x'")


HANGS = f"""\
Thread 0x00007f31 (most recent call first):
  File "{STDLIB}/threading.py", line 320 in wait
  File "{STDLIB}/queue.py", line 171 in get

Current thread 0x00007f32 [python3] (most recent call first):
  File "{STDLIB}/threading.py", line 327 in wait
  File "{SITE}/pool/core.py", line 12 in acquire
  File "{WORK}/leak.py", line 3 in check
  File "{WORK}/leak.py", line 9 in <module>
"""


@pytest.mark.parametrize(
    ("stacks", "place"),
    [
        pytest.param("", "", id="no-stacks"),
        pytest.param("Thread 0x0f (most recent call first):\n  <no Python frame>\n", "", id="no-frames"),
        pytest.param(HANGS, " in wait (threading.py:327), called from leak.py:3", id="below-the-probe"),
        pytest.param(
            HANGS + "\nCurrent thread 0x0f (most recent call first):\n"
            f'  File "{STDLIB}/selectors.py", line 468 in select\n',
            " in wait (threading.py:327), called from leak.py:3",
            id="another-process-without-the-probe",
        ),
        pytest.param(
            f'Thread 0x0f (most recent call first):\n  File "{WORK}/leak.py", line 9 in <module>\n',
            " in <module> (leak.py:9)",
            id="in-the-probe",
        ),
        pytest.param(
            f'Thread 0x0f (most recent call first):\n  File "{STDLIB}/queue.py", line 171 in get\n',
            " in get (queue.py:171)",
            id="nowhere-in-the-probe",
        ),
    ],
)
def test_a_hang_is_shown_with_its_place_and_compared_without(stacks: str, place: str) -> None:
    failure = signature.of_timeout(10, stacks, probe_files=FILES)

    assert failure.shown == f"time-out after 10 s{place}"
    assert failure.is_same_failure(signature.of_timeout(60))


def test_a_frame_that_was_not_seen_makes_no_difference() -> None:
    unseen = signature.of_exception("KeyError", "'x'", phase=Phase.CHECK)
    seen = raised(place(f"{SITE}/six.py"))

    assert unseen.is_same_failure(seen)
    assert seen.is_same_failure(unseen)


@pytest.mark.parametrize("look_up", ["__getattr__", "__getattribute__"])
def test_an_attribute_that_is_not_there_is_missing_where_it_was_asked_for(look_up: str) -> None:
    missing = "module 'anyio' has no attribute 'run'"
    native = raised(error="AttributeError", message=missing)
    own = raised(place(f"{SITE}/anyio/_lazy.py", look_up), error="AttributeError", message=missing)
    other = raised(place(f"{SITE}/anyio/_lazy.py", look_up), error="KeyError", message=missing)

    assert native == own
    assert other.frame == f"anyio/_lazy.py in {look_up}"


@pytest.mark.parametrize(
    ("message", "file", "function", "is_same"),
    [
        pytest.param("run", "click/__init__.py", "__getattr__", True, id="a-bare-name"),
        pytest.param("walk", "click/__init__.py", "__getattr__", False, id="another-name"),
        pytest.param("run it", "click/__init__.py", "__getattr__", False, id="words"),
        pytest.param("run", "click/__init__.py", "load", False, id="another-function"),
        pytest.param("run", "click/core.py", "__getattr__", False, id="perhaps-of-a-class"),
        pytest.param("run", "rich/click/__init__.py", "__getattr__", False, id="another-module"),
    ],
)
def test_a_modules_own_look_up_says_what_python_says(
    message: str, file: str, function: str, is_same: bool
) -> None:
    native = raised(error="AttributeError", message="module 'click' has no attribute 'run'")
    own = raised(place(f"{SITE}/{file}", function), error="AttributeError", message=message)

    assert own.is_same_failure(native) is is_same
    assert own.shown == f"AttributeError: {message}"


def test_an_attribute_error_without_frames_is_its_message() -> None:
    failure = signature.of_exception("AttributeError", "run", phase=Phase.CHECK)

    assert failure.text == "AttributeError: run"


def test_a_message_without_end_is_compared_by_its_beginning() -> None:
    one, other = (signature.of_exception("ValueError", "x " * 1000 + end, phase=Phase.CHECK) for end in "ab")

    assert one.is_same_failure(other)


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


def test_a_printed_traceback_tells_its_frames() -> None:
    output = (
        "Traceback (most recent call last):\n"
        f'  File "{WORK}/leak.py", line 3, in <module>\n'
        "KeyError: 'x'\n"
        "\n"
        "During handling of the above exception, another exception occurred:\n"
        "\n"
        "Traceback (most recent call last):\n"
        f'  File "{WORK}/leak.py", line 5, in check\n'
        "    load()\n"
        f'  File "{STDLIB}/json/decoder.py", line 9, in decode\n'
        "ValueError: no\n"
        f'  File "{SITE}/six.py", line 1, in of_something_else\n'
    )

    found = signature.from_output(output, probe_files=FILES)

    assert found is not None
    assert found.frame == "./leak.py in check"


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


SERVER_STACKS = f"""Thread MainThread:
  File "{STDLIB}/asyncio/runners.py", line 44, in run
    return loop.run_until_complete(main)

Task <Task pending name='Task-1' coro=<main()>>:
  File "/env/lib/python3.9/site-packages/uvicorn/server.py", line 228, in main_loop
    await asyncio.sleep(0.1)
"""


@pytest.mark.parametrize(
    ("stacks", "place"),
    [
        pytest.param("", "", id="no-stacks"),
        pytest.param(SERVER_STACKS, "", id="nowhere-in-the-app"),
        pytest.param(
            SERVER_STACKS
            + f'\nThread Thread-2:\n  File "{WORK}/leak.py", line 21, in view\n    time.sleep(9)\n',
            "; server in view (leak.py:21)",
            id="in-the-app",
        ),
        pytest.param(
            f'Task <Task pending>:\n  File "{WORK}/leak.py", line 21, in answer\n    await receive()\n'
            '  File "/env/site-packages/uvicorn/http.py", line 7, in receive\n    await wait()\n'
            "\nThread none:\n",
            "; server in receive (http.py:7), called from leak.py:21",
            id="below-the-app",
        ),
    ],
)
def test_what_waits_for_a_server_is_shown_with_the_servers_place(stacks: str, place: str) -> None:
    waited = signature.of_exception("ReadTimeout", "timed out", phase=Phase.CHECK)

    shown = signature.with_server_stacks(waited, stacks, probe_files=FILES)

    assert shown.shown == f"ReadTimeout: timed out{place}"
    assert shown.is_same_failure(waited)
    assert shown.text == waited.text

"""Commands as probes, test runners among them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.probe_runs import ASSERTION, FAILS, command, observe, script, source

from bisect_asgi.backend.environments import Environment
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import Outcome, Phase, Probe, Signature

# --- Commands


def test_a_command_of_several_words_and_programs_is_the_shells(environment: Environment, runs: Path) -> None:
    seen = observe(
        command("cd data && cat word | tr a-z A-Z", source("data/word", "hello")), environment, runs
    )

    assert (seen.outcome, seen.output_tail) == (Outcome.PASSED, "HELLO")


def test_an_exception_in_a_commands_python_gives_its_signature_and_its_frames(
    environment: Environment, runs: Path
) -> None:
    seen = observe(command("python leak.py; exit $?", source("leak.py", FAILS)), environment, runs)

    assert (seen.outcome, seen.phase, seen.signature) == (Outcome.FAILED, Phase.CHECK, ASSERTION)
    assert [name for _, _, name in seen.frames] == ["<module>", "check"]


def test_a_traceback_that_a_command_prints_tells_where(environment: Environment, runs: Path) -> None:
    code = "import traceback\ntry: import app\nexcept KeyError:\n    traceback.print_exc()\n    exit(1)"
    files = (source("leak.py", code), source("app.py", "def make():\n    {}['DSN']\nmake()"))

    seen = observe(command("python leak.py", *files), environment, runs)

    assert seen.signature is not None
    assert (seen.signature.shown, seen.signature.frame) == ("KeyError: 'DSN'", "./app.py in make")


ITS_OWN_CODE = signature.of_exit(7, "AssertionError: expected 200, got 500")


@pytest.mark.parametrize(
    ("line", "outcome", "expected"),
    [
        pytest.param("exit 3", Outcome.FAILED, signature.of_exit(3), id="exit-code"),
        pytest.param("exit 125", Outcome.UNTESTABLE, signature.of_exit(125), id="git-bisect-skip"),
        pytest.param(
            "no-such-program 2>&1 | sed 's/.*: //' && exit 127",
            Outcome.FAILED,
            signature.of_exit(127, "not found"),
            id="not-found",
        ),
        pytest.param("kill -9 $$", Outcome.FAILED, signature.of_exit(-9), id="signal"),
        pytest.param("python leak.py || exit 7", Outcome.FAILED, ITS_OWN_CODE, id="its-own-code"),
        pytest.param("python leak.py || true", Outcome.PASSED, None, id="a-failure-that-it-expects"),
        pytest.param(
            "printf 'Traceback (most recent call last):\\n  …\\nasgi.LifespanError: no startup\\n'; exit 1",
            Outcome.FAILED,
            signature.of_exception("LifespanError", "no startup", phase=Phase.CHECK),
            id="a-traceback-that-only-the-output-shows",
        ),
    ],
)
def test_a_command_is_judged_by_its_exit_code_and_its_tracebacks(
    environment: Environment, runs: Path, line: str, outcome: Outcome, expected: Signature | None
) -> None:
    seen = observe(command(line, source("leak.py", FAILS)), environment, runs)

    assert (seen.outcome, seen.signature) == (outcome, expected)


# --- Runners of tests

TESTS = """
import unittest

class TestPool(unittest.TestCase):
    def test_close(self):
        import app
        self.assertEqual(app.size(), 2)

    @unittest.skip("not here")
    def test_skipped(self):
        pass
"""


PRINTED_BY_PYTEST = """
print('''
=========== FAILURES ===========
___________ test_a ___________
>       subprocess.run([sys.executable, "-c", "1/0"], check=True)
E       httpx.ReadTimeout: timed out after 5 s

test_app.py:3: ReadTimeout
1 failed in 0.1s
''')
"""


@pytest.mark.parametrize(
    ("app", "shown"),
    [
        pytest.param("def size(): return 3", "TestPool.test_close: AssertionError: 3 != 2", id="assertion"),
        pytest.param("def size(): {}['x']", "TestPool.test_close: KeyError: 'x'", id="exception"),
        pytest.param(
            "", "TestPool.test_close: AttributeError: module 'app' has no attribute 'size'", id="api"
        ),
    ],
)
def test_a_failing_test_is_told_by_its_name_and_its_exception(
    environment: Environment, runs: Path, app: str, shown: str
) -> None:
    files = (source("test_app.py", TESTS), source("app.py", app))

    seen = observe(command("python -m unittest test_app", *files), environment, runs)

    assert (seen.outcome, seen.signature and seen.signature.shown) == (Outcome.FAILED, shown)


@pytest.mark.parametrize("line", ["test_app.TestPool.test_skipped", "discover -p 'nothing*.py'"])
def test_where_no_test_ran_nothing_is_known(environment: Environment, runs: Path, line: str) -> None:
    seen = observe(command(f"python -m unittest {line}", source("test_app.py", TESTS)), environment, runs)

    assert seen.outcome is Outcome.UNTESTABLE
    assert seen.signature is not None
    assert seen.signature.shown.startswith("no test ran")
    assert seen.phase is Phase.STARTUP


@pytest.mark.parametrize(
    ("probe", "shown"),
    [
        pytest.param(
            command("python -c '1/0'; python printed.py; exit 1", source("printed.py", PRINTED_BY_PYTEST)),
            "test_a: ReadTimeout: timed out after 5 s",
            id="a-command-with-an-exception-of-another-process",
        ),
        pytest.param(
            script(PRINTED_BY_PYTEST + "raise SystemExit(2)"),
            "test_a: ReadTimeout: timed out after 5 s",
            id="a-script-that-ends-as-its-tests",
        ),
        pytest.param(
            script(PRINTED_BY_PYTEST + "import subprocess; subprocess.check_call(['false'])"),
            "test_a: ReadTimeout: timed out after 5 s",
            id="a-script-that-says-no-more-than-that-they-failed",
        ),
        pytest.param(
            script(PRINTED_BY_PYTEST + "{}['x']"), "KeyError: 'x'", id="a-script-with-an-exception-of-its-own"
        ),
        pytest.param(
            script(PRINTED_BY_PYTEST + "raise SystemExit(7)"),
            "exit code 7: 1 failed in 0.1s",
            id="an-exit-code-of-its-own",
        ),
    ],
)
def test_what_tests_print_goes_before_what_says_less(
    environment: Environment, runs: Path, probe: Probe, shown: str
) -> None:
    seen = observe(probe, environment, runs)

    assert (seen.outcome, seen.signature and seen.signature.shown) == (Outcome.FAILED, shown)


def test_a_runner_that_the_environment_lacks_is_told(environment: Environment, runs: Path) -> None:
    seen = observe(command("python -m pytest -q"), environment, runs)

    assert (seen.outcome, seen.phase) == (Outcome.FAILED, Phase.IMPORT)
    assert seen.signature is not None
    assert seen.signature.shown == "ModuleNotFoundError: No module named 'pytest'"


def test_tests_that_take_too_long_are_a_time_out(environment: Environment, runs: Path) -> None:
    code = "print('1 skipped in 0.1s', flush=True); import signal; signal.pause()"

    seen = observe(script(code, timeout_s=1), environment, runs)

    assert seen.signature is not None
    assert seen.signature.text == "time-out"
    assert seen.signature.shown == "time-out after 1 s in <module> (leak.py:1)"

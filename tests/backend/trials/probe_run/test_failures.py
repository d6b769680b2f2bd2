"""What a run showed: its signature, its phase, its frames and stacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.probe_runs import ASSERTION, FAILS, MIB, observe, raised, script, source

from bisect_asgi.backend.environments import Environment
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import FailureKind, Outcome, Phase, Signature

# --- What a run showed


def test_a_probe_that_passes_has_no_signature(environment: Environment, runs: Path) -> None:
    seen = observe(script("print('fine')"), environment, runs)

    assert (seen.outcome, seen.phase, seen.signature) == (Outcome.PASSED, Phase.CHECK, None)
    assert (seen.exit_code, seen.output_tail, seen.frames, seen.stacks) == (0, "fine\n", (), "")


def test_a_run_is_measured(environment: Environment, runs: Path) -> None:
    code = """
import time
held = b"x" * (120 << 20)
del held
while time.process_time() < 0.3:
    pass
"""
    mine = b"\1" * (300 * MIB)

    seen = observe(script(code), environment, runs)

    assert seen.peak_bytes is not None
    assert 120 * MIB <= seen.peak_bytes < 200 * MIB < len(mine)
    assert 0.3 <= seen.cpu_s < 5
    assert seen.cpu_s * 0.5 <= seen.wall_s < 30


def test_an_uncaught_exception_gives_its_signature_and_its_frames(
    environment: Environment, runs: Path
) -> None:
    seen = observe(script(FAILS), environment, runs)

    assert (seen.outcome, seen.phase, seen.exit_code) == (Outcome.FAILED, Phase.CHECK, 1)
    assert seen.signature == ASSERTION
    assert [(Path(file).name, line, name) for file, line, name in seen.frames] == [
        ("leak.py", 4, "<module>"),
        ("leak.py", 2, "check"),
    ]
    assert seen.output_tail.endswith("AssertionError: expected 200, got 500\n")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(
            "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('lifespan') from e",
            raised("KeyError", "'lifespan'"),
            id="the-last-of-a-chain",
        ),
        pytest.param(
            "class Odd(Exception):\n    __str__ = None\nraise Odd",
            raised("Odd", ""),
            id="no-message-can-be-had",
        ),
        pytest.param(
            r"raise ValueError('bad \udcff byte')",
            raised("ValueError", r"bad \udcff byte"),
            id="a-message-that-is-no-text",
        ),
        pytest.param(
            "import traceback\ntry: 1 / 0\nexcept Exception: traceback.print_exc()\nraise SystemExit(1)",
            raised("ZeroDivisionError", "division by zero"),
            id="printed-by-the-probe-itself",
        ),
        pytest.param(
            "def check():\n    raise ExceptionGroup('task', [ExceptionGroup('', [KeyError('a')])])\ncheck()",
            raised("KeyError", "'a'", by="check"),
            id="the-one-exception-of-a-group",
        ),
        pytest.param(
            "raise ExceptionGroup('in tasks', [ValueError('b'), KeyError('a'), ValueError('b')])",
            raised("ExceptionGroup", "in tasks (3 sub-exceptions): KeyError: 'a'; ValueError: b"),
            id="a-group-of-several",
        ),
        pytest.param(
            "import sys; sys.exit('it leaks')",
            signature.of_exit(1, "it leaks\n"),
            id="exit-with-a-text",
        ),
        pytest.param("raise SystemExit(3)", signature.of_exit(3), id="an-exit-code-of-its-own"),
        pytest.param("import ctypes; ctypes.string_at(0)", signature.of_exit(-11), id="segfault"),
        pytest.param("import os; os.kill(os.getpid(), 9)", signature.of_exit(-9), id="killed"),
    ],
)
def test_a_failure_has_the_signature_of_what_ended_the_probe(
    environment: Environment, runs: Path, code: str, expected: Signature
) -> None:
    seen = observe(script(code), environment, runs)

    assert (seen.outcome, seen.phase, seen.signature) == (Outcome.FAILED, Phase.CHECK, expected)


def test_the_text_of_an_exit_is_in_the_output(environment: Environment, runs: Path) -> None:
    seen = observe(script("import sys; sys.exit('it leaks')"), environment, runs)

    assert (seen.exit_code, seen.output_tail) == (1, "it leaks\n")


def test_exit_code_125_says_that_the_release_cannot_be_tested(environment: Environment, runs: Path) -> None:
    seen = observe(script("raise SystemExit(125)"), environment, runs)

    assert (seen.outcome, seen.exit_code, seen.signature) == (
        Outcome.UNTESTABLE,
        125,
        signature.of_exit(125),
    )


@pytest.mark.parametrize(
    ("module", "code", "phase", "shown"),
    [
        pytest.param(
            "", "import absent", Phase.IMPORT, "ModuleNotFoundError: No module named 'absent'", id="not-there"
        ),
        pytest.param(
            "def load():\n    raise ValueError('old')\nload()",
            "import module",
            Phase.IMPORT,
            "ValueError: old",
            id="raised-by-what-a-module-does-at-import",
        ),
        pytest.param(
            "def load():\n    raise ValueError('old')",
            "import module; module.load()",
            Phase.CHECK,
            "ValueError: old",
            id="raised-later-by-a-function-of-a-module",
        ),
        pytest.param(
            "", "raise ValueError('old')", Phase.CHECK, "ValueError: old", id="raised-by-the-script-itself"
        ),
        pytest.param(
            "",
            "exec(compile('1 / 0', '<template>', 'exec'))",
            Phase.CHECK,
            "ZeroDivisionError: division by zero",
            id="generated-code-is-no-module",
        ),
        pytest.param(
            "def (",
            "import module",
            Phase.IMPORT,
            "SyntaxError: invalid syntax (module.py, line 1)",
            id="syntax",
        ),
        pytest.param(
            "",
            "def check():\n    import absent\ncheck()",
            Phase.IMPORT,
            "ModuleNotFoundError: No module named 'absent'",
            id="imported-late",
        ),
    ],
)
def test_what_fails_while_something_is_imported_is_of_the_import_phase(
    environment: Environment, runs: Path, module: str, code: str, phase: Phase, shown: str
) -> None:
    seen = observe(script(code, source("module.py", module)), environment, runs)

    assert seen.signature is not None
    assert (seen.outcome, seen.phase) == (Outcome.FAILED, phase)
    assert (seen.signature.kind, seen.signature.shown) == (FailureKind.EXCEPTION, shown)


def test_a_failure_in_another_function_of_the_probe_is_another(environment: Environment, runs: Path) -> None:
    code = "import json, sys\ndef {0}():\n    json.loads('no JSON')\n{0}()"

    one, other, again = (
        observe(script(code.format(name)), environment, runs).signature for name in ("ask", "check", "ask")
    )

    assert one is not None
    assert other is not None
    assert one.text == other.text
    assert not one.is_same_failure(other)
    assert again == one
    assert one.frame == "./leak.py in ask"


def test_a_hang_gives_a_time_out_with_the_stacks_of_all_threads(environment: Environment, runs: Path) -> None:
    code = """
import threading, time

def hangs_in_a_thread():
    time.sleep(120)

def hangs_in_main():
    print("about to hang")
    time.sleep(120)

threading.Thread(target=hangs_in_a_thread).start()
hangs_in_main()
"""

    seen = observe(script(code, timeout_s=1.0), environment, runs)

    assert (seen.outcome, seen.phase, seen.exit_code) == (Outcome.FAILED, Phase.CHECK, None)
    assert seen.signature is not None
    assert seen.signature.text == "time-out"
    assert seen.signature.shown == "time-out after 1 s in hangs_in_main (leak.py:9)"
    assert "in hangs_in_main" in seen.stacks
    assert "in hangs_in_a_thread" in seen.stacks
    assert seen.output_tail == "about to hang\n"
    assert 1.0 <= seen.wall_s < 60


def test_a_hang_in_a_process_that_the_probe_started_has_its_stacks_too(
    environment: Environment, runs: Path
) -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, 'server.py'])"
    server = source("server.py", "import time\ndef serves():\n    time.sleep(60)\nserves()")

    seen = observe(script(code, server, timeout_s=1.0), environment, runs)

    assert "in serves" in seen.stacks
    assert "in communicate" in seen.stacks or "in wait" in seen.stacks

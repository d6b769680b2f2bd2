"""What two runs of tests have in common when they fail the same, and when nothing was tested."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mutations import mutated

from bisect_asgi.core.judge import runners, signature
from bisect_asgi.core.model import FailureKind, Phase, Signature

FILES = {"test_app.py": b"\n\n\n\nassert found == wanted\n"}


def block(name: str, said: str, place: str = "test_app.py:5") -> str:
    """One block of pytest's."""
    lines = "\n".join(f"E       {line}" for line in said.split("\n"))
    return f"____ {name} ____\n\n>       it()\n{lines}\n\n{place}: {said.partition(':')[0]}\n"


def failures(*blocks: str) -> Signature:
    """The signature of a run of pytest that printed these blocks."""
    found = runners.failure("= FAILURES =\n" + "".join(blocks) + "1 failed in 0.1s\n", 1, probe_files=FILES)
    assert found is not None
    return found


def test_one_failing_test_is_its_exception_and_its_name() -> None:
    place = "../env/lib/python3.12/site-packages/pool/core.py:7"

    assert failures(block("TestA.test_load[1]", "pool.PoolError: port 8123 is closed", place)) == Signature(
        kind=FailureKind.EXCEPTION,
        phase=Phase.CHECK,
        text="PoolError: port N is closed, TestA.test_load[1]",
        shown="TestA.test_load[1]: PoolError: port 8123 is closed",
        frame="pool/core.py",
    )


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(block("test_a", "ValueError: no"), id="another-type"),
        pytest.param(block("test_a", "KeyError: 'y'"), id="another-message"),
        pytest.param(block("test_b", "KeyError: 'x'"), id="another-test"),
        pytest.param(block("test_a", "KeyError: 'x'", "pool/core.py:5"), id="another-place"),
        pytest.param(block("ERROR at setup of test_a", "KeyError: 'x'"), id="another-step"),
        pytest.param(block("test_a", "KeyError: 'x'") + block("test_b", "KeyError: 'x'"), id="one-more"),
    ],
)
def test_failing_otherwise_is_a_different_failure(other: str) -> None:
    one = failures(block("test_a", "KeyError: 'x'"))

    assert not one.is_same_failure(failures(other))
    assert one.is_same_failure(failures(block("test_a", "KeyError: 'x'", "test_app.py:9")))


def test_several_failing_tests_are_all_compared_and_the_first_is_shown() -> None:
    several = failures(
        block("test_a", "KeyError: 'x'", "pool.py:3"),
        block("test_b", "AssertionError: expected 200, got 500"),
        block("test_c", "assert 1 == 2"),
        block("test_a", "KeyError: 'x'", "pool.py:3"),
    )

    assert several == Signature(
        kind=FailureKind.EXCEPTION,
        phase=Phase.CHECK,
        text="AssertionError: assert N == N, test_c at ./test_app.py: assert found == wanted; "
        "AssertionError: expected N, got N, test_b at ./test_app.py; KeyError: 'x', test_a",
        shown="test_a: KeyError: 'x'; also test_b: AssertionError and test_c: AssertionError",
    )
    assert signature.plainness(several) == 2


def test_of_failing_tests_without_a_name_the_exceptions_are_shown() -> None:
    lines = "= FAILURES =\n/w/pool.py:3: KeyError: 'x'\n/w/pool.py:5: ValueError: no\n"

    found = runners.failure(lines, 1)

    assert found is not None
    assert found.shown == "KeyError: 'x'; also ValueError"


def test_a_place_that_all_share_is_told() -> None:
    both = failures(
        block("test_a", "KeyError: 'x'", "pool.py:3"), block("test_b", "KeyError: 'x'", "pool.py:4")
    )

    assert both.frame == "pool.py"


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        pytest.param("assert 404 == 200", "assert 500 == 200", True, id="numbers"),
        pytest.param("assert 'a' == 'b'", "assert 'c' == 'b'", False, id="words"),
        pytest.param(
            "AssertionError: assert {'a': 1} == {'a': 1, 'b': [1, 2, 3], ...xxxxxxxxxxxxxxxxxxxxxxx'}",
            "AssertionError: assert {'a': 1} == {'a': 1, 'b':...xxxxxxxxxxxx'}",
            True,
            id="abridged-otherwise",
        ),
        pytest.param(
            "assert 'x' == '" + "y" * 31 + "'", "assert 'x' == 'yyy...yyy'", True, id="abridged-by-one-alone"
        ),
        pytest.param(
            "AssertionError: " + "a" * 50, "AssertionError: " + "a" * 49 + "b", False, id="its-authors"
        ),
        pytest.param("AssertionError: wait...", "AssertionError: what...", False, id="its-authors-with-dots"),
    ],
)
def test_an_explanation_counts_as_far_as_it_is_whole_in_every_release(
    one: str, other: str, is_same: bool
) -> None:
    assert failures(block("test_a", one)).is_same_failure(failures(block("test_a", other))) is is_same


def test_an_assertion_without_a_message_is_known_by_its_line() -> None:
    lines = [failures(block("test_a", "assert 1 == 2", f"test_app.py:{line}")) for line in (5, 9)]

    assert lines[0].shown == lines[1].shown == "test_a: AssertionError: assert 1 == 2"
    assert not lines[0].is_same_failure(lines[1])


@pytest.mark.parametrize(
    ("blocks", "phase"),
    [
        pytest.param(["ERROR collecting test_app.py"], Phase.IMPORT, id="one"),
        pytest.param(["ERROR collecting test_app.py", "ERROR collecting b.py"], Phase.IMPORT, id="all"),
        pytest.param(["ERROR collecting test_app.py", "test_a"], Phase.CHECK, id="some"),
    ],
)
def test_what_cannot_be_collected_failed_while_importing(blocks: list[str], phase: Phase) -> None:
    assert failures(*(block(name, "TypeError: no") for name in blocks)).phase is phase


@pytest.mark.parametrize(
    ("output", "exit_code", "text"),
    [
        pytest.param("/env/bin/python: No module named pytest\n", 1, "No module named 'pytest'", id="absent"),
        pytest.param("/env/bin/python: No module named pytest\n", 2, None, id="another-exit-code"),
        pytest.param("python: No module named pytest\nbut never mind\n", 1, None, id="not-at-the-end"),
    ],
)
def test_a_runner_that_is_not_installed_fails_as_its_import_does(
    output: str, exit_code: int, text: str | None
) -> None:
    found = runners.failure(output, exit_code)

    assert found == (text and signature.of_exception("ModuleNotFoundError", text, phase=Phase.IMPORT))


def test_a_failure_of_no_test_is_its_exception() -> None:
    interrupted = runners.failure(
        "!!! KeyboardInterrupt !!!\n/w/test_app.py:1: KeyboardInterrupt\n", 2, probe_files=FILES
    )

    assert interrupted is not None
    assert (interrupted.text, interrupted.shown) == ("KeyboardInterrupt", "KeyboardInterrupt")
    assert interrupted.frame == "./test_app.py"


UNITTEST = (
    f"{'=' * 70}\nFAIL: test_a (test_app.T.test_a)\n{'-' * 70}\n"
    'Traceback (most recent call last):\n  File "/w/test_app.py", line 3, in test_a\nAssertionError: 1 != 2\n'
)


@pytest.mark.parametrize(
    ("output", "exit_code", "shown"),
    [
        pytest.param(UNITTEST, 1, "T.test_a: AssertionError: 1 != 2", id="unittest"),
        pytest.param(UNITTEST, 2, None, id="unittest-with-another-exit-code"),
        pytest.param(
            "= FAILURES =\n" + block("t", "KeyError: 1"), 5, "t: KeyError: 1", id="pytests-last-code"
        ),
        pytest.param("= FAILURES =\n" + block("t", "KeyError: 1"), 6, None, id="no-code-of-pytests"),
        pytest.param("= FAILURES =\n" + block("t", "KeyError: 1"), -9, None, id="killed"),
        pytest.param("KeyError: 1\n", 1, None, id="neither"),
    ],
)
def test_a_runner_is_known_by_its_output_and_ends_with_its_codes(
    output: str, exit_code: int, shown: str | None
) -> None:
    found = runners.failure(output, exit_code)

    assert (found.shown if found else None) == shown


@pytest.mark.parametrize(
    ("output", "exit_code", "shown"),
    [
        pytest.param("1 skipped in 0.1s\n", 0, "no test ran: 1 skipped", id="skipped"),
        pytest.param("no tests ran in 0.1s\n", 5, "no test ran", id="not-found"),
        pytest.param("Ran 0 tests in 0.000s\n\nOK\n", 0, "no test ran", id="unittest"),
        pytest.param("ERROR: not found: t.py::test_a\n", 4, "not found: t.py::test_a", id="misused"),
        pytest.param("no tests ran in 0.1s\n", 1, None, id="with-another-code"),
        pytest.param("ERROR: not found: t.py::test_a\n", 1, None, id="another-program"),
        pytest.param("1 passed in 0.1s\n", 0, None, id="passed"),
        pytest.param(
            "= ERRORS =\n" + block("ERROR collecting t.py", "KeyError: 1") + "ERROR: found no collectors\n",
            4,
            None,
            id="not-found-because-it-cannot-be-collected",
        ),
    ],
)
def test_what_tested_nothing_says_why(output: str, exit_code: int, shown: str | None) -> None:
    found = runners.untested(output, exit_code)

    assert (found.shown if found else None) == shown
    assert found is None or (found.kind, found.phase) == (FailureKind.ENVIRONMENT, Phase.STARTUP)


TESTS = [
    ("test_a", "ValueError: the pool is closed, and so is everything that anybody ever asked it for"),
    ("TestB.test_b[x - y]", "AssertionError: expected something else of this than what it says it is"),
    ("test_c", "assert 'one' == 'two'"),
    ("test_d", "pool.core.PoolError"),
]


def printed(tests: list[tuple[str, str]], width: int, seconds: float, *, has_blocks: bool) -> str:
    """What pytest prints of these tests at a terminal of that width."""
    lines = [" short test summary info ".center(width, "=")]
    for name, said in tests:
        line = f"FAILED test_app.py::{name.replace('.', '::')} - {said}"
        lines.append(line if len(line) <= width else line[: width - 3] + "...")
    blocks = [" FAILURES ".center(width, "=")]
    for name, said in tests:
        blocks += [f" {name} ".center(width, "_"), "", f"E       {said}", "", "test_app.py:5: Error"]
    end = f" {len(tests)} failed in {seconds:.2f}s ".center(width, "=")
    return "\n".join([*(blocks if has_blocks else []), *lines, end, ""])


@given(
    tests=st.permutations(TESTS),
    width=st.integers(min_value=60, max_value=200),
    seconds=st.floats(min_value=0, max_value=1e5),
)
def test_neither_order_nor_width_nor_time_makes_a_difference(
    tests: list[tuple[str, str]], width: int, seconds: float
) -> None:
    usual = runners.failure(printed(TESTS, 80, 0.1, has_blocks=True), 1, probe_files=FILES)
    found = runners.failure(printed(tests, width, seconds, has_blocks=True), 1, probe_files=FILES)

    assert usual is not None
    assert found is not None
    assert found.is_same_failure(usual)


@given(seconds=st.floats(min_value=0, max_value=1e5), port=st.integers(min_value=1, max_value=65535))
def test_a_number_that_moves_the_cut_makes_no_difference(seconds: float, port: int) -> None:
    def found(port: int, seconds: float) -> Signature | None:
        said = f"ValueError: the pool at port {port} is closed, and so is everything else"
        return runners.failure(printed([("test_a", said)], 80, seconds, has_blocks=False), 1)

    assert found(port, seconds) == found(8, 0.1)
    assert found(port, seconds) is not None


def test_a_bare_assertion_of_unittest_is_shown_with_its_statement() -> None:
    output = (
        f"{'=' * 70}\nFAIL: test_a (test_app.T.test_a)\n{'-' * 70}\nTraceback (most recent call last):\n"
        '  File "/w/test_app.py", line 5, in test_a\n    assert found == wanted\nAssertionError\n\n'
        f"{'-' * 70}\nRan 1 test in 0.0s\n\nFAILED (failures=1)\n"
    )

    found = runners.failure(output, 1, probe_files=FILES)

    assert found is not None
    assert found.shown == "T.test_a: test_app.py:5: assert found == wanted"
    assert found.frame == "./test_app.py in test_a: assert found == wanted"
    assert signature.plainness(found) == 2


OUTPUT = b"""\
Traceback (most recent call last):
  File "/x/probe.py", line 5, in <module>
ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: a
    +---------------- 2 ----------------
    | KeyError: 'b'
    +------------------------------------
=== FAILURES ===
____ test_x ____
E   assert 1 == 2
test_x.py:3: AssertionError
=== short test summary info ===
FAILED test_x.py::test_x - assert 1 == 2
=== 1 failed in 0.1s ===
FAIL: test_a (t.T)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "t.py", line 3, in test_a
AssertionError: 1 != 2
----------------------------------------------------------------------
Ran 1 test in 0.000s

FAILED (failures=1)
"""


@given(content=mutated(OUTPUT), exit_code=st.integers(0, 5))
def test_whatever_a_run_prints_is_a_failure_or_none(content: bytes, exit_code: int) -> None:
    output = content.decode("utf-8", "replace")

    for found in (
        runners.failure(output, exit_code),
        runners.untested(output, exit_code),
        signature.from_output(output),
    ):
        assert found is None or found.text

"""What unittest prints of tests that fail, read back."""

from __future__ import annotations

import pytest

from bisect_asgi.core.judge.runners import unittest as unittest_output
from bisect_asgi.core.judge.tracebacks import FailingTest

OUTPUT = """\
FE.
======================================================================
ERROR: test_b (app.tests.TestPool{b})
What the test is for.
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/srv/tests.py", line 4, in test_b
    def test_b(self): {{}}["x"]
                      ~~^^^^^
KeyError: 'x'

======================================================================
FAIL: test_a (app.tests.TestPool{a}) (i=0)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/srv/tests.py", line 7, in test_a
    with self.subTest(i=i): self.assertTrue(False, "msg")
AssertionError: False is not true : msg

----------------------------------------------------------------------
Ran 3 tests in 0.001s

FAILED (failures=1, errors=1)
"""


@pytest.mark.parametrize(
    ("a", "b"),
    [pytest.param("", "", id="before-python-3.11"), pytest.param(".test_a", ".test_b", id="since")],
)
def test_each_block_is_a_failing_test(a: str, b: str) -> None:
    assert unittest_output.failing_tests(OUTPUT.format(a=a, b=b)) == (
        FailingTest(
            name="TestPool.test_b",
            type="KeyError",
            message="'x'",
            frames=(("/srv/tests.py", 4, "test_b"),),
        ),
        FailingTest(
            name="TestPool.test_a (i=0)",
            type="AssertionError",
            message="False is not true : msg",
            frames=(("/srv/tests.py", 7, "test_a"),),
        ),
    )


def test_a_block_with_a_title_of_another_form_has_that_name() -> None:
    title = "setUpModule tests"
    output = OUTPUT.format(a="", b="").replace("test_b (app.tests.TestPool)", title)

    assert unittest_output.failing_tests(output)[0].name == title


@pytest.mark.parametrize(
    "output",
    [
        pytest.param("", id="nothing"),
        pytest.param("=" * 70 + "\nFAIL: soon\n", id="no-line-below"),
        pytest.param("=" * 70 + "\nFAIL: test_a (T)\n" + "-" * 70 + "\nno traceback\n", id="no-traceback"),
    ],
)
def test_what_is_no_block_is_no_test(output: str) -> None:
    assert unittest_output.failing_tests(output) == ()


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        pytest.param("Ran 0 tests in 0.000s\n\nOK\n", "no test ran", id="before-python-3.12"),
        pytest.param("Ran 0 tests in 0.000s\n\nNO TESTS RAN\n", "no test ran", id="since"),
        pytest.param("Ran 2 tests in 1.2s\n\nOK (skipped=2)\n", "no test ran: 2 skipped", id="skipped"),
        pytest.param("Ran 0 tests in 0s\n\nNO TESTS RAN (skipped=1)\n", "no test ran: 1 skipped", id="both"),
        pytest.param("Ran 2 tests in 0.0s\n\nOK (skipped=1)\n", None, id="one-ran"),
        pytest.param("Ran 1 test in 0.000s\n\nOK (expected failures=1)\n", None, id="an-expected-failure"),
        pytest.param("Ran 1 test in 0.000s\n\nFAILED (failures=1)\n", None, id="failed"),
        pytest.param("Ran 0 tests in 0.000s\n\nOK\nthen more\n", None, id="not-at-the-end"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_run_without_tests_tested_nothing(end: str, reason: str | None) -> None:
    assert unittest_output.untested("-" * 70 + f"\n{end}") == reason

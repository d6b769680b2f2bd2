"""What pytest prints of tests that fail, read back. The outputs are those of pytest 5.0 to 9.0, shortened."""

from __future__ import annotations

import pytest

from bisect_asgi.core.judge.runners import pytest as pytest_output
from bisect_asgi.core.judge.tracebacks import FailingTest

SITE = "/cache/env/lib/python3.12/site-packages"


STDLIB = "/usr/lib/python3.12"


LONG = """\
============================= test session starts ==============================
platform linux -- Python 3.12.1, pytest-8.3.5, pluggy-1.7.0
collected 5 items

test_app.py F.EFE                                                        [100%]

==================================== ERRORS ====================================
__________________________ ERROR at setup of test_fix __________________________

    @pytest.fixture
    def broken():
>       raise RuntimeError("no db at 127.0.0.1:5432")
E       RuntimeError: no db at 127.0.0.1:5432

test_app.py:31: RuntimeError
________________________ ERROR at teardown of test_late ________________________

    def late():
>       raise RuntimeError("late")
E       RuntimeError: late

test_app.py:35: RuntimeError
_________________________ ERROR at setup of test_nofix _________________________
file /srv/test_app.py, line 38
  def test_nofix(nosuch): pass
E       fixture 'nosuch' not found
>       available fixtures: broken, capfd

/srv/test_app.py:38
=================================== FAILURES ===================================
___________________________________ test_lib ___________________________________

    def test_lib():
>       pool.load("x")

test_app.py:13: 
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ 
../env/lib/python3.12/site-packages/pool/core.py:4: in load
    check()
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ 

x = {'a':1: 2}

    def check():
>       raise json.decoder.JSONDecodeError("the pool")
E       json.decoder.JSONDecodeError: the pool is closed
E       and a second line

/usr/lib/python3.12/json/decoder.py:353: JSONDecodeError
----------------------------- Captured stdout call -----------------------------
FAILED fake::x - no: no
E   Fake: fake
__________________________ TestPool.test_chain[a - b] __________________________

    def test_chain(self):
>       {}["y"]
E       KeyError: 'y'

test_app.py:41: KeyError

The above exception was the direct cause of the following exception:

>       raise RuntimeError("chained") from e
E       RuntimeError: chained with a message that goes on and on for ever and ever

test_app.py:43: RuntimeError
__________________________________ test_helper _________________________________

    def test_helper():
>       assert x == {"a": 1}
E       AssertionError: first line
E         second line
E       assert {'b': 2} == {'a': 1}
E         
E         Use -v to get more diff

test_app.py:3: AssertionError
___________________________________ test_eq ____________________________________

    def test_eq():
>       assert 1 + 1 == 3
E       assert (1 + 1) == 3

test_app.py:5: AssertionError
_________________________________ test_failnt __________________________________
because no trace
_________________________________ test_nothing _________________________________
=========================== short test summary info ============================
FAILED test_app.py::test_lib - json.decoder.JSONDecodeError: the pool...
FAILED test_app.py::TestPool::test_chain[a - b] - RuntimeError: chained with a...
FAILED test_app.py::test_helper - AssertionError: first line
FAILED test_app.py::test_eq - assert (1 + 1) == 3
FAILED test_app.py::test_failnt - Failed: because no trace
FAILED test_app.py::test_nothing
ERROR test_app.py::test_fix - RuntimeError: no db at 127.0.0.1:5432
ERROR test_app.py::test_late - RuntimeError: late
ERROR test_app.py::test_nofix
================== 6 failed, 1 passed, 3 errors in 0.42s ===================
"""  # noqa: W291


def test_the_blocks_tell_all_of_each_failing_test() -> None:
    assert pytest_output.failing_tests(LONG) == (
        FailingTest(
            name="test_fix",
            step="setup of",
            type="RuntimeError",
            message="no db at 127.0.0.1:5432",
            frames=(("test_app.py", 31, ""),),
        ),
        FailingTest(
            name="test_late",
            step="teardown of",
            type="RuntimeError",
            message="late",
            frames=(("test_app.py", 35, ""),),
        ),
        FailingTest(name="test_nofix", step="setup of", message="fixture 'nosuch' not found"),
        FailingTest(
            name="test_lib",
            type="JSONDecodeError",
            message="the pool is closed",
            frames=(
                ("test_app.py", 13, ""),
                ("../env/lib/python3.12/site-packages/pool/core.py", 4, "load"),
                (f"{STDLIB}/json/decoder.py", 353, ""),
            ),
        ),
        FailingTest(
            name="TestPool.test_chain[a - b]",
            type="RuntimeError",
            message="chained with a message that goes on and on for ever and ever",
            frames=(("test_app.py", 43, ""),),
        ),
        FailingTest(
            name="test_helper",
            type="AssertionError",
            message="first line",
            frames=(("test_app.py", 3, ""),),
        ),
        FailingTest(
            name="test_eq",
            type="AssertionError",
            message="assert (1 + 1) == 3",
            frames=(("test_app.py", 5, ""),),
        ),
        FailingTest(name="test_failnt", message="because no trace"),
        FailingTest(name="test_nothing"),
    )


def test_without_the_summary_the_blocks_tell_the_same() -> None:
    blocks = LONG.partition("= short test summary")[0].rpartition("\n")[0]

    assert pytest_output.failing_tests(blocks + "\n=== 6 failed in 0.4 seconds ===\n") == (
        pytest_output.failing_tests(LONG)
    )


def test_colours_make_no_difference() -> None:
    coloured = "\n".join(f"\x1b[31m\x1b[1m{line}\x1b[0m" for line in LONG.splitlines())

    assert pytest_output.failing_tests(coloured) == pytest_output.failing_tests(LONG)


def test_of_an_output_whose_beginning_is_lost_the_summary_tells_the_rest() -> None:
    tail = LONG[LONG.index('>       raise RuntimeError("late")') :]

    found = pytest_output.failing_tests(tail)

    assert [test.name for test in found] == [
        *("test_nofix", "test_lib", "TestPool.test_chain[a - b]", "test_helper", "test_eq"),
        *("test_failnt", "test_nothing", "test_fix", "test_late"),
    ]
    assert found[-1] == FailingTest(name="test_late", step="error of", type="RuntimeError", message="late")


SHORT = """\
=================================== FAILURES ===================================
____________________________________ test_a ____________________________________
test_app.py:15: in test_a
    pool.load("deep")
../lib/pool.py:4: in load
    raise KeyError("x")
E   KeyError: 'x'
1 failed in 0.02s
"""


NATIVE = f"""\
=================================== FAILURES ===================================
____________________________________ test_a ____________________________________
Traceback (most recent call last):
  File "{SITE}/_pytest/runner.py", line 341, in from_call
    result = func()
  File "/srv/test_app.py", line 15, in test_a
    pool.load("deep")
  File "/srv/pool.py", line 4, in load
    raise KeyError("x")
KeyError: 'x'
"""


DOCTEST = """\
=================================== FAILURES ===================================
______________________________ [doctest] pool.size _____________________________
002     >>> size()
Expected:
    2
Got:
    1

/srv/pool.py:3: DocTestFailure
=========================== short test summary info ============================
FAILED pool.py::pool.size
"""


GROUP = """\
=================================== FAILURES ===================================
____________________________________ test_a ____________________________________
  + Exception Group Traceback (most recent call last):
  |   File "/srv/test_app.py", line 15, in test_a
  |     pool.load("deep")
  | ExceptionGroup: several (1 sub-exception)
  +-+---------------- 1 ----------------
    | KeyError: 'x'
    +------------------------------------
=========================== short test summary info ============================
FAILED test_app.py::test_a - ExceptionGroup: several (1 sub-exception)
"""


@pytest.mark.parametrize(
    ("output", "frames"),
    [
        pytest.param(SHORT, [("test_app.py", 15, "test_a"), ("../lib/pool.py", 4, "load")], id="short"),
        pytest.param(
            NATIVE,
            [
                (f"{SITE}/_pytest/runner.py", 341, "from_call"),
                ("/srv/test_app.py", 15, "test_a"),
                ("/srv/pool.py", 4, "load"),
            ],
            id="native",
        ),
        pytest.param(GROUP, [("/srv/test_app.py", 15, "test_a")], id="group"),
    ],
)
def test_each_style_of_tracebacks_is_read(output: str, frames: list[tuple[str, int, str]]) -> None:
    assert pytest_output.failing_tests(output) == (
        FailingTest(name="test_a", type="KeyError", message="'x'", frames=tuple(frames)),
    )


def test_a_doctest_has_the_name_that_the_summary_gives_it() -> None:
    assert pytest_output.failing_tests(DOCTEST) == (
        FailingTest(name="pool.size", type="DocTestFailure", frames=(("/srv/pool.py", 3, ""),)),
    )


def test_blocks_of_other_sections_are_no_failing_tests() -> None:
    others = (
        "==== PASSES ====\n____ test_b ____\n---- Captured stdout call ----\nE   KeyError: 'b'\n"
        "==== tests coverage ====\n____ coverage: platform linux, python 3.13.0 ____\n\nName  Stmts\n"
    )

    assert pytest_output.failing_tests(SHORT + others) == pytest_output.failing_tests(SHORT)


LINE = """\
=================================== FAILURES ===================================
/srv/test_app.py:18: assert 1 == 5
/srv/pool.py:5: ValueError: the pool is closed on port 8123 after 1.53 s
[XPASS(strict)] 
/srv/test_app.py:7: KeyError: 'no summary'
"""  # noqa: W291


SUMMARY = """\
=========================== short test summary info ============================
FAILED test_app.py::test_lib - ValueError: the pool is closed on port 8123 a...
FAILED test_app.py::test_param[1] - assert 1 == 5
FAILED test_app.py::test_xp
"""


IN_LINES = (
    FailingTest(
        name="test_lib",
        type="ValueError",
        message="the pool is closed on port 8123 after 1.53 s",
        frames=(("/srv/pool.py", 5, ""),),
    ),
    FailingTest(
        name="test_param[1]",
        type="AssertionError",
        message="assert 1 == 5",
        frames=(("/srv/test_app.py", 18, ""),),
    ),
    FailingTest(name="test_xp"),
    FailingTest(type="KeyError", message="'no summary'", frames=(("/srv/test_app.py", 7, ""),)),
)


def test_single_lines_get_their_names_from_the_summary() -> None:
    assert pytest_output.failing_tests(LINE + SUMMARY) == IN_LINES


def test_single_lines_without_a_summary_have_no_names() -> None:
    found = pytest_output.failing_tests(LINE)

    assert [(test.name, test.type) for test in found] == [
        ("", "AssertionError"),
        ("", "ValueError"),
        ("", "KeyError"),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            "FAILED t/test_app.py::test_a - KeyError: 'x'",
            FailingTest(name="test_a", type="KeyError", message="'x'"),
            id="whole",
        ),
        pytest.param(
            "FAILED test_app.py::test_a - asyncpg.PoolError: the pool is cl...",
            FailingTest(name="test_a", type="PoolError"),
            id="cut-in-the-message",
        ),
        pytest.param(
            "FAILED test_app.py::test_a - asyncpg.Poo...", FailingTest(name="test_a"), id="cut-in-the-type"
        ),
        pytest.param(
            "FAILED test_app.py::test_a - assert 1 == so...",
            FailingTest(name="test_a", type="AssertionError"),
            id="cut-in-an-explanation",
        ),
        pytest.param(
            "FAILED test_app.py::TestA::test_a[a::b - [c] - KeyError",
            FailingTest(name="TestA.test_a[a::b - [c]", type="KeyError"),
            id="parameters",
        ),
        pytest.param(
            "SUBFAILED(i=0) test_app.py::T::test_s - AssertionError: msg",
            FailingTest(name="T.test_s (i=0)", type="AssertionError", message="msg"),
            id="subtest",
        ),
        pytest.param(
            "ERROR test_app.py::test_a - KeyError",
            FailingTest(name="test_a", step="error of", type="KeyError"),
            id="fixture",
        ),
        pytest.param(
            "ERROR t/test_app.py", FailingTest(name="t/test_app.py", step="collecting"), id="collection"
        ),
    ],
)
def test_a_line_of_the_summary_alone_tells_what_is_whole_of_it(line: str, expected: FailingTest) -> None:
    summary = f"=== short test summary info ===\nPASSED test_app.py::test_b\n{line}\n1 failed in 0.1s\n"

    assert pytest_output.failing_tests(summary) == (expected,)


@pytest.mark.parametrize(
    "output",
    [
        pytest.param("", id="nothing"),
        pytest.param("19 failed, 1 passed in 0.37 seconds\n", id="counts-alone"),
        pytest.param("FAILED test_app.py::test_a - KeyError: 'x'\n", id="no-summary"),
        pytest.param("____ test_a ____\nE   KeyError: 'x'\n", id="no-section"),
        pytest.param("Traceback (most recent call last):\nKeyError: 'x'\n", id="a-plain-traceback"),
    ],
)
def test_what_is_not_of_the_form_is_not_pytests(output: str) -> None:
    assert pytest_output.failing_tests(output) == ()


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        pytest.param("=== no tests ran in 0.01s ===", "no test ran", id="none"),
        pytest.param("no tests ran in 0.01 seconds", "no test ran", id="quiet-and-old"),
        pytest.param("=== 1 deselected in 0.03s ===", "no test ran: 1 deselected", id="deselected"),
        pytest.param(
            "2 skipped, 1 warning in 61.0s (0:01:01)", "no test ran: 2 skipped, 1 warning", id="skip"
        ),
        pytest.param("\x1b[33m1 skipped\x1b[0m in 0.03s", "no test ran: 1 skipped", id="colours"),
        pytest.param("=== 1 passed, 1 skipped in 0.03s ===", None, id="one-passed"),
        pytest.param("1 xfailed in 0.03s", None, id="an-expected-failure"),
        pytest.param("1 skipped in 0.03s\nthen the rest passed", None, id="not-at-the-end"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_run_in_which_no_test_ran_tested_nothing(end: str, reason: str | None) -> None:
    assert pytest_output.untested(f"\n{end}\n\n" if end else "") == reason


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        pytest.param(
            "ERROR: usage: pytest [options] [file_or_dir]\n"
            "pytest: error: unrecognized arguments: --nosuch\n  inifile: None\n",
            "unrecognized arguments: --nosuch",
            id="arguments",
        ),
        pytest.param(
            "=== no tests ran in 0.01s ===\nERROR: file or directory not found: nosuch.py\n\n",
            "file or directory not found: nosuch.py",
            id="file",
        ),
        pytest.param("no such thing\n", None, id="another-program"),
    ],
)
def test_wrong_arguments_are_told(output: str, reason: str | None) -> None:
    assert pytest_output.misused(output) == reason


@pytest.mark.parametrize(
    "places",
    [
        pytest.param("test_app.py:9:  def pool(db)\ntest_app.py:5:  def db()", id="with-its-fixtures"),
        pytest.param("", id="alone"),
    ],
)
def test_a_mismatch_of_scopes_is_told_by_its_message(places: str) -> None:
    message = "You tried to access the function scoped fixture db with a module scoped request object"
    output = (
        f"==== ERRORS ====\n____ ERROR at setup of test_a ____\n\nScopeMismatch: {message}\n{places}\n"
        "1 error in 0.01s\n"
    )

    (test,) = pytest_output.failing_tests(output)

    assert (test.where, test.type, test.message) == ("setup of test_a", "ScopeMismatch", message)

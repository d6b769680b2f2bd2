"""What pytest writes into its JUnit file about tests that fail, read back: the same as from its output."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

import pytest

from bisect_asgi.core.judge import runners
from bisect_asgi.core.judge.runners import junit
from bisect_asgi.core.judge.tracebacks import FailingTest, RunnerStage

FILES = {"tests/test_app.py": b"\n\n\n\nassert found == wanted\n"}

BODY = """\
    def test_load():
&gt;       load()

tests/test_app.py:5:
_ _ _ _ _ _
pool/core.py:9: in load
E   KeyError: 'x'

pool/core.py:9: KeyError"""


def case(
    body: str = BODY,
    *,
    name: str = "test_load",
    of: str = "tests.test_app",
    file: str | None = "tests/test_app.py",
    message: str = "KeyError: 'x'",
    tag: str = "failure",
) -> str:
    """One test of the file."""
    place = f" file={quoteattr(file)}" if file is not None else ""
    head = f"<testcase classname={quoteattr(of)}{place} name={quoteattr(name)} time='0.1'>"
    return f"{head}<{tag} message={quoteattr(message)}>{body}</{tag}></testcase>"


def suite(*cases: str) -> str:
    """The file."""
    head = '<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest">'
    return f"{head}{''.join(cases)}</testsuite></testsuites>"


def one(written: str) -> FailingTest:
    """The one failed test of a file."""
    (test,) = junit.failing_tests(suite(written))
    return test


def test_a_failed_test_has_its_name_its_exception_and_its_frames() -> None:
    assert one(case()) == FailingTest(
        name="test_load",
        type="KeyError",
        message="'x'",
        frames=(("tests/test_app.py", 5, ""), ("pool/core.py", 9, "load"), ("pool/core.py", 9, "")),
    )


@pytest.mark.parametrize(
    ("written", "name"),
    [
        pytest.param(case(of="tests.test_app.TestPool"), "TestPool.test_load", id="in-a-class"),
        pytest.param(
            case(of="tests.test_app.TestPool.Inner"), "TestPool.Inner.test_load", id="in-two-classes"
        ),
        pytest.param(case(of="tests.test_app.pools"), "pools.test_load", id="in-a-class-without-a-capital"),
        pytest.param(case(name="test_load[a.py::b - c]"), "test_load[a.py::b - c]", id="with-parameters"),
        pytest.param(case(of="test_app.test", file="test_app.py"), "test.test_load", id="in-a-file-above"),
        pytest.param(
            case(of="tests.test_b.TestB", file="tests/base.py"), "TestB.test_load", id="inherited-by-a-class"
        ),
        pytest.param(case(of="tests.test_b", file="tests/base.py"), "test_load", id="imported"),
        pytest.param(
            case(of="tests.test_app.TestPool", file=None), "TestPool.test_load", id="without-a-file"
        ),
        pytest.param(case(of="docs.md", file="docs.md", name="docs.md"), "docs.md", id="no-python-file"),
    ],
)
def test_a_test_is_named_as_pytest_prints_it(written: str, name: str) -> None:
    assert one(written).name == name


@pytest.mark.parametrize(
    ("message", "step", "where"),
    [
        pytest.param("test setup failure", "setup of", "setup of test_load", id="setup-in-pytest-5"),
        pytest.param('failed on setup with "KeyError"', "setup of", "setup of test_load", id="setup"),
        pytest.param(
            "test teardown failure", "teardown of", "teardown of test_load", id="teardown-in-pytest-5"
        ),
        pytest.param(
            'failed on teardown with "KeyError"', "teardown of", "teardown of test_load", id="teardown"
        ),
        pytest.param("collection failure", "collecting", "collecting tests/test_app.py", id="collecting"),
        pytest.param("internal error", "internal error", "internal error", id="internal-error"),
        pytest.param("something else", "", "test_load", id="unknown"),
    ],
)
def test_an_error_is_of_a_step(message: str, step: RunnerStage, where: str) -> None:
    test = one(case(message=message, tag="error"))

    assert (test.step, test.where) == (step, where)


def test_a_message_of_a_failed_test_is_no_step() -> None:
    assert one(case(message="collection failure")).step == ""


def test_errors_come_first_as_they_are_printed_first() -> None:
    found = junit.failing_tests(
        suite(
            case(name="test_a"),
            case(name="test_b", tag="error", message="test setup failure"),
            case(name="test_c", tag="skipped"),
            case(name="test_d"),
        )
    )

    assert [test.where for test in found] == ["setup of test_b", "test_a", "test_d"]


def test_characters_that_xml_does_not_allow_are_as_they_were() -> None:
    test = one(case("E   ValueError: #x1B[31mred#x1B[0m #x00 #xFFFE #x"))

    assert test.message == "red \x00 \ufffe #x"


ENTITIES = '<!DOCTYPE t [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("no XML", id="no-xml"),
        pytest.param(suite(case())[:-5], id="cut-off"),
        pytest.param(f"{ENTITIES}{case('&b;')}", id="entities"),
        pytest.param("<html><p>1</p></html>", id="another-document"),
        pytest.param(suite(case("\0")), id="a-character-that-is-not-allowed"),
        pytest.param(suite("<testcase classname='a' name='test_a'/>"), id="no-failure"),
    ],
)
def test_what_is_no_file_with_failures_has_none(text: str) -> None:
    assert junit.failing_tests(text) == ()


PRINTED = "==== FAILURES ====\n____ test_load ____\n\n" + BODY.replace("&gt;", ">") + "\n1 failed in 0.1s\n"


def test_a_failure_has_one_signature_from_the_file_and_from_the_output() -> None:
    from_output = runners.failure(PRINTED, 1, probe_files=FILES)
    from_file = runners.failure("1 failed in 0.1s\n", 1, junit_file=suite(case()), probe_files=FILES)

    assert from_file is not None
    assert from_file == from_output


def test_the_file_goes_before_an_output_that_says_less() -> None:
    summary = "= short test summary info =\nFAILED tests/test_app.py::test_load - Key...\n1 failed in 0.1s\n"
    found = runners.failure(summary, 1, junit_file=suite(case()), probe_files=FILES)

    assert found is not None
    assert found.text == "KeyError: 'x', test_load"


def test_a_place_that_only_the_output_has_is_added() -> None:
    printed = (
        "= FAILURES =\n/w/tests/test_app.py:5: KeyError: 'x'\n= short test summary info =\n"
        "FAILED tests/test_app.py::test_load - KeyError: 'x'\n1 failed in 0.1s\n"
    )
    written = suite(case("E   KeyError: 'x'"), case("E   KeyError: 'y'", name="test_b"))

    found = runners.failure(printed, 1, junit_file=written, probe_files=FILES)

    assert found is not None
    assert found.text == "KeyError: 'x', test_load at ./tests/test_app.py; KeyError: 'y', test_b"


@pytest.mark.parametrize(
    ("output", "written"),
    [
        pytest.param(PRINTED, "", id="no-file"),
        pytest.param(PRINTED, suite("<testcase name='test_b'/>"), id="a-file-of-another-run"),
        pytest.param(
            PRINTED.replace("1 failed", "\x1b[31mSUBFAILED(i=1) a.py::test_load\x1b[0m - x\n1 failed"),
            suite(case(name="test_other")),
            id="subtests",
        ),
    ],
)
def test_the_output_counts_where_the_file_says_less(output: str, written: str) -> None:
    found = runners.failure(output, 1, junit_file=written, probe_files=FILES)

    assert found is not None
    assert "test_load" in found.text


def test_the_file_of_a_run_that_did_not_end_with_pytests_code_does_not_count() -> None:
    assert runners.failure("", 7, junit_file=suite(case()), probe_files=FILES) is None

"""A command that runs pytest: its failures are the same from the file that it writes and from its output."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builders import environment as make_environment
from support.probe_runs import command, observe, source
from support.served import install

from bisect_asgi.backend.environments import Environment
from bisect_asgi.core.model import Outcome, Phase, Probe

pytestmark = pytest.mark.network

TESTS = """
import unittest
import pytest

@pytest.fixture
def narrow():
    raise RuntimeError("no db at 127.0.0.1:5432")

@pytest.fixture(scope="module")
def wide(narrow):
    pass

@pytest.fixture
def late():
    yield
    raise RuntimeError("late")

class TestPool:
    @pytest.mark.parametrize("x", ["a - b", "[::1]"])
    def test_chain(self, x):
        try:
            {}["y"]
        except KeyError as error:
            raise RuntimeError("chained with a message that goes on and on") from error

class Unit(unittest.TestCase):
    def test_equal(self):
        self.assertEqual(1, 2)

def test_long():
    assert "x" * 100 == "y" * 100, "first line\\nsecond"

def test_setup(narrow): pass
def test_teardown(late): pass
def test_missing(nosuch): pass
def test_scope(wide): pass
def test_without_trace(): pytest.fail("because", pytrace=False)
def test_color(): raise ValueError("\\x1b[31mred\\x1b[0m \\x00 thing")

@pytest.mark.xfail(strict=True)
def test_strict(): pass
"""
INHERITED = "from test_app import TestPool\n\nclass TestOther(TestPool): pass\n"


@pytest.fixture(scope="module", params=["6.2.5", "9.0.0"])
def with_pytest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with a pytest."""
    found = make_environment(tmp_path_factory.mktemp("environments") / "one")
    install(found, f"pytest=={request.param}")
    return found


def all_tests(options: str) -> Probe:
    """A probe that runs all tests."""
    return command(
        f"python -m pytest -q {options}",
        source("test_app.py", TESTS),
        source("tests/test_inherited.py", "import sys; sys.path.insert(0, '.')\n" + INHERITED),
    )


@pytest.mark.parametrize("options", ["", "--tb=short", "--tb=native", "-vv --color=yes"])
def test_a_failure_is_the_same_from_the_file_and_from_the_output(
    with_pytest: Environment, runs: Path, options: str
) -> None:
    from_file = observe(all_tests(options), with_pytest, runs)
    from_output = observe(all_tests(f"{options} -p no:junitxml"), with_pytest, runs)

    assert from_file.signature is not None, from_file.output_tail
    assert from_file.signature == from_output.signature


def test_a_failure_is_whole_where_pytest_prints_little(with_pytest: Environment, runs: Path) -> None:
    quiet = observe(all_tests("-qq --tb=no"), with_pytest, runs)

    assert quiet.signature is not None
    texts = quiet.signature.text.split("; ")
    assert "RuntimeError: no db at N:N, setup of test_setup" in texts
    assert "RuntimeError: chained with a message that goes on and on, TestPool.test_chain[a - b]" in texts


def test_a_file_that_cannot_be_collected_fails_at_import(with_pytest: Environment, runs: Path) -> None:
    probe = command("python -m pytest --tb=no", source("test_app.py", "import no_such_module\n"))

    seen = observe(probe, with_pytest, runs)

    assert (seen.outcome, seen.phase) == (Outcome.FAILED, Phase.IMPORT)
    assert seen.signature is not None
    assert seen.signature.shown == (
        "collecting test_app.py: ModuleNotFoundError: No module named 'no_such_module'"
    )


def test_a_probe_may_write_a_file_of_its_own(with_pytest: Environment, runs: Path) -> None:
    line = "python -m pytest --junitxml=own.xml; code=$?; cat own.xml; exit $code"
    probe = command(line, source("test_app.py", "def test_a():\n    raise KeyError('x')\n"))

    seen = observe(probe, with_pytest, runs)

    assert '<testcase classname="test_app"' in seen.output_tail
    assert seen.signature is not None
    assert seen.signature.shown == "test_a: KeyError: 'x'"

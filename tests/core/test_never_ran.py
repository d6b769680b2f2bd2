"""Telling a probe that never ran from one that fails."""

from __future__ import annotations

import pytest
from support.builders import failed, passed

from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import Observation, Outcome, Phase, Ruling, Signature, Verdict
from bisect_asgi.core.never_ran import never_ran, unreported
from bisect_asgi.core.records import replace

FILES = {"probe.py": b"import missing\n"}
PROVIDERS = {"requests": "requests", "pytest": "pytest", "yaml": "pyyaml"}
INSTALLED = {0: {"jinja2", "markupsafe"}, 1: {"jinja2"}}


def raised(kind: str, message: str, *places: str, phase: Phase = Phase.IMPORT) -> Signature:
    frames = tuple((place, 1, "<module>") for place in places)
    return signature.of_exception(kind, message, phase=phase, frames=frames, probe_files=FILES)


def lacks(module: str, *places: str) -> Signature:
    return raised("ModuleNotFoundError", f"No module named '{module}'", *places)


OWN = "/srv/probes/probe.py"
OF_PACKAGE = "/env/lib/python3.9/site-packages/jinja2/__init__.py"
SYNTAX = raised("SyntaxError", "invalid syntax (probe.py, line 3)")


def fails(sign: Signature | None, *, passed: int = 0) -> Ruling:
    return Ruling(verdict=Verdict.NEW, outcome=Outcome.FAILED, signature=sign, failed=1, passed=passed)


def skip(sign: Signature) -> Ruling:
    return Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE, signature=sign)


@pytest.mark.parametrize(
    ("sign", "hint"),
    [
        pytest.param(SYNTAX, "correct line 3 of `probe.py`, or pass a `--python` that", id="syntax"),
        pytest.param(
            raised("IndentationError", "unexpected indent (probe.py, line 2)"),
            "correct line 2 of `probe.py`",
            id="indentation",
        ),
        pytest.param(
            lacks("requests", OWN),
            "add the package that provides `requests`: `--with requests`; or pass a release",
            id="a-module-of-nothing",
        ),
        pytest.param(
            lacks("yaml", OWN),
            "add `pyyaml` that provides `yaml`: `--with pyyaml`; or pass a release",
            id="a-package-of-another-name",
        ),
        pytest.param(
            lacks("module_of_nobody", OWN),
            "add the package that provides `module_of_nobody`: `--with PACKAGE`; or pass a release",
            id="a-module-of-nobody",
        ),
        pytest.param(
            lacks("pytest"), "add the package that provides `pytest`: `--with pytest`", id="python-m-pytest"
        ),
        pytest.param(
            lacks("jinj2", OWN), "import `jinja2`, which is installed; or add the package", id="a-near-name"
        ),
        pytest.param(
            signature.of_exit(127, "/bin/sh: 1: pythn: not found\n"),
            "correct `pythn` in `--command`, or add the package that has it with `--with`",
            id="dash-finds-no-command",
        ),
        pytest.param(
            signature.of_exit(127, "bash: line 1: pythn: command not found\n"),
            "correct `pythn` in `--command`",
            id="bash-finds-no-command",
        ),
        pytest.param(
            signature.of_exit(2, "python: can't open file '/box/work/t/p.py': [Errno 2] No such file"),
            "copy the file next to the command: `--include p.py`",
            id="a-file-that-is-not-there",
        ),
        pytest.param(
            signature.of_exit(4, "ERROR: file or directory not found: t/test_app.py::test_it"),
            "copy the file next to the command: `--include test_app.py`",
            id="a-test-that-is-not-there",
        ),
        pytest.param(
            signature.of_exit(127), "correct the command in `--command`", id="a-shell-that-says-nothing"
        ),
    ],
)
def test_a_probe_that_ran_nowhere_is_told_with_what_to_do(sign: Signature, hint: str) -> None:
    found = never_ran(
        {5: fails(sign), 2: fails(sign)}, files=FILES, installed=INSTALLED, provider=PROVIDERS.get
    )

    assert found is not None
    assert (found.keys, found.reason) == ((2, 5), sign.shown)
    assert found.hint.startswith(hint)


NEEDS_HTTPX = raised("RuntimeError", "testclient requires the httpx package to be installed.", OF_PACKAGE)


def test_a_package_that_another_asks_for_is_told_unless_it_is_installed() -> None:
    found = never_ran({0: fails(NEEDS_HTTPX), 1: fails(NEEDS_HTTPX)}, installed=INSTALLED)

    assert found is not None
    assert found.hint == "add the package: `--with httpx`; or pass a release where it works with `--good`"
    there = {key: {*names, "httpx"} for key, names in INSTALLED.items()}
    assert never_ran({0: fails(NEEDS_HTTPX), 1: fails(NEEDS_HTTPX)}, installed=there) is None


def test_a_program_of_the_machine_is_no_program_of_the_environment() -> None:
    sign = signature.of_environment(Phase.CHECK, "`pytest` is no program of this environment; `/x` runs on …")

    found = never_ran({0: skip(sign), 1: skip(sign)})

    assert found is not None
    assert found.hint == "add the package that has it: `--with pytest`"


@pytest.mark.parametrize(
    "sign",
    [
        pytest.param(raised("AssertionError", "x", OWN, phase=Phase.CHECK), id="another-exception"),
        pytest.param(raised("SyntaxError", "invalid syntax (core.py, line 3)"), id="syntax-of-a-package"),
        pytest.param(lacks("requests", OWN, OF_PACKAGE), id="a-module-that-the-package-needs"),
        pytest.param(lacks("jinja2", OWN), id="the-package-itself"),
        pytest.param(lacks("jinja2.sandbox", OWN), id="a-module-of-the-package"),
        pytest.param(lacks("distutils", OWN), id="a-module-of-python"),
        pytest.param(
            raised("ModuleNotFoundError", "No module named 'x'", OWN, phase=Phase.CHECK), id="later-on"
        ),
        pytest.param(signature.of_exit(1), id="another-exit-code"),
        pytest.param(signature.of_environment(Phase.INSTALL, "no wheel"), id="not-installed"),
    ],
)
def test_what_may_depend_on_the_release_is_no_mistake_in_the_probe(sign: Signature) -> None:
    assert never_ran({0: fails(sign), 1: fails(sign)}, files=FILES, installed=INSTALLED) is None


@pytest.mark.parametrize(
    "rulings",
    [
        pytest.param({}, id="nothing-was-run"),
        pytest.param({0: fails(SYNTAX)}, id="only-one"),
        pytest.param({0: fails(SYNTAX), 1: fails(replace(SYNTAX, text="other"))}, id="two-failures"),
        pytest.param({0: fails(SYNTAX), 1: fails(None)}, id="a-failure-without-signature"),
        pytest.param({0: fails(None), 1: fails(None)}, id="no-signatures"),
        pytest.param({0: fails(SYNTAX), 1: fails(SYNTAX, passed=1)}, id="one-passed-once"),
    ],
)
def test_it_takes_two_that_fail_alike(rulings: dict[int, Ruling]) -> None:
    assert never_ran(rulings, files=FILES) is None


def reporting(*names: str) -> Observation:
    return replace(passed(), metrics=dict.fromkeys(names, 1.0))


@pytest.mark.parametrize(
    ("reported", "hint"),
    [
        pytest.param(
            ("growth", "p95"),
            "pass `--metric growth`; there are also `p95`, `wall`, `cpu` and `peak-memory`",
            id="others",
        ),
        pytest.param(
            (),
            "print `@metric grwth VALUE`, or pass `--metric wall`; there are also `cpu` and `peak-memory`",
            id="none",
        ),
    ],
)
def test_a_metric_that_no_run_reports_is_told_with_those_that_are(
    reported: tuple[str, ...], hint: str
) -> None:
    found = unreported({3: [reporting(*reported)]}, "grwth", texts=[b"print('@metric growth 3')"])

    assert found is not None
    assert (found.keys, found.what, found.hint) == ((3,), "reports no metric `grwth`", hint)


def test_a_metric_that_the_probe_names_may_be_reported_by_another_release() -> None:
    texts = [b"print('@metric growth 3')"]

    assert unreported({3: [reporting()]}, "growth", texts=texts) is None
    assert unreported({3: [reporting()], 4: [reporting("growth")]}, "growth", texts=texts) is None
    assert unreported({3: [reporting()], 4: [reporting()]}, "growth", texts=texts) is not None


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param([], id="nothing-was-run"),
        pytest.param([failed()], id="it-failed-on-one"),
        pytest.param([replace(passed(), complaint="the metric cannot be read")], id="it-cannot-be-read"),
        pytest.param([reporting("growth")], id="it-is-there"),
    ],
)
def test_what_may_report_the_metric_is_no_mistake(runs: list[Observation]) -> None:
    assert unreported({3: runs}, "growth") is None


def test_two_that_fail_show_that_a_metric_is_not_reported_which_the_probe_does_not_name() -> None:
    failing = {3: [failed()], 4: [failed()]}

    found = unreported(failing, "growth")

    assert found is not None
    assert found.keys == (3, 4)
    assert unreported(failing, "growth", texts=[b"print('@metric growth 3')"]) is None

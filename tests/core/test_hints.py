"""Which hint follows from what untestable candidates have in common."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from support.builders import ASSERTION, CONFLICT

from bisect_asgi.core import hints
from bisect_asgi.core.hints import Circumstances
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import Outcome, Phase, Ruling, Signature, Verdict
from bisect_asgi.core.records import replace

LABELS = ("2.3.3", "2.3.4", "2.3.5", "2.3.6", "2.3.7")
GOOD = Ruling(verdict=Verdict.OLD, outcome=Outcome.PASSED, passed=1)
FAILS = Ruling(verdict=Verdict.NEW, outcome=Outcome.FAILED, signature=ASSERTION, failed=1)


def lacks(module: str) -> Signature:
    return signature.of_exception("ModuleNotFoundError", f"No module named '{module}'", phase=Phase.IMPORT)


def different(failure: Signature) -> Ruling:
    return Ruling(
        verdict=Verdict.SKIP, outcome=Outcome.FAILED, signature=failure, fails_differently=True, failed=1
    )


def untestable(reason: Signature | None) -> Ruling:
    return Ruling(verdict=Verdict.SKIP, outcome=Outcome.UNTESTABLE, signature=reason)


def known(
    rulings: dict[int, Ruling], installed: dict[int, Collection[str]] | None = None, python: str = "3.12"
) -> Circumstances:
    """What is known of five releases; the others of them passed."""
    return Circumstances(
        labels=LABELS,
        rulings={key: rulings.get(key, GOOD) for key in range(5)},
        installed=installed or {},
        python=python,
    )


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        pytest.param((3, 4), "from 2.3.6 on, ", id="the-newest"),
        pytest.param((0, 1), "up to 2.3.4, ", id="the-oldest"),
        pytest.param((2, 3), "in 2.3.5 and 2.3.6, ", id="in-between"),
    ],
)
def test_a_package_of_the_tested_releases_is_to_be_added(keys: tuple[int, ...], where: str) -> None:
    installed = {key: {"sse"} if key in keys else {"sse", "pyyaml"} for key in range(5)}
    about = known({key: different(lacks("yaml")) for key in keys}, installed)

    hint = f"{where}pyyaml is not installed: add it with `--with pyyaml`"
    assert hints.for_untestable(about, keys) == hints.for_module(about, keys) == hint


def test_a_module_that_no_release_brings_is_to_be_added() -> None:
    about = known(dict.fromkeys(range(5), different(lacks("yaml"))), {key: {"sse"} for key in range(5)})

    hint = "`yaml` is not installed: add the package that provides `yaml`: `--with PACKAGE`"
    assert hints.for_untestable(about, range(5)) == hints.for_module(about, range(5)) == hint


def test_where_no_other_release_could_be_tested_none_is_named() -> None:
    fails = Ruling(verdict=Verdict.NEW, outcome=Outcome.FAILED, signature=lacks("yaml"), failed=1)
    about = known({0: untestable(CONFLICT), **dict.fromkeys(range(1, 5), fails)})

    assert hints.for_module(about, range(1, 5)) == (
        "`yaml` is not installed: add the package that provides `yaml`: `--with PACKAGE`"
    )


def test_of_several_packages_the_one_with_the_modules_name_is_named() -> None:
    installed: dict[int, Collection[str]] = {key: {"sse", "a-sgi", "idna"} for key in range(3)} | {
        3: {"sse"},
        4: {"sse"},
    }
    about = known({3: different(lacks("a_sgi")), 4: different(lacks("a_sgi"))}, installed)

    assert hints.for_module(about, (4, 3)) == (
        "from 2.3.6 on, a-sgi is not installed: add it with `--with a-sgi`"
    )


@pytest.mark.parametrize(
    ("frame", "other", "is_told"),
    [
        pytest.param("sse/core.py in <module>", GOOD, True, id="the-package-imports-it"),
        pytest.param("./probe.py in <module>", GOOD, False, id="the-probe-does-and-it-was-there"),
        pytest.param("./probe.py in <module>", FAILS, True, id="the-probe-does-and-others-fail-before"),
    ],
)
def test_a_module_that_the_tested_ones_lack_too_is_to_be_added(
    frame: str, other: Ruling, is_told: bool
) -> None:
    missing = different(replace(lacks("a_sgi"), frame=frame))
    about = known(
        {**dict.fromkeys(range(3), other), 3: missing, 4: missing}, {key: {"sse"} for key in range(5)}
    )

    hint = "from 2.3.6 on, `a_sgi` is not installed: add the package that provides `a_sgi`: `--with PACKAGE`"
    assert hints.for_untestable(about, (3, 4)) == (hint if is_told else None)


@pytest.mark.parametrize(
    ("rulings", "installed"),
    [
        pytest.param({3: lacks("one"), 4: lacks("two")}, {}, id="two-modules"),
        pytest.param({3: lacks("one"), 4: ASSERTION}, {}, id="not-all"),
        pytest.param({3: lacks("one.sub"), 4: lacks("one.sub")}, {}, id="part-of-a-package"),
        pytest.param({3: lacks("one"), 4: lacks("one")}, {4: {"one"}}, id="installed-without-that-module"),
        pytest.param({3: lacks("one"), 4: lacks("one")}, {}, id="no-release-had-it"),
        pytest.param(
            {3: lacks("one"), 4: lacks("one")},
            {0: {"a", "b"}, 1: {"a", "b"}, 2: {"a", "b"}},
            id="one-of-several-packages",
        ),
    ],
)
def test_other_failures_are_no_missing_module(
    rulings: dict[int, Signature], installed: dict[int, Collection[str]]
) -> None:
    about = known({key: different(failure) for key, failure in rulings.items()}, installed)

    assert hints.for_module(about, (3, 4)) is None
    assert hints.for_untestable(about, (3, 4)) is None


def test_a_module_that_its_package_no_longer_has_is_not_to_be_added() -> None:
    about = Circumstances(labels=LABELS, rulings={4: different(lacks("one"))}, installed={4: {"one"}})

    assert hints.for_module(about, (4,)) is None


def exception(kind: str, message: str, phase: Phase = Phase.IMPORT) -> Signature:
    return signature.of_exception(kind, message, phase=phase)


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(lacks("distutils"), id="a-module-that-is-gone"),
        pytest.param(
            exception("ImportError", "cannot import name 'Mapping' from 'collections' (/usr/c.py)"),
            id="a-name",
        ),
        pytest.param(exception("AttributeError", "module 'asyncio' has no attribute 'x'"), id="an-attribute"),
        pytest.param(exception("SyntaxError", "invalid syntax"), id="a-syntax"),
    ],
)
def test_code_for_another_python_fails_at_import(failure: Signature) -> None:
    about = known({0: different(failure), 1: different(failure)})

    assert hints.for_untestable(about, (0, 1)) == (
        "they cannot be imported on Python 3.12, which may be too new for them: pass an older `--python`"
    )


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(exception("SyntaxError", "no", Phase.CHECK), id="not-at-import"),
        pytest.param(exception("AttributeError", "module 'six' has no attribute 'x'"), id="another-package"),
        pytest.param(
            exception("ImportError", "cannot import name 'x' from 'six'"), id="another-packages-name"
        ),
    ],
)
def test_what_a_package_does_is_not_the_pythons_fault(failure: Signature) -> None:
    assert hints.for_untestable(known({0: different(failure)}), (0,)) is None


@pytest.mark.parametrize(
    ("keys", "python", "hint"),
    [
        pytest.param(
            (0, 1),
            "3.12",
            "they cannot install on Python 3.12, which may be too new for them: pass an older `--python`",
            id="older",
        ),
        pytest.param(
            (3, 4),
            "3.6",
            "they cannot install on Python 3.6, which may be too old for them: pass a newer `--python`",
            id="newer",
        ),
        pytest.param(
            (1, 2), "3.12", "they cannot install on Python 3.12: pass another `--python`", id="between"
        ),
        pytest.param(
            (0, 1, 2, 3, 4),
            "",
            "they cannot install on this Python, which may be too new for them: pass an older `--python`",
            id="all-of-several-pythons",
        ),
    ],
)
def test_releases_that_do_not_install_need_another_python(
    keys: tuple[int, ...], python: str, hint: str
) -> None:
    reason = untestable(signature.of_environment(Phase.INSTALL, "it cannot be built"))

    assert hints.for_untestable(known(dict.fromkeys(keys, reason), python=python), keys) == hint


def test_requirements_without_a_solution_need_other_dependencies() -> None:
    assert hints.for_untestable(known({3: untestable(CONFLICT)}), (3,)) == (
        "their requirements have no solution: pass another `--deps` or `--python`"
    )


@pytest.mark.parametrize(
    "reason",
    [
        pytest.param(signature.of_exit(125, "too old\n"), id="exit-code"),
        pytest.param(signature.of_environment(Phase.DRIVE, "no lifespan here"), id="skip"),
    ],
)
def test_a_probe_that_skips_is_to_be_changed(reason: Signature) -> None:
    assert hints.for_untestable(known({3: untestable(reason)}), (3,)) == (
        "change the probe so that it does not skip them, or narrow `--releases`"
    )


@pytest.mark.parametrize(
    "ruling",
    [
        pytest.param(untestable(None), id="no-reason"),
        pytest.param(untestable(signature.of_environment(Phase.STARTUP, "no test ran")), id="no-test"),
        pytest.param(untestable(signature.of_environment(Phase.CHECK, "`p` is no program")), id="no-program"),
        pytest.param(different(signature.of_exit(3)), id="another-exit-code"),
    ],
)
def test_without_a_common_cause_there_is_no_hint(ruling: Ruling) -> None:
    assert hints.for_untestable(known({3: ruling, 4: ruling}), (3, 4)) is None


def test_of_no_candidates_there_is_no_hint() -> None:
    assert hints.for_untestable(known({}), ()) is None
    assert hints.for_module(known({}), ()) is None


def test_of_candidates_that_were_not_run_there_is_no_hint() -> None:
    about = Circumstances(labels=LABELS, rulings={3: different(lacks("one"))})

    assert hints.for_untestable(about, (3, 4)) is None


def test_a_module_that_no_environment_has_is_not_explained_by_the_environment() -> None:
    everywhere: dict[int, Collection[str]] = {key: {"sse"} for key in range(5)}
    elsewhere: dict[int, Collection[str]] = {
        key: {"sse"} if key == 3 else {"sse", "yaml"} for key in range(5)
    }

    for installed, expected in ((everywhere, False), (elsewhere, True)):
        about = known({3: different(lacks("yaml"))}, installed)
        assert hints.is_of_environment(about, 3) is expected


def test_a_python_that_does_not_fit_explains_a_failure() -> None:
    assert hints.is_of_environment(known({3: different(lacks("distutils"))}), 3)


def test_a_failure_of_its_own_and_none_at_all_have_other_reasons() -> None:
    assert not hints.is_of_environment(known({3: different(ASSERTION)}), 3)
    assert not hints.is_of_environment(known({3: untestable(None)}), 3)


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("`demo` is not cached, and the network is off (`--offline`)", "run the same command once without "),
        ("a file did not arrive", "run the same command again; "),
    ],
)
def test_what_has_no_result_for_want_of_the_network_needs_it_once(reason: str, hint: str) -> None:
    assert hints.no_result(reason).startswith(hint)


# What a package says of another one that it does not require.


@pytest.mark.parametrize(
    ("error", "message", "package"),
    [
        (
            "RuntimeError",
            "The testclient module requires the httpx package to be installed.",
            "httpx",
        ),
        ("RuntimeError", 'Form data requires "python-multipart" to be installed. ', "python-multipart"),
        ("AssertionError", "jinja2 must be installed to use Jinja2Templates", "jinja2"),
        (
            "AssertionError",
            "The `python_multipart` library must be installed for it.",
            "python-multipart",
        ),
        (
            "ImportError",
            "email-validator is not installed, `pip install pydantic`",
            "email-validator",
        ),
        ("ImportError", "please run `pip install 'Itsdangerous'`", "itsdangerous"),
        ("ImportError", "Missing optional dependency 'openpyxl'.  Use pip to install openpyxl.", "openpyxl"),
        ("MissingDependencyError", "needs the aiofiles library", "aiofiles"),
        ("ModuleNotFoundError", "No module named 'yaml'", None),
        ("ImportError", "cannot import name 'escape' from 'jinja2'", None),
        ("RuntimeError", "it is not installed", None),
        ("RuntimeError", "this package must be installed", None),
        ("RuntimeError", "the lifespan must be a function", None),
        ("OSError", "pkg-config is not installed", None),
    ],
)
def test_a_package_is_asked_for_by_the_form_of_the_message(
    error: str, message: str, package: str | None
) -> None:
    failure = signature.of_exception(error, message, phase=Phase.IMPORT)

    assert hints.package_to_install(failure) == package


def test_an_assertion_of_the_probe_asks_for_nothing() -> None:
    own = signature.of_exception(
        "AssertionError",
        "httpx must be installed",
        phase=Phase.CHECK,
        frames=(("/srv/probes/leak.py", 3, "<module>"),),
        probe_files={"leak.py": b"\n\nassert False\n"},
    )

    assert own.frame.startswith("./leak.py")
    assert hints.package_to_install(own) is None


NEEDS = signature.of_exception(
    "RuntimeError", "testclient requires the httpx package to be installed.", phase=Phase.IMPORT
)


def test_what_a_package_asks_for_is_to_be_added_unless_it_is_there() -> None:
    about = {3: different(NEEDS), 4: different(NEEDS)}

    hint = hints.for_module(known(about), (3, 4))

    assert hint == "from 2.3.6 on, httpx is not installed: add it with `--with httpx`"
    assert hints.for_module(known(about, {3: {"httpx"}}), (3, 4)) is None

"""Where a failure comes from is part of what makes it the same."""

from __future__ import annotations

import pytest
from support.signatures import SITE, STDLIB, WORK, place, raised

from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import Phase, Signature


@pytest.mark.parametrize(
    ("file", "frame"),
    [
        pytest.param(f"{WORK}/app.py", "./app.py in f", id="the-probes-own"),
        pytest.param("app.py", "./app.py in f", id="as-python-3.8-names-a-script"),
        pytest.param("./app.py", "./app.py in f", id="as-python-3.8-names-a-module"),
        pytest.param(f"{WORK}/data/leak.py", "./data/leak.py in f", id="the-probes-own-by-its-whole-name"),
        pytest.param(f"{SITE}/jinja2/filters.py", "jinja2/filters.py in f", id="a-package"),
        pytest.param(f"{SITE}/six.py", "six.py in f", id="a-single-module"),
        pytest.param(f"{SITE}/flask/app.py", "flask/app.py in f", id="a-module-named-as-the-probes-own"),
        pytest.param("pydantic/main.py", "pydantic/main.py in f", id="cython-names-no-folder"),
        pytest.param("cython/app.py", "cython/app.py in f", id="cython-and-a-module-named-as-the-probes-own"),
        pytest.param("/usr/lib/python3/dist-packages/six.py", "six.py in f", id="debian"),
        pytest.param(r"C:\env\Lib\site-packages\six.py", "six.py in f", id="windows"),
        pytest.param("/tmp/probe-x1/made.py", "made.py in f", id="neither-installed-nor-the-probes"),
        pytest.param(f"{STDLIB}/asyncio/tasks.py", "./leak.py in <module>", id="standard-library"),
        pytest.param("/py/lib64/python3.13t/json/decoder.py", "./leak.py in <module>", id="free-threaded"),
        pytest.param("/py/lib/pypy3.10/json/decoder.py", "./leak.py in <module>", id="pypy"),
        pytest.param("/py/lib-python/3/json/decoder.py", "./leak.py in <module>", id="old-pypy"),
        pytest.param("/py/lib/python311.zip/json/decoder.py", "./leak.py in <module>", id="zipped"),
        pytest.param("<frozen importlib._bootstrap>", "./leak.py in <module>", id="frozen"),
        pytest.param("<string>", "./leak.py in <module>", id="generated"),
        pytest.param("<attrs generated init app.A>", "./leak.py in <module>", id="generated-by-a-package"),
        pytest.param(
            "/opt/bisect_asgi/backend/served/connection.py", "./leak.py in <module>", id="the-driver"
        ),
        pytest.param(
            "/x/site-packages/bisect_asgi/backend/in_candidate/bisect_asgi_serve.py",
            "./leak.py in <module>",
            id="the-server",
        ),
    ],
)
def test_the_last_frame_outside_the_standard_library_says_where(file: str, frame: str) -> None:
    assert raised(place(file)).frame == frame


def test_what_the_standard_library_raises_is_of_who_called_it() -> None:
    failure = raised(
        place(f"{SITE}/kombu/utils.py", "load"),
        place(f"{STDLIB}/importlib/__init__.py", "import_module"),
        place("<frozen importlib._bootstrap>", "_find_and_load"),
    )

    assert failure.frame == "kombu/utils.py in load"


@pytest.mark.parametrize("function", ["<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"])
def test_a_comprehension_is_of_its_function(function: str) -> None:
    assert raised(place("app.py", "get"), place("app.py", function)).frame == "./app.py in get"


def test_an_exception_without_a_frame_that_counts_has_none() -> None:
    failure = signature.of_exception("KeyError", "'x'", phase=Phase.CHECK, frames=[place("<string>")])

    assert failure.frame == failure.place == ""


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        pytest.param("jinja2/utils.py", "jinja2/filters.py", True, id="code-that-moved"),
        pytest.param("jinja2/_async/utils.py", "jinja2/utils.py", True, id="code-that-moved-up"),
        pytest.param(
            "flask_sqlalchemy.py", "flask_sqlalchemy/__init__.py", True, id="a-module-made-a-package"
        ),
        pytest.param("jinja2/utils.py", "markupsafe/utils.py", False, id="another-package"),
        pytest.param("flask/app.py", "flask_login/app.py", False, id="a-name-that-begins-alike"),
    ],
)
def test_a_package_is_one_place(one: str, other: str, is_same: bool) -> None:
    failures = [raised(place(f"{SITE}/{file}", function)) for file, function in ((one, "f"), (other, "g"))]

    assert failures[0].is_same_failure(failures[1]) is is_same


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(place(f"{WORK}/app.py", "g"), id="another-function"),
        pytest.param(place(f"{WORK}/leak.py"), id="another-file"),
        pytest.param(place(f"{SITE}/app/main.py"), id="a-package-of-that-name"),
    ],
)
def test_each_function_of_the_probe_is_a_place(other: tuple[str, int, str]) -> None:
    assert not raised(place(f"{WORK}/app.py")).is_same_failure(raised(other))


def test_the_line_of_a_frame_makes_no_difference() -> None:
    lines = [raised((f"{WORK}/leak.py", line, "check")) for line in (3, 5)]

    assert lines[0] == lines[1]


PROBE = b"""\
def check(response, found):
    assert response.ok  # it was reached
    raise AssertionError
    assert (
        found  # by name
        < (3, 3)
    )
    assert response.ok
"""


def asserted(
    line: int, *, source: bytes = PROBE, error: str = "AssertionError", message: str = ""
) -> Signature:
    """The signature of an exception that `check` raised in this line of the probe."""
    frames = [(f"{WORK}/leak.py", line, "check")]
    return signature.of_exception(
        error, message, phase=Phase.CHECK, frames=frames, probe_files={"leak.py": source}
    )


@pytest.mark.parametrize(
    ("line", "statement"),
    [
        pytest.param(2, "assert response.ok", id="without-its-comment"),
        pytest.param(3, "raise AssertionError", id="no-assert"),
        pytest.param(4, "assert ( found < (3, 3) )", id="in-several-lines"),
        pytest.param(6, "assert ( found < (3, 3) )", id="in-one-of-its-lines"),
    ],
)
def test_a_bare_assertion_of_the_probe_is_shown_and_known_by_its_statement(line: int, statement: str) -> None:
    failure = asserted(line)

    assert failure.text == "AssertionError"
    assert failure.shown == f"leak.py:{line}: {statement}"
    assert failure.frame == f"./leak.py in check: {statement}"


def test_different_assertions_are_different_failures() -> None:
    assert not asserted(2).is_same_failure(asserted(4))


def test_equal_assertions_at_two_places_are_different_failures_and_shown_alike() -> None:
    assert not asserted(2).is_same_failure(asserted(8))
    assert asserted(8).shown == "leak.py:8: assert response.ok"


def test_a_line_that_was_added_above_an_assertion_makes_no_difference() -> None:
    edited = PROBE.replace(b"it was reached", b"the server").replace(
        b"    raise", b"    # not yet\n    raise"
    )

    assert asserted(5, source=edited).is_same_failure(asserted(4))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        pytest.param("AssertionError", "no", id="assertion-with-a-message"),
        pytest.param("TimeoutError", "", id="another-exception"),
    ],
)
def test_another_exception_is_known_by_its_function(error: str, message: str) -> None:
    assert asserted(2, error=error, message=message) == asserted(4, error=error, message=message)
    assert asserted(2, error=error, message=message).frame == "./leak.py in check"


def test_a_bare_assertion_of_a_package_is_known_by_its_package() -> None:
    failures = [
        raised((f"{SITE}/anyio/a.py", line, "f"), error="AssertionError", message="") for line in (3, 5)
    ]

    assert failures[0].is_same_failure(failures[1])
    assert failures[0].shown == "AssertionError"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x89PNG\r\n\x00\x1a", id="no-text"),
        pytest.param(b"print(((", id="no-python"),
        pytest.param(b"# one line", id="shorter"),
        pytest.param(b"# coding: none-such\nassert x\n", id="unknown-encoding"),
    ],
)
def test_a_bare_assertion_whose_source_is_unknown_is_known_by_its_line(source: bytes) -> None:
    failure = asserted(2, source=source)

    assert failure.shown == "AssertionError"
    assert failure.frame == "./leak.py in check, line 2"
    assert not failure.is_same_failure(asserted(3, source=source))

"""Which block of an issue is its program, and what that is."""

from __future__ import annotations

import pytest

from bisect_asgi.core.issues.code import Program, choose
from bisect_asgi.core.issues.markdown import read

SCRIPT = "import jinja2\n\nassert jinja2.escape('<')\n"
OTHER = "import jinja2, y\n"
TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n'


def fenced(*codes: str, language: str = "python") -> str:
    return "\n\n".join(f"```{language}\n{code}```" for code in codes)


def program(text: str) -> Program:
    return choose(read(text))


def app(code: str, *, prose: str = "") -> tuple[str, str]:
    """The application that a program defines, and the request for it."""
    found = program(f"{prose}\n\n{fenced(code)}")
    return found.app, found.request


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(fenced(SCRIPT), id="one"),
        pytest.param(fenced(SCRIPT, language=""), id="without-a-language"),
        pytest.param(fenced("x = 1\n", SCRIPT), id="imports-a-package"),
        pytest.param(fenced("import jinja2\n", SCRIPT), id="does-something"),
        pytest.param(fenced("pip install jinja2\n", SCRIPT), id="no-python"),
        pytest.param(fenced(TRACEBACK, SCRIPT, language=""), id="a-traceback"),
        pytest.param(f"```bash\nimport jinja2\n```\n\n{fenced(SCRIPT)}", id="another-language"),
        pytest.param(f"{fenced(SCRIPT)}\n\n{fenced('jinja2==3.0', language='text')}", id="versions"),
        pytest.param(
            f"## Expected\n\n{fenced(OTHER)}\n## Minimal reproduction\n{fenced(SCRIPT)}",
            id="heading",
        ),
        pytest.param("text\n\n" + "".join(f"    {line}\n" for line in SCRIPT.split("\n")), id="indented"),
        pytest.param(fenced(">>> import jinja2\n>>> \n>>> assert jinja2.escape('<')\nTrue\n"), id="console"),
        pytest.param(fenced(SCRIPT).replace("\n", "\r\n"), id="line-ends"),
        pytest.param(f"<details>\n<summary>code</summary>\n\n{fenced(SCRIPT)}\n\n</details>", id="details"),
        pytest.param(fenced(SCRIPT, language="{.python hl_lines=1}"), id="attributes"),
    ],
)
def test_the_program_is_the_block_that_reproduces(text: str) -> None:
    found = program(text)

    assert found.code == SCRIPT
    assert (found.modules, found.checks, found.is_missing) == (("jinja2",), True, False)


def test_the_reason_names_the_line_and_the_choice() -> None:
    assert program(f"words\n\n{fenced(SCRIPT)}").why == "the block at line 3"
    assert program(fenced("x = f()\n", SCRIPT)).why == "the block at line 5, the best of 2 that are Python"


def test_a_console_keeps_the_lines_that_were_typed() -> None:
    found = program(fenced(">>> import jinja2\n>>> for x in y:\n...     f(x)\n...\nprinted\n>>> g()\n"))

    assert found.code == "import jinja2\nfor x in y:\n    f(x)\n\ng()\n"


def test_modules_are_those_that_python_does_not_have() -> None:
    code = (
        "import os, a.b as c\nfrom d.e import f\nfrom . import g\nfrom .h import i\ndef j():\n import a, k\n"
    )

    assert program(fenced(code)).modules == ("a", "d", "k")


@pytest.mark.parametrize(
    ("text", "why", "modules"),
    [
        pytest.param("words alone", "none", (), id="words"),
        pytest.param(fenced("'only a text'\n"), "none", (), id="nothing-runs"),
        pytest.param(fenced("def f(:\n"), "none", (), id="no-syntax"),
        pytest.param(
            "see\nimport os\nfrom fastapi import FastAPI\ndef f():\nreturn 1\n",
            "what is at line 2 is in no block, or has lost its indentation",
            ("fastapi",),
            id="flat",
        ),
    ],
)
def test_without_a_program_the_code_says_that_it_is_untestable(
    text: str, why: str, modules: tuple[str, ...]
) -> None:
    found = program(text)

    assert (found.is_missing, found.why, found.modules) == (True, why, modules)
    assert "sys.exit(125)" in found.code


ROUTES = "app = Any()\n\n@app.get('/x/{id}')\n{a}def x(id): pass\n\n@app.post('/y')\n{a}def y(): pass\n"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(ROUTES.replace("{a}", "async "), ("app", "POST /y"), id="decorated"),
        pytest.param(ROUTES.replace("{a}", ""), ("", ""), id="no-coroutine"),
        pytest.param("async def app(scope, receive, send): pass\n", ("app", "GET /"), id="raw"),
        pytest.param("async def app(request): pass\n", ("", ""), id="another-coroutine"),
        pytest.param(
            "async def f(r): pass\napplication: X = X(routes=[Route('/z', f)])\n",
            ("application", "GET /z"),
            id="routes",
        ),
        pytest.param(
            "async def f(r): pass\napp = X([Route('/z', f, methods=['PUT', 'GET'])])\n",
            ("app", "PUT /z"),
            id="methods",
        ),
        pytest.param(
            "async def f(r): pass\napp = X([Route('/z', f, methods=[])])\n", ("app", "GET /z"), id="no-method"
        ),
        pytest.param(
            "async def f(r): pass\napp = X([Route('/z', f, methods=m, name='n')])\n",
            ("app", "GET /z"),
            id="unknown",
        ),
        pytest.param(
            "async def f(r): pass\napp = X([Route('/z', f, methods=[m])])\n",
            ("app", "GET /z"),
            id="a-variable",
        ),
        pytest.param("app = X()\n@app.route('/r')\nasync def f(r): pass\n", ("app", "GET /r"), id="route"),
        pytest.param(
            "app = X()\nopen('/tmp/x')\ng(1)\ng()()\n(lambda: 0)('/')\nasync def f(): pass\n",
            ("app", "GET /"),
            id="calls",
        ),
        pytest.param("app = X\nasync def f(): pass\n", ("", ""), id="no-call"),
        pytest.param("app.x = X()\nasync def f(): pass\n", ("", ""), id="an-attribute"),
        pytest.param("app: X\nasync def f(): pass\n", ("", ""), id="a-type"),
        pytest.param(
            "app = X()\nasync def f(): assert 0\nassert Client(app).get('/').ok\n", ("", ""), id="a-test"
        ),
        pytest.param("app = X()\nasync def f(): assert 0\n", ("app", "GET /"), id="asserts-inside"),
    ],
)
def test_an_asgi_application_is_recognized(code: str, expected: tuple[str, str]) -> None:
    assert app(code) == expected


def test_an_application_without_coroutines_is_one_of_asgi_if_the_issue_says_so() -> None:
    assert app(ROUTES.replace("{a}", ""), prose="Run it with `uvicorn main:app`.") == ("app", "POST /y")

"""Drafts of probes from whole issues, as people write them."""

from __future__ import annotations

import ast

import pytest

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.issues import draft
from bisect_asgi.core.issues.writing import write
from bisect_asgi.core.plan import tables

FORM = """\
# Memory grows with each request

### First Check

- [X] I added a very descriptive title here.

### Example Code

```Python
# Run with uvicorn main:app --reload
from fastapi import FastAPI

app = FastAPI()


@app.get("/items")
async def root():
    return {"message": "Hello World"}
```

### Description

With uvicorn 0.17.6 it leaks. It worked in FastAPI 0.68.2 and fails since FastAPI 0.69.0.
Fixed in 0.85.0, see https://github.com/tiangolo/fastapi/issues/4649.

### FastAPI Version

0.74.1

### Python Version

Python 3.8.13
"""
REGRESSION = """\
ImportError after upgrade

After upgrading **jinja2** from `3.0.3` to `3.1.0`:

```pytb
Traceback (most recent call last):
  File "x.py", line 1, in <module>
ImportError: cannot import name 'escape' from 'jinja2'
```

To reproduce:

```py
from jinja2 import escape
import markupsafe

print(escape("<"))
```

<details><summary>pip freeze</summary>

```
jinja2==3.1.0
markupsafe==2.1.1
click==8.0
```

</details>
"""
BARE = """\
encode/starlette#1012: BaseHTTPMiddleware uses too much memory

Upgrade to version 0.15.0 or later.
"""
STACKED = """\
yaml loads a wrong value

```console
$ pip install pyyaml==5.4.1
```

```python
>>> import yaml
>>> assert yaml.safe_load("a: 1") == {"a": 1}
```

5.3.1 works, 5.4 fails.
"""
REASONS = "imported and the repository of the issue and its versions are named and a field of the form"
USED = "```python\nimport demo\ndemo.f()\n```\n### Demo version\n\n2.1\n"
NOBODY = "It crashes. Please help!\n\n```python\nprint(1)\n```\n"


def test_a_form_becomes_a_served_probe() -> None:
    found = draft(FORM, name="issue.md")

    assert (found.package, found.python) == ("fastapi", "3.8")
    assert (found.good, found.bad, found.claim) == ("0.68.2", "0.69.0", ("broken-in", "0.69.0"))
    assert (found.program.app, found.program.request) == ("app", "GET /items")
    assert found.source == "https://github.com/tiangolo/fastapi/issues/4649"
    assert found.guesses == (
        "code: the block at line 9",
        "app: `app`, served by uvicorn; the probe requests GET /items",
        f"package: fastapi ({REASONS})",
        "Python: 3.8, that of the issue",
        'good end: 0.68.2 ("It worked in FastAPI 0.68.2")',
        'bad end: 0.69.0 ("and fails since FastAPI 0.69.0")',
    )


def test_a_regression_becomes_a_script_with_its_ends() -> None:
    found = draft(REGRESSION, name="issue.md")

    assert (found.package, found.good, found.bad, found.claim) == ("jinja2", "3.0.3", "3.1.0", None)
    assert found.dependencies == ("markupsafe==2.1.1",)
    assert found.program.code.startswith("from jinja2 import escape\n")
    assert not found.program.app


def test_an_issue_without_code_becomes_a_table() -> None:
    found = draft(BARE, name="issue.md")

    assert (found.package, found.good, found.bad) == ("starlette", "0.15.0", "")
    assert (found.claim, found.source) == (("fixed-in", "0.15.0"), "encode/starlette#1012")
    assert found.program.is_missing


def test_the_versions_that_are_stacked_are_those_of_the_imported_package() -> None:
    found = draft(STACKED, name="issue.md")

    assert (found.package, found.good, found.bad) == ("pyyaml", "5.3.1", "5.4")


@pytest.mark.parametrize(
    ("prose", "package"),
    [
        pytest.param("After upgrading PyJWT from 1.7.1 to 2.0.0 our login fails.", "pyjwt", id="prefix"),
        pytest.param("It fails since python-jwt 2.0.", "python-jwt", id="python-prefix"),
        pytest.param("It fails since 2.0: `pip install py_jwt`.", "py-jwt", id="installed"),
        pytest.param("On Python 3.8, jwt 2.0 fails.", "jwt", id="its-own-name"),
    ],
)
def test_a_module_is_taken_for_the_package_that_is_named_after_it(prose: str, package: str) -> None:
    found = draft(
        f"{prose}\n\n```python\nimport jwt\n\njwt.encode({{}}, 'x').decode()\n```\n", name="issue.md"
    )

    assert found.package == package
    assert found.dependencies == ()


def test_the_version_of_the_writer_has_the_bug() -> None:
    found = draft(USED, name="issue.md")

    assert (found.good, found.bad) == ("", "2.1")
    assert found.guesses[-1] == 'bad end: 2.1 ("Demo version: 2.1")'


def test_a_fix_has_its_good_end_behind_the_bad_one() -> None:
    text = (
        "```python\nimport demo\ndemo.f()\n```\ndemo fails in 1.0 and 1.1. Fixed in 1.4. demo works in 1.5."
    )

    found = draft(text, name="issue.md")

    assert (found.bad, found.good, found.claim) == ("1.0", "1.4", ("fixed-in", "1.4"))


def test_a_release_that_is_said_to_do_both_is_no_bad_end() -> None:
    found = draft("```python\nimport demo\ndemo.f()\n```\ndemo works in 1.0. demo fails in 1.0.", name="i.md")

    assert (found.good, found.bad) == ("1.0", "")


def test_a_text_that_names_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match=r"`issue.md` has no code that imports a package") as error:
        draft(NOBODY, name="issue.md")

    assert error.value.hint == "write the probe by hand: `bisect-asgi new FILE`"


@pytest.mark.parametrize(
    "text", [FORM, REGRESSION, BARE, STACKED, USED], ids=["form", "regression", "bare", "stacked", "used"]
)
def test_what_is_written_is_a_probe(text: str) -> None:
    found = draft(text, name="issue.md")

    source = write(found, name="leak.py")

    ast.parse(source)
    stated = tables.read_probe(source, name="leak.py")
    assert (stated.options.package, stated.options.good) == (found.package, found.good or None)
    assert stated.options.bad == (found.bad or None)
    assert stated.dependencies == (found.package, *found.dependencies)
    assert stated.options.app == ("leak.py:app" if found.program.app else None)
    assert stated.options.load == (found.program.request or None)
    assert stated.requires_python == (f"=={found.python}.*" if found.python else None)
    assert stated.options.source == (found.source or None)
    assert "# Run it: bisect-asgi --probe leak.py\n" in source
    says_to_assert = "assert what should hold" in source
    assert says_to_assert is not (found.program.app or found.program.checks or found.program.is_missing)


@pytest.mark.parametrize(
    ("text", "package"),
    [
        pytest.param("```py\nimport a, b\n```", "a", id="the-first-import"),
        pytest.param("b fails\n\n```py\nimport a, b\n```", "b", id="the-title"),
        pytest.param("t\n\nb 1.0 fails\n\n```py\nimport a, b\n```", "b", id="its-versions"),
        pytest.param(
            "t\n\n```py\nimport a, b\n```\nhttps://example.org/x/b/issues/3", "b", id="the-repository"
        ),
        pytest.param("t\n\n```py\nimport a, b\n```\n### b version\n\nnone", "b", id="a-field"),
        pytest.param(
            "t\n\npip install c>=1 'b' --pre\n\nc 1.0 fails\n\n```py\nimport a\n```", "c", id="installed"
        ),
    ],
)
def test_the_package_is_what_most_speaks_for(text: str, package: str) -> None:
    assert draft(text, name="issue.md").package == package


@pytest.mark.parametrize(
    ("text", "dependencies"),
    [
        pytest.param("", ("b",), id="not-named"),
        pytest.param("b 1.2 here", ("b==1.2",), id="in-prose"),
        pytest.param("b 1.2 and b 1.3", ("b",), id="two-versions"),
        pytest.param("`b==1.4`, b==1.5, and b==1.x", ("b==1.4",), id="pinned"),
        pytest.param("b==1.not.a.version", ("b",), id="no-version"),
    ],
)
def test_other_packages_are_held_in_the_version_that_is_named(
    text: str, dependencies: tuple[str, ...]
) -> None:
    found = draft(f"t\n\n{text}\n\n```py\nimport a, b\n```\na 1.0 fails", name="issue.md")

    assert found.dependencies == dependencies


@pytest.mark.parametrize(
    ("text", "python"),
    [
        pytest.param("I use Python 3.9.1", "3.9", id="prose"),
        pytest.param("python: 3.10", "3.10", id="a-list"),
        pytest.param("Python 3.9 and Python 3.10", "", id="two"),
        pytest.param("Not on Python 3.9\n\n### Python version\n\n3.8.13", "3.8", id="the-field"),
        pytest.param("### Python version\n\nany", "", id="a-field-without"),
    ],
)
def test_the_python_of_the_issue_is_that_of_the_probe(text: str, python: str) -> None:
    found = draft(f"{text}\n\n```py\nimport a\n```", name="issue.md")

    assert found.python == python

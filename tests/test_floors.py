"""Each module imports only from its own floor and from below, and each library is imported in its home.

The imports are read, not run. What is put into candidates' environments has rules of its own: grammar of
Python 3.6, standard library only.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bisect_asgi

PACKAGE = "bisect_asgi"
ROOT = Path(bisect_asgi.__file__).parent

FLOORS = (
    {"model", "differences", "events", "errors", "format", "codec", "quantities", "tally", "cancel"},
    {
        *("search", "judge", "signature", "releases", "suitability", "metadata", "plan", "answers"),
        *(
            "planning",
            "stats",
            "culprit",
            "bonds",
            "spots",
            "affected",
            "claims",
            "tags",
            "messages",
            "services",
        ),
        *("whatchanged", "requirement_changes", "changelog", "links", "lockfiles", "mixes", "reasons"),
        *("metrics", "levels", "sampling", "findings", "noise", "rules", "measures", "suites"),
        *("tracebacks", "failing_tests", "pytest_output", "unittest_output", "runners"),
    },
    {
        *(
            "index",
            "pages",
            "axes",
            "environments",
            "process",
            "supervisor",
            "supervisors",
            "trial",
            "store",
            "log",
            "locks",
        ),
        *(
            "inside",
            "asgi",
            "probes",
            "interpreters",
            "runs",
            "strays",
            "git",
            "repository",
            "contents",
            "sdists",
            "kept",
            "samples",
            "resolutions",
            "stopwatch",
            "files",
        ),
    },
    {
        *("engine", "session", "executors", "hunt", "mixing", "explain", "comparing", "drill", "stages"),
        *("merges", "trust", "flaky", "ends", "levelling", "quality", "preparing", "batch"),
        *("doctor", "errands", "remote"),
    },
    {"sinks", "report"},
    {"cli", "__main__"},
)
"""Modules and packages by their name under `bisect_asgi`, the lowest floor first."""

HOMES = {
    "msgspec": ("codec",),
    "httpx": ("index", "asgi"),
    "mousebender": ("index",),
    "tenacity": ("index", "environments"),
    "uv": ("environments",),
    "python_discovery": ("interpreters",),
    "psutil": ("process",),
    "rich": (
        "sinks",
        "report.text",
        "report.tables",
        "report.why",
        "report.changes",
        "report.plot",
        "report.measured",
        "report.timed",
        "report.suite_text",
    ),
    "typer": ("cli",),
    "packaging": tuple(sorted(FLOORS[0] | FLOORS[1] | FLOORS[2])),
    "h11": ("asgi",),
    "websockets": ("asgi",),
    "uvicorn": ("inside.bisect_asgi_serve",),
    "platformdirs": ("cli",),
    "distributed": ("remote",),
    "dask": ("remote",),
}
"""Which modules, or packages with all that is in them, may import a library."""


def module_name(path: Path) -> str:
    """`search.bisection` for the file of that module; a package's own file has the package's name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
INSIDE = sorted((ROOT / "inside").glob("*.py"))


def imports(source: str, module: str, *, is_package: bool) -> Iterator[str]:
    """The full names of what `source` imports anywhere; of a `from` import, each name behind its module."""
    parts = [PACKAGE, *module.split(".")] if module else [PACKAGE]
    package = parts if is_package else parts[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def floor(module: str) -> int | None:
    """The floor of `search` and of `search.bisection`; None: it is on none."""
    name = module.split(".")[0]
    return next((number for number, names in enumerate(FLOORS) if name in names), None)


def is_within(module: str, home: str) -> bool:
    """Tell whether `module` is `home` or in it."""
    return module == home or module.startswith(home + ".")


def complaints(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """What the imports of a module do that they should not."""
    # A package's own file gathers what is in the package, and otherwise is on the ground floor.
    own = 0 if is_package else floor(module)
    if own is None:
        return [f"{module} is on no floor"]
    found = []
    for target in imports(source, module, is_package=is_package):
        library, _, rest = target.partition(".")
        if library == PACKAGE:
            to = 0 if rest in ("", "__version__") else floor(rest)
            is_own_package = is_package and module != "" and is_within(rest, module)
            if to is None:
                found.append(f"{module} imports {rest}, which is on no floor")
            elif to > own and not is_own_package:
                found.append(f"{module} (floor {own}) imports {rest} (floor {to})")
        elif library not in sys.stdlib_module_names and not _is_at_home(library, module):
            found.append(f"{module} imports {library}, whose home is {HOMES.get(library, 'nowhere')}")
    return found


def _is_at_home(library: str, module: str) -> bool:
    return any(is_within(module, home) for home in HOMES.get(library, ()))


SERVED_BY = ("bisect_asgi_serve.py", "uvicorn")
"""The one library that a file for the candidates' Pythons may import: the environment has it for that."""


def complaints_inside(source: str, name: str) -> list[str]:
    """What a file for the candidates' Pythons does that it should not."""
    try:
        ast.parse(source, feature_version=(3, 6))
    except SyntaxError as error:
        return [f"{name} is no Python 3.6: {error.msg}"]
    found = []
    for target in imports(source, "inside", is_package=True):
        library = target.partition(".")[0]
        if target == "__future__.annotations":
            found.append(f"{name} imports {target}, which Python 3.6 has not")
        elif library not in sys.stdlib_module_names and (name, library) != SERVED_BY:
            found.append(f"{name} imports {library}, which candidates' environments have not")
    return found


@pytest.mark.parametrize("module", [pytest.param(name, id=name or PACKAGE) for name in FILES])
def test_a_module_imports_only_from_its_own_floor_and_below_and_libraries_only_at_home(module: str) -> None:
    path = FILES[module]

    found = complaints(path.read_text("utf-8"), module, is_package=path.name == "__init__.py")

    assert found == []


@pytest.mark.parametrize("module", [pytest.param(name, id=name) for name in FILES if name])
def test_every_module_is_on_a_floor(module: str) -> None:
    assert floor(module) is not None, f"{module} is on no floor"


@pytest.mark.parametrize("path", INSIDE, ids=[path.name for path in INSIDE])
def test_what_runs_in_a_candidates_python_needs_nothing_but_python_3_6(path: Path) -> None:
    assert complaints_inside(path.read_text("utf-8"), path.name) == []


@pytest.mark.parametrize(
    ("source", "module", "complaint"),
    [
        pytest.param(
            "from bisect_asgi.engine import Engine",
            "judge",
            "judge (floor 1) imports engine.Engine (floor 3)",
            id="from-above",
        ),
        pytest.param(
            "from bisect_asgi import session",
            "plan",
            "plan (floor 1) imports session (floor 3)",
            id="a-module-from-above-by-name",
        ),
        pytest.param(
            "def later():\n    import bisect_asgi.cli.main",
            "search.bisection",
            "search.bisection (floor 1) imports cli.main (floor 5)",
            id="from-above-in-a-function",
        ),
        pytest.param(
            "from ..engine import Engine",
            "search.bisection",
            "search.bisection (floor 1) imports engine.Engine (floor 3)",
            id="from-above-by-dots",
        ),
        pytest.param(
            "from bisect_asgi.search import Bisection",
            "codec",
            "codec (floor 0) imports search.Bisection (floor 1)",
            id="from-above-through-a-package",
        ),
        pytest.param(
            "import bisect_asgi.helpers",
            "cli.main",
            "cli.main imports helpers, which is on no floor",
            id="from-no-floor",
        ),
        pytest.param("", "helpers", "helpers is on no floor", id="on-no-floor"),
        pytest.param(
            "import msgspec.json",
            "store",
            "store imports msgspec, whose home is ('codec',)",
            id="a-library-away-from-home",
        ),
        pytest.param(
            "from rich.table import Table",
            "report.textual",
            f"report.textual imports rich, whose home is {HOMES['rich']}",
            id="a-library-next-door",
        ),
        pytest.param(
            "from packaging.version import Version",
            "engine",
            f"engine imports packaging, whose home is {HOMES['packaging']}",
            id="packaging-upstairs",
        ),
        pytest.param(
            "import requests", "index", "index imports requests, whose home is nowhere", id="a-new-library"
        ),
    ],
)
def test_an_import_that_should_not_be_is_complained_of(source: str, module: str, complaint: str) -> None:
    assert complaints(source, module) == [complaint]


@pytest.mark.parametrize(
    ("source", "module"),
    [
        pytest.param("from bisect_asgi.model import Verdict", "search.bisection", id="from-below"),
        pytest.param("from bisect_asgi.releases import Usable", "suitability", id="from-the-same-floor"),
        pytest.param("from . import bisection", "search.other", id="from-the-same-package"),
        pytest.param("from bisect_asgi import __version__", "model", id="the-version"),
        pytest.param("import bisect_asgi", "model", id="the-package-itself"),
        pytest.param("import re, os.path", "model", id="standard-library"),
        pytest.param("import httpx", "asgi.driver", id="a-library-at-home"),
        pytest.param("import rich", "report.text.table", id="a-library-in-a-package-of-its-home"),
    ],
)
def test_an_import_that_may_be_is_not_complained_of(source: str, module: str) -> None:
    assert complaints(source, module) == []


def test_a_packages_own_file_gathers_what_is_in_it_and_nothing_else() -> None:
    gathers = "from bisect_asgi.search.bisection import Bisection"
    reaches_out = "from bisect_asgi.judge import judge"

    assert complaints(gathers, "search", is_package=True) == []
    assert complaints(reaches_out, "search", is_package=True) == [
        "search (floor 0) imports judge.judge (floor 1)"
    ]
    assert complaints(gathers, "", is_package=True) == [
        " (floor 0) imports search.bisection.Bisection (floor 1)"
    ]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        pytest.param("if (n := 3): pass", "inside.py is no Python 3.6: ", id="grammar-of-3.8"),
        pytest.param("def f(a, /): pass", "inside.py is no Python 3.6: ", id="positional-only"),
        pytest.param(
            "from __future__ import annotations",
            "inside.py imports __future__.annotations, which Python 3.6 has not",
            id="future-of-3.7",
        ),
        pytest.param(
            "try:\n    import httpx\nexcept ImportError:\n    pass",
            "inside.py imports httpx, which candidates' environments have not",
            id="library",
        ),
        pytest.param(
            "from bisect_asgi.model import Phase",
            "inside.py imports bisect_asgi, which candidates' environments have not",
            id="ourselves",
        ),
    ],
)
def test_what_python_3_6_has_not_is_complained_of(source: str, complaint: str) -> None:
    (found,) = complaints_inside(source, "inside.py")

    assert found.startswith(complaint)

"""Choose the block of an issue that reproduces its bug, and determine its kind."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator

from bisect_asgi.core.issues.markdown import Block, Document
from bisect_asgi.core.records import Struct

_PYTHON = frozenset({"python", "py", "python3", "py3", "pycon", "ipython", "pytb"})
_OTHER = re.compile(r"Traceback \(most recent call last\)|^\s*File \"|^(?:\+\+\+|---|@@) ", re.MULTILINE)
_REPRODUCES = re.compile(
    r"reproduc|example|minimal|mre|mwe|sample|snippet|code|test case|steps", re.IGNORECASE
)
_CONSOLE = re.compile(r"(?m)^(?:>>>|\.\.\.)(?: |$)")
_ASGI = re.compile(r"\b(?:asgi|uvicorn|hypercorn|daphne)\b", re.IGNORECASE)
_METHODS = ("get", "post", "put", "patch", "delete", "head", "options", "route", "api_route")
_APP_NAMES = ("app", "application", "api", "main")
_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef)


class Program(Struct, frozen=True, kw_only=True):
    """The code of a probe."""

    code: str
    modules: tuple[str, ...]
    """The top-level modules that it imports and that are not Python's own, in their order."""
    why: str
    """Why it was chosen, such as `the block at line 12`."""
    app: str = ""
    """The name of the ASGI application that it defines; empty if it is a script."""
    request: str = ""
    """A request that the application answers: `GET /`."""
    checks: bool = False
    """Whether it raises or asserts something by itself."""
    is_missing: bool = False
    """Whether it is still to be written, because the text has no code that can be read."""


def choose(document: Document) -> Program:
    """Return the program of the block that most probably reproduces the bug, or one that is to be written."""
    candidates = [(block, tree) for block in document.blocks if (tree := _parsed(block))]
    if not candidates:
        return missing(document)
    rated = [(_score(block, tree), -place) for place, (block, tree) in enumerate(candidates)]
    block, tree = candidates[-max(rated)[1]]
    others = len(candidates) - 1
    more = f", the best of {others + 1} that are Python" if others else ""
    app, request = _app(tree, document)
    return Program(
        code=plain_code(block.code),
        modules=tuple(dict.fromkeys(_imported(tree))),
        why=f"the block at line {block.line}{more}",
        app=app,
        request=request,
        checks=any(isinstance(node, (ast.Assert, ast.Raise)) for node in ast.walk(tree)),
    )


def plain_code(code: str) -> str:
    """Return code without the prompts and the output of a console."""
    if not _CONSOLE.search(code):
        return code.rstrip() + "\n"
    lines = (line for line in code.split("\n") if _CONSOLE.match(line))
    return "\n".join(line[4:] for line in lines).rstrip() + "\n"


def _parsed(block: Block) -> ast.Module | None:
    """Return the syntax of a block, or None if it is no Python, or nothing that runs."""
    if block.language and block.language not in _PYTHON:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # such as of an invalid escape
            tree = ast.parse(plain_code(block.code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    is_code = any(not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call) for node in tree.body)
    return tree if is_code and not _OTHER.search(block.code) else None


def _score(block: Block, tree: ast.Module) -> int:
    """Return how probable it is that a block reproduces the bug."""
    imports = len(set(_imported(tree)))
    runs = any(
        not isinstance(node, (*_DEFINES, ast.ClassDef, ast.Import, ast.ImportFrom)) for node in tree.body
    )
    return (
        8 * (imports > 0)
        + 3 * (block.language in _PYTHON)
        + 3 * bool(_REPRODUCES.search(block.heading))
        + 3 * runs
        + 2 * any(isinstance(node, ast.Assert) for node in ast.walk(tree))
        + min(4, len(tree.body))
    )


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield the top-level modules that a program imports and that are not Python's own."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names:
                yield top


def _app(tree: ast.Module, document: Document) -> tuple[str, str]:
    """Return the name of the ASGI application and a request for it; both are empty if there is none."""
    named = [name for name in _APP_NAMES if name in _assigned(tree)]
    raw = [node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef) and _is_raw_app(node)]
    if raw:
        return raw[-1], "GET /"
    if not named or not _is_asgi(tree, document) or _runs_itself(tree):
        return "", ""
    return named[0], next(_requests(tree, named[0]), "GET /")


def _assigned(tree: ast.Module) -> set[str]:
    """Return the names to which a program assigns what a call returns."""
    found = set()
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call):
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _is_raw_app(node: ast.AsyncFunctionDef) -> bool:
    return [argument.arg for argument in node.args.args] == ["scope", "receive", "send"]


def _is_asgi(tree: ast.Module, document: Document) -> bool:
    """Return whether an application is one of ASGI: it has coroutines, or the issue says so."""
    has_coroutines = any(isinstance(node, ast.AsyncFunctionDef) for node in ast.walk(tree))
    return has_coroutines or any(_ASGI.search(line) for line in document.lines)


def _runs_itself(tree: ast.Module) -> bool:
    """Return whether the program asserts something where it runs: then it is a script with an app in it."""
    outside = [node for node in tree.body if not isinstance(node, (*_DEFINES, ast.ClassDef))]
    return any(isinstance(each, ast.Assert) for node in outside for each in ast.walk(node))


def _requests(tree: ast.Module, app: str) -> Iterator[str]:
    """Yield the requests that the routes of an application answer, as far as they need no values."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        path = node.args[0]
        if not isinstance(path, ast.Constant) or not isinstance(path.value, str):
            continue
        if path.value.startswith("/") and "{" not in path.value and (method := _method(node, app)):
            yield f"{method} {path.value}"


def _method(node: ast.Call, app: str) -> str:
    """Return the method of a route, or "" if the call makes none."""
    named = node.func
    if isinstance(named, ast.Attribute) and named.attr in _METHODS:
        return "GET" if named.attr.endswith("route") else named.attr.upper()
    if isinstance(named, ast.Name) and named.id.endswith("Route") and app:
        return _first_method(node)
    return ""


def _first_method(node: ast.Call) -> str:
    """Return the first of a route's `methods`, by default GET."""
    for keyword in node.keywords:
        if keyword.arg == "methods" and isinstance(keyword.value, (ast.List, ast.Tuple, ast.Set)):
            first = keyword.value.elts[0] if keyword.value.elts else None
            if isinstance(first, ast.Constant):
                return str(first.value)
    return "GET"


def missing(document: Document) -> Program:
    """Return a program that is still to be written, with the modules that the text imports."""
    lines = list(enumerate(document.lines, start=1))
    found = [(number, match) for number, line in lines if (match := _IMPORT.match(line))]
    modules = [match["module"] for _, match in found if match["module"] not in sys.stdlib_module_names]
    where = f"what is at line {found[0][0]} is in no block, or has lost its indentation" if found else "none"
    return Program(code=_NO_CODE, modules=tuple(dict.fromkeys(modules)), why=where, is_missing=True)


_IMPORT = re.compile(r"\s*(?:import|from) (?P<module>\w+)[\w.]*(?: import .*| as .*)?$")
_NO_CODE = """\
import sys

sys.exit(125)  # untestable, until what reproduces the bug is written here
"""

"""A script that runs a probe as bisect-asgi does, for people without bisect-asgi.

The script consists of the code that ran the search: the definitions in `backend/in_candidate` that this probe
needs. They are read as text and never imported. Names alone decide which definitions it needs: one is
included if the probe, or another included definition, uses its name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import chain

from bisect_asgi.core.records import Struct

_FOLDER = "bisect_asgi.backend.in_candidate"
_MODULES = ("bisect_asgi_client", "bisect_asgi_serve", "bisect_asgi_reproduce")
_ENTRY = _MODULES[-1]
_NOT_IMPORTED = ("typing", *(f"{_FOLDER}.{name}" for name in _MODULES))
_SPLIT = re.compile(r"\(\n +([^\n]+)\n *\)(?=[:)])")

Parameters = Mapping[str, object]
"""Values of constants of `bisect_asgi_reproduce.py`, by their names."""


def script(parameters: Parameters, *, title: str, probe: str) -> str:
    """Return the text of the script.

    Args:
        parameters: new values for constants of the source, by name.
        title: the text of its docstring.
        probe: the text of the probe, or "" if it is not known.
    """
    told = frozenset(name for name, value in parameters.items() if value)
    modules = [_module(name, frozenset(parameters), told) for name in _MODULES]
    asked = _asked_of_the_server(probe)
    names = frozenset[str]()
    while True:
        parts = list(chain.from_iterable(module.kept(names, asked) for module in modules))
        texts = chain(parts, *(module.constants(names) for module in modules))
        found = frozenset[str]().union(*map(_names, texts))
        if found == names:
            break
        names = found
    imports = _imports(chain.from_iterable(module.imports(names) for module in modules))
    constants = [f"{name} = {value!r}" for name, value in parameters.items() if name in names]
    constants += (text for module in modules for text in module.constants(names))
    head = (f'"""{title}\n"""', "\n".join(imports), "\n".join(constants))
    return "\n\n\n".join(("\n\n".join(head), *parts)) + "\n"


def _imports(found: Iterable[tuple[str, str]]) -> list[str]:
    """Return the statements that import names, each with its module; "" is the module itself."""
    names: dict[str, set[str]] = {}
    for module, name in found:
        names.setdefault(module, set()).add(name)
    lines = [f"import {module}" for module, of in sorted(names.items()) if "" in of]
    lines += [
        f"from {module} import {', '.join(sorted(of - {''}))}"
        for module, of in sorted(names.items())
        if of - {""}
    ]
    return [*(line for line in lines if "h11" not in line), *(line for line in lines if "h11" in line)]


@cache
def _source(name: str) -> str:
    return files(_FOLDER).joinpath(f"{name}.py").read_text("utf-8")


def _asked_of_the_server(probe: str) -> frozenset[str] | None:
    """Return the attributes that a probe uses, or None if it may use any."""
    try:
        nodes = list(ast.walk(ast.parse(probe)))
    except SyntaxError:
        return None
    is_known = probe and not any(isinstance(node, ast.Name) and node.id == "getattr" for node in nodes)
    return frozenset(node.attr for node in nodes if isinstance(node, ast.Attribute)) if is_known else None


@cache
def _names(text: str) -> frozenset[str]:
    """Return the attributes and the global names in a statement, and what the server is asked for by name."""
    found = set[str]()
    for node in ast.parse(text).body:
        found |= _names_in(node, frozenset())
    return frozenset(found)


def _names_in(node: ast.AST, local: frozenset[str]) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        local |= _locals(node)
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            found = {name} - local if isinstance(node, ast.Name) else {name}
        case ast.Call(func=ast.Attribute(attr="_ask"), args=[ast.Constant(value=str(name))]):
            found = {name}
        case _:
            found = set()
    return found.union(*(_names_in(each, local) for each in ast.iter_child_nodes(node)))


def _locals(function: ast.AST) -> frozenset[str]:
    nodes = list(ast.walk(function))
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    caught = {str(node.name) for node in nodes if isinstance(node, ast.ExceptHandler)}
    return frozenset(stored | caught | {node.arg for node in nodes if isinstance(node, ast.arg)})


class _Module:
    """One file, of which the script gets some definitions."""

    def __init__(self, name: str, text: str, parameters: frozenset[str]) -> None:
        self._is_entry = name == _ENTRY
        self._parameters = parameters
        self._lines = text.splitlines()
        self._tree = ast.parse(text)

    def imports(self, names: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Yield the module and the name of each import that is used, except those of the other files."""
        for node in self._tree.body:
            match node:
                case ast.Import(names=found):
                    yield from ((each.name, "") for each in found if each.name.partition(".")[0] in names)
                case ast.ImportFrom(module=str(module), names=found) if module not in _NOT_IMPORTED:
                    for each in found:
                        if (each.asname or each.name) in names:
                            yield module, f"{each.name} as {each.asname}" if each.asname else each.name
                case _:
                    pass

    def constants(self, names: frozenset[str]) -> Iterator[str]:
        """Yield the assignments to names that are used and no parameter."""
        for node in self._tree.body:
            if isinstance(node, ast.Assign) and names & set(_assigned(node.targets[0])) - self._parameters:
                yield self._text(node)

    def kept(self, names: frozenset[str], asked: frozenset[str] | None) -> Iterator[str]:
        """Yield the needed definitions: those of `names`, with only the methods that are also in `asked`."""
        return filter(None, (self._part(node, names, asked) for node in self._tree.body))

    def _part(self, node: ast.stmt, names: frozenset[str], asked: frozenset[str] | None) -> str:
        match node:
            case ast.ClassDef(name=name) if name in names:
                return self._class(node, names, asked)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name in names:
                return self._text(node)
            case ast.If(test=ast.Compare()) if self._is_entry:
                return self._text(node)
            case _:
                return ""

    def _class(self, node: ast.ClassDef, names: frozenset[str], asked: frozenset[str] | None) -> str:
        kept = [each for each in node.body if self._is_kept(each, names, asked)]
        head = "\n".join(self._lines[_first_line(node) - 1 : _first_line(node.body[0]) - 1]).rstrip()
        return "\n".join((head, "\n\n".join(map(self._text, kept))))

    def _is_kept(self, node: ast.stmt, names: frozenset[str], asked: frozenset[str] | None) -> bool:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return True
        is_of_anybody = asked is None or node.name in asked or node.name.startswith("__")
        return is_of_anybody or node.name in names

    def _text(self, node: ast.stmt) -> str:
        return "\n".join(self._lines[_first_line(node) - 1 : node.end_lineno])


@cache
def _module(name: str, parameters: frozenset[str], told: frozenset[str]) -> _Module:
    """Return a file for these parameters; those that are `told` are neither empty nor false."""
    return _Module(name, _made_plain(_source(name), parameters, told), parameters)


def _assigned(target: ast.expr) -> Iterator[str]:
    """Yield the names that are assigned."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            yield node.id


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


class _Cut(Struct, frozen=True):
    """A part of a source from `start` to `end`, as lines and columns, and what stands in its place."""

    start: tuple[int, int]
    end: tuple[int, int]
    text: str = ""


def _made_plain(text: str, parameters: frozenset[str], told: frozenset[str]) -> str:
    """Return a source without annotations, and without the branches that the parameters rule out."""
    tree = ast.parse(text)
    lines = [line.encode() for line in text.splitlines()]
    cuts = sorted(_cuts(tree, lines, parameters, told), key=lambda cut: (cut.start, cut.end), reverse=True)
    for cut in cuts:
        (first, left), (last, right) = cut.start, cut.end
        lines[first - 1 : last] = [lines[first - 1][:left] + cut.text.encode() + lines[last - 1][right:]]
    return _SPLIT.sub(lambda found: f"({found[1]})", b"\n".join(lines).decode())


def _cuts(
    tree: ast.Module, lines: list[bytes], parameters: frozenset[str], told: frozenset[str]
) -> Iterator[_Cut]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _annotations(node, lines)
            case ast.AnnAssign(value=ast.expr() as value):
                yield _Cut(_end(node.target), _start(value), " = ")
            case ast.IfExp(test=ast.Name(id=name)) if name in parameters or name.isupper():
                kept = node.body if name in told else node.orelse
                yield _Cut(_start(node), _start(kept))
                yield _Cut(_end(kept), _end(node))
            case _:
                pass


def _annotations(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[bytes]) -> Iterator[_Cut]:
    """Yield the annotations of a function; with them, the blanks around `=` go."""
    inside = node.args
    pairs = list(zip(inside.kwonlyargs, inside.kw_defaults, strict=True))
    plain = [*inside.posonlyargs, *inside.args]
    pairs += zip(plain, [*[None] * (len(plain) - len(inside.defaults)), *inside.defaults], strict=True)
    pairs += [(each, None) for each in (inside.vararg, inside.kwarg) if each]
    for each, default in pairs:
        if each.annotation:
            end = (each.lineno, each.col_offset + len(each.arg.encode()))
            yield _Cut(end, _start(default), "=") if default else _Cut(end, _end(each.annotation))
    if node.returns:
        line = lines[node.returns.lineno - 1]
        arrow = line.rindex(b" ->", 0, node.returns.col_offset)
        yield _Cut((node.returns.lineno, arrow), _end(node.returns))


def _start(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset

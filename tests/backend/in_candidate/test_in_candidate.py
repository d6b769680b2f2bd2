"""What runs in the candidate's Python runs on every Python from 3.6 on, and disturbs no program there.

Each test asks every interpreter of this machine; a difference names the versions that differ.
"""

from __future__ import annotations

import ast
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from support.builders import environment as make_environment

import bisect_asgi
from bisect_asgi.backend import interpreters
from bisect_asgi.backend.environments import Environment

INSIDE = Path(bisect_asgi.__file__).parent / "backend" / "in_candidate"
FILES = sorted(INSIDE.glob("*.py"))
MIB = 1024 * 1024

T = TypeVar("T")
Done = tuple[int, str, str]
"""The exit code, and what was written to standard output and standard error."""


class Python:
    """One version's environment, with a folder for this test."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self.environment = environment
        self.folder = folder
        self.report = folder / "report"
        self.report.mkdir(parents=True)

    @property
    def site(self) -> Path:
        return next(self.environment.folder.glob("lib/python*/site-packages"))

    def start(self, *arguments: str | Path, report: Path | None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.environment.bin / "python", *arguments],
            env={} if report is None else {"BISECT_ASGI_REPORT": str(report)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def watched(self, *arguments: str | Path, report: Path | None = None) -> Done:
        """Run a program as a run of a probe does."""
        return self._finish(self.start(*arguments, report=report or self.report))

    def unwatched(self, *arguments: str | Path) -> Done:
        """Run a program as anybody would."""
        return self._finish(self.start(*arguments, report=None))

    def exceptions(self) -> list[dict[str, object]]:
        """What was written down of exceptions."""
        return [json.loads(path.read_text()) for path in self.report.glob("exception-*.json")]

    def _finish(self, process: subprocess.Popen[str]) -> Done:
        stdout, stderr = process.communicate(timeout=60)
        return process.returncode, stdout, stderr


class Pythons:
    """All of them."""

    def __init__(self, environments: dict[str, Environment], folder: Path) -> None:
        self.all = {version: Python(found, folder / version) for version, found in environments.items()}

    def each(self, ask: Callable[[Python], T]) -> dict[str, T]:
        """The answers by version."""
        with ThreadPoolExecutor(4) as pool:
            return dict(zip(self.all, pool.map(ask, self.all.values()), strict=True))

    def agree(self, answer: T) -> dict[str, T]:
        """The same answer from every version."""
        return dict.fromkeys(self.all, answer)


@pytest.fixture(scope="module")
def environments(
    tmp_path_factory: pytest.TempPathFactory, interpreters_cache: Path
) -> dict[str, Environment]:
    """An environment with the hook in it for each version on this machine."""
    found = interpreters.find_all(interpreters_cache)
    folder = tmp_path_factory.mktemp("environments")
    paths = {usable.interpreter.short: usable.interpreter.path for usable in found}
    return {version: make_environment(folder / version, path) for version, path in paths.items()}


@pytest.fixture
def pythons(environments: dict[str, Environment], tmp_path: Path) -> Pythons:
    return Pythons(environments, tmp_path)


# --- The grammar


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in FILES])
def test_it_is_written_in_the_grammar_of_python_3_6(path: Path) -> None:
    ast.parse(path.read_text(), filename=str(path), feature_version=(3, 6))


def test_every_python_compiles_it(pythons: Pythons) -> None:
    code = "import sys; [compile(open(name, 'rb').read(), name, 'exec') for name in sys.argv[1:]]"

    done = pythons.each(lambda python: python.unwatched("-c", code, *FILES))

    assert done == pythons.agree((0, "", ""))


# --- The hook


def test_outside_a_run_it_does_nothing(pythons: Pythons) -> None:
    code = "import sys; print('bisect_asgi_inside' in sys.modules, sys.excepthook is sys.__excepthook__)"

    done = pythons.each(lambda python: python.unwatched("-c", code))

    assert done == pythons.agree((0, "False True\n", ""))


def test_it_watches_before_anything_else_that_is_imported_at_the_start(pythons: Pythons) -> None:
    def ask(python: Python) -> Done:
        (python.site / "aaa-early.pth").write_text(
            "import sys; sys.seen = 'bisect_asgi_inside' in sys.modules\n"
        )
        return python.watched("-c", "import sys; print(sys.seen)")

    done = pythons.each(ask)

    assert done == pythons.agree((0, "True\n", ""))


def test_an_uncaught_exception_is_written_down(pythons: Pythons, tmp_path: Path) -> None:
    script = tmp_path / "leak.py"
    script.write_text("def check():\n    raise ValueError('no ☃ today')\ncheck()\n", encoding="utf-8")

    pythons.each(lambda python: python.watched(script))
    written = pythons.each(lambda python: python.exceptions())

    frames = [[str(script), 3, "<module>"], [str(script), 2, "check"]]
    report = {"type": "ValueError", "message": "no ☃ today", "importing": False, "frames": frames}
    assert written == pythons.agree([report])


def test_an_uncaught_exception_is_printed_as_always(pythons: Pythons, tmp_path: Path) -> None:
    script = tmp_path / "leak.py"
    script.write_text(
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise KeyError(1) from error\n"
    )

    watched = pythons.each(lambda python: python.watched(script))
    unwatched = pythons.each(lambda python: python.unwatched(script))

    assert watched == unwatched
    assert {version: code for version, (code, _, _) in watched.items()} == pythons.agree(1)


def test_an_uncaught_exception_is_written_down_without_slow_imports(pythons: Pythons) -> None:
    """These two take as long as Python to start, and so longer than many a probe."""
    code = """
import atexit, sys
atexit.register(lambda: print({"json", "traceback"} & set(sys.modules)))
sys.__excepthook__ = lambda *_: None
raise ValueError("no")
"""

    done = pythons.each(lambda python: python.watched("-c", code))

    assert done == pythons.agree((1, "set()\n", ""))
    assert pythons.each(lambda python: len(python.exceptions())) == pythons.agree(1)


@pytest.mark.parametrize(
    ("module", "code", "importing"),
    [
        pytest.param("raise ValueError('old')", "import module", True, id="raised-at-import"),
        pytest.param("def f():\n    raise ValueError\nf()", "import module", True, id="called-at-import"),
        pytest.param("", "import module_that_is_not_there", True, id="not-there"),
        pytest.param("def (", "import module", True, id="syntax"),
        pytest.param("def f():\n    raise ValueError", "import module; module.f()", False, id="called-later"),
        pytest.param("", "raise ValueError", False, id="the-scripts-own"),
    ],
)
def test_it_tells_whether_something_was_being_imported(
    pythons: Pythons, tmp_path: Path, module: str, code: str, importing: bool
) -> None:
    (tmp_path / "module.py").write_text(module)
    (tmp_path / "leak.py").write_text(code)

    pythons.each(lambda python: python.watched("-B", tmp_path / "leak.py"))
    told = pythons.each(lambda python: [exception["importing"] for exception in python.exceptions()])

    assert told == pythons.agree([importing])


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import sys; sys.exit('text')", id="an-exit"),
        pytest.param("try:\n    1 / 0\nexcept ZeroDivisionError:\n    pass", id="a-caught-one"),
    ],
)
def test_what_is_no_uncaught_exception_is_not_written_down(pythons: Pythons, code: str) -> None:
    pythons.each(lambda python: python.watched("-c", code))

    assert pythons.each(lambda python: python.exceptions()) == pythons.agree([])


def test_programs_that_a_program_starts_are_watched_as_well(pythons: Pythons) -> None:
    code = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', 'import absent']))"

    pythons.each(lambda python: python.watched("-c", code))
    types = pythons.each(lambda python: [exception["type"] for exception in python.exceptions()])

    assert types == pythons.agree(["ModuleNotFoundError"])


def test_stacks_are_written_when_they_are_asked_for_and_the_program_goes_on(pythons: Pythons) -> None:
    code = """
import sys, threading
def waits_in_a_thread():
    done.wait()
def waits_in_main():
    print("waiting", flush=True)
    sys.stdin.read()
done = threading.Event()
threading.Thread(target=waits_in_a_thread).start()
waits_in_main()
done.set()
print("went on")
"""

    def ask(python: Python) -> object:
        process = python.start("-c", code, report=python.report)
        assert process.stdout is not None
        process.stdout.readline()
        stacks = python.report / f"stacks-{process.pid}.txt"
        before = stacks.read_text()
        process.send_signal(signal.SIGUSR2)
        rest, _ = process.communicate(timeout=60)
        named = [
            name for name in ("waits_in_main", "waits_in_a_thread") if f" in {name}" in stacks.read_text()
        ]
        return before, named, process.returncode, rest

    told = pythons.each(ask)

    assert told == pythons.agree(("", ["waits_in_main", "waits_in_a_thread"], 0, "went on\n"))


def test_the_peak_is_the_processs_own_and_not_its_parents_or_a_forked_childs(pythons: Pythons) -> None:
    code = """
import os, sys
pid = os.fork()
if pid == 0:
    held = b"x" * (70 << 20)
    sys.exit()
os.waitpid(pid, 0)
"""
    mine = b"\1" * (200 * MIB)

    def peaks(python: Python) -> list[int]:
        python.watched("-c", code)
        python.watched("-c", "held = b'x' * (70 << 20); del held")
        return sorted(int(path.read_text()) // MIB for path in python.report.glob("peak-*.txt"))

    measured = pythons.each(peaks)

    assert len(mine) > 0
    assert {version: (0 < small < 50, 70 <= large < 120) for version, (small, large) in measured.items()} == (
        pythons.agree((True, True))
    ), measured


def test_a_forked_child_leaves_no_peak_in_the_name_of_its_parent(pythons: Pythons) -> None:
    code = """
import os, sys
pid = os.fork()
if pid == 0:
    sys.exit()
os.waitpid(pid, 0)
os._exit(0)
"""

    pythons.each(lambda python: python.watched("-c", code))

    assert pythons.each(lambda python: list(python.report.glob("peak-*.txt"))) == pythons.agree([])


def test_a_report_folder_that_is_gone_does_not_stop_the_program(pythons: Pythons, tmp_path: Path) -> None:
    done = pythons.each(lambda python: python.watched("-c", "print('fine')", report=tmp_path / "gone"))

    assert {version: (code, stdout) for version, (code, stdout, _) in done.items()} == (
        pythons.agree((0, "fine\n"))
    )


def test_a_program_that_shows_every_warning_shows_none_of_ours(pythons: Pythons) -> None:
    done = pythons.each(lambda python: python.watched("-W", "error", "-X", "dev", "-c", "print('fine')"))

    assert done == pythons.agree((0, "fine\n", ""))


SERVED_BY = {
    ("bisect_asgi_serve.py", "uvicorn"),
    ("bisect_asgi_client.py", "h11"),
    ("bisect_asgi_reproduce.py", "bisect_asgi"),  # the files beside it, of which it becomes one script
}
"""The libraries that a file for the candidates' Pythons may import: the environment has them for that."""


def complaints(source: str, name: str) -> list[str]:
    """What a file for the candidates' Pythons does that it should not."""
    try:
        tree = ast.parse(source, feature_version=(3, 6))
    except SyntaxError as error:
        return [f"{name} is no Python 3.6: {error.msg}"]
    found = []
    for library, imported in imports(tree):
        if imported == "__future__.annotations":
            found.append(f"{name} imports {imported}, which Python 3.6 has not")
        elif library not in sys.stdlib_module_names and (name, library) not in SERVED_BY:
            found.append(f"{name} imports {library}, which candidates' environments have not")
    return found


def imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The library of each import, and the full name of what is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((name.partition(".")[0], name) for name in names)


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_what_runs_in_a_candidates_python_needs_nothing_but_python_3_6(path: Path) -> None:
    assert complaints(path.read_text("utf-8"), path.name) == []


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
    (found,) = complaints(source, "inside.py")

    assert found.startswith(complaint)

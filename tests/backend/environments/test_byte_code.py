"""After a run, what it imported is compiled: installed modules without byte-code, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builders import environment as make_environment
from support.probe_runs import observe, script

from bisect_asgi.backend.environments import Environment
from bisect_asgi.backend.environments.byte_code import NOTE, compile_imported
from bisect_asgi.backend.environments.templates import site_packages
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import Outcome

FILES = {"pkg/__init__.py": "", "pkg/used.py": "x = 1\n", "pkg/unused.py": "", "pkg/broken.py": "def ("}


@pytest.fixture
def built(tmp_path: Path) -> Environment:
    """An environment with a package, and a module that nobody installed."""
    environment = make_environment(tmp_path / "environments" / "one")
    site = site_packages(environment.folder)
    for name, text in FILES.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text(text)
    (site / "stranger.py").write_text("")
    (site / "pkg-1.0.dist-info").mkdir()
    (site / "pkg-1.0.dist-info" / "RECORD").write_text("".join(f"{name},,\n" for name in FILES))
    return environment


def compiled(environment: Environment) -> set[str]:
    """The modules of which there is byte-code, among those of the test."""
    site = site_packages(environment.folder)
    found = [*(site / "pkg").glob("__pycache__/*.pyc"), *site.glob("__pycache__/stranger.*")]
    return {path.name.partition(".")[0] for path in found}


def test_installed_modules_are_compiled_and_the_rest_is_not(built: Environment, tmp_path: Path) -> None:
    site = site_packages(built.folder)
    (tmp_path / "outside.py").write_text("")
    paths = [site / "pkg/used.py", site / "pkg/broken.py", site / "stranger.py", tmp_path / "outside.py"]

    compile_imported(built.folder, [*map(str, paths), "", "no path"], CancelToken())

    assert compiled(built) == {"used"}
    assert not (tmp_path / "__pycache__").exists()
    assert (built.folder / NOTE).exists()


def test_what_is_compiled_is_left_alone(built: Environment) -> None:
    used = site_packages(built.folder) / "pkg/used.py"
    compile_imported(built.folder, [str(used)], CancelToken())
    (byte_code,) = used.parent.glob("__pycache__/used.*")
    before = byte_code.stat().st_mtime_ns

    compile_imported(built.folder, [str(used)], CancelToken())

    assert byte_code.stat().st_mtime_ns == before


def test_a_run_that_said_nothing_leaves_it_to_the_next_one(built: Environment) -> None:
    compile_imported(built.folder, [], CancelToken())

    assert not (built.folder / NOTE).exists()


def test_a_confined_run_leaves_the_byte_code_of_what_it_imported(built: Environment, tmp_path: Path) -> None:
    first = observe(script("import pkg.used"), built, tmp_path / "runs")
    second = observe(script("import pkg.used; print(pkg.used.__cached__)"), built, tmp_path / "runs")

    assert (first.outcome, second.outcome) == (Outcome.PASSED, Outcome.PASSED)
    assert compiled(built) == {"__init__", "used"}
    assert Path(second.output_tail.strip()).exists()

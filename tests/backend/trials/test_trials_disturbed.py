"""Probes and releases that change the environment they run in: nothing of it reaches any other run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.environments import THIS_PYTHON
from support.local_index import LocalIndex
from support.trials import TrialBench, another_command

from bisect_asgi.backend.uv import binary
from bisect_asgi.core.events import Note
from bisect_asgi.core.model import Outcome, TrialRequest
from bisect_asgi.core.records import replace

# Each gets `path`, a file of `dep` that environments and uv's cache share, and makes importing it fail.
BROKEN = "raise OSError('poison')\\n"
ATTACKS = {
    "written-in-place": f"path.chmod(0o644); open(path, 'r+b').write(b\"{BROKEN}\")",
    "opened-anew": f'path.chmod(0o644); path.write_text("{BROKEN}")',
    "truncated": "path.chmod(0o644); os.truncate(path, 3)",
    "mapped": (
        "path.chmod(0o644); f = open(path, 'r+b'); m = mmap.mmap(f.fileno(), 0); m[:3] = b'1/0'; m.flush()"
    ),
    "with-its-old-dates": (
        "s = path.stat(); path.chmod(0o644); f = open(path, 'r+b'); f.write(b'1/0'); f.close();"
        "os.utime(path, ns=(s.st_atime_ns, s.st_mtime_ns)); path.chmod(s.st_mode)"
    ),
    "through-another-link": "path.chmod(0o644); os.link(path, 'mine'); open('mine', 'r+b').write(b'1/0')",
    "unlinked": "path.unlink()",
    "replaced": "open('mine', 'w').write('1/0'); os.replace('mine', path)",
    "shadowed": "path.with_name('sitecustomize.py').write_text('import sys; sys.modules[\"dep\"] = None')",
    "byte-code": (
        "cached = pathlib.Path(importlib.util.cache_from_source(path)); s = path.stat();"
        "cached.parent.mkdir(exist_ok=True);"
        "cached.write_bytes(importlib._bootstrap_external._code_to_timestamp_pyc("
        "compile('1/0', path, 'exec'), int(s.st_mtime), s.st_size))"
    ),
    "folder-without-rights": "path.parent.chmod(0o500); path.chmod(0o644); path.write_text('1/0')",
}
ATTACK = """
import importlib.util, mmap, os, pathlib
import demo
path = pathlib.Path(importlib.util.find_spec("dep").origin)
if demo.__version__ == "1.0":
    {attack}
else:
    import dep
"""


@pytest.fixture
def two(bench: TrialBench, local_index: LocalIndex) -> TrialBench:
    """Two releases with one dependency, whose file their environments share."""
    local_index.add_wheel("demo", "2.0", uploaded="2019-02-01", requires=["dep"])
    return bench


def outcomes(bench: TrialBench, request: TrialRequest) -> list[Outcome]:
    return [run.outcome for run in bench.run(request).observations]


def users_own(bench: TrialBench, folder: Path) -> str:
    """What the user's own uv installs as `dep`, from the cache that is the user's as well."""
    argv = [
        binary(),
        "pip",
        "install",
        "--quiet",
        "--python",
        THIS_PYTHON.path,
        "--target",
        folder,
        "dep==1.0",
    ]
    environ = {**os.environ, "UV_DEFAULT_INDEX": bench.index.url, "UV_NO_CONFIG": "1"}
    subprocess.run(argv, env=environ, check=True)
    return (folder / "dep.py").read_text()


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_nothing_that_one_release_does_to_its_files_reaches_another(
    two: TrialBench, tmp_path: Path, attack: str
) -> None:
    script = ATTACK.format(attack=attack)
    assert outcomes(two, two.request(script, version="2.0")) == [Outcome.PASSED]

    assert outcomes(two, two.request(script)) == [Outcome.PASSED]

    another_command(two)
    fresh = replace(two.request(script, version="2.0"), fresh=True)
    assert outcomes(two, fresh) == [Outcome.PASSED]
    assert users_own(two, tmp_path / "own") == "__version__ = '1.0'\n"


def test_whoever_shares_a_file_that_a_run_has_changed_is_built_anew_at_once(two: TrialBench) -> None:
    script = ATTACK.format(attack=ATTACKS["written-in-place"])
    other = two.run(two.request("import dep", version="2.0")).environment
    assert other is not None
    marker = two.folder / "environments" / other.digest / "bisect-asgi.json"
    assert marker.exists()

    two.run(two.request(script))

    assert not marker.exists()


def test_byte_code_that_a_run_has_planted_is_lent_to_nobody(two: TrialBench) -> None:
    script = ATTACK.format(attack=ATTACKS["byte-code"])

    assert outcomes(two, two.request(script)) == [Outcome.PASSED]

    assert outcomes(two, two.request(script, version="2.0")) == [Outcome.PASSED]


def test_a_run_that_finds_its_environment_changed_by_another_is_made_again(two: TrialBench) -> None:
    # The first run of 1.0 leaves its mark where the next one would find it.
    script = """
import pathlib, dep
path = pathlib.Path(dep.__file__)
assert path.read_text() == "__version__ = '1.0'\\n", "an earlier run was here"
path.chmod(0o644)
path.write_text("__version__ = '1.0'\\nmarked = True\\n")
"""
    trial = two.run(replace(two.request(script), runs=3, parallel=2))

    assert [run.outcome for run in trial.observations] == [Outcome.PASSED] * 3


def test_a_package_that_rewrites_a_file_of_its_own_is_tested_and_said_to(two: TrialBench) -> None:
    script = """
import pathlib, dep
path = pathlib.Path(dep.__file__)
path.chmod(0o644)
path.write_text(path.read_text() + "# used\\n")
assert path.read_text().count("used") == 1
"""
    trial = two.run(two.request(script))

    assert [run.outcome for run in trial.observations] == [Outcome.PASSED]
    assert two.runs == 2  # the first one shared that file
    (note,) = [event.text for event in two.events if isinstance(event, Note)]
    (name,) = [f"lib/{p.parent.parent.name}/{p.parent.name}/dep.py" for p in sites(two)]
    assert note == (
        f"a run on 1.0 changed its environment (`{name}`): each run there gets a new environment of its own"
    )


def sites(bench: TrialBench) -> list[Path]:
    return list((bench.folder / "templates").glob("*/lib/python*/site-packages/bisect_asgi_inside.py"))


def test_byte_code_is_the_tools_own_and_valid_for_the_next_run(two: TrialBench) -> None:
    script = "import dep, os; print(os.path.exists(dep.__cached__), os.stat(dep.__cached__).st_nlink)"

    first, second = (two.run(replace(two.request(script), runs=n)).observations[-1] for n in (1, 2))
    other = two.run(two.request(script, version="2.0")).observations[-1]

    assert first.output_tail.split() == ["True", "1"]  # this run's Python wrote it
    assert second.output_tail.split() == ["True", "1"]  # it was compiled again from what was checked
    assert other.output_tail.split() == ["True", "2"]  # and is lent
    assert [run.outcome for run in (first, second, other)] == [Outcome.PASSED] * 3


def test_rights_and_dates_alone_are_set_back_and_the_run_stands(two: TrialBench) -> None:
    script = "import dep, os; os.chmod(dep.__file__, 0o755); os.utime(dep.__file__, (1, 1))"

    two.run(two.request(script))

    assert two.runs == 1
    (path,) = (two.folder / "environments").glob("*/lib/python*/site-packages/dep.py")
    assert path.stat().st_mode & 0o777 == 0o444
    assert path.stat().st_mtime > 1


def test_what_a_run_has_changed_whose_tool_was_killed_is_built_anew(two: TrialBench, tmp_path: Path) -> None:
    assert outcomes(two, two.request("import dep\n")) == [Outcome.PASSED]
    (path,) = (two.folder / "environments").glob("*/lib/python*/site-packages/dep.py")
    path.chmod(0o644)
    path.write_text("1/0")

    two.trials = two.runner(two.store)
    for version in ("1.0", "2.0"):
        fresh = replace(two.request("import dep\n", version=version), fresh=True)
        assert outcomes(two, fresh) == [Outcome.PASSED]

    assert users_own(two, tmp_path / "own") == "__version__ = '1.0'\n"

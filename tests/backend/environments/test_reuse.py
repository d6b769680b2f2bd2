"""Environments lend each other what they have in common, and nothing that was changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from support import machine
from support.environments import THIS_PYTHON, Bench
from support.local_index import LocalIndex
from support.mutations import mutated

from bisect_asgi.backend.environments import Environment, EnvironmentCache
from bisect_asgi.backend.environments.assemble import unsound
from bisect_asgi.backend.environments.reuse import read_record
from bisect_asgi.backend.environments.sharing import owners
from bisect_asgi.backend.environments.templates import installed, site_packages
from bisect_asgi.backend.files import locked
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import Distribution, EnvironmentSpec
from bisect_asgi.core.records import replace


class Street:
    """Environments that live beside each other, and what uv was asked to install in each."""

    def __init__(self, index: LocalIndex, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.installed: list[list[str]] = []
        self.folder = folder
        bench = Bench(folder, index.url)
        uv, resolver = bench.uv, bench.resolver()
        self.cache = EnvironmentCache(
            folder / "environments", uv=uv, sdists=bench.sdists(), limit_bytes=2**30
        )
        self.resolver = resolver
        run = uv.run

        def recorded(*arguments: str, **options: object) -> str:
            if arguments[0] == "install":
                pins = Path(arguments[arguments.index("--requirements") + 1]).read_text().splitlines()
                self.installed.append(sorted(pin.partition(" ")[0] for pin in pins))
            return run(*arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(uv, "run", recorded)

    def spec(self, version: str) -> EnvironmentSpec:
        return EnvironmentSpec(interpreter=THIS_PYTHON, requirements=(f"app=={version}",))

    def build(self, version: str, run: str | None = None) -> Environment:
        """Build an environment, and use it if there is something to run in it."""
        spec = self.spec(version)
        resolution = self.resolver.resolve(spec, CancelToken())
        with self.cache.holding(resolution, spec, CancelToken()) as environment:
            if run is not None:
                self.run(environment, run)
                assert self.cache.after_run(environment, CancelToken()) == ()
                self.cache.note_use(resolution, THIS_PYTHON)
        return environment

    def digest(self, version: str) -> str:
        return self.resolver.resolve(self.spec(version), CancelToken()).digest

    def run(self, environment: Environment, code: str) -> str:
        command = [environment.bin / "python", "-c", code]
        return subprocess.run(command, env={}, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def street(
    local_index: LocalIndex,
    tmp_path: Path,
    known_python: Path,
    uv_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Street:
    machine.tell_python(known_python, bench=tmp_path / "cache")
    for version in ("1.0", "2.0", "3.0"):
        local_index.add_wheel("app", version, requires=["dep-tools"])
    local_index.add_wheel(
        "dep-tools",
        "1.0",
        modules={"dep_tools/__init__.py": "from . import inner\n", "dep_tools/inner.py": "x = 1\n"},
        entry_points={"dep": "dep_tools:main"},
    )
    return Street(local_index, tmp_path / "cache", monkeypatch)


def inode(environment: Environment, name: str) -> int:
    return (site_packages(environment.folder) / name).stat().st_ino


def byte_code(environment: Environment) -> dict[str, int]:
    """The files of byte-code of `dep_tools`, and which files they are."""
    cache = site_packages(environment.folder) / "dep_tools" / "__pycache__"
    return {path.name: path.stat().st_ino for path in cache.glob("*.pyc")}


def test_what_another_environment_has_is_linked_from_there_with_its_byte_code(street: Street) -> None:
    old = street.build("1.0", run="import dep_tools")
    new = street.build("2.0")

    assert street.installed == [["app==1.0", "dep-tools==1.0"], ["app==2.0"]]
    assert new.distributions == (
        Distribution(name="app", version="2.0"),
        Distribution(name="dep-tools", version="1.0"),
    )
    assert inode(new, "dep_tools/inner.py") == inode(old, "dep_tools/inner.py")
    assert len(byte_code(old)) == 2
    assert byte_code(new) == byte_code(old)


def test_python_takes_the_byte_code_and_compiles_nothing_again(street: Street) -> None:
    street.build("1.0", run="import dep_tools")
    new = street.build("2.0")
    lent = byte_code(new)

    said = street.run(new, "import dep_tools.inner as m; print(m.x, m.__file__, m.__cached__)")

    assert said.split()[0] == "1"
    assert said.count(str(new.folder)) == 2
    assert byte_code(new) == lent


def test_scripts_are_lent_and_work_where_they_are(street: Street) -> None:
    street.build("1.0", run="import dep_tools")
    new = street.build("2.0")

    script = (new.bin / "dep").read_text()
    assert "dep_tools" in script
    assert str(street.folder / "environments") not in script


def test_what_was_not_used_does_not_lend(street: Street) -> None:
    street.build("1.0")
    street.build("2.0")

    assert street.installed == [["app==1.0", "dep-tools==1.0"], ["app==2.0", "dep-tools==1.0"]]


def test_a_lender_that_is_gone_is_passed_over(street: Street) -> None:
    street.build("1.0", run="import dep_tools")
    assert street.cache.remove(street.digest("1.0"))

    street.build("2.0")

    assert street.installed[-1] == ["app==2.0", "dep-tools==1.0"]


@pytest.mark.parametrize("change", ["another-size", "gone", "no-record"])
def test_a_lender_that_a_probe_has_changed_is_passed_over(street: Street, change: str) -> None:
    old = street.build("1.0", run="import dep_tools")
    site = site_packages(old.folder)
    if change == "no-record":
        (site / "dep_tools-1.0.dist-info" / "RECORD").unlink()
    else:
        (site / "dep_tools" / "inner.py").unlink()
    if change == "another-size":
        (site / "dep_tools" / "inner.py").write_text("x = 'something else'\n")

    new = street.build("2.0")

    assert street.installed[-1] == ["app==2.0", "dep-tools==1.0"]
    assert street.run(new, "import dep_tools; print(dep_tools.inner.x)") == "1"


def test_a_lender_that_is_being_removed_is_not_waited_for(street: Street) -> None:
    street.build("1.0", run="import dep_tools")
    lock = street.folder / "locks" / f"{street.digest('1.0')}.lock"

    with locked(lock, waiting=lambda: pytest.fail("nobody else has it")):
        street.build("2.0")

    assert street.installed[-1] == ["app==2.0", "dep-tools==1.0"]


@pytest.mark.parametrize("rival", ["rival", "a-rival"])
def test_a_file_in_the_way_leaves_nothing_half_lent(
    street: Street, local_index: LocalIndex, rival: str
) -> None:
    # It has a file of `dep-tools` in it, before or behind its own metadata: who comes second is installed.
    local_index.add_wheel(rival, "1.0", modules={"dep_tools/inner.py": "x = 2\n"})
    local_index.add_wheel("app", "4.0", requires=["dep-tools", rival])
    street.build("4.0", run="import dep_tools")
    local_index.add_wheel("app", "5.0", requires=["dep-tools", rival])

    new = street.build("5.0")

    names = {str(distribution) for distribution in new.distributions}
    assert names == {"app==5.0", "dep-tools==1.0", f"{rival}==1.0"}
    assert installed(new.folder) == new.distributions
    assert street.run(new, "import dep_tools; print(dep_tools.inner.x)") in ("1", "2")


def test_interpreters_do_not_lend_to_each_other(street: Street) -> None:
    street.build("1.0", run="import dep_tools")
    spec = replace(street.spec("2.0"), interpreter=replace(THIS_PYTHON, implementation="another"))
    resolution = street.resolver.resolve(spec, CancelToken())

    with street.cache.holding(resolution, spec, CancelToken()):
        pass

    assert street.installed[-1] == ["app==2.0", "dep-tools==1.0"]


# --- RECORD


RECORD = b"""demo.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
"demo/a, b.py",sha256=1xWHlbd0qOA4vvnIn9cRWpbRfbbRq1pm5WOTbXuqJ4c,12
../../../bin/demo,sha256=AAAA,7
demo-1.0.dist-info/METADATA,,
demo-1.0.dist-info/RECORD,,
"""


def test_the_record_of_a_distribution_is_read(tmp_path: Path) -> None:
    (tmp_path / "RECORD").write_bytes(RECORD)

    recorded = read_record(tmp_path)

    assert recorded is not None
    assert recorded["demo/a, b.py"] == "sha256=1xWHlbd0qOA4vvnIn9cRWpbRfbbRq1pm5WOTbXuqJ4c"
    assert recorded["demo-1.0.dist-info/RECORD"] == ""


@given(mutated(RECORD))
def test_a_damaged_record_is_read_or_none(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    site = tmp_path_factory.mktemp("environment") / "lib/python3.11/site-packages"
    dist_info = site / "demo-1.0.dist-info"
    dist_info.mkdir(parents=True)
    (dist_info / "RECORD").write_bytes(content)

    recorded = read_record(dist_info)

    assert recorded is None or all(isinstance(name, str) for name in recorded)
    home = site.parents[2]
    assert owners(home, ["lib/python3.11/site-packages/demo.py"]) <= {"demo"}
    assert unsound(home, {}, {}) <= {"demo"}

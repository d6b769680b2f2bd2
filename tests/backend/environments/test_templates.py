"""Empty environments are made and proved once, and what is in full ones is read from their files."""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from support.environments import THIS_PYTHON
from support.mutations import mutated

from bisect_asgi.backend.environments import templates
from bisect_asgi.backend.environments.templates import NotProved, Templates, installed, prove, site_packages
from bisect_asgi.backend.interpreters import find_all
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.model import Distribution, Interpreter


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The templates that were made, and not copied."""
    paths: list[Path] = []
    make = templates.make_template

    def counted(folder: Path, interpreter: Interpreter) -> None:
        paths.append(folder)
        make(folder, interpreter)

    monkeypatch.setattr(templates, "make_template", counted)
    return paths


def test_copies_are_environments_of_their_own(tmp_path: Path, made: list[Path]) -> None:
    kept = Templates(tmp_path / "templates")
    for name in ("one", "two"):
        kept.copy(THIS_PYTHON, tmp_path / name, CancelToken())
        code = "import sys; print(sys.prefix)"
        said = subprocess.run(
            [tmp_path / name / "bin" / "python", "-c", code], capture_output=True, text=True
        )
        assert os.path.realpath(said.stdout.strip()) == os.path.realpath(tmp_path / name)

    assert len(made) == 1


def test_a_template_that_was_made_ahead_is_copied(tmp_path: Path, made: list[Path]) -> None:
    kept = Templates(tmp_path / "templates")
    had_any = kept.has_any(THIS_PYTHON)

    kept.make(THIS_PYTHON, CancelToken())
    kept.make(THIS_PYTHON, CancelToken())
    kept.copy(THIS_PYTHON, tmp_path / "one", CancelToken())

    assert (had_any, kept.has_any(THIS_PYTHON)) == (False, True)
    assert len(made) == 1
    assert (tmp_path / "one" / "bin" / "python").exists()


def test_every_interpreter_of_this_machine_starts_in_silence_and_sees_nothing_installed(
    tmp_path: Path, interpreters_cache: Path
) -> None:
    pythons = [usable.interpreter for usable in find_all(interpreters_cache)]
    kept = Templates(tmp_path / "templates")
    code = "import sys, sysconfig; print(sys.prefix); print(*map(sysconfig.get_path, ['purelib', 'platlib']))"
    for python in pythons:
        home = tmp_path / python.version

        kept.copy(python, home, CancelToken())

        started = subprocess.run([home / "bin" / "python", "-c", code], capture_output=True, text=True)
        site = str(site_packages(home))
        assert (started.stdout.splitlines(), started.stderr) == ([str(home), f"{site} {site}"], "")
        hook = {"__bisect_asgi_inside.pth", "bisect_asgi_inside.py", "__pycache__"}
        assert set(os.listdir(site)) == hook
        assert all(program.name.startswith("python") for program in (home / "bin").iterdir())
        assert "relocatable = true\n" in (home / "pyvenv.cfg").read_text()
    assert pythons


def test_no_configuration_of_the_user_s_virtualenv_gets_into_a_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "virtualenv.ini").write_text("[virtualenv]\nsystem-site-packages = true\nprompt = mine\n")
    monkeypatch.setenv("VIRTUALENV_CONFIG_FILE", str(tmp_path / "virtualenv.ini"))
    monkeypatch.setenv("VIRTUALENV_SYSTEM_SITE_PACKAGES", "1")

    templates.make_template(tmp_path / "new", THIS_PYTHON)

    configuration = (tmp_path / "new" / "pyvenv.cfg").read_text()
    assert "include-system-site-packages = false\n" in configuration
    assert "prompt" not in configuration


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param("#!/bin/sh\nexit 3\n", "failed to", id="no Python"),
        pytest.param("", "failed to", id="no program"),
    ],
)
def test_an_interpreter_that_virtualenv_cannot_use_teaches_nothing_of_a_release(
    tmp_path: Path, content: str, complaint: str
) -> None:
    python = tmp_path / "python"
    python.write_text(content)
    python.chmod(0o755)

    with pytest.raises(
        Unavailable, match=f"virtualenv cannot make an environment with `{python}`: {complaint}"
    ):
        templates.make_template(tmp_path / "new", Interpreter(path=str(python), version="3.11.7"))


def test_virtualenv_is_imported_ahead_only_where_no_template_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = threading.Event()
    monkeypatch.setattr(templates, "_import_virtualenv", imported.set)
    kept = Templates(tmp_path / "templates")

    kept.import_ahead()

    assert imported.wait(timeout=30)
    kept.copy(THIS_PYTHON, tmp_path / "one", CancelToken())
    begun = threading.active_count()
    imported.clear()
    kept.import_ahead()
    assert (threading.active_count(), imported.is_set()) == (begun, False)


def test_an_interpreter_that_was_replaced_is_another_one(tmp_path: Path, made: list[Path]) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{THIS_PYTHON.path}" "$@"\n')
    python.chmod(0o755)
    kept, interpreter = Templates(tmp_path / "templates"), Interpreter(path=str(python), version="3.11.7")
    kept.copy(interpreter, tmp_path / "one", CancelToken())
    python.write_text(python.read_text() + "# newer\n")

    kept.copy(interpreter, tmp_path / "two", CancelToken())

    assert len(made) == 2


@pytest.mark.parametrize(
    ("says", "complaint"),
    [
        ("echo no such library >&2; exit 1", "does not run: no such library"),
        ("echo '[]'", "does not look into it"),
    ],
)
def test_an_interpreter_that_does_not_work_in_an_environment_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, complaint: str
) -> None:
    make = templates.make_template

    def broken(folder: Path, interpreter: Interpreter) -> None:
        make(folder, interpreter)
        (folder / "bin" / "python").unlink()
        (folder / "bin" / "python").write_text(f"#!/bin/sh\n{says}\n")
        (folder / "bin" / "python").chmod(0o755)

    monkeypatch.setattr(templates, "make_template", broken)

    with pytest.raises(NotProved, match=complaint):
        Templates(tmp_path / "templates").copy(THIS_PYTHON, tmp_path / "one", CancelToken())

    assert not (tmp_path / "one").exists()
    assert [path.suffix for path in (tmp_path / "templates").iterdir()] == [".lock"]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    Templates(tmp_path / "templates").copy(THIS_PYTHON, tmp_path / "environment", CancelToken())
    return tmp_path / "environment"


def test_what_is_installed_is_read_from_new_and_old_metadata(environment: Path) -> None:
    site = site_packages(environment)
    for folder, file, text in [
        (
            "demo-1.0.dist-info",
            "METADATA",
            "Metadata-Version: 2.1\nName: Demo.Tools\nVersion: 1.0\n\nGrüße!\n",
        ),
        ("Old_Style-0.5.egg-info", "PKG-INFO", "Metadata-Version: 1.0\nName: Old.Style\nVersion: 0.5b1\n"),
    ]:
        (site / folder).mkdir()
        (site / folder / file).write_text(text, encoding="utf-8")

    found = installed(environment)

    assert found == (
        Distribution(name="demo-tools", version="1.0"),
        Distribution(name="old-style", version="0.5b1"),
    )


def test_metadata_that_does_not_say_what_it_is_proves_nothing(environment: Path) -> None:
    folder = site_packages(environment) / "demo-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: demo\n\nVersion: 1.0\n")

    with pytest.raises(NotProved, match=r"demo-1\.0\.dist-info` does not say what it is"):
        installed(environment)


METADATA = b"""Metadata-Version: 2.1
Name: demo
Version: 1.0
Summary: a demonstration
Author: Gr\xc3\xbc\xc3\x9fe
Requires-Dist: dep>=1
Content-Type: multipart/mixed; boundary=x

The description.
"""


def installed_with(folder: Path, content: bytes) -> None:
    """Have an environment with that metadata in it."""
    dist_info = folder / "lib/python3.11/site-packages/demo-1.0.dist-info"
    dist_info.mkdir(parents=True, exist_ok=True)
    (dist_info / "METADATA").write_bytes(content)


def test_metadata_in_latin1_is_read(tmp_path: Path) -> None:
    installed_with(tmp_path, METADATA.decode().encode("latin-1"))

    assert installed(tmp_path) == (Distribution(name="demo", version="1.0"),)


@given(mutated(METADATA))
def test_damaged_metadata_says_what_it_is_or_proves_nothing(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("environment")
    installed_with(folder, content)

    with suppress(NotProved):
        (found,) = installed(folder)
        assert found.name
        assert found.version


def test_versions_that_are_none_are_compared_as_they_are_written() -> None:
    prove((Distribution(name="demo", version="odd one"),), Distribution(name="demo", version="odd one"))
    with pytest.raises(NotProved, match="its metadata says odd one"):
        prove((Distribution(name="demo", version="odd one"),), Distribution(name="demo", version="odd two"))

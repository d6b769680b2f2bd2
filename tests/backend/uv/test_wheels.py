"""uv builds the wheel of a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.local_index import LocalIndex, publish_build_backend

from bisect_asgi.backend.uv import Uv
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Unavailable

# --- Building the wheel of a folder

OWN_BACKEND = '[build-system]\nrequires = {requires}\nbuild-backend = "backend"\nbackend-path = ["."]\n'


MAKES_A_WHEEL = """
import os, pathlib
def build_wheel(folder, *_):
    pathlib.Path(folder, "demo-1.0-py3-none-any.whl").write_text(os.environ["SOURCE_DATE_EPOCH"])
    return "demo-1.0-py3-none-any.whl"
"""


def a_project(here: Path, backend: str, *, requires: str = "[]", more: str = "") -> Path:
    """A folder that builds itself."""
    folder = here / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(OWN_BACKEND.format(requires=requires) + more)
    (folder / "backend.py").write_text(backend)
    return folder


def test_a_folder_is_built_with_files_dated_alike_and_nothing_else_is_left(uv: Uv, here: Path) -> None:
    project = a_project(here, MAKES_A_WHEEL)

    uv.build(project, "--out-dir", str(here / "out"), "--python", sys.executable, token=CancelToken())

    (made,) = (here / "out").iterdir()
    assert (made.name, made.read_text()) == ("demo-1.0-py3-none-any.whl", "1577836800")


def test_a_build_needs_what_its_build_system_says_whatever_is_said_for_uv(
    local_index: LocalIndex, uv: Uv, here: Path
) -> None:
    local_index.add_wheel("tool", "1.0")
    more = (
        '[project]\nname = "demo"\nversion = "1.0"\n'
        '[tool.uv]\nindex-url = "http://127.0.0.1:1/simple"\n'
        '[tool.uv.sources]\ntool = { path = "nowhere" }\n'
    )
    project = a_project(here, f"import tool\n{MAKES_A_WHEEL}", requires='["tool"]', more=more)

    uv.build(project, "--out-dir", str(here / "out"), "--python", sys.executable, token=CancelToken())

    assert len(list((here / "out").iterdir())) == 1


@pytest.mark.parametrize(
    ("backend", "requires", "reason"),
    [
        pytest.param(
            "import sys\ndef build_wheel(*_):\n    print('error: Failed to build `it`', file=sys.stderr)\n"
            "    raise RuntimeError('tcp connect')\n",
            "[]",
            "RuntimeError: tcp connect (Call to `backend.build_wheel` failed (exit status: 1))",
            id="its-build-fails",
        ),
        pytest.param(
            "def build_wheel(*_):\n    raise OSError('lost: os error 5')\n",
            "[]",
            "OSError: lost: os error 5 (Call to `backend.build_wheel` failed (exit status: 1))",
            id="its-build-cannot-read",
        ),
        pytest.param(
            "import sys\ndef build_wheel(*_):\n    sys.exit(1)\n",
            "[]",
            "Call to `backend.build_wheel` failed (exit status: 1)",
            id="without-a-word",
        ),
        pytest.param(
            MAKES_A_WHEEL,
            '["tool>=2"]',
            "Because only tool==1.0 is available and you require tool>=2, "
            "we can conclude that your requirements are unsatisfiable.",
            id="what-it-needs-is-not-there",
        ),
    ],
)
def test_a_folder_that_does_not_build_says_why_in_one_line(
    local_index: LocalIndex, uv: Uv, here: Path, backend: str, requires: str, reason: str
) -> None:
    local_index.add_wheel("tool", "1.0")
    project = a_project(here, backend, requires=requires)

    with pytest.raises(BuildFailed) as caught:
        uv.build(project, "--out-dir", str(here / "out"), "--python", sys.executable, token=CancelToken())

    assert str(caught.value) == reason


def test_a_tool_that_does_not_build_is_named_with_what_its_build_said(
    local_index: LocalIndex, uv: Uv, here: Path
) -> None:
    publish_build_backend(local_index, "1.0", works=False)
    local_index.add_sdist("tool", "1.0")
    backend = (
        f"def get_requires_for_build_wheel(*_):\n    print('asked')\n    return ['tool']\n{MAKES_A_WHEEL}"
    )
    project = a_project(here, backend)

    with pytest.raises(BuildFailed) as caught:
        uv.build(project, "--out-dir", str(here / "out"), "--python", sys.executable, token=CancelToken())

    assert str(caught.value).startswith("RuntimeError: minibuild is too old (")


def test_a_folder_that_is_no_project_does_not_build(uv: Uv, here: Path) -> None:
    with pytest.raises(BuildFailed, match="does not appear to be a Python project"):
        uv.build(here, "--out-dir", str(here / "out"), token=CancelToken())


@pytest.mark.parametrize(
    ("python", "out"),
    [
        pytest.param("/nonexistent/python", "out", id="no-python"),
        pytest.param(sys.executable, "project/backend.py", id="no-folder-to-write-to"),
    ],
)
def test_what_is_wrong_on_this_machine_says_nothing_about_a_folder(
    uv: Uv, here: Path, python: str, out: str
) -> None:
    project = a_project(here, MAKES_A_WHEEL)

    with pytest.raises(Unavailable, match=r"^uv failed: "):
        uv.build(project, "--out-dir", str(here / out), "--python", python, token=CancelToken())


def test_an_outage_while_a_folder_is_built_says_nothing_about_it(
    local_index: LocalIndex, uv: Uv, here: Path
) -> None:
    project = a_project(here, MAKES_A_WHEEL, requires='["tool"]')
    local_index.down = True

    with pytest.raises(Unavailable, match="did not answer after 3 attempts"):
        uv.build(project, "--out-dir", str(here / "out"), "--python", sys.executable, token=CancelToken())

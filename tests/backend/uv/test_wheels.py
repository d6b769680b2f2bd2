"""uv builds the wheel of a folder."""

from __future__ import annotations

import base64
import gc
import sys
from pathlib import Path

import psutil
import pytest
from support.local_index import LocalIndex, publish_build_backend
from support.uv import resolve

from bisect_asgi.backend.network.configured import configured_indexes
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Unavailable
from bisect_asgi.core.model import SandboxLevel
from bisect_asgi.core.plan import Building

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


def build(uv: Uv, project: Path, here: Path, *, out: str = "out", python: str = sys.executable) -> None:
    """Build a project; it may write beside itself."""
    arguments = ("--out-dir", str(here / out), "--python", python)
    uv.build(project, *arguments, token=CancelToken(), writable=[here])


def test_a_folder_is_built_with_files_dated_alike_and_nothing_else_is_left(uv: Uv, here: Path) -> None:
    project = a_project(here, MAKES_A_WHEEL)

    uv.build(
        project,
        "--out-dir",
        str(here / "out"),
        "--python",
        sys.executable,
        token=CancelToken(),
        writable=[here],
    )

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

    uv.build(
        project,
        "--out-dir",
        str(here / "out"),
        "--python",
        sys.executable,
        token=CancelToken(),
        writable=[here],
    )

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
        uv.build(
            project,
            "--out-dir",
            str(here / "out"),
            "--python",
            sys.executable,
            token=CancelToken(),
            writable=[here],
        )

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
        uv.build(
            project,
            "--out-dir",
            str(here / "out"),
            "--python",
            sys.executable,
            token=CancelToken(),
            writable=[here],
        )

    assert str(caught.value).startswith("RuntimeError: minibuild is too old (")


def test_a_folder_that_is_no_project_does_not_build(uv: Uv, here: Path) -> None:
    with pytest.raises(BuildFailed, match="does not appear to be a Python project"):
        uv.build(here, "--out-dir", str(here / "out"), token=CancelToken(), writable=[here])


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
        uv.build(
            project, "--out-dir", str(here / out), "--python", python, token=CancelToken(), writable=[here]
        )


def test_an_outage_while_a_folder_is_built_says_nothing_about_it(
    local_index: LocalIndex, uv: Uv, here: Path
) -> None:
    project = a_project(here, MAKES_A_WHEEL, requires='["tool"]')
    local_index.down = True

    with pytest.raises(Unavailable, match="failed after 3 attempts"):
        uv.build(
            project,
            "--out-dir",
            str(here / "out"),
            "--python",
            sys.executable,
            token=CancelToken(),
            writable=[here],
        )


# --- What a build cannot do


def attacking(here: Path, attack: str) -> Path:
    """A project that attacks while it is built, and says in its wheel what came of it."""
    backend = f"""
import os, pathlib, subprocess, sys
def build_wheel(folder, *_):
    try:
        done = str(attack())
    except (OSError, ZeroDivisionError) as error:
        done = "FileNotFoundError" if isinstance(error, FileNotFoundError) else "OSError"
    pathlib.Path(folder, "demo-1.0-py3-none-any.whl").write_text(done)
    return "demo-1.0-py3-none-any.whl"
def attack():
    {attack}
"""
    return a_project(here, backend)


@pytest.mark.parametrize(
    ("attack", "came_of_it"),
    [
        pytest.param("return open(os.environ['HOME'] + '/.netrc').read()", "FileNotFoundError", id="home"),
        pytest.param("return open({home!r} + '/.netrc').read() or 1 / 0", "OSError", id="credentials"),
        pytest.param("open({home!r} + '/left', 'w')", "OSError", id="write-into-the-home"),
        pytest.param("open({cache!r} + '/left', 'w')", "OSError", id="write-into-the-users-cache"),
        pytest.param("return [n for n in os.environ if 'PASSWORD' in n]", "[]", id="variables"),
        pytest.param("return os.path.exists(os.environ['TMPDIR'] + '/../config.toml')", "False", id="config"),
    ],
)
def test_a_build_reaches_no_home_no_credentials_and_no_cache_of_the_users(
    uv: Uv, here: Path, monkeypatch: pytest.MonkeyPatch, attack: str, came_of_it: str
) -> None:
    home, cache = here.parent / "home", here.parent / "cache"
    cache.mkdir(exist_ok=True)
    (home / ".netrc").write_text("machine localhost login me password hunter2")
    uv._environ["UV_INDEX_OWN_PASSWORD"] = "hunter2"
    project = attacking(here, attack.format(home=str(home), cache=str(cache)))

    build(uv, project, here)

    said = (here / "out" / "demo-1.0-py3-none-any.whl").read_text()
    assert said == came_of_it
    assert not (home / "left").exists()


def test_a_build_that_leaves_daemons_leaves_none_and_one_that_sleeps_ends(
    local_index: LocalIndex, here: Path
) -> None:
    limited = Uv(here.parent / "state", Indexes(urls=(local_index.url,)), building=Building(timeout_s=5.0))
    mark = f"import time; time.sleep(300)  # {here}"
    code = (
        f"[subprocess.Popen([sys.executable, '-c', {mark!r}], start_new_session=True) for _ in range(16)]\n"
        "    import time; time.sleep(300)"
    )

    with pytest.raises(BuildFailed, match=r"^it takes longer than 5\.0 s \(`--build-timeout`\)$") as caught:
        build(limited, attacking(here, code), here)

    assert not caught.value.is_lasting
    left = [
        process.pid for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or ())
    ]
    assert left == []


def test_boxes_are_removed_and_what_a_killed_tool_left_with_them(local_index: LocalIndex, here: Path) -> None:
    builds = here.parent / "builds"
    (builds / "left" / "cache").mkdir(parents=True)
    own = Uv(here.parent / "state", Indexes(urls=(local_index.url,)))

    build(own, a_project(here, MAKES_A_WHEEL), here)

    (root,) = builds.iterdir()
    assert [path.name for path in root.iterdir()] == ["lock"]
    del own
    gc.collect()
    assert list(builds.iterdir()) == []


def test_without_a_sandbox_a_build_is_supervised_all_the_same(local_index: LocalIndex, here: Path) -> None:
    index = Indexes(urls=(local_index.url,))
    free = Uv(here.parent / "state", index, building=Building(level=SandboxLevel.NONE))
    project = attacking(here, f"open({str(here.parent / 'home' / 'left')!r}, 'w'); return os.environ['HOME']")

    build(free, project, here)

    said = (here / "out" / "demo-1.0-py3-none-any.whl").read_text()
    assert (here.parent / "home" / "left").exists()
    assert said != str(here.parent / "home")


def test_in_the_box_uv_has_the_credentials_of_the_users_netrc(
    local_index: LocalIndex, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", local_index.url)
    local_index.add_wheel("demo", "1.0")
    (here.parent / "home" / ".netrc").write_text("machine 127.0.0.1 login me password hunter2/@")
    (here.parent / "home" / ".netrc").chmod(0o600)
    uv = Uv(here.parent / "state", configured_indexes())

    assert resolve(uv, "demo") == ["demo==1.0"]

    basic = base64.b64encode(b"me:hunter2/@").decode()
    assert {request.headers.get("authorization") for request in local_index.requests} >= {f"Basic {basic}"}


def test_a_netrc_that_cannot_be_read_is_none(
    local_index: LocalIndex, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", local_index.url)
    local_index.add_wheel("demo", "1.0")
    (here.parent / "home" / ".netrc").write_text("machine and nothing more")

    assert resolve(Uv(here.parent / "state", configured_indexes()), "demo") == ["demo==1.0"]

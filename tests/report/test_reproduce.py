"""The commands that reproduce a side by hand: what a shell and uv make of them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import a_plan, probe
from support.local_index import LocalIndex
from support.local_repository import LocalRepository

from bisect_asgi.backend.uv import binary
from bisect_asgi.cli import check
from bisect_asgi.cli.app import app
from bisect_asgi.core.events import RunStarted
from bisect_asgi.core.model import Distribution, Served
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.records import replace
from bisect_asgi.report.reproduce import reproduce
from bisect_asgi.session.bisection import stages

SHORT = "{}.{}".format(*sys.version_info[:2])
STARTED = replace(stages.started(a_plan()), started=datetime(2024, 5, 1, tzinfo=UTC))
PINS = tuple(Distribution(name=name, version=version) for name, version in (("app", "2.0"), ("dep", "3.0")))
PATIENCE_S = 120.0

# Neither sort of text can be in an argument, or in a path.
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def test_a_plain_set_is_one_command_of_uv_that_installs_nothing_else() -> None:
    assert shlex.split(reproduce(STARTED, PINS, python="3.8")) == [
        *("uv", "run", "--isolated", "--no-project", "--python", "3.8"),
        *("--with", "app==2.0", "--with", "dep==3.0", "python", "leak.py"),
    ]


@given(words, st.booleans())
def test_a_probes_path_is_one_word_whatever_is_in_it(path: str, exact: bool) -> None:
    command = reproduce(replace(STARTED, probe=path), PINS, python="3.8", exact=exact)

    assert shlex.split(command)[-2:] == ["mixed/bin/python" if exact else "python", path]


@given(words, st.booleans())
def test_a_command_is_what_the_shell_is_given_whatever_is_in_it(text: str, exact: bool) -> None:
    command = reproduce(replace(STARTED, command=text), PINS, python="3.8", exact=exact)

    assert shlex.split(command)[-3:] == ["sh", "-c", text]


@pytest.mark.parametrize("exact", [False, True])
def test_what_was_built_from_a_commit_is_named_by_it_and_nothing_else_is(exact: bool) -> None:
    source = "app @ git+https://example.org/a b.git@0123abcd"

    command = reproduce(STARTED, PINS, python="3.8", exact=exact, source=source)

    told = shlex.split(command)
    assert source in told
    assert "dep==3.0" in told
    assert not any("app==" in word for word in told)


@pytest.mark.parametrize("exact", [False, True])
def test_a_served_app_is_driven_by_the_tool_itself(exact: bool) -> None:
    served = stages.started(
        a_plan(extras=("all",), probe=replace(probe(), served=Served(file="leak.py")), held=("uvicorn==1.0",))
    )

    told = shlex.split(reproduce(served, PINS, python="3.8", exact=exact))

    assert told[:5] == ["bisect-asgi", "check", "app[all]==2.0", "--python", "3.8"]
    assert told[7:11] == ["--with", "uvicorn==1.0", "--deps", "latest"]
    assert {"--with=dep==3.0", "--override=dep==3.0"} & set(told) == (
        {"--with=dep==3.0", "--override=dep==3.0"} if exact else set()
    )


@pytest.mark.parametrize("exact", [False, True])
def test_the_tool_reads_the_command_for_a_served_app(
    exact: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leak.py").write_text("async def app(scope, receive, send): ...\ndef probe(server): ...\n")
    monkeypatch.chdir(tmp_path)
    taken: list[tuple[Plan, str]] = []

    def take(plan: Plan, version: str, *_: object, **__: object) -> int:
        taken.append((plan, version))
        return 0

    monkeypatch.setattr(check, "_check", take)
    served = stages.started(a_plan(probe=replace(probe(), served=Served(file="leak.py"))))

    _, *told = shlex.split(reproduce(served, PINS, python="3.8", exact=exact))
    app(told, standalone_mode=False)

    ((plan, version),) = taken
    assert (plan.project, version, plan.python) == ("app", "2.0", "3.8")
    assert plan.probe.served == Served(file="leak.py")
    assert ("dep==3.0" in plan.held, "dep==3.0" in plan.overrides) == (exact, exact)


# --- By hand


class Hand:
    """A folder with a probe in it, and a shell."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        path = os.pathsep.join([str(Path(binary()).parent), os.environ["PATH"]])
        self.environ = {**environ, "PATH": path, "UV_CACHE_DIR": str(folder / "uv-cache")}

    def paste(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )


@pytest.fixture
def hand(tmp_path: Path, local_index: LocalIndex) -> Hand:
    """Releases of which app 2.0 does not admit dep 3.0, and a probe that says what it sees."""
    for version in ("2.0", "3.0"):
        local_index.add_wheel("dep", version)
    local_index.add_wheel("app", "2.0", requires=["dep<3"])
    (tmp_path / "it's leak.py").write_text(
        "import sys, app, dep\nprint(sys.argv[1:], app.__version__, dep.__version__)\nsys.exit(7)\n"
    )
    return Hand(
        tmp_path,
        {
            "HOME": str(tmp_path),
            "UV_DEFAULT_INDEX": local_index.url,
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
        },
    )


PATH = "it's leak.py"
TOLD = replace(STARTED, probe=PATH)
ADMITTED = (PINS[0], Distribution(name="dep", version="2.0"))


def test_a_plain_command_runs_the_probe_on_the_set(hand: Hand) -> None:
    done = hand.paste(reproduce(TOLD, ADMITTED, python=SHORT))

    assert (done.returncode, done.stdout) == (7, "[] 2.0 2.0\n"), done.stderr


def test_an_exact_command_runs_the_probe_on_what_requirements_forbid_also_twice(hand: Hand) -> None:
    command = reproduce(TOLD, PINS, python=SHORT, exact=True)
    assert hand.paste(reproduce(TOLD, PINS, python=SHORT)).returncode not in (0, 7)

    for _ in range(2):
        done = hand.paste(command)
        assert (done.returncode, done.stdout) == (7, "[] 2.0 3.0\n"), done.stderr


@pytest.mark.parametrize("exact", [False, True])
def test_a_command_runs_with_the_set_first_on_the_path(hand: Hand, exact: bool) -> None:
    told = replace(TOLD, command='python "it\'s leak.py" $((1 + 1)); echo "then $?"')

    done = hand.paste(reproduce(told, PINS if exact else ADMITTED, python=SHORT, exact=exact))

    dep = "3.0" if exact else "2.0"
    assert (done.returncode, done.stdout) == (0, f"['2'] 2.0 {dep}\nthen 7\n"), done.stderr


BACKEND = """\
import os, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "app-9.9-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        archive.write("app.py")
        info = "app-9.9.dist-info/"
        archive.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: app\\nVersion: 9.9\\n")
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(info + "RECORD", "")
    return name
"""


@pytest.mark.parametrize("exact", [False, True])
def test_a_commit_is_built_again_by_hand(hand: Hand, exact: bool) -> None:
    local = LocalRepository(hand.folder / "work")
    local.put("backend.py", BACKEND)
    local.put(
        "pyproject.toml",
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "app"\nversion = "9.9"\n',
    )
    local.put("app.py", "__version__ = 'of the commit'\n")
    sha = local.commit("one")
    local.put("app.py", "__version__ = 'of a later one'\n")
    local.commit("two")
    source = f"app @ git+{local.folder.as_uri()}@{sha}"

    done = hand.paste(reproduce(TOLD, PINS, python=SHORT, exact=exact, source=source))

    assert (done.returncode, done.stdout) == (7, "[] of the commit 3.0\n"), done.stderr


# --- With real packages

OLD = {"flask": "2.2.5", "werkzeug": "2.3.3", "jinja2": "3.1.2", "itsdangerous": "2.1.2", "click": "8.1.3"}


@pytest.mark.network
@pytest.mark.parametrize(
    ("pins", "exact", "exit_code", "seen"),
    [
        pytest.param({**OLD, "markupsafe": "2.1.2"}, False, 0, "", id="plain"),
        # This flask requires werkzeug 2.3.
        pytest.param(
            {**OLD, "flask": "2.3.0", "markupsafe": "2.1.2", "blinker": "1.6.2", "werkzeug": "2.2.3"},
            True,
            1,
            r"ImportError: cannot import name 'JSONEncoder'",
            id="exact",
        ),
    ],
)
def test_real_releases_are_reproduced_by_hand(
    tmp_path: Path, pins: dict[str, str], exact: bool, exit_code: int, seen: str
) -> None:
    (tmp_path / "leak.py").write_text("from flask.json import JSONEncoder\n")
    distributions = [Distribution(name=name, version=version) for name, version in pins.items()]
    started: RunStarted = replace(STARTED, probe="leak.py")

    done = Hand(tmp_path, os.environ).paste(reproduce(started, distributions, python=SHORT, exact=exact))

    assert done.returncode == exit_code, done.stderr
    assert re.search(seen, done.stderr)

"""uv is asked with a configuration of our own, and its failures are told apart."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import tenacity
from support.local_index import Answer, LocalIndex, Request, publish_build_backend

from bisect_asgi.backend import uv as uv_module
from bisect_asgi.backend.uv import Indexes, SdistBuildFailed, Uv, binary, configured_indexes, first_cause
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Cancelled, Unavailable, Unresolvable


def uvs_own_default() -> str:
    """The index that uv uses where nobody has configured another."""
    asked = subprocess.run(
        [binary(), "pip", "compile", "-", "--no-config", "--quiet", "--no-header", "--emit-index-url"],
        input="",
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    return asked.stdout.split()[-1]


DEFAULT = uvs_own_default()
COMPILE = ("compile", "-", "--no-header", "--no-annotate", "--python", sys.executable)

Connect = Callable[[str], Uv]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, a home and a cache that nobody configured."""
    for name in os.environ:
        if name.startswith(("UV_", "XDG_")):
            monkeypatch.delenv(name)
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def connect(here: Path, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Make a uv that is asked at once again; how long to wait is tenacity's business, and uv's."""
    monkeypatch.setattr(uv_module, "wait_random_exponential", lambda **_: tenacity.wait_none())

    def make(url: str) -> Uv:
        uv = Uv(here.parent / "state", Indexes(urls=(url,)))
        uv._environ["UV_HTTP_RETRIES"] = "0"
        return uv

    return make


@pytest.fixture
def uv(local_index: LocalIndex, connect: Connect) -> Uv:
    return connect(local_index.url)


def resolve(uv: Uv, *requirements: str, token: CancelToken | None = None) -> list[str]:
    return uv.run(*COMPILE, token=token or CancelToken(), stdin="\n".join(requirements)).split()


def ends(process: psutil.Process, *, within_s: float = 2.0) -> bool:
    """Watch a process that is not ours to wait for."""
    give_up = time.monotonic() + within_s
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)
    return True


# --- Which indexes the user has


def test_without_a_configuration_it_is_pypi(here: Path) -> None:
    assert configured_indexes() == Indexes(urls=(DEFAULT,))


@pytest.mark.parametrize(
    ("variables", "urls"),
    [
        pytest.param({"UV_DEFAULT_INDEX": "http://one/simple"}, ("http://one/simple",), id="default"),
        pytest.param(
            {"UV_INDEX": "http://one/simple"}, ("http://one/simple", DEFAULT), id="one-before-the-default"
        ),
        pytest.param(
            {"UV_INDEX": "a=http://one/ http://two/simple", "UV_DEFAULT_INDEX": "http://last/simple"},
            ("http://one/", "http://two/simple", "http://last/simple"),
            id="in-the-order-of-priority",
        ),
        pytest.param(
            {"UV_INDEX_URL": "http://last/simple", "UV_EXTRA_INDEX_URL": "http://one/simple"},
            ("http://one/simple", "http://last/simple"),
            id="names-of-old",
        ),
        pytest.param(
            {"UV_DEFAULT_INDEX": "http://me:hunter2@one/simple"},
            ("http://me:hunter2@one/simple",),
            id="with-credentials",
        ),
    ],
)
def test_the_users_variables_say_which_indexes_are_asked(
    here: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], urls: tuple[str, ...]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert configured_indexes().urls == urls


def test_the_users_files_say_which_indexes_are_asked(here: Path) -> None:
    (here / "uv.toml").write_text(
        '[[index]]\nname = "pinned"\nurl = "http://pinned/simple"\nexplicit = true\n'
        '[[index]]\nurl = "http://last/simple"\ndefault = true\n'
        '[[index]]\nurl = "http://one/simple"\n'
    )

    assert configured_indexes().urls == ("http://one/simple", "http://last/simple")


def test_what_a_project_needs_does_not_matter(here: Path) -> None:
    (here / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.99"\n')
    (here / ".python-version").write_text("3.99\n")

    assert configured_indexes().urls == (DEFAULT,)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("PATH", "/nonexistent", id="no-python-on-the-path"),
        pytest.param("VIRTUAL_ENV", "/nonexistent", id="an-environment-that-went-away"),
        pytest.param("UV_MANAGED_PYTHON", "1", id="uvs-own-pythons-alone"),
    ],
)
def test_no_other_python_is_needed_to_know_them(
    here: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv(name, value)

    assert configured_indexes().urls == (DEFAULT,)


def test_a_configuration_that_cannot_be_read_is_unavailable(here: Path) -> None:
    (here / "uv.toml").write_text("index = 3\n")

    with pytest.raises(Unavailable) as caught:
        configured_indexes()

    assert str(caught.value).startswith("uv cannot read its configuration: ")
    assert "invalid type: integer `3`, expected a sequence" in str(caught.value)
    assert caught.value.hint == "`uv pip compile - --emit-index-url < /dev/null` shows it"


def test_files_beside_the_user_are_found_by_our_uv_as_well(
    here: Path, local_index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = local_index.add_wheel("demo", "1.0")
    (here / "wheels").mkdir()
    (here / "wheels" / wheel.filename).write_bytes(wheel.content)
    with LocalIndex() as empty:
        monkeypatch.setenv("UV_DEFAULT_INDEX", empty.url)
        monkeypatch.setenv("UV_FIND_LINKS", "wheels")

        uv = Uv(here.parent / "state", configured_indexes())

        assert resolve(uv, "demo") == ["demo==1.0"]


def test_the_uv_is_the_one_that_was_installed_with_us() -> None:
    assert Path(binary()).parent == Path(sys.executable).parent


# --- What is asked of uv


def test_uv_answers_from_the_given_indexes_in_their_order(local_index: LocalIndex, here: Path) -> None:
    local_index.add_wheel("demo", "1.0", requires=["dep"])
    local_index.add_wheel("dep", "1.0")
    with LocalIndex() as first:
        first.add_wheel("dep", "0.5")

        uv = Uv(here.parent / "state", Indexes(urls=(first.url, local_index.url)))

        assert resolve(uv, "demo") == ["demo==1.0", "dep==0.5"]


def test_uv_heeds_neither_the_users_files_nor_variables_that_change_the_answer(
    local_index: LocalIndex, connect: Connect, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_index.add_wheel("demo", "1.0", uploaded="2021-01-01")
    local_index.add_wheel("demo", "2.0", uploaded="2022-01-01")
    (here / "uv.toml").write_text(
        'exclude-newer = "2021-06-01T00:00:00Z"\n'
        '[[index]]\nurl = "http://127.0.0.1:1/simple"\ndefault = true\n'
    )
    for name, value in {
        "UV_EXCLUDE_NEWER": "2021-06-01T00:00:00Z",
        "UV_RESOLUTION": "lowest",
        "UV_DEFAULT_INDEX": "http://127.0.0.1:1/simple",
        "UV_INDEX": "http://127.0.0.1:1/simple",
        "UV_OFFLINE": "1",
        "UV_CONSTRAINT": str(here / "constraints.txt"),
    }.items():
        monkeypatch.setenv(name, value)
    (here / "constraints.txt").write_text("demo<2\n")

    assert resolve(connect(local_index.url), "demo") == ["demo==2.0"]


def test_pages_are_kept_for_a_while_and_asked_for_again_when_told(local_index: LocalIndex, uv: Uv) -> None:
    local_index.add_wheel("demo", "1.0")
    first = resolve(uv, "demo")
    local_index.add_wheel("demo", "2.0")

    second = resolve(uv, "demo")
    third = uv.run(*COMPILE, token=CancelToken(), stdin="demo", ask_again=True).split()

    assert (first, second, third) == (["demo==1.0"], ["demo==1.0"], ["demo==2.0"])


def test_pages_that_were_got_in_a_long_run_are_not_asked_for_again_in_it(
    local_index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(uv_module.time, "monotonic", lambda: now)
    uv = Uv(tmp_path / "uv", Indexes(urls=(local_index.url,)))

    def seconds_kept() -> int:
        text = uv._config.read_text()
        return int(text.partition('api = "max-age=')[2].partition('"')[0])

    assert seconds_kept() == 600
    now += 3599
    assert seconds_kept() >= 600 + 2999
    now += 600
    assert seconds_kept() >= 4199
    uv.begin()  # another command, in the same process
    assert seconds_kept() == 600


# --- What failures mean


@pytest.mark.parametrize(
    ("requirements", "reason"),
    [
        pytest.param(
            ("absent",),
            "Because absent was not found in the package registry and you require absent, "
            "we can conclude that your requirements are unsatisfiable.",
            id="no-such-project",
        ),
        pytest.param(
            ("demo==9",),
            "Because there is no version of demo==9 and you require demo==9, "
            "we can conclude that your requirements are unsatisfiable.",
            id="no-such-version",
        ),
        pytest.param(
            ("demo",),
            "Because only dep==1.0 is available and all versions of demo depend on dep>2, "
            "we can conclude that all versions of demo cannot be used. "
            "And because you require demo, we can conclude that your requirements are unsatisfiable.",
            id="conflict",
        ),
    ],
)
def test_requirements_that_nothing_satisfies_are_unresolvable_and_say_why(
    local_index: LocalIndex, uv: Uv, requirements: tuple[str, ...], reason: str
) -> None:
    local_index.add_wheel("demo", "1.0", requires=["dep>2"])
    local_index.add_wheel("dep", "1.0")

    with pytest.raises(Unresolvable) as caught:
        resolve(uv, *requirements)

    assert str(caught.value) == reason


def test_an_index_that_fails_for_a_moment_is_asked_again(local_index: LocalIndex, uv: Uv) -> None:
    local_index.add_wheel("demo", "1.0")
    local_index.fail_next(2)

    assert resolve(uv, "demo") == ["demo==1.0"]


def test_an_index_that_keeps_failing_says_nothing_about_the_release(local_index: LocalIndex, uv: Uv) -> None:
    local_index.fail_next(99)

    with pytest.raises(Unavailable) as caught:
        resolve(uv, "demo")

    assert str(caught.value) == (
        "the package index did not answer after 3 attempts: "
        f"HTTP status server error (503 Service Unavailable) for url ({local_index.url}/demo/)"
    )
    assert caught.value.hint == (
        "nothing was learnt about any release that needs it; run the same command again later"
    )


def test_an_index_that_is_down_says_nothing_about_the_release(local_index: LocalIndex, uv: Uv) -> None:
    local_index.down = True

    with pytest.raises(Unavailable) as caught:
        resolve(uv, "demo")

    assert str(caught.value).startswith("the package index did not answer after 3 attempts: ")


def test_an_index_that_fails_in_the_middle_says_nothing_about_the_release(
    local_index: LocalIndex, uv: Uv
) -> None:
    local_index.add_wheel("demo", "1.0", requires=["dep"])
    resolve_alone = uv.run(*COMPILE, "--no-deps", token=CancelToken(), stdin="demo").split()
    local_index.down = True

    with pytest.raises(Unavailable):
        resolve(uv, "demo")

    assert resolve_alone == ["demo==1.0"]


@pytest.mark.parametrize("status", [401, 403])
def test_an_index_that_refuses_says_nothing_about_the_release(
    local_index: LocalIndex, uv: Uv, status: int
) -> None:
    local_index.add_wheel("demo", "1.0")
    local_index.fail_next(99, status)

    with pytest.raises(Unavailable) as caught:
        resolve(uv, "demo")

    assert str(caught.value).startswith("the package index refused an answer: ")
    assert caught.value.hint == "check its credentials in uv's configuration"


def test_credentials_are_used_and_shown_to_nobody(local_index: LocalIndex, connect: Connect) -> None:
    local_index.fail_next(99)
    uv = connect(local_index.url.replace("http://", "http://me:hunter2@"))

    with pytest.raises(Unavailable) as caught:
        resolve(uv, "demo")

    assert local_index.requests[-1].headers.get("authorization") == "Basic bWU6aHVudGVyMg=="
    assert "hunter2" not in str(caught.value)


def test_credentials_are_written_for_nobody_else_to_read(here: Path, connect: Connect) -> None:
    connect("http://me:hunter2@index.example/simple")

    written = [path for path in (here.parent / "state").iterdir() if "hunter2" in path.read_text()]

    assert [path.name for path in written if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize(
    "metadata_version", [pytest.param("2.1", id="resolving"), pytest.param("2.2", id="installing")]
)
def test_an_sdist_that_does_not_build_is_named_with_what_its_build_said(
    local_index: LocalIndex, uv: Uv, here: Path, metadata_version: str
) -> None:
    publish_build_backend(local_index, "1.0", works=False)
    local_index.add_sdist("my-demo", "1.0", metadata_version=metadata_version)

    with pytest.raises(SdistBuildFailed) as caught:
        uv.run(
            *("install", "--target", str(here / "target"), "--python", sys.executable, "my-demo"),
            token=CancelToken(),
        )

    assert (caught.value.name, caught.value.version) == ("my-demo", "1.0")
    assert str(caught.value) == (
        "RuntimeError: minibuild is too old (Call to `minibuild.build_wheel` failed (exit status: 1))"
    )


def test_an_sdist_whose_build_talks_of_networks_is_no_outage(local_index: LocalIndex, uv: Uv) -> None:
    source = (
        "def get_requires_for_build_wheel(config_settings=None): return []\n"
        "def build_wheel(*args):\n"
        "    raise RuntimeError('timed out; HTTP status 503; No space left on device')\n"
    )
    local_index.add_wheel("talker", "1.0", modules={"talker.py": source})
    local_index.add_sdist("demo", "1.0", build_requires=["talker"], backend="talker")

    with pytest.raises(SdistBuildFailed) as caught:
        resolve(uv, "demo")

    assert (caught.value.name, caught.value.version) == ("demo", "1.0")


def test_an_sdist_whose_build_needs_what_is_not_there_does_not_build(local_index: LocalIndex, uv: Uv) -> None:
    local_index.add_sdist("demo", "1.0", build_requires=["absent"])

    with pytest.raises(SdistBuildFailed) as caught:
        resolve(uv, "demo")

    assert str(caught.value) == (
        "Because absent was not found in the package registry and you require absent, "
        "we can conclude that your requirements are unsatisfiable."
    )


def test_an_outage_while_an_sdist_is_built_says_nothing_about_the_release(connect: Connect) -> None:
    class WithoutBackend(LocalIndex):
        """Has what is asked for, and fails when it comes to what builds it."""

        def answer(self, request: Request) -> Answer | None:
            return Answer(503) if "minibuild" in request.path else super().answer(request)

    with WithoutBackend() as index:
        index.add_sdist("demo", "1.0")
        uv = connect(index.url)
        with pytest.raises(Unavailable) as caught:
            resolve(uv, "demo")

    assert str(caught.value).startswith("the package index did not answer after 3 attempts: ")


def test_a_wheel_that_is_no_archive_cannot_be_installed(local_index: LocalIndex, uv: Uv) -> None:
    local_index.add_file("demo", "demo-1.0-py3-none-any.whl", b"junk")

    with pytest.raises(BuildFailed):
        resolve(uv, "demo")


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        pytest.param((*COMPILE, "--no-such"), "unexpected argument '--no-such' found", id="a-wrong-option"),
        pytest.param(COMPILE, 'no such comparison operator "=>"', id="a-malformed-requirement"),
    ],
)
def test_any_other_failure_says_nothing_about_the_release(
    uv: Uv, arguments: tuple[str, ...], cause: str
) -> None:
    with pytest.raises(Unavailable) as caught:
        uv.run(*arguments, token=CancelToken(), stdin="demo=>1")

    assert str(caught.value).startswith(f"uv failed: {cause}")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(
            "error: failed to write `x`\n  Caused by: No space left on device (os error 28)", id="full"
        ),
        pytest.param(
            "error: failed to write `x`\n  Caused by: Disk quota exceeded (os error 122)", id="quota"
        ),
    ],
)
def test_a_full_disk_says_nothing_about_the_release(
    here: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    program = here / "uv"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setattr(uv_module, "binary", lambda: str(program))
    uv = Uv(here.parent / "state", Indexes(urls=(DEFAULT,)))

    with pytest.raises(Unavailable) as caught:
        resolve(uv, "demo")

    assert str(caught.value).startswith("there is no room left on the disk: ")
    assert caught.value.hint == "free some, or clear what is kept: `bisect-asgi cache --clear`"


def test_what_was_cancelled_has_no_result(uv: Uv) -> None:
    token = CancelToken()
    token.cancel()

    with pytest.raises(Cancelled):
        resolve(uv, "demo", token=token)


def test_a_build_that_hangs_is_cancelled_from_another_thread_and_ends(
    local_index: LocalIndex, uv: Uv, here: Path
) -> None:
    fifo = here / "building"
    os.mkfifo(fifo)
    source = f"""
import os, time
def get_requires_for_build_wheel(config_settings=None):
    return []
def build_wheel(*args):
    with open({str(fifo)!r}, "w") as stream:
        stream.write(str(os.getpid()))
    time.sleep(60)
"""
    local_index.add_wheel("sleeper", "1.0", modules={"sleeper.py": source})
    local_index.add_sdist("demo", "1.0", build_requires=["sleeper"], backend="sleeper")
    token = CancelToken()
    builders: list[psutil.Process] = []

    def cancel_once_it_builds() -> None:
        builders.append(psutil.Process(int(fifo.read_text())))
        token.cancel()

    thread = threading.Thread(target=cancel_once_it_builds, daemon=True)  # without a build it waits for ever
    thread.start()
    with pytest.raises(Cancelled):
        resolve(uv, "demo", token=token)
    thread.join(timeout=10)
    has_ended = ends(builders[0])
    if not has_ended:
        builders[0].kill()

    assert has_ended


# --- The telling part of a message


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        pytest.param("", "it gave no reason", id="nothing"),
        pytest.param("what a day\nindeed\n", "what a day", id="nothing-known"),
        pytest.param("error: no such option\n", "no such option", id="one-line"),
        pytest.param("error: outer\n  cause: inner\n  cause: innermost\n", "innermost", id="the-last-cause"),
        pytest.param(
            "  × No solution found when resolving dependencies:\n"
            "  ╰─▶ Because there is no version of demo==9 and you require\n"
            "      demo==9, we can conclude that your requirements are\n"
            "      unsatisfiable.\n",
            "Because there is no version of demo==9 and you require demo==9, "
            "we can conclude that your requirements are unsatisfiable.",
            id="put-back-on-one-line",
        ),
        pytest.param(
            "  × No solution found when resolving\n", "No solution found when resolving", id="no-cause"
        ),
        pytest.param(
            "error: outer\n  cause: inner\n\nhint: cause: try this\n", "inner", id="hints-are-left-out"
        ),
        pytest.param(
            "error: Failed to build `demo==1.0`\n"
            "  cause: The build backend returned an error\n"
            "  cause: Call to `minibuild.build_wheel` failed (exit status: 1)\n\n"
            "         [stderr]\n"
            "         Traceback (most recent call last):\n"
            '           File "<string>", line 11, in <module>\n'
            "         RuntimeError: too old\n\n"
            "hint: Build failures usually indicate a problem with the package\n",
            "RuntimeError: too old (Call to `minibuild.build_wheel` failed (exit status: 1))",
            id="what-a-build-said-last",
        ),
    ],
)
def test_the_telling_part_of_a_message_is_one_line(said: str, cause: str) -> None:
    assert first_cause(said) == cause


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

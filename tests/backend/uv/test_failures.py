"""What uv's failures mean: for the release, or only for this machine."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import tenacity
from support.local_index import Answer, LocalIndex, Request, publish_build_backend
from support.processes import eventually
from support.uv import COMPILE, DEFAULT, Connect, resolve

from bisect_asgi.backend import uv as uv_module
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.uv import Uv
from bisect_asgi.backend.uv_output import Passing, SdistBuildFailed, first_cause
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Cancelled, NoResult, Unavailable, Unresolvable


def ends(process: psutil.Process, *, within_s: float = 2.0) -> bool:
    """Watch a process that is not ours to wait for."""
    give_up = time.monotonic() + within_s
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)
    return True


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
        "the request to the package index failed after 3 attempts: "
        f"HTTP status server error (503 Service Unavailable) for url ({local_index.url}/demo/)"
    )
    assert caught.value.hint == ("run the same command again later")


def test_an_index_that_is_down_says_nothing_about_the_release(local_index: LocalIndex, uv: Uv) -> None:
    local_index.down = True

    with pytest.raises(Unavailable) as caught:
        resolve(uv, "demo")

    assert str(caught.value).startswith("the request to the package index failed after 3 attempts: ")


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

    assert str(caught.value).startswith(f"the package index refused access: `{local_index.url}` ({status} ")
    assert "there are no credentials for it in the address, `" in str(caught.value)
    assert caught.value.hint == "add them to one of these, as `uv auth login URL --username USER` does"


def test_credentials_are_used_and_shown_to_nobody(local_index: LocalIndex, connect: Connect) -> None:
    local_index.fail_next(99)
    uv = connect(local_index.url.replace("http://", "http://me:hunter2@"))

    with pytest.raises(Unavailable) as caught:
        resolve(uv, "demo")

    assert local_index.requests[-1].headers.get("authorization") == "Basic bWU6aHVudGVyMg=="
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("builds", [False, True])
def test_credentials_are_written_to_no_disk(
    local_index: LocalIndex, here: Path, connect: Connect, builds: bool
) -> None:
    local_index.add_wheel("demo", "1.0")

    resolve(connect(local_index.url.replace("http://", "http://me:hunter2@")), "demo", builds=builds)

    files = [path for path in here.parent.rglob("*") if path.is_file()]
    assert builds or files  # a box is removed with its uv
    assert [path for path in files if b"hunter2" in path.read_bytes()] == []


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

    assert str(caught.value).startswith("the request to the package index failed after 3 attempts: ")


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
    assert caught.value.hint == "free some, or clear the cache with `bisect-asgi cache --clear`"


def test_what_was_cancelled_has_no_result(uv: Uv) -> None:
    token = CancelToken()
    token.cancel()

    with pytest.raises(Cancelled):
        resolve(uv, "demo", token=token)


def test_a_build_that_hangs_is_cancelled_from_another_thread_and_ends(
    local_index: LocalIndex, uv: Uv, here: Path
) -> None:
    source = """
import os, time
def get_requires_for_build_wheel(config_settings=None):
    return []
def build_wheel(*args):
    with open(os.environ["TMPDIR"] + "/building.new", "w") as stream:
        stream.write(str(os.getpid()))
    os.rename(stream.name, os.environ["TMPDIR"] + "/building")
    time.sleep(120)
"""
    local_index.add_wheel("sleeper", "1.0", modules={"sleeper.py": source})
    local_index.add_sdist("demo", "1.0", build_requires=["sleeper"], backend="sleeper")
    token = CancelToken()
    builders: list[psutil.Process] = []

    def building() -> list[Path]:
        return list(here.parent.glob("builds/*/box-*/tmp/building"))

    def cancel_once_it_builds() -> None:
        eventually(lambda: building() != [])
        builders.append(psutil.Process(int(building()[0].read_text())))
        token.cancel()

    thread = threading.Thread(target=cancel_once_it_builds)
    thread.start()
    with pytest.raises(Cancelled):
        resolve(uv, "demo", token=token)
    thread.join(timeout=10)
    has_ended = ends(builders[0])
    if not has_ended:
        builders[0].kill()

    assert has_ended


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


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        pytest.param("error: x\n  cause: Too many open files (os error 24)", NoResult, id="files"),
        pytest.param("error: x\n  cause: Cannot allocate memory (os error 12)", NoResult, id="memory"),
        pytest.param(
            "error: failed to rename file from /c/interpreter-v5/a/.tmpb to /c/interpreter-v5/a/c.msgpack: "
            "No such file or directory (os error 2)",
            Passing,
            id="another-uv",
        ),
        pytest.param(
            "error: Failed to build `demo==1.0`\n  cause: failed\n\n[stderr]\nMemoryError\n",
            NoResult,
            id="build",
        ),
        pytest.param(
            "error: Failed to build `demo==1.0`\n  cause: failed\n\n[stderr]\n"
            "OSError: [Errno 28] No space left on device: 'x'\n",
            Unavailable,
            id="build-without-room",
        ),
        pytest.param(
            "error: Failed to build `demo==1.0`\n  cause: failed\n\n[stderr]\nTypeError: old\n",
            SdistBuildFailed,
            id="a-fact",
        ),
    ],
)
def test_what_the_machine_lacks_is_no_fact_about_the_release(
    here: Path, monkeypatch: pytest.MonkeyPatch, said: str, kind: type[Exception]
) -> None:
    program = here / "uv"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setattr(uv_module, "binary", lambda: str(program))
    monkeypatch.setattr(tenacity, "wait_random_exponential", lambda **_: tenacity.wait_none())
    uv = Uv(here.parent / "state", Indexes(urls=(DEFAULT,)))

    with pytest.raises(kind):
        resolve(uv, "demo")


def test_a_build_that_lacks_the_network_is_tried_again_another_day(local_index: LocalIndex, uv: Uv) -> None:
    source = (
        "def get_requires_for_build_wheel(config_settings=None): return []\n"
        "def build_wheel(*args):\n"
        "    raise OSError('<urlopen error [Errno -3] Temporary failure in name resolution>')\n"
    )
    local_index.add_wheel("talker", "1.0", modules={"talker.py": source})
    local_index.add_sdist("demo", "1.0", build_requires=["talker"], backend="talker")

    with pytest.raises(SdistBuildFailed) as caught:
        resolve(uv, "demo")

    assert not caught.value.is_lasting


def test_a_uv_that_cannot_be_started_is_no_fact_about_the_release(
    uv: Uv, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(uv_module, "run_helper", no_more)

    with pytest.raises(NoResult) as caught:
        resolve(uv, "demo", builds=False)

    assert str(caught.value) == "uv could not be started: [Errno 11] Resource temporarily unavailable"

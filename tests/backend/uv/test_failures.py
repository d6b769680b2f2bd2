"""What uv's failures mean: for the release, or only for this machine."""

from __future__ import annotations

import dataclasses
import gzip
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import tenacity
from support.local_index import Answer, LocalIndex, Request, publish_build_backend, sdist_bytes
from support.processes import eventually
from support.uv import COMPILE, DEFAULT, Connect, resolve

from bisect_asgi.backend import uv as uv_module
from bisect_asgi.backend.network import configured as configured_module
from bisect_asgi.backend.network.configured import binary, configured_indexes
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.uv import Uv
from bisect_asgi.backend.uv_output import SdistBuildFailed, first_cause
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Cancelled, NoResult, Unavailable, Unresolvable
from bisect_asgi.core.plan import Building


def ends(process: psutil.Process, *, within_s: float = 2.0) -> bool:
    """Watch a process that is not ours to wait for."""
    give_up = time.monotonic() + within_s
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)
    return True


def without_checksum(sdist: bytes) -> bytes:
    """Return the archive as some tools of 2007 wrote it."""
    tar = gzip.decompress(sdist)
    return gzip.compress(tar[:148] + bytes(8) + tar[156:])


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


QUERY_KILLED = "error: Querying Python at `/bin/python` failed with exit status signal: 9 (SIGKILL)"


def test_a_uv_whose_query_is_killed_is_asked_again(
    local_index: LocalIndex, here: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_index.add_wheel("demo", "1.0")
    end = f"echo '{QUERY_KILLED}' >&2; exit 2"
    monkeypatch.setattr(uv_module, "binary", lambda: dying(here, times=1, end=end))

    assert resolve(connect(local_index.url), "demo") == ["demo==1.0"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_uv_that_is_killed_is_asked_again(
    local_index: LocalIndex, here: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    local_index.add_wheel("demo", "1.0")
    monkeypatch.setattr(uv_module, "binary", lambda: dying(here, times=times))

    assert resolve(connect(local_index.url), "demo") == ["demo==1.0"]


def test_a_uv_that_is_killed_each_time_gives_no_result(
    here: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uv_module, "binary", lambda: dying(here, times=3))

    with pytest.raises(NoResult) as caught:
        resolve(connect(DEFAULT), "demo", builds=False)

    assert str(caught.value) == "uv was killed 3 times by SIGKILL"


ENDS = pytest.mark.parametrize(
    "end", ["kill -9 $$", f"echo '{QUERY_KILLED}' >&2; exit 2"], ids=["uv", "its-query"]
)


@ENDS
@pytest.mark.parametrize("times", [1, 2])
def test_the_configuration_is_asked_for_again_if_uv_or_its_query_was_killed(
    local_index: LocalIndex, here: Path, monkeypatch: pytest.MonkeyPatch, end: str, times: int
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", local_index.url)
    program = dying(here, times=times, end=end)
    monkeypatch.setattr(configured_module, "binary", lambda: program)

    assert configured_indexes().urls == (local_index.url,)


@ENDS
def test_a_uv_that_is_killed_each_time_has_no_fault_in_its_configuration(
    here: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    program = dying(here, times=3, end=end)
    monkeypatch.setattr(configured_module, "binary", lambda: program)

    with pytest.raises(Unavailable) as caught:
        configured_indexes()

    assert str(caught.value) == "uv was killed 3 times before it had read its configuration"
    assert caught.value.hint == "free some memory, then run the same command again"


def dying(folder: Path, *, times: int, end: str = "kill -9 $$") -> str:
    """A uv that comes to this end so many times, and then works."""
    program = folder / "dying-uv"
    once_more = " || ".join(f"mkdir {folder}/{n} 2>/dev/null" for n in range(times))
    program.write_text(f'#!/bin/sh\nif {once_more}; then {end}; fi\nexec {binary()} "$@"\n')
    program.chmod(0o755)
    return str(program)


# --- What never ends


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        pytest.param(sdist_bytes("demo-1.0", {"List: Blocks": ""}), "List: Blocks", id="name"),
        pytest.param(without_checksum(sdist_bytes("demo-1.0", {"setup.py": ""})), "checksum", id="header"),
    ],
)
def test_an_archive_that_uv_rejects_is_that_releases_fault_alone(
    local_index: LocalIndex, uv: Uv, content: bytes, cause: str
) -> None:
    local_index.add_file("demo", "demo-1.0.tar.gz", content)

    with pytest.raises(BuildFailed, match=cause) as caught:
        resolve(uv, "demo")

    assert not caught.value.is_lasting  # a damaged download may look like that


def test_an_index_that_sends_no_whole_file_is_not_asked_for_ever(
    local_index: LocalIndex, connect: Connect, here: Path
) -> None:
    uv = connect(local_index.url)
    uv._environ["UV_HTTP_TIMEOUT"] = "1"
    for version in ("1.0", "2.0", "3.0"):
        local_index.add_wheel("demo", version)
    local_index.faults[".whl"] = lambda answer: dataclasses.replace(answer, cut_at=50, stalls=True)

    def install(version: str) -> None:
        pin = f"demo=={version}"
        uv.run("install", "--target", str(here / "t"), "--python", sys.executable, pin, token=CancelToken())

    for version in ("1.0", "2.0"):
        with pytest.raises(NoResult):
            install(version)
    with pytest.raises(Unavailable) as caught:
        install("3.0")

    assert str(caught.value).startswith("the package index has sent none of 3 files: ")


def test_a_file_that_comes_byte_by_byte_is_not_waited_for(
    local_index: LocalIndex, uv: Uv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uv_module, "_LIMIT_S", 0.5)
    local_index.add_wheel("demo", "1.0")
    local_index.faults["/simple/demo/"] = lambda answer: dataclasses.replace(answer, cut_at=5, stalls=True)

    with pytest.raises(NoResult) as caught:
        resolve(uv, "demo", builds=False)

    assert str(caught.value) == "uv did not end within 0.50 s: the index may send too slowly"


def test_in_the_box_a_page_that_never_ends_is_no_build_that_takes_too_long(
    local_index: LocalIndex, here: Path
) -> None:
    local_index.add_wheel("demo", "1.0")
    local_index.faults["/simple/demo/"] = lambda answer: dataclasses.replace(answer, cut_at=5, stalls=True)
    limited = Uv(here.parent / "state", Indexes(urls=(local_index.url,)), building=Building(timeout_s=2.0))

    with pytest.raises(NoResult, match=r"^uv did not end within 2\.0 s \(`--build-timeout`\): the index"):
        resolve(limited, "demo")


# --- The machine's own


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        pytest.param("error: x\n  cause: Too many open files (os error 24)", NoResult, id="files"),
        pytest.param("error: x\n  cause: Cannot allocate memory (os error 12)", NoResult, id="memory"),
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

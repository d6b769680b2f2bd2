"""That a machine confines at the strongest level is remembered only as long as nothing could change it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from bisect_asgi.backend.process import sandbox_kept
from bisect_asgi.backend.process.sandbox_kept import forget, keep, recall

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")


def test_it_is_remembered_with_what_the_level_lacks(tmp_path: Path) -> None:
    assert recall(tmp_path) is None

    keep(tmp_path, lacks="truncating files")

    assert recall(tmp_path) == "truncating files"

    forget(tmp_path)

    assert recall(tmp_path) is None


@pytest.mark.parametrize("later_s", [-60.0, 86_400.0])
def test_it_is_tried_again_each_day_and_when_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later_s: float
) -> None:
    keep(tmp_path, lacks="")
    now_s = time.time() + later_s
    monkeypatch.setattr("bisect_asgi.backend.process.sandbox_kept.time.time", lambda: now_s)

    assert recall(tmp_path) is None


SYSTEM = {
    "/proc/self/status": "Name:\tpython\nUid:\t0\nGroups:\t0\nCapEff:\t1\nSeccomp:\t0\nVmRSS:\t1\n",
    "/proc/self/attr/current": "unconfined\n",
    "/proc/sys/kernel/random/boot_id": "a\n",
    "/proc/sys/user/max_user_namespaces": "100\n",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "0\n",
}


class System:
    """What the files of a system say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files = dict(SYSTEM)
        self.links: dict[str, str] = {}
        read = Path.read_text

        def read_text(path: Path, *arguments: str, **named: str) -> str:
            if str(path) in self.files:
                return self.files[str(path)]
            if str(path).startswith("/proc/"):
                raise FileNotFoundError(str(path))
            return read(path, *arguments, **named)

        monkeypatch.setattr(Path, "read_text", read_text)
        monkeypatch.setattr(sandbox_kept.os, "readlink", lambda path: self.links.get(path, f"{path}:[1]"))


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    return System(monkeypatch)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/proc/sys/kernel/random/boot_id", "b\n"),
        ("/proc/sys/user/max_user_namespaces", "0\n"),
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0\n"),
        ("/proc/self/attr/current", "docker-default (enforce)\n"),
        *(
            ("/proc/self/status", SYSTEM["/proc/self/status"].replace(*change))
            for change in (
                ("Uid:\t0", "Uid:\t1000"),
                ("Groups:\t0", "Groups:\t0 5"),
                ("CapEff:\t1", "CapEff:\t0"),
                ("Seccomp:\t0", "Seccomp:\t2"),
            )
        ),
    ],
)
def test_what_the_kernel_is_told_otherwise_is_another_machine(
    tmp_path: Path, system: System, path: str, text: str
) -> None:
    keep(tmp_path, lacks="")
    remembered = recall(tmp_path)
    system.files[path] = text

    assert remembered == ""
    assert recall(tmp_path) is None


@pytest.mark.parametrize("name", ["user", "mnt", "pid", "ipc", "net"])
def test_another_container_is_another_machine(tmp_path: Path, system: System, name: str) -> None:
    keep(tmp_path, lacks="")
    system.links[f"/proc/self/ns/{name}"] = f"{name}:[2]"

    assert recall(tmp_path) is None


def test_what_says_nothing_about_confinement_does_not_count(tmp_path: Path, system: System) -> None:
    keep(tmp_path, lacks="")
    system.files["/proc/self/status"] = SYSTEM["/proc/self/status"].replace("VmRSS:\t1", "VmRSS:\t2")

    assert recall(tmp_path) == ""


def test_where_the_system_does_not_say_which_boot_it_is_nothing_is_remembered(
    tmp_path: Path, system: System
) -> None:
    system.files["/proc/sys/kernel/random/boot_id"] = ""

    keep(tmp_path, lacks="")

    assert recall(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_another_code_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path, lacks="")
    other = tmp_path / "sandbox_calls.py"
    other.write_text("# it does something else\n")
    monkeypatch.setattr(sandbox_kept, "_CODE", other)

    assert recall(tmp_path) is None


def test_a_damaged_file_is_nothing(tmp_path: Path) -> None:
    keep(tmp_path, lacks="")
    (file,) = tmp_path.iterdir()
    file.write_text("{}")

    assert recall(tmp_path) is None


def test_a_folder_that_cannot_be_written_remembers_nothing(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")

    keep(tmp_path / "cache", lacks="")

    assert recall(tmp_path / "cache") is None

"""Whatever is in a folder, it goes; and what is shared outside of it stays as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bisect_asgi.backend.files import remove, temporary_folder


def nested(folder: Path) -> None:
    """More folders in one another than Python can call itself, with a path longer than any call takes."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deeper", dir_fd=here)
        inside = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inside
    os.close(here)


def without_rights(folder: Path) -> None:
    (folder / "inside").mkdir()
    (folder / "inside" / "file").touch()
    (folder / "inside").chmod(0)
    folder.chmod(0o555)


def names_that_are_no_text(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\n--")).mkdir()


def a_fifo(folder: Path) -> None:
    os.mkfifo(folder / "fifo")


@pytest.mark.parametrize("fill", [nested, without_rights, names_that_are_no_text, a_fifo])
def test_a_folder_goes_with_whatever_is_in_it(tmp_path: Path, fill: Callable[[Path], None]) -> None:
    folder = tmp_path / "-folder"
    folder.mkdir()
    fill(folder)

    assert remove(folder)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_gone(tmp_path: Path) -> None:
    assert remove(tmp_path / "nothing")


def test_a_link_goes_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")

    assert remove(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_shared_file_keeps_its_rights(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.touch(0o444)
    folder = tmp_path / "folder"
    folder.mkdir()
    os.link(shared, folder / "file")
    nested(folder)

    assert remove(folder)
    assert shared.stat().st_mode & 0o777 == 0o444


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("chattr"), reason="only root can mark files")
def test_root_removes_what_is_marked_as_immutable(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").touch()
    if subprocess.run(["chattr", "+i", folder / "file"], capture_output=True, check=False).returncode:
        pytest.skip("this file system has no such mark")

    assert remove(folder)


def test_a_temporary_folder_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with temporary_folder() as folder:
        (folder / "file").write_text("")

    assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


SHORT = """
import os, pathlib, resource, sys, tempfile
from bisect_asgi.backend.files import temporary_folder

tempfile.tempdir = sys.argv[1]
with temporary_folder() as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("")
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    held = []
    while len(held) < 16:
        try:
            held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            break
print(folder.exists())
for each in held:
    os.close(each)
"""


def test_a_temporary_folder_that_cannot_be_removed_now_is_removed_at_the_end(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHORT, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert done.stdout == "True\n"
    assert list(tmp_path.iterdir()) == []

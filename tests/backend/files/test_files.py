"""Files that several write at once."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from bisect_asgi.backend.files import write_whole


def test_the_content_replaces_what_was_there_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, b"old, and longer")
    write_whole(path, b"new")

    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["file"]


def test_threads_that_write_at_once_leave_one_whole_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([65 + number]) * 100_000 for number in range(8)]
    failures: list[BaseException] = []
    start = threading.Barrier(len(contents))

    def write(content: bytes) -> None:
        start.wait()
        try:
            for _ in range(20):
                write_whole(path, content)
                assert path.read_bytes() in contents
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)

    with pytest.raises(OSError, match="folder"):
        write_whole(tmp_path / "folder", b"content")

    assert [found.name for found in tmp_path.iterdir()] == ["folder"]

"""What a run left is read without waiting, without following links, and up to a size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bisect_asgi.backend.trials import reports
from bisect_asgi.backend.trials.reports import Reports


@pytest.fixture
def report(tmp_path: Path) -> Iterator[Reports]:
    folder = tmp_path / "report"
    folder.mkdir()
    with reports.opened(folder) as report:
        yield report


def test_a_file_is_read_up_to_a_size(report: Reports) -> None:
    (report.folder / "note.txt").write_text("grüße")

    assert report.read("note.txt") == "grüße".encode()
    assert report.read("note.txt", 2) == b"gr"
    assert report.text("note.txt") == "grüße"
    assert report.has("note.txt")


def link(path: Path) -> None:
    (path.parent.parent / "secret").write_text("hunter2")
    path.symlink_to("../secret")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: None, id="missing"),
        pytest.param(link, id="link"),
        pytest.param(os.mkfifo, id="fifo"),
        pytest.param(os.mkdir, id="folder"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), id="device"),
    ],
)
def test_what_is_no_file_is_not_read(report: Reports, make: Callable[[Path], object]) -> None:
    make(report.folder / "note.txt")

    assert report.read("note.txt") is None
    assert report.text("note.txt") == ""


def test_names_come_in_the_order_in_which_their_files_were_changed(report: Reports) -> None:
    for number, name in enumerate(("b-1.txt", "b-2.txt", "a-3.txt", "other.json")):
        (report.folder / name).write_text("")
        os.utime(report.folder / name, (100 - number, 100 - number))

    assert report.named("*.txt") == ("a-3.txt", "b-2.txt", "b-1.txt")


def test_a_folder_that_was_replaced_meanwhile_is_still_the_first_one(report: Reports, tmp_path: Path) -> None:
    (report.folder / "note.txt").write_text("mine")
    report.folder.rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "note.txt").write_text("a secret")
    report.folder.symlink_to("elsewhere")

    assert report.text("note.txt") == "mine"

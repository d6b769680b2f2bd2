"""A run that is over a limit is ended there, and says which one it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.supervised import python, supervise

from bisect_asgi.backend.process.limits import written
from bisect_asgi.core.model import Limits

MIB = 2**20
NAMELESS = "import tempfile; file = tempfile.TemporaryFile(); "
SLEEP = "\nimport time; time.sleep(120)"
FORKS = "import os\nfor _ in range(9):\n    if os.fork() == 0: break"


@pytest.mark.parametrize(
    ("code", "limits", "limit"),
    [
        pytest.param(
            f"held = b'x' * {200 * MIB}{SLEEP}",
            Limits(memory_bytes=100 * MIB),
            "more than 100 MiB of memory (`--limit-memory`)",
            id="memory",
        ),
        pytest.param(
            FORKS + SLEEP, Limits(processes=5), "more than 5 processes (`--limit-processes`)", id="processes"
        ),
        pytest.param(
            "while True: pass",
            Limits(cpu_s=0.5),
            "more than 500 ms of processor time (`--limit-cpu`)",
            id="processor-time",
        ),
        pytest.param(
            f"open('big', 'wb').write(b'x' * {9 * MIB}){SLEEP}",
            Limits(disk_bytes=4 * MIB),
            "more than 4.0 MiB of disk (`--limit-disk`)",
            id="disk",
        ),
        pytest.param(
            f"{NAMELESS}file.write(b'x' * {9 * MIB}); file.flush(){SLEEP}",
            Limits(disk_bytes=4 * MIB),
            "more than 4.0 MiB of disk (`--limit-disk`)",
            id="disk-without-a-name",
        ),
    ],
)
def test_a_run_ends_at_a_limit(tmp_path: Path, code: str, limits: Limits, limit: str) -> None:
    work = tmp_path / "work"
    work.mkdir()

    run = supervise(work, python(code), limits=limits)

    assert (run.over_limit, run.exit_code, run.timed_out) == (limit, None, False)


def test_a_run_below_its_limits_ends_by_itself(tmp_path: Path) -> None:
    limits = Limits(memory_bytes=2**40, processes=99, disk_bytes=2**40, cpu_s=99)

    run = supervise(tmp_path, python("import time; time.sleep(0.3)"), limits=limits)

    assert (run.over_limit, run.exit_code) == ("", 0)


def test_what_is_written_counts_each_file_once_and_follows_no_link(tmp_path: Path) -> None:
    folder = tmp_path / "box"
    (folder / "deep").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(b"x" * MIB)
    (folder / "deep/one").write_bytes(b"x" * MIB)
    os.link(folder / "deep/one", folder / "again")
    (folder / "link").symlink_to(tmp_path / "outside")

    assert MIB <= written(folder) < 2 * MIB


def test_what_has_no_name_any_more_counts_while_it_is_open(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file, os.fdopen(os.memfd_create("memory"), "wb") as memory:
        for each in (file, memory):
            each.write(b"x" * MIB)
            each.flush()
        os.unlink(tmp_path / "file")

        assert MIB <= written(tmp_path, [os.getpid(), os.getpid()]) < 2 * MIB
        assert written(tmp_path) == 0
    assert written(tmp_path, [os.getpid()]) == 0

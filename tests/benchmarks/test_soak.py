"""What the soak takes for lost, and for made in vain; and whom it spares."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from soak import Killer, Told, disagreement
from support.builders import failed, passed

from bisect_asgi.core.records import replace

A, B, C = (replace(passed(), wall_s=0.1), replace(passed(), wall_s=0.2), replace(failed(), wall_s=0.3))


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        pytest.param([[Told("one", 0, (A,)), Told("two", 0, (C,))]], [[A], [C]], id="one-command"),
        pytest.param([[Told("one", 0, (A,))], [Told("one", 1, (A, B))]], [[A, B]], id="goes-on"),
        pytest.param([[Told("one", 0, (A,)), Told("one", 0, (B,))]], [[A, B]], id="further-runs"),
        pytest.param([[], [Told("one", 1, (A, B))]], [[A, B]], id="killed-before-it-told"),
        pytest.param([[Told("one", 1, (A,))]], [[A]], id="remembered"),
        pytest.param([[Told("one", 0, (A,))]], [[A, B]], id="killed-while-it-ran"),
    ],
)
def test_searches_that_know_of_each_other_agree(told: list[list[Told]], kept: list[list[object]]) -> None:
    assert disagreement(told, kept) == ""  # type: ignore[arg-type]


def test_what_a_command_told_of_and_nobody_kept_is_lost() -> None:
    assert disagreement([[Told("one", 0, (A, B))]], [[A]]).startswith("lost ")


def test_what_is_made_although_the_same_was_there_is_made_in_vain() -> None:
    assert disagreement([[Told("one", 0, (A,))], [Told("one", 0, (B,))]], [[A, B]]).startswith("made ")


def test_what_is_kept_twice_is_told() -> None:
    assert disagreement([], [[A, A]]) == "an observation is kept twice"


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    folder.mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"], cwd=folder, text=True) as process:
        yield process
        process.kill()


def test_the_run_that_repeats_a_killed_one_is_spared_and_no_other(tmp_path: Path) -> None:
    killer = Killer(1, random.Random(0), depth=0)
    with ExitStack() as started:
        run, again, next_one, other, none = (
            started.enter_context(running(tmp_path / name))
            for name in ("runs/7-3/box/work", "runs/7-4/box/work", "runs/7-5/box", "runs/8-4/box", "else")
        )
        assert not any(
            killer.spares(psutil.Process(each.pid)) for each in (run, again, next_one, other, none)
        )

        assert killer.kill_one([run])

        assert run.wait() == -9
        assert killer.spares(psutil.Process(again.pid))
        assert not any(killer.spares(psutil.Process(each.pid)) for each in (next_one, other, none))

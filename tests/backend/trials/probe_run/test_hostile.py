"""Probes that leave what they should not, or attack what supervises them: no result, or a true one."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.probe_runs import observe, script

from bisect_asgi.backend.environments import Environment
from bisect_asgi.core.model import Confinement, FailureKind, Limits, Outcome, SandboxLevel
from bisect_asgi.core.records import replace

NAMES = """
import os
report = os.environ["BISECT_ASGI_REPORT"]
names = ["peak-1.txt", "stacks-1.txt", "exception-%d.json" % os.getpid(), "metrics.json", "junit.xml"]
"""


@pytest.mark.parametrize(
    "make",
    [
        pytest.param("os.mkfifo(report + '/' + name)", id="fifo"),
        pytest.param("os.symlink('/dev/zero', report + '/' + name)", id="endless"),
        pytest.param("os.mkdir(report + '/' + name)", id="folder"),
        pytest.param("open(report + '/' + name, 'wb').write(b'\\xff{')", id="garbage"),
    ],
)
def test_reports_that_are_none_are_no_reports(environment: Environment, runs: Path, make: str) -> None:
    seen = observe(script(f"{NAMES}for name in names: {make}\nos._exit(1)"), environment, runs)

    assert (seen.outcome, seen.exit_code) == (Outcome.FAILED, 1)
    assert seen.metrics == {}
    assert seen.frames == ()


def test_a_link_to_a_secret_is_not_followed(environment: Environment, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    code = f"{NAMES}os.symlink({str(tmp_path / 'secret')!r}, report + '/stacks-1.txt')\nos._exit(1)"

    seen = observe(script(code), environment, runs)

    assert "hunter2" not in str(seen)


def test_a_probe_that_kills_its_supervisor_has_no_result(environment: Environment, runs: Path) -> None:
    code = "import os, signal, time\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(60)"

    probe = replace(script(code), confinement=Confinement(level=SandboxLevel.NONE))

    seen = observe(probe, environment, runs)

    assert seen.outcome is Outcome.ERROR
    assert seen.signature is not None
    assert seen.signature.shown == "its supervisor was killed or stopped"


def test_a_probe_that_is_over_a_limit_is_untestable_for_that_reason(
    environment: Environment, runs: Path
) -> None:
    code = "import time\nheld = b'x' * (200 << 20)\nprint('held', flush=True)\ntime.sleep(60)"
    probe = replace(script(code), limits=Limits(memory_bytes=100 << 20))

    seen = observe(probe, environment, runs)

    assert (seen.outcome, seen.exit_code) == (Outcome.UNTESTABLE, None)
    assert seen.signature is not None
    assert seen.signature.kind is FailureKind.LIMIT
    assert seen.signature.shown == "more than 100 MiB of memory (`--limit-memory`)"

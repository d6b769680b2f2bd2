"""Probes that are run in a real environment, and what is told of them."""

from __future__ import annotations

import json
from pathlib import Path

from bisect_asgi.backend.environments import Environment
from bisect_asgi.backend.trials.probe_run import Output, run_probe
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import Observation, Outcome, Phase, Probe, ProbeFile, Signature
from support.sandboxes import sandbox

MIB = 1024 * 1024


FAILS = """\
def check():
    assert 1 == 2, "expected 200, got 500"

check()
"""


def raised(error: str, message: str, *, by: str = "<module>") -> Signature:
    """The signature of an exception that a function of `leak.py` raised."""
    frames = [("leak.py", 1, by)]
    files = {"leak.py": b""}
    return signature.of_exception(error, message, phase=Phase.CHECK, frames=frames, probe_files=files)


ASSERTION = raised("AssertionError", "expected 200, got 500", by="check")


def script(
    code: str, *files: ProbeFile, environ: dict[str, str] | None = None, timeout_s: float = 30
) -> Probe:
    """A probe that is the script `leak.py`."""
    return Probe(
        name="leak.py",
        script="leak.py",
        command=None,
        files=(*files, ProbeFile(name="leak.py", content=code.encode())),
        environ=tuple((environ or {}).items()),
        timeout_s=timeout_s,
    )


def command(line: str, *files: ProbeFile) -> Probe:
    """A probe that is a command."""
    return Probe(name=line, script=None, command=line, files=files, timeout_s=30)


def source(name: str, code: str) -> ProbeFile:
    return ProbeFile(name=name, content=code.encode())


def observe(probe: Probe, environment: Environment, runs: Path, output: Output | None = None) -> Observation:
    return run_probe(probe, environment, runs, CancelToken(), output, sandbox())


def told(observation: Observation) -> object:
    """Return the JSON that the probe printed."""
    assert observation.outcome is Outcome.PASSED, observation.output_tail
    return json.loads(observation.output_tail)

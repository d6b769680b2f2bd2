"""Trials of real environments, with probes that are counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bisect_asgi.backend.trials.store import Store
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.events import Event
from bisect_asgi.core.model import (
    Confinement,
    Distribution,
    EnvironmentSpec,
    ExcludeNewerPackage,
    Probe,
    ProbeFile,
    SandboxLevel,
    Trial,
    TrialRequest,
)
from support.environments import THIS_PYTHON, Bench
from support.local_index import LocalIndex

PATIENCE_S = 30.0


class TrialBench(Bench):
    """A bench, and a file to which the probe writes a line for each of its runs."""

    def __init__(self, index: LocalIndex, folder: Path, store: Store) -> None:
        super().__init__(folder, index.url)
        self.index = index
        self.store = store
        self.diary = folder / "diary"
        self.events: list[Event] = []
        self.is_told: Callable[[Event], None] = self.events.append
        self.trials = self.runner(store, lambda event: self.is_told(event))

    def probe(self, script: str) -> Probe:
        """A probe that notes its run in the diary and goes on with `script`."""
        noted = 'import os\nwith open(os.environ["DIARY"], "a") as diary:\n    diary.write("run\\n")\n'
        return Probe(
            name="leak.py",
            script="leak.py",
            command=None,
            files=(ProbeFile(name="leak.py", content=(noted + script).encode()),),
            environ=(("DIARY", str(self.diary)),),
            timeout_s=PATIENCE_S,
            confinement=Confinement(level=SandboxLevel.NONE),  # a box would hide the diary
        )

    @property
    def runs(self) -> int:
        """How often the probe really ran."""
        return len(self.diary.read_text().splitlines()) if self.diary.exists() else 0

    def request(
        self, script: str = "import demo\n", *, version: str = "1.0", dated: bool = True
    ) -> TrialRequest:
        spec = EnvironmentSpec(
            interpreter=THIS_PYTHON,
            requirements=(f"demo=={version}",),
            exclude_newer=datetime(2020, 1, 1, tzinfo=UTC) if dated else None,
            exclude_newer_package=(ExcludeNewerPackage(name="demo"),) if dated else (),
            must_install=Distribution(name="demo", version=version),
        )
        return TrialRequest(key=3, label=version, spec=spec, probe=self.probe(script))

    def run(self, request: TrialRequest, token: CancelToken | None = None) -> Trial:
        return self.trials.run(request, token or CancelToken())


FAILS = "import demo\nassert demo.__version__ == '2.0', 'this is ' + demo.__version__\n"


def cancel_when(token: CancelToken, condition: Callable[[], bool]) -> None:
    """Cancel as soon as `condition` holds; or when time is up, so that the test fails instead of hanging."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    token.cancel()


def another_command(bench: TrialBench) -> None:
    """A command that comes to environments which are there, and has run nothing yet."""
    bench.trials = bench.trials.for_command(bench.events.append, show_output=False)

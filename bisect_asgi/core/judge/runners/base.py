"""One test that failed, as a runner of tests told it."""

from __future__ import annotations

from typing import Literal

from bisect_asgi.core.judge.tracebacks import Frames
from bisect_asgi.core.records import Struct

RunnerStage = Literal["", "setup of", "teardown of", "error of", "collecting", "internal error"]
"""What failed of a test; empty: the test itself. `error of`: its setup or its teardown."""


class FailingTest(Struct, frozen=True, kw_only=True):
    """One test that failed, or could not even be run."""

    name: str = ""
    """`TestPool.test_close[1]`; the file's where it could not be collected; empty: unknown."""
    step: RunnerStage = ""
    type: str = "Failed"
    """The exception's, without its module; pytest's own where no other is told."""
    message: str = ""
    frames: Frames = ()

    @property
    def is_bare(self) -> bool:
        """It is an assertion without a message of its author's, perhaps with pytest's explanation."""
        return self.type == "AssertionError" and (not self.message or self.message.startswith("assert "))

    @property
    def where(self) -> str:
        """What failed, in words: `setup of test_close`; empty: unknown."""
        return f"{self.step} {self.name}".strip()

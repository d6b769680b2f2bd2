"""A failed test, as every parser of a test runner returns it."""

from __future__ import annotations

from typing import Literal

from bisect_asgi.core.judge.tracebacks import Frames
from bisect_asgi.core.records import Struct

RunnerStage = Literal["", "setup of", "teardown of", "error of", "collecting", "internal error"]
"""The part of a test that failed, or "" for the test itself. `error of` is its setup or its teardown."""


class FailingTest(Struct, frozen=True, kw_only=True):
    """A test that failed or could not be run."""

    name: str = ""
    """`TestPool.test_close[1]`; the name of a file that could not be collected; "" if unknown."""
    step: RunnerStage = ""
    type: str = "Failed"
    """The exception's name without its module, or pytest's own `Failed` if none was printed."""
    message: str = ""
    frames: Frames = ()

    @property
    def is_bare(self) -> bool:
        """Whether it is an assertion without a message, apart from pytest's explanation."""
        return self.type == "AssertionError" and (not self.message or self.message.startswith("assert "))

    @property
    def where(self) -> str:
        """The name with the part that failed, such as `setup of test_close`, or "" if unknown."""
        return f"{self.step} {self.name}".strip()

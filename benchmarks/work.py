"""Define the work of the contenders of `bench.py`, with the true answers.

All contenders get the same data: the package, both ends, the held requirements, the interpreter, and the time
limit of a run. For the served probes, the releases on both sides of each change are in `repeat_probes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from repeat_probes import PROBES, SIDES

PYTHON = "3.11"
TIMEOUT_S = 120

WEBHOOKS = '''\
"""The app has no webhooks."""

import fastapi

app = fastapi.FastAPI()
assert not hasattr(app, "webhooks"), "the app has webhooks"
'''

FRAME_MAP = '''\
"""Data frames have no `map`."""

import pandas

assert not hasattr(pandas.DataFrame, "map"), "a frame has a map"
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A probe, the releases to look at, and the last one before the change with the first one after it."""

    title: str
    package: str
    oldest: str
    newest: str
    probe: str
    """Its source text."""
    answer: tuple[str, str]
    held: tuple[str, ...] = ()
    old_passes: bool = True
    heavy: bool = False
    """A run of it takes so long that it is made once."""
    only_cold: bool = False
    """Warm caches would make no difference."""

    @property
    def releases(self) -> str:
        """The range, as a specifier."""
        return f">={self.oldest},<={self.newest}"

    @property
    def good(self) -> str:
        """The end that passes."""
        return self.oldest if self.old_passes else self.newest

    @property
    def bad(self) -> str:
        """The end that fails."""
        return self.newest if self.old_passes else self.oldest


ANYIO = (PROBES / "anyio_import.py").read_text()


def _fastapi(
    title: str, probe: str, answer: tuple[str, str], *, old_passes: bool, is_long: bool = False
) -> Work:
    return Work(
        title=f"fastapi 0.60.0–0.110.0, {title}",
        package="fastapi",
        oldest="0.60.0",
        newest="0.110.0",
        probe=probe,
        answer=answer,
        old_passes=old_passes,
        heavy=is_long,
        only_cold=is_long,
    )


MAIN, IMPORT = "trivial", "import"

WORKS: Mapping[str, Work] = {
    MAIN: _fastapi("trivial probe (`probes/anyio_import.py`)", ANYIO, ("0.68.2", "0.69.0"), old_passes=False),
    IMPORT: _fastapi(
        "a probe that imports fastapi and asserts something", WEBHOOKS, ("0.98.0", "0.99.0"), old_passes=True
    ),
    "5s": _fastapi(
        "the trivial probe, waiting for 5 seconds first",
        ANYIO.replace("import anyio", "import time\n\ntime.sleep(5)\nimport anyio", 1),
        ("0.68.2", "0.69.0"),
        old_passes=False,
        is_long=True,
    ),
    "pandas": Work(
        title="pandas 1.5.0–2.3.3 (heavy wheels), numpy held",
        package="pandas",
        oldest="1.5.0",
        newest="2.3.3",
        probe=FRAME_MAP,
        answer=("2.0.3", "2.1.0"),
        held=("numpy==1.26.4",),
        heavy=True,
    ),
    "upload_threads": Work(
        title="probes/upload_threads.py, starlette 0.12.0–0.19.1, python-multipart held",
        package="starlette",
        oldest="0.12.0",
        newest="0.19.1",
        probe=(PROBES / "upload_threads.py").read_text(),
        answer=("0.13.4", "0.13.5"),
        held=("python-multipart==0.0.6",),
        old_passes=False,
        heavy=True,
    ),
}

SERVED: Mapping[str, Path] = {
    name: PROBES / f"{name}.py" for name in SIDES if name not in WORKS and (PROBES / f"{name}.py").exists()
}


def turns(sides: Mapping[str, str]) -> set[tuple[str, str]]:
    """The neighboring releases with different verdicts, among those that were run by hand."""
    return {(a, b) for (a, before), (b, after) in pairwise(sides.items()) if before != after}


def is_right(name: str, found: tuple[str, str]) -> bool:
    """Tell whether an answer is one of the changes that there are."""
    return found in (turns(SIDES[name]) if name in SERVED else {WORKS[name].answer})


def numbered(probe: str, repetition: int) -> str:
    """Return the probe as another file, for which nothing is cached."""
    return f"{probe}\n# repetition {repetition}\n"

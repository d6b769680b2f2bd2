"""What uv says while it works, and how long it took over what: a trial's time goes mostly to uv's steps.

uv writes a line to its standard error when it begins and when it has finished building a source
distribution, and how long it took to get and unpack everything (`Prepared`, builds included).
"""

from __future__ import annotations

import re
import time

from bisect_asgi.backend.process.timing import move
from bisect_asgi.core.model import Step

_SAID = re.compile(
    r"^\s*(?P<word>Resolved|Prepared|Installed|Audited|Uninstalled|Building|Built|Downloading|Downloaded"
    r"|Updating|Updated|Using Python)\s+(?P<rest>\S.*)$|^ [+~-] \S+"
)
_TOOK = re.compile(r" in (?:(?P<minutes>\d+)m )?(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|µs|us|ns|s)$")
_UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}


def is_progress(line: str) -> bool:
    """Tell whether a line is only about how far uv got."""
    return _SAID.match(line) is not None


def took(text: str) -> float:
    """The seconds at the end of `9 packages in 1m 02s`; 0 where none are said."""
    match = _TOOK.search(text)
    if not match:
        return 0.0
    return 60.0 * int(match["minutes"] or 0) + float(match["number"]) * _UNITS[match["unit"]]


class Watch:
    """Adds up what one call of uv says; to be told each line as it comes, from one thread."""

    def __init__(self) -> None:
        self._prepared_s = 0.0
        self._built_s = 0.0
        self._building: set[str] = set()
        self._since = 0.0

    def __call__(self, line: str) -> None:
        """Take in one line of its standard error."""
        match = _SAID.match(line)
        if not match or not match["word"]:
            return
        match match["word"]:
            case "Prepared":
                self._prepared_s += took(match["rest"])
            case "Building":
                self._settle()
                self._building.add(match["rest"])
            case "Built":
                self._settle()
                self._building.discard(match["rest"])

    def charge(self) -> None:
        """Charge builds and downloads with the time that they took; uv has ended."""
        self._settle()
        self._building.clear()
        move(self._built_s, to=Step.BUILD)
        move(self._prepared_s - self._built_s, to=Step.DOWNLOAD)

    def _settle(self) -> None:
        """Several builds side by side take their time once."""
        now = time.monotonic()
        if self._building:
            self._built_s += now - self._since
        self._since = now

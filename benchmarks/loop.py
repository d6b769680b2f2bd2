"""What one would write instead: a loop that halves a list of releases around a command.

    python loop.py RELEASES COMMAND …

RELEASES is a file with a release on each line, oldest first. The loop appends a release to the command and
runs it; exit code 0 means that the release behaves like the oldest. It needs only the standard library.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def first_new(releases: Sequence[str], is_old: Callable[[str], bool]) -> str:
    """The first release that is not as the oldest is, by halving.

    Raises:
        ValueError: the ends are alike, or the wrong way round.
    """
    low, high = 0, len(releases) - 1
    if not is_old(releases[low]) or is_old(releases[high]):
        raise ValueError("the ends are not as they were said to be")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_old(releases[middle]) else (low, middle)
    return releases[high]


def main() -> None:
    """Print the first new release."""
    releases = Path(sys.argv[1]).read_text().split()
    print("first new:", first_new(releases, lambda each: subprocess.call([*sys.argv[2:], each]) == 0))


if __name__ == "__main__":
    main()

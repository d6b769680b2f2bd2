"""Answers of the outside that are kept on the disk for a while, because the same command asks again."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from bisect_asgi.backend.files import write_whole
from bisect_asgi.core import codec


def kept(
    path: Path, ask: Callable[[], tuple[str, ...]], *, at_most: timedelta | None = None
) -> tuple[str, ...]:
    """Return what `ask` answered when it was asked last, or ask now.

    `at_most`: how old the answer may be; None: any age.
    """
    with suppress(OSError, codec.Unreadable):
        age = time.time() - path.stat().st_mtime
        if at_most is None or age < at_most.total_seconds():
            return codec.from_json(path.read_bytes(), tuple[str, ...])
    answer = ask()
    with suppress(OSError):  # an answer that cannot be kept is an answer
        write_whole(path, codec.to_json(answer))
    return answer

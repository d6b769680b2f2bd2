"""Hold back builds ahead as long as the first builds of a command need all cores.

At first, uv has nothing cached: each resolution asks for the same pages and reads the same metadata. So on
two cores, builds ahead slow down those of both ends, and repeat their work. As soon as one environment is
there, most of that is cached. If there are more cores than first builds, nothing is held back.
"""

from __future__ import annotations

import threading

from bisect_asgi.core.cancel import CancelToken

_POLL_S = 0.02


class ColdStart:
    """Knows whether a command has its first environment yet; safe for threads.

    Args:
        cores: the number of builds that this machine makes at a time without slowing them down.
    """

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._guard = threading.Lock()
        self._building = 0
        self._is_over = threading.Event()

    def begin(self) -> None:
        """Note that a trial begins to resolve and build."""
        with self._guard:
            self._building += 1

    def end(self) -> None:
        """Note that a trial has its environment, or has ended without one."""
        self._is_over.set()

    def wait(self, token: CancelToken) -> None:
        """Wait until a build ahead slows down no trial.

        Raises:
            Cancelled: the token was cancelled.
        """
        while self._building >= self._cores and not self._is_over.wait(_POLL_S):
            token.check()

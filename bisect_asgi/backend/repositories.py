"""Open each git repository once for a command, and ask addresses for their tags."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from pathlib import Path

from bisect_asgi.backend.files import kept
from bisect_asgi.backend.repository import Repository, remote_tags
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled, Unavailable
from bisect_asgi.core.once import once_each

_TAGS_KEPT_FOR = timedelta(days=1)
_TAGS_TIMEOUT_S = 5.0


class GitRepositories:
    """Clones on this machine, and copies of addresses.

    Args:
        folder: where copies are kept.
        answers: the folder that keeps the tags of addresses for a day.
    """

    def __init__(self, folder: Path, *, answers: Path) -> None:
        self._answers = answers
        self._open = once_each(partial(Repository.open, cache=folder, token=CancelToken()))

    def open(self, where: str) -> Repository:
        """Return the repository at a path or an address; raises as `Repository.open`."""
        return self._open(where)

    def tags(self, address: str) -> tuple[str, ...]:
        """Return the tags at an address, at most a day old; raises as `ask_for_tags`."""
        path = self._answers / f"tags-{codec.digest(address)}.json"
        return kept(path, lambda: ask_for_tags(address), at_most=_TAGS_KEPT_FOR)


def ask_for_tags(address: str, *, timeout_s: float = _TAGS_TIMEOUT_S) -> tuple[str, ...]:
    """Return the tags at an address if it answers in time: a report only links to them.

    Raises:
        UsageError: there is no repository.
        Unavailable: the address does not answer, or not in time.
    """
    token = CancelToken()
    timer = threading.Timer(timeout_s, token.cancel)
    timer.start()
    try:
        return remote_tags(address, token)
    except Cancelled as error:
        raise Unavailable(f"`{address}` does not answer", hint="its tags are for a link alone") from error
    finally:
        timer.cancel()

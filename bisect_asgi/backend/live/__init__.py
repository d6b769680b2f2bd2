"""Serve the pages of the running command on this machine, to those who know their address.

The server has a thread of its own and imports its modules there, so that the command does not wait for it. It
listens only on the loopback interface, on a port that the system chooses. Its log is dropped, because only
the command may write to the terminal.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from bisect_asgi.core.errors import Unavailable

if TYPE_CHECKING:
    from uvicorn import Server

_HOST = "127.0.0.1"
_TOKEN_BYTES = 16
_BACKLOG = 16
_LONGEST_END_S = 2
"""So long the last page may take to reach those who read it."""


class Pages(Protocol):
    """The pages to serve. All methods are called in the server's thread."""

    @property
    def is_ended(self) -> bool:
        """Whether nothing will change any more."""

    @property
    def last_words(self) -> str:
        """The message for readers at the end."""

    def page(self, name: str) -> str | None:
        """Return the page of this name as a whole document; None if there is none."""

    def progress(self, name: str) -> str:
        """Return what stands above the page, in HTML."""


@contextmanager
def serving(pages: Pages) -> Iterator[str]:
    """Serve the pages, and yield the address of the first one, whose name is "".

    At the end, all readers get the last state of the pages; the caller has to end the pages before.

    Raises:
        Unavailable: no port is free.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    try:
        listening = socket.create_server((_HOST, 0), backlog=_BACKLOG)
    except OSError as error:
        raise Unavailable(
            f"the live page cannot be served on {_HOST} (`--live`): {error.strerror}", hint="drop `--live`"
        ) from error
    with listening:
        running = _Running(pages, token, listening)
        running.start()
        try:
            yield f"http://{_HOST}:{listening.getsockname()[1]}/{token}/"
        finally:
            running.end()


class _Running(threading.Thread):
    """The thread of the server."""

    def __init__(self, pages: Pages, token: str, listening: socket.socket) -> None:
        super().__init__(name="live", daemon=True)
        self._pages = pages
        self._token = token
        self._listening = listening
        self._is_over = threading.Event()
        self._server: Server | None = None

    def run(self) -> None:
        """Serve until the end."""
        from uvicorn import Config, Server

        from bisect_asgi.backend.live.app import app_of

        config = Config(
            app_of(self._pages, self._token),
            interface="asgi3",
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_LONGEST_END_S,
        )
        self._server = Server(config)
        if self._is_over.is_set():
            self._server.should_exit = True
        asyncio.run(self._server.serve(sockets=[self._listening]))

    def end(self) -> None:
        """Have the server end as soon as everybody has the last page, and wait for that."""
        self._is_over.set()
        if self._server:
            self._server.should_exit = True
        self.join(2 * _LONGEST_END_S)

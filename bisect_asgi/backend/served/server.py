"""The `server` that a probe is called with: the served app, seen from outside."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import httpx

from bisect_asgi.backend.process.usage import memory_of
from bisect_asgi.backend.served.clients import Connection, LoadResult, Request, send_load
from bisect_asgi.core import codec
from bisect_asgi.core.metrics import stats

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

_CLIENT_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 10.0
# The server itself waits for at most one second before it answers.
_LOG_TIMEOUT_S = 3.0


class Skip(Exception):
    """The probe cannot be answered on this release, which is untestable."""


def skip(reason: str) -> NoReturn:
    """Make this run untestable for a reason, by raising `Skip`."""
    raise Skip(reason)


class Server:
    """The running server, seen from outside.

    Args:
        address: the host and port that it listens on.
        pid: the number of its process.
        control: the socket over which it reports phases and answers questions.
        log: the file of its output.
    """

    def __init__(self, address: tuple[str, int], *, pid: int, control: socket.socket, log: Path) -> None:
        self.address = address
        self.url = f"http://{address[0]}:{address[1]}"
        self.pid = pid
        self._control = control
        self._received = b""
        self._asked = 0
        self._asking = threading.Lock()
        self._log = log

    @cached_property
    def client(self) -> httpx.Client:
        """An HTTP/1.1 client that keeps its connections; each wait is limited to ten seconds."""
        return httpx.Client(base_url=self.url, timeout=_CLIENT_TIMEOUT_S, trust_env=False)

    @cached_property
    def async_client(self) -> httpx.AsyncClient:
        """The same client for `async def probe`."""
        return httpx.AsyncClient(base_url=self.url, timeout=_CLIENT_TIMEOUT_S, trust_env=False)

    def connection(self, *, timeout_s: float = 5.0, receive_buffer_bytes: int | None = None) -> Connection:
        """Return a raw connection, which the probe has to close."""
        return Connection(self.address, timeout_s=timeout_s, receive_buffer_bytes=receive_buffer_bytes)

    def websocket(self, path: str = "/") -> AbstractContextManager[ClientConnection]:
        """Return a websocket of the `websockets` library; the environment's uvicorn needs one, too."""
        from websockets.sync.client import connect

        return connect(f"ws://{self.address[0]}:{self.address[1]}{path}", proxy=None)

    def load(
        self,
        request: str | Request = "GET /",
        *,
        requests: int = 1000,
        concurrency: int = 1,
        keep_alive: bool = True,
        timeout_s: float = 10.0,
        duration_s: float | None = None,
    ) -> LoadResult:
        """Send `requests` requests, or with `duration_s` as many as fit into it."""
        what = Request.parse(request) if isinstance(request, str) else request
        sending = send_load(
            self.address,
            what,
            requests=requests,
            concurrency=concurrency,
            keep_alive=keep_alive,
            timeout_s=timeout_s,
            duration_s=duration_s,
        )
        # In a thread, because an `async def probe` has a running loop in this one.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, sending).result()

    def memory(self) -> int:
        """Return the memory of the server's process tree in bytes, read from outside."""
        return memory_of(self.pid)

    def growth(
        self,
        drive: Callable[[int], object],
        *,
        requests: int = 400,
        warm_up: int = 100,
        samples: int = 8,
    ) -> stats.Slope:
        """Return the growth of memory in bytes per 1000 requests, with the half width of its 95% interval.

        `drive(n)` sends n requests. After `warm_up` requests, the memory is read `samples` + 1 times, evenly
        spread over the next `requests` requests.
        """
        drive(warm_up)
        sent, memory = [0.0], [float(self.memory())]
        for _ in range(samples):
            drive(requests // samples)
            sent.append(sent[-1] + requests // samples)
            memory.append(float(self.memory()))
        line = stats.slope(sent, memory)
        return stats.Slope(value=line.value * 1000, plus_minus=line.plus_minus * 1000)

    def objects(self) -> dict[str, int]:
        """Return the number of live objects by type (`module.name`), counted after a garbage collection."""
        answer = self._ask("objects")
        return {str(name): int(count) for name, count in answer.items()} if isinstance(answer, dict) else {}

    def stacks(self) -> str:
        """Return the stacks of the server's threads and tasks."""
        return str(self._ask("stacks"))

    @property
    def log(self) -> str:
        """The server's output so far, with all that belongs to the responses so far.

        A server sends the response to a failed request before it logs the exception. A server that does not
        respond is not waited for.
        """
        with suppress(OSError, ValueError):
            self._ask("log", timeout_s=_LOG_TIMEOUT_S)
        return self._log.read_text(encoding="utf-8", errors="replace")

    def skip(self, reason: str) -> NoReturn:
        """Make this run untestable for a reason, by raising `Skip`."""
        skip(reason)

    def close(self) -> None:
        """Close the HTTP client if it was used."""
        if "client" in self.__dict__:
            self.client.close()

    def next_message(self, timeout_s: float) -> dict[str, object] | None:
        """Return the next message of the server over the control socket, or None if it has ended.

        Raises:
            TimeoutError: no message came within `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._received:
            self._control.settimeout(max(0.001, deadline - time.monotonic()))
            chunk = self._control.recv(65536)
            if not chunk:
                return None
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return codec.from_json(line, dict[str, object])

    def _ask(self, question: str, *, timeout_s: float = _ANSWER_TIMEOUT_S) -> object:
        with self._asking:  # a probe may ask from several threads
            self._asked += 1
            self._control.sendall(json.dumps({"ask": question, "number": self._asked}).encode() + b"\n")
            while True:  # past late answers to earlier questions
                message = self.next_message(timeout_s)
                if message is None:
                    raise ConnectionError("the server has ended")
                if message.get("number") == self._asked:
                    return message["answer"]

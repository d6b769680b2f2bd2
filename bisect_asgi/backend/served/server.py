"""The `server` that a probe is called with: the served app, seen from outside.

httpx is imported by the probes that use it, because that takes longer than many a probe.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING

from bisect_asgi.backend.in_candidate.bisect_asgi_client import Handle, Request, readings
from bisect_asgi.backend.process.usage import memory_of
from bisect_asgi.backend.served.clients import LoadResult
from bisect_asgi.core.metrics import stats

if TYPE_CHECKING:
    import httpx
    from websockets.sync.client import ClientConnection

_CLIENT_TIMEOUT_S = 10.0


class Server(Handle):
    """The running server, seen from outside, with what only bisect-asgi's own Python has."""

    @cached_property
    def client(self) -> httpx.Client:
        """An HTTP/1.1 client that keeps its connections; each wait is limited to ten seconds."""
        import httpx

        return httpx.Client(base_url=self.url, timeout=_CLIENT_TIMEOUT_S, trust_env=False)

    @cached_property
    def async_client(self) -> httpx.AsyncClient:
        """The same client for `async def probe`."""
        import httpx

        return httpx.AsyncClient(base_url=self.url, timeout=_CLIENT_TIMEOUT_S, trust_env=False)

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
        load = LoadResult()
        self.send_requests(
            request,
            load,
            requests=requests,
            concurrency=concurrency,
            keep_alive=keep_alive,
            timeout_s=timeout_s,
            duration_s=duration_s,
        )
        return load

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

        `drive(n)` sends n requests. After `warm_up` requests, the memory is read `samples` + 1 times, at
        equal intervals during the next `requests` requests.
        """
        line = stats.slope(*readings(drive, self.memory, requests=requests, warm_up=warm_up, samples=samples))
        return stats.Slope(value=line.value * 1000, plus_minus=line.plus_minus * 1000)

    def close(self) -> None:
        """Close the HTTP client if it was used."""
        if "client" in self.__dict__:
            self.client.close()

"""Send many requests, some at a time, and keep how long each took.

A client of its own on asyncio streams and h11: it costs a fraction of a full client per request, so that the
latencies are the server's.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable

import h11

from bisect_asgi.core.metrics.quantities import Number
from bisect_asgi.core.records import Struct, field


class Request(Struct, frozen=True, kw_only=True):
    """What is sent each time."""

    method: str = "GET"
    target: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @classmethod
    def parse(cls, text: str) -> Request:
        """Read `GET /path`, or a path alone."""
        method, _, target = text.rpartition(" ")
        return cls(method=method or "GET", target=target)


class Load(Struct, kw_only=True):
    """What a load showed. Latencies in seconds, of answered requests, in the order of their answers."""

    latencies_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    errors: int = 0
    """Requests that ended without a response."""
    timeouts: int = 0
    duration_s: float = 0.0

    @property
    def requests(self) -> int:
        """How many were sent."""
        return len(self.latencies_s) + self.errors + self.timeouts

    @property
    def rate(self) -> Number:
        """Answered requests a second."""
        return Number(len(self.latencies_s) / self.duration_s if self.duration_s else 0.0, "1/s")

    def percentile(self, share: float) -> Number:
        """The latency that `share` (0 to 1) of the answered requests did not exceed; nan without any."""
        ordered = sorted(self.latencies_s)
        place = min(len(ordered) - 1, int(share * len(ordered)))
        return Number(ordered[place] if ordered else math.nan, "s")

    @property
    def p50(self) -> Number:
        """The median latency."""
        return self.percentile(0.50)

    @property
    def p95(self) -> Number:
        """The latency of 95 in 100."""
        return self.percentile(0.95)

    @property
    def p99(self) -> Number:
        """The latency of 99 in 100."""
        return self.percentile(0.99)


async def run(
    address: tuple[str, int],
    request: Request,
    *,
    requests: int,
    concurrency: int,
    keep_alive: bool,
    timeout_s: float,
    duration_s: float | None,
) -> Load:
    """Send `requests` requests, or as many as fit into `duration_s`, `concurrency` at a time."""
    load = Load()
    started = time.perf_counter()
    end = started + duration_s if duration_s is not None else None
    places = iter(range(requests)) if end is None else _until(end)
    workers = [_Worker(address, request, load, keep_alive, timeout_s) for _ in range(concurrency)]
    await asyncio.gather(*(worker.work(places) for worker in workers))
    load.duration_s = time.perf_counter() - started
    return load


def _until(end: float) -> Iterable[int]:
    while time.perf_counter() < end:
        yield 0


class _Worker:
    """One client with one connection at a time."""

    def __init__(
        self, address: tuple[str, int], request: Request, load: Load, keep_alive: bool, timeout_s: float
    ) -> None:
        self._address = address
        self._request = request
        self._load = load
        self._keep_alive = keep_alive
        self._timeout_s = timeout_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._h11 = h11.Connection(h11.CLIENT)

    async def work(self, places: Iterable[int]) -> None:
        for _ in places:
            started = time.perf_counter()
            try:
                status = await asyncio.wait_for(self._exchange(), self._timeout_s)
            except TimeoutError:
                self._load.timeouts += 1
                self._drop()
            except (OSError, h11.ProtocolError, EOFError):
                self._load.errors += 1
                self._drop()
            else:
                self._load.latencies_s.append(time.perf_counter() - started)
                self._load.statuses[status] = self._load.statuses.get(status, 0) + 1
        self._drop()

    async def _exchange(self) -> int:
        reader, writer = await self._connected()
        request = self._request
        headers = [("Host", f"{self._address[0]}:{self._address[1]}"), *request.headers]
        headers.append(("Content-Length", str(len(request.body)))) if request.body else None
        head = h11.Request(method=request.method, target=request.target, headers=headers)
        data = [self._h11.send(head), self._h11.send(h11.Data(data=request.body)) if request.body else b""]
        writer.write(b"".join(part or b"" for part in (*data, self._h11.send(h11.EndOfMessage()))))
        status = await self._read(reader)
        if self._keep_alive and self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        else:
            self._drop()
        return status

    async def _read(self, reader: asyncio.StreamReader) -> int:
        status = 0
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                self._h11.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.EndOfMessage):
                return status
            elif isinstance(event, h11.ConnectionClosed):
                raise EOFError("the server closed the connection")

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
            self._h11 = h11.Connection(h11.CLIENT)
        return self._streams

    def _drop(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

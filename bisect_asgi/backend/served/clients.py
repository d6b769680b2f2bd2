"""The driver's own HTTP clients, on h11: one raw connection, and many requests at a time.

`Connection` does what a client library never would: half-sent requests, slow reading, resets.
`send_load` costs a fraction of a client library for each request, so that the latencies are the server's.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import time
from collections.abc import Iterable

import h11

from bisect_asgi.core.metrics.quantities import Number
from bisect_asgi.core.records import Struct, field

_CHUNK_BYTES = 65536


class Request(Struct, frozen=True, kw_only=True):
    """A request that a load repeats."""

    method: str = "GET"
    target: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @classmethod
    def parse(cls, text: str) -> Request:
        """Return the request of a text such as `GET /path`; the method may be left out."""
        method, _, target = text.rpartition(" ")
        return cls(method=method or "GET", target=target)


def _encode(connection: h11.Connection, host: str, request: Request) -> bytes:
    """Return the bytes of a whole request, and note in `connection` that they are sent."""
    headers = [("Host", host), *request.headers]
    if request.body:
        headers.append(("Content-Length", str(len(request.body))))
    parts = [connection.send(h11.Request(method=request.method, target=request.target, headers=headers))]
    if request.body:
        parts.append(connection.send(h11.Data(data=request.body)))
    parts.append(connection.send(h11.EndOfMessage()))
    return b"".join(part or b"" for part in parts)


def _is_reusable(connection: h11.Connection) -> bool:
    """Return whether the last request and its response are complete, and the server keeps the connection."""
    return connection.our_state is h11.DONE and connection.their_state is h11.DONE


class Response(Struct, frozen=True, kw_only=True):
    """A complete response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the value of the first header of that name in any case, or None."""
        return next((value for key, value in self.headers if key == name.lower()), None)


class Connection:
    """A TCP connection to the server; every wait raises TimeoutError at its limit.

    Args:
        address: host and port.
        timeout_s: the limit of each wait, unless a call gives another.
        receive_buffer_bytes: with a small one, the server soon notices a slow reader (None: the system's).
    """

    def __init__(
        self,
        address: tuple[str, int],
        *,
        timeout_s: float = 5.0,
        receive_buffer_bytes: int | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer_bytes is not None:  # after connecting, it would not limit the TCP window
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(timeout_s)
        self._socket.connect(address)
        self._host = f"{address[0]}:{address[1]}"
        self._h11 = h11.Connection(h11.CLIENT)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send_request(
        self,
        method: str,
        target: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        """Send a whole request, with `Host` and `Content-Length` added to its headers."""
        if _is_reusable(self._h11):
            self._h11.start_next_cycle()
        request = Request(method=method, target=target, headers=tuple(headers), body=body)
        self.send(_encode(self._h11, self._host, request))

    def response(self, *, timeout_s: float | None = None) -> Response:
        """Read the response to the last request.

        Raises:
            TimeoutError: nothing more came within the limit; the message says what had come before.
            ConnectionError: the server closed the connection before its end.
        """
        head: h11.Response | None = None
        body = bytearray()
        while True:
            event = self._h11.next_event()
            match event:
                case h11.NEED_DATA:
                    self._feed(timeout_s, so_far=len(body) if head else None)
                case h11.Response():
                    head = event
                case h11.Data(data=data):
                    body += data
                case h11.EndOfMessage() if head is not None:
                    headers = tuple((key.decode(), value.decode()) for key, value in head.headers)
                    return Response(status=head.status_code, headers=headers, body=bytes(body))
                case h11.ConnectionClosed():
                    raise ConnectionError("the server closed the connection before a whole response")
                case _:
                    pass

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def receive(self, limit: int = _CHUNK_BYTES, *, timeout_s: float | None = None) -> bytes:
        """Return the next bytes, at most `limit`; empty at the end of the stream.

        Raises:
            TimeoutError: nothing came within the limit.
        """
        wait = self._timeout_s if timeout_s is None else timeout_s
        self._socket.settimeout(wait)
        try:
            return self._socket.recv(limit)
        except TimeoutError:
            raise TimeoutError(f"nothing came within {wait:g} s") from None

    def finish_sending(self) -> None:
        """Close the sending half of the connection."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection in the regular way."""
        self._socket.close()

    def reset(self) -> None:
        """Close the connection with a reset, as when a client crashes."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def _feed(self, timeout_s: float | None, *, so_far: int | None) -> None:
        try:
            self._h11.receive_data(self.receive(timeout_s=timeout_s))
        except TimeoutError as error:
            had = "no response" if so_far is None else f"only {so_far} bytes of the body"
            raise TimeoutError(f"{had}: {error}") from None


class LoadResult(Struct, kw_only=True):
    """The result of a load. Latencies in seconds, of answered requests, in the order of the answers."""

    latencies_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    errors: int = 0
    """Requests that ended without a response."""
    timeouts: int = 0
    duration_s: float = 0.0

    @property
    def requests(self) -> int:
        """The number of requests that were sent."""
        return len(self.latencies_s) + self.errors + self.timeouts

    @property
    def rate(self) -> Number:
        """Answered requests per second."""
        return Number(len(self.latencies_s) / self.duration_s if self.duration_s else 0.0, "1/s")

    def percentile(self, share: float) -> Number:
        """Return the latency that `share` (0 to 1) of the answered requests did not exceed, or nan."""
        ordered = sorted(self.latencies_s)
        index = min(len(ordered) - 1, int(share * len(ordered)))
        return Number(ordered[index] if ordered else math.nan, "s")

    @property
    def p50(self) -> Number:
        """The median latency."""
        return self.percentile(0.50)

    @property
    def p95(self) -> Number:
        """The latency that 95 of 100 answered requests did not exceed."""
        return self.percentile(0.95)

    @property
    def p99(self) -> Number:
        """The latency that 99 of 100 answered requests did not exceed."""
        return self.percentile(0.99)


async def send_load(
    address: tuple[str, int],
    request: Request,
    *,
    requests: int,
    concurrency: int,
    keep_alive: bool,
    timeout_s: float,
    duration_s: float | None,
) -> LoadResult:
    """Send `requests` requests, or as many as fit into `duration_s`, `concurrency` at a time."""
    load = LoadResult()
    started = time.perf_counter()
    end = started + duration_s if duration_s is not None else None
    turns = iter(range(requests)) if end is None else _until(end)
    workers = [_Worker(address, request, load, keep_alive, timeout_s) for _ in range(concurrency)]
    await asyncio.gather(*(worker.work(turns) for worker in workers))
    load.duration_s = time.perf_counter() - started
    return load


def _until(end: float) -> Iterable[int]:
    while time.perf_counter() < end:
        yield 0


class _Worker:
    """Sends one request after the other, over one connection at a time."""

    def __init__(
        self, address: tuple[str, int], request: Request, load: LoadResult, keep_alive: bool, timeout_s: float
    ) -> None:
        self._address = address
        self._request = request
        self._load = load
        self._keep_alive = keep_alive
        self._timeout_s = timeout_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._h11 = h11.Connection(h11.CLIENT)

    async def work(self, turns: Iterable[int]) -> None:
        for _ in turns:  # all workers take from the same iterator
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
        host = f"{self._address[0]}:{self._address[1]}"
        writer.write(_encode(self._h11, host, self._request))
        status = await self._read(reader)
        if self._keep_alive and _is_reusable(self._h11):
            self._h11.start_next_cycle()
        else:
            self._drop()
        return status

    async def _read(self, reader: asyncio.StreamReader) -> int:
        status = 0
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                self._h11.receive_data(await reader.read(_CHUNK_BYTES))
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

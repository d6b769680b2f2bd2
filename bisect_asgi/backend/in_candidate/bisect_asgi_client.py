"""The driver's side of a served app, for Python 3.6 and later: clients on h11, and questions to the server.

bisect-asgi's driver imports this module. The reproduction script in a report contains it as well, for readers
without bisect-asgi. That script imports h11 from its environment, where uvicorn requires it.

`Connection` can do what client libraries prevent: send half a request, read slowly, reset the connection.
`send_load` spends far less time on a request than a client library, so that the latencies are the server's.
"""

import asyncio
import importlib.util
import json
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import h11

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import IO, Any, NoReturn

CHUNK_BYTES = 65536
ANSWER_TIMEOUT_S = 10.0
LOG_TIMEOUT_S = 3.0  # the server itself waits for at most one second before it answers
SHUTDOWN_S = 1.0


class Request:
    """A request that a load repeats; `headers` are pairs of texts."""

    def __init__(
        self, *, method: str = "GET", target: str = "/", headers: "tuple[tuple[str, str], ...]" = (), body: bytes = b""
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body

    @classmethod
    def parse(cls, text: str) -> "Request":
        """Return the request of a text such as `GET /path`; the method may be left out."""
        method, _, target = text.rpartition(" ")
        return cls(method=method or "GET", target=target)


def encode(connection: "h11.Connection", host: str, request: Request) -> bytes:
    """Return the bytes of a whole request, and note in `connection` that they are sent."""
    headers = [("Host", host)] + list(request.headers)
    if request.body:
        headers.append(("Content-Length", str(len(request.body))))
    parts = [connection.send(h11.Request(method=request.method, target=request.target, headers=headers))]
    if request.body:
        parts.append(connection.send(h11.Data(data=request.body)))
    parts.append(connection.send(h11.EndOfMessage()))
    return b"".join(part or b"" for part in parts)


def is_reusable(connection: "h11.Connection") -> bool:
    """Return whether the last request and its response are complete, and the server keeps the connection."""
    return connection.our_state is h11.DONE and connection.their_state is h11.DONE


class Response:
    """A complete response; the names of its headers are in lower case."""

    def __init__(self, status: int, headers: "tuple[tuple[str, str], ...]", body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name: str) -> "str | None":
        """Return the value of the first header of that name in any case, or None."""
        return next((value for key, value in self.headers if key == name.lower()), None)


class Connection:
    """A TCP connection to the server; every wait raises TimeoutError at its limit.

    Args:
        address: host and port.
        timeout_s: the limit of each wait, unless a call gives another.
        receive_buffer_bytes: with a small buffer, the server soon notices a slow reader (None: the system's).
    """

    def __init__(
        self, address: "tuple[str, int]", *, timeout_s: float = 5.0, receive_buffer_bytes: "int | None" = None
    ) -> None:
        self._timeout_s = timeout_s
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer_bytes is not None:  # set after connecting, it would not limit the TCP window
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(timeout_s)
        self._socket.connect(address)
        self._host = "%s:%d" % address
        self._h11 = h11.Connection(h11.CLIENT)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send_request(
        self, method: str, target: str, *, headers: "Iterable[tuple[str, str]]" = (), body: bytes = b""
    ) -> None:
        """Send a whole request, with `Host` and `Content-Length` added to its headers."""
        if is_reusable(self._h11):
            self._h11.start_next_cycle()
        request = Request(method=method, target=target, headers=tuple(headers), body=body)
        self.send(encode(self._h11, self._host, request))

    def response(self, *, timeout_s: "float | None" = None) -> Response:
        """Read the response to the last request.

        Raises:
            TimeoutError: nothing more came within the limit; the message says what had come before.
            ConnectionError: the server closed the connection before the response was complete.
        """
        head = None
        body = bytearray()
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                self._feed(timeout_s, None if head is None else len(body))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                headers = tuple((key.decode(), value.decode()) for key, value in head.headers)
                return Response(head.status_code, headers, bytes(body))
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionError("the server closed the connection before a whole response")

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def receive(self, limit: int = CHUNK_BYTES, *, timeout_s: "float | None" = None) -> bytes:
        """Return the next bytes, at most `limit`; empty at the end of the stream.

        Raises:
            TimeoutError: nothing came within the limit.
        """
        wait = self._timeout_s if timeout_s is None else timeout_s
        self._socket.settimeout(wait)
        try:
            return self._socket.recv(limit)
        except socket.timeout:  # TimeoutError from Python 3.10 on
            raise TimeoutError("nothing came within %g s" % wait) from None

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

    def _feed(self, timeout_s: "float | None", so_far: "int | None") -> None:
        try:
            self._h11.receive_data(self.receive(timeout_s=timeout_s))
        except TimeoutError as error:
            had = "no response" if so_far is None else "only %d bytes of the body" % so_far
            raise TimeoutError("%s: %s" % (had, error)) from None


class Load:
    """The result of a load. Latencies in seconds, of answered requests, in the order of the answers."""

    def __init__(self) -> None:
        self.latencies_s: "list[float]" = []
        self.statuses: "dict[int, int]" = {}
        self.errors = 0  # requests that ended without a response
        self.timeouts = 0
        self.duration_s = 0.0

    @property
    def requests(self) -> int:
        """The number of requests that were sent."""
        return len(self.latencies_s) + self.errors + self.timeouts

    @property
    def rate(self) -> float:
        """Answered requests per second."""
        return len(self.latencies_s) / self.duration_s if self.duration_s else 0.0

    def percentile(self, share: float) -> float:
        """Return the latency that `share` (0 to 1) of the answered requests did not exceed, or nan."""
        ordered = sorted(self.latencies_s)
        index = min(len(ordered) - 1, int(share * len(ordered)))
        return ordered[index] if ordered else math.nan

    @property
    def p50(self) -> float:
        """The median latency."""
        return self.percentile(0.50)

    @property
    def p95(self) -> float:
        """The latency that 95 of 100 answered requests did not exceed."""
        return self.percentile(0.95)

    @property
    def p99(self) -> float:
        """The latency that 99 of 100 answered requests did not exceed."""
        return self.percentile(0.99)


async def send_load(
    address: "tuple[str, int]",
    request: Request,
    load: Load,
    *,
    requests: int,
    concurrency: int,
    keep_alive: bool,
    timeout_s: float,
    duration_s: "float | None"
) -> None:
    """Send `requests` requests, or as many as fit into `duration_s`, `concurrency` at a time, into `load`."""
    started = time.perf_counter()
    turns = iter(range(requests)) if duration_s is None else until(started + duration_s)
    workers = [Worker(address, request, load, keep_alive, timeout_s) for _ in range(concurrency)]
    await asyncio.gather(*(worker.work(turns) for worker in workers))
    load.duration_s = time.perf_counter() - started


def until(end: float) -> "Iterator[int]":
    while time.perf_counter() < end:
        yield 0


class Worker:
    """Sends one request after the other, over one connection at a time."""

    def __init__(
        self, address: "tuple[str, int]", request: Request, load: Load, keep_alive: bool, timeout_s: float
    ) -> None:
        self._address = address
        self._request = request
        self._load = load
        self._keep_alive = keep_alive
        self._timeout_s = timeout_s
        self._streams: "tuple[asyncio.StreamReader, asyncio.StreamWriter] | None" = None
        self._h11 = h11.Connection(h11.CLIENT)

    async def work(self, turns: "Iterable[int]") -> None:
        for _ in turns:  # all workers share this iterator, so together they send each request once
            started = time.perf_counter()
            try:
                status = await asyncio.wait_for(self._exchange(), self._timeout_s)
            except asyncio.TimeoutError:
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
        writer.write(encode(self._h11, "%s:%d" % self._address, self._request))
        status = await self._read(reader)
        if self._keep_alive and is_reusable(self._h11):
            self._h11.start_next_cycle()
        else:
            self._drop()
        return status

    async def _read(self, reader: asyncio.StreamReader) -> int:
        status = 0
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                self._h11.receive_data(await reader.read(CHUNK_BYTES))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.EndOfMessage):
                return status
            elif isinstance(event, h11.ConnectionClosed):
                raise EOFError("the server closed the connection")

    async def _connected(self) -> "tuple[asyncio.StreamReader, asyncio.StreamWriter]":
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
            self._h11 = h11.Connection(h11.CLIENT)
        return self._streams

    def _drop(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Skip(Exception):
    """The probe cannot be answered on this release, which is untestable."""


def skip(reason: str) -> "NoReturn":
    """Make this run untestable for a reason, by raising `Skip`."""
    raise Skip(reason)


def readings(
    drive: "Callable[[int], object]", memory: "Callable[[], int]", *, requests: int, warm_up: int, samples: int
) -> "tuple[list[float], list[float]]":
    """Return how many requests were sent before each reading of the memory, and the readings in bytes."""
    drive(warm_up)
    sent, read = [0.0], [float(memory())]
    for _ in range(samples):
        drive(requests // samples)
        sent.append(sent[-1] + requests // samples)
        read.append(float(memory()))
    return sent, read


class Handle:
    """The running server, as the driver reaches it from another process.

    Args:
        address: the host and port that it listens on.
        pid: its process number.
        control: the socket over which it reports phases and answers questions.
        log: the file of its output.
    """

    def __init__(self, address: "tuple[str, int]", *, pid: int, control: socket.socket, log: "Path") -> None:
        self.address = address
        self.url = "http://%s:%d" % address
        self.pid = pid
        self._control = control
        self._received = b""
        self._asked = 0
        self._asking = threading.Lock()
        self._log = log

    def connection(self, *, timeout_s: float = 5.0, receive_buffer_bytes: "int | None" = None) -> Connection:
        """Return a raw connection, which the probe has to close."""
        return Connection(self.address, timeout_s=timeout_s, receive_buffer_bytes=receive_buffer_bytes)

    def send_requests(self, request: "str | Request", load: Load, **how: "Any") -> None:
        """Send a load, and put its result into `load`."""
        what = Request.parse(request) if isinstance(request, str) else request
        sending = send_load(self.address, what, load, **how)
        # In a thread, because an `async def probe` has a running loop in this one.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(run_in_a_loop, sending).result()

    def objects(self) -> "dict[str, int]":
        """Return the number of live objects by type (`module.name`), counted after a garbage collection."""
        answer = self._ask("objects")
        return {str(name): int(count) for name, count in answer.items()} if isinstance(answer, dict) else {}

    def stacks(self) -> str:
        """Return the stacks of the server's threads and tasks."""
        return str(self._ask("stacks"))

    @property
    def log(self) -> str:
        """The server's output so far, with all that belongs to the responses so far.

        A server sends the response to a failed request before it logs the exception, so this waits for the
        log. If the server does not answer within `LOG_TIMEOUT_S`, it returns the output without waiting longer.
        """
        with suppress(OSError, ValueError):
            self._ask("log", timeout_s=LOG_TIMEOUT_S)
        return self._log.read_text(encoding="utf-8", errors="replace")

    def skip(self, reason: str) -> "NoReturn":
        """Make this run untestable for a reason, by raising `Skip`."""
        skip(reason)

    def next_message(self, timeout_s: float) -> "dict[str, Any] | None":
        """Return the next message of the server over the control socket, or None if it has ended.

        Raises:
            TimeoutError: no message came within `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._received:
            self._control.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                chunk = self._control.recv(CHUNK_BYTES)
            except socket.timeout:  # TimeoutError from Python 3.10 on
                raise TimeoutError("timed out") from None
            if not chunk:
                return None
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        message: "dict[str, Any]" = json.loads(line.decode())
        return message

    def _ask(self, question: str, *, timeout_s: float = ANSWER_TIMEOUT_S) -> object:
        with self._asking:  # a probe may ask from several threads
            self._asked += 1
            self._control.sendall(json.dumps({"ask": question, "number": self._asked}).encode() + b"\n")
            while True:  # late answers to earlier questions come first, and are dropped
                message = self.next_message(timeout_s)
                if message is None:
                    raise ConnectionError("the server has ended")
                if message.get("number") == self._asked:
                    return message["answer"]


class NotReady(Exception):
    """The server failed, ended, or was not ready in time.

    Args:
        phase: how far it got: `import` or `startup`.
        kind: the type of its exception, `ServerEnded`, or `TimeoutError`.
        frames: the traceback of its exception.
    """

    def __init__(self, phase: str, kind: str, message: str, *, frames: "Sequence[Any]" = ()) -> None:
        super().__init__(message)
        self.phase = phase
        self.kind = kind
        self.frames = frames


def start(
    command: "Sequence[str]", request: "dict[str, Any]", *, environ: "Mapping[str, str]", output: "IO[bytes]"
) -> "tuple[subprocess.Popen[bytes], tuple[str, int], socket.socket]":
    """Start a server on a free port; return its process, its address, and the socket to ask it.

    The port is bound here, and the server inherits the socket. If only the number were chosen here, another
    process could take the port before the server binds it.

    Args:
        command: the program, which is given the request as its last argument.
        request: as the server takes it, without the descriptors.
        output: the file for what it prints.
    """
    ours, theirs = socket.socketpair()
    with theirs, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        handed = {"listener": listener.fileno(), "control": theirs.fileno()}
        process = subprocess.Popen(
            list(command) + [json.dumps(dict(request, **handed))],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=list(handed.values()),
        )
        return process, listener.getsockname(), ours


def wait_until_ready(server: Handle, process: "subprocess.Popen[bytes]", limit_s: float) -> None:
    """Read the server's messages until it is ready.

    Raises:
        NotReady: it failed or ended, or was not ready within `limit_s` seconds.
    """
    phase = "import"
    deadline = time.monotonic() + limit_s
    while phase != "ready":
        try:
            message = server.next_message(deadline - time.monotonic())
        except TimeoutError:
            raise NotReady(phase, "TimeoutError", "the app was not ready within %g s" % limit_s) from None
        if message is None:
            ended = "the server ended with exit code %d before it was ready" % process.wait()
            raise NotReady(phase, "ServerEnded", ended)
        if "failed" in message:
            failed = message["failed"]
            raise NotReady(phase, failed["type"], failed["message"], frames=failed["frames"])
        phase = message.get("phase", phase)


def run_in_a_loop(coroutine: "Coroutine[Any, Any, Any]") -> object:
    """Run a coroutine in an event loop of its own; Python 3.6 has no `asyncio.run`."""
    if hasattr(asyncio, "run"):
        return asyncio.run(coroutine)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def load_probe(path: "str | Path") -> "Callable[[Any], object]":
    """Import the driver half of the file and return its `probe`.

    Raises:
        Exception: whatever importing it raises.
    """
    name = os.path.splitext(os.path.basename(str(path)))[0]
    spec = importlib.util.spec_from_file_location(name, str(path))
    if spec is None or spec.loader is None:
        raise ImportError("%s is no Python file" % path)
    module = importlib.util.module_from_spec(spec)
    module.__dict__["skip"] = skip
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    probe: "Callable[[Any], object]" = module.probe
    return probe


def drive_load(server: "Any", *, request: str, requests: int, concurrency: int, keep_alive: bool) -> "dict[str, float]":
    """Send the ready-made load: return the server's growth in bytes, latencies in seconds, and the rate."""
    how = {"concurrency": concurrency, "keep_alive": keep_alive}
    server.load(request, requests=max(1, requests // 10), **how)
    before = server.memory()
    done = server.load(request, requests=requests, **how)
    assert not done.timeouts, "%d of %d requests had no answer in time" % (done.timeouts, done.requests)
    assert not done.errors, "%d of %d requests had no response" % (done.errors, done.requests)
    grown = server.memory() - before
    return {"growth": grown, "p50": done.p50, "p95": done.p95, "p99": done.p99, "rate": done.rate}


def end(process: "subprocess.Popen[bytes]") -> bool:
    """Send SIGINT to the server up to twice; kill it if it still runs. Return whether something else killed it.

    At the first SIGINT, uvicorn waits for open requests and tasks; at the second, it does not.
    """
    for _ in range(2):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            return process.wait(SHUTDOWN_S) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            continue
    print("the server was still running %g s after SIGINT" % (2 * SHUTDOWN_S), flush=True)
    process.kill()
    process.wait()
    return False

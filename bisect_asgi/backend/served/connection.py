"""One raw connection, for what a client library would never do: half-sent requests, slow reading, resets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from types import TracebackType

import h11

from bisect_asgi.core.records import Struct

_CHUNK = 65536


class Response(Struct, frozen=True, kw_only=True):
    """A response that was read to its end."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of the first header of that name, in any spelling."""
        return next((value for key, value in self.headers if key == name.lower()), None)


class Connection:
    """A TCP connection to the server; every wait has a limit and raises TimeoutError.

    Args:
        address: host and port.
        timeout_s: the limit of each wait, unless a call names another.
        receive_buffer_bytes: a small one makes the server feel a slow reader soon (None: the system's).
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
        if receive_buffer_bytes is not None:  # only before connecting does it limit the window
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(timeout_s)
        self._socket.connect(address)
        self._host = f"{address[0]}:{address[1]}"
        self._h11 = h11.Connection(h11.CLIENT)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send_request(
        self,
        method: str,
        target: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        """Send a whole request; `Host` and `Content-Length` are added."""
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        every = [("Host", self._host), *headers]
        if body:
            every.append(("Content-Length", str(len(body))))
        request = h11.Request(method=method, target=target, headers=every)
        parts = [self._h11.send(request), self._h11.send(h11.Data(data=body)) if body else b""]
        self.send(b"".join(part or b"" for part in (*parts, self._h11.send(h11.EndOfMessage()))))

    def response(self, *, timeout_s: float | None = None) -> Response:
        """Read the response to the last request.

        Raises:
            TimeoutError: nothing more came within the limit; the message says what had come.
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

    def receive(self, limit: int = _CHUNK, *, timeout_s: float | None = None) -> bytes:
        """Read at most `limit` bytes as they come; empty at the end of the stream.

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
        """Close the sending half."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close in order."""
        self._socket.close()

    def reset(self) -> None:
        """Close with a reset, as a client that has gone away."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def _feed(self, timeout_s: float | None, *, so_far: int | None) -> None:
        try:
            self._h11.receive_data(self.receive(timeout_s=timeout_s))
        except TimeoutError as error:
            had = "no response" if so_far is None else f"only {so_far} bytes of the body"
            raise TimeoutError(f"{had}: {error}") from None

"""Forward proxies on this machine: of HTTP, with tunnels for HTTPS, and of SOCKS."""

from __future__ import annotations

import base64
import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit

_OF_ONE_CONNECTION = ("proxy-connection", "proxy-authorization", "connection", "transfer-encoding")


class LocalProxy:
    """A proxy at `address`, served from a thread between `with` and its end.

    Args:
        credentials: a name and a password; requests without them get status 407.
    """

    def __init__(self, *, credentials: tuple[str, str] | None = None) -> None:
        self.credentials = credentials
        self.asked: list[str] = []
        """The requests, also refused ones: an address, or `host:port` of a tunnel."""
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="local-proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.is_closing = True
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def host(self) -> str:
        """The host and the port."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def address(self) -> str:
        """The address for HTTP_PROXY, with what credentials it takes."""
        name = ":".join(quote(part, safe="") for part in self.credentials) + "@" if self.credentials else ""
        return f"http://{name}{self.host}"


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, proxy: LocalProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy
        self.is_closing = False


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        if not self._is_admitted():
            return
        where = urlsplit(self.path)
        onward = HTTPConnection(where.hostname or "", where.port or 80)
        try:
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_CONNECTION
            }
            path = where._replace(scheme="", netloc="").geturl()
            onward.request(self.command, path, headers=headers)
            answer = onward.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OF_ONE_CONNECTION:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.read())
        finally:
            onward.close()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_CONNECT(self) -> None:
        if not self._is_admitted():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as onward:
            self.send_response(200)
            self.end_headers()
            pump(self.connection, onward, until=lambda: self.server.is_closing)

    def _is_admitted(self) -> bool:
        self.server.proxy.asked.append(self.path)
        known = self.server.proxy.credentials
        if known is None:
            return True
        token = base64.b64encode(":".join(known).encode()).decode()
        if self.headers.get("Proxy-Authorization") == f"Basic {token}":
            return True
        self.send_response(407)
        self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def log_message(self, *args: object) -> None:
        """Say nothing: `LocalProxy.asked` has it."""


def pump(here: socket.socket, there: socket.socket, *, until: Callable[[], bool]) -> None:
    """Pass on what either side sends, until one of them has ended."""
    while not until():
        for source in select.select([here, there], [], [], 0.05)[0]:
            content = source.recv(65536)
            if not content:
                return
            (there if source is here else here).sendall(content)


class LocalSocks:
    """A SOCKS 5 proxy (RFC 1928, 1929) at `address`, served from a thread between `with` and its end.

    Args:
        credentials: the name and the password that it requires.
    """

    def __init__(self, *, credentials: tuple[str, str]) -> None:
        self.credentials = credentials
        self.asked: list[str] = []
        """The requested addresses, as `host:port`."""
        self._server = _SocksServer(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="local-socks")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.is_closing = True
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        """The address for ALL_PROXY."""
        name = ":".join(quote(part, safe="") for part in self.credentials)
        return f"socks5://{name}@127.0.0.1:{self._server.server_address[1]}"


class _SocksServer(ThreadingTCPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, proxy: LocalSocks) -> None:
        super().__init__(("127.0.0.1", 0), _SocksHandler)
        self.proxy = proxy
        self.is_closing = False


class _SocksHandler(StreamRequestHandler):
    server: _SocksServer

    def handle(self) -> None:
        self.rfile.read(self.rfile.read(2)[1])  # the methods that the client offers
        self.connection.sendall(b"\x05\x02")  # choose the one with a name and a password
        self.rfile.read(1)
        name, password = (self.rfile.read(self.rfile.read(1)[0]).decode() for _ in range(2))
        if (name, password) != self.server.proxy.credentials:
            self.connection.sendall(b"\x01\x01")
            return
        self.connection.sendall(b"\x01\x00")
        kind = self.rfile.read(4)[3]
        host = (
            socket.inet_ntoa(self.rfile.read(4))
            if kind == 1
            else self.rfile.read(self.rfile.read(1)[0]).decode()
        )
        port = int.from_bytes(self.rfile.read(2), "big")
        self.server.proxy.asked.append(f"{host}:{port}")
        with socket.create_connection((host, port)) as onward:
            self.connection.sendall(b"\x05\x00\x00\x01" + bytes(6))
            pump(self.connection, onward, until=lambda: self.server.is_closing)

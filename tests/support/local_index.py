"""A package index on this machine, for tests that run real uv or httpx without a network.

It serves only what a test published. Wheels and sdists are made in memory, and the same input gives the same
bytes. The simple pages are written anew for every request, so publishing, `style`, `etags`, `down` and
`fail_next` all take effect at once. Nothing here is a mock: the archives are valid, and uv resolves, builds
and installs from them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import select
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from support.archives import (
    BROKEN_BACKEND,
    WORKING_BACKEND,
    Modules,
    default_modules,
    metadata_text,
    normalised,
    sdist_bytes,
    stem,
    wheel_bytes,
)
from support.index_pages import PublishedFile, html_anchor, html_page, json_page, utc

__all__ = [
    "HTML_TYPE",
    "JSON_TYPE",
    "Answer",
    "LocalIndex",
    "PublishedFile",
    "Request",
    "metadata_text",
    "publish_build_backend",
    "sdist_bytes",
    "wheel_bytes",
]

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "text/html; charset=utf-8"
FILE_TYPE = "application/octet-stream"


class Request(NamedTuple):
    """One request as it came in; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response before it is written; a `None` kind sends no content type."""

    status: int
    body: bytes = b""
    kind: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    """After so many bytes of the body the connection is closed, although the length says more."""
    stalls: bool = False
    """Whether the index sends nothing after those bytes, until it stops or the client disconnects."""
    drips_s: float = 0.0
    """The time for each byte, if the body is sent byte by byte."""


class LocalIndex:
    """A package index at `url`, served from a thread between `with` and its end.

    Publishing a file name again replaces the file. Names need not be normalized. All files are listed at
    `flat_url` as well.

    Args:
        tls: makes it speak HTTPS.
        credentials: a name and a password; requests without them get status 401.
    """

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, credentials: tuple[str, str] | None = None
    ) -> None:
        self.tls = tls
        self.credentials = credentials
        self.connections = 0
        """The number of accepted connections."""
        self.requests: list[Request] = []
        """All seen so far, the failed and unanswered ones too."""
        self.style: Literal["json", "html"] = "json"
        self.etags = False
        """Whether pages carry an ETag, and `If-None-Match` is answered with 304."""
        self.down = False
        """Whether connections are closed without an answer, once the request has been read."""
        self.faults: dict[str, Callable[[Answer], Answer]] = {}
        """The changes to the answers to requests, by the end of their path."""
        self._projects: dict[str, dict[str, PublishedFile]] = {}
        self._failures: list[int] = []
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._server = _Server(self)
        # Stopping the server takes up to one poll interval. The default would add half a second to every
        # test.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="local-index")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address for `--default-index`, without a slash at its end; known once serving."""
        return f"{self.origin}/simple"

    @property
    def flat_url(self) -> str:
        """The address for `--find-links`."""
        return f"{self.origin}/flat/"

    @property
    def origin(self) -> str:
        """The scheme, the host and the port; of a host with a certificate, its name."""
        assert self._server is not None, "the index is not serving: use it in a `with` block"
        port = self._server.server_port
        return f"https://localhost:{port}" if self.tls else f"http://127.0.0.1:{port}"

    def fail_next(self, n: int, status: int = 503) -> None:
        """Answer the next `n` requests, whatever they ask for, with `status` and no body."""
        self._failures = [status] * n

    def add_file(
        self,
        project: str,
        filename: str,
        content: bytes,
        *,
        uploaded: str | None = None,
        requires_python: str | None = None,
        yanked: str | None = None,
        metadata: bytes | None = None,
    ) -> PublishedFile:
        """Publish any bytes under any name; a date in `uploaded` is its midnight, in UTC."""
        file = PublishedFile(
            filename=filename,
            content=content,
            uploaded=None if uploaded is None else utc(uploaded),
            requires_python=requires_python,
            yanked=yanked,
            metadata=metadata,
        )
        self._projects.setdefault(normalised(project), {})[filename] = file
        return file

    def add_wheel(
        self,
        name: str,
        version: str,
        *,
        uploaded: str | None = None,
        requires: Sequence[str] = (),
        requires_python: str | None = None,
        modules: Modules | None = None,
        entry_points: Mapping[str, str] | None = None,
        tag: str = "py3-none-any",
        yanked: str | None = None,
    ) -> PublishedFile:
        """Publish a wheel; without `modules` it holds one named after it. Entry points are scripts."""
        metadata = metadata_text(name, version, requires=requires, requires_python=requires_python)
        return self.add_file(
            name,
            f"{stem(name, version)}-{tag}.whl",
            wheel_bytes(
                stem(name, version),
                metadata,
                modules or default_modules(name, version),
                entry_points or {},
                tag,
            ),
            uploaded=uploaded,
            requires_python=requires_python,
            yanked=yanked,
            metadata=metadata.encode(),
        )

    def add_sdist(
        self,
        name: str,
        version: str,
        *,
        uploaded: str | None = None,
        requires: Sequence[str] = (),
        requires_python: str | None = None,
        modules: Modules | None = None,
        build_requires: Sequence[str] = ("minibuild",),
        backend: str = "minibuild",
        metadata_version: str = "2.1",
        yanked: str | None = None,
    ) -> PublishedFile:
        """Publish an sdist, to be built by the backend that `publish_build_backend` published.

        With metadata 2.1, a resolver has to build the sdist to learn its requirements. From 2.2 on, PKG-INFO
        is reliable, and uv resolves without building.
        """
        files = dict(modules or default_modules(name, version))
        files["PKG-INFO"] = metadata_text(
            name,
            version,
            requires=requires,
            requires_python=requires_python,
            metadata_version=metadata_version,
        )
        # Strings and lists of strings are written in TOML as in JSON.
        requirement, module = json.dumps(list(build_requires)), json.dumps(backend)
        files["pyproject.toml"] = f"[build-system]\nrequires = {requirement}\nbuild-backend = {module}\n"
        return self.add_file(
            name,
            f"{stem(name, version)}.tar.gz",
            sdist_bytes(stem(name, version), files),
            uploaded=uploaded,
            requires_python=requires_python,
            yanked=yanked,
        )

    def answer(self, request: Request) -> Answer | None:
        """Record `request` and say what to send; `None` is to hang up."""
        self.requests.append(request)
        if self.down:
            return None
        with suppress(IndexError):  # pop is atomic; a check before it would not be
            return Answer(self._failures.pop())
        if not self._admits(request):
            return Answer(401, headers={"WWW-Authenticate": 'Basic realm="index"'})
        kind, _, rest = urlsplit(request.path).path.removeprefix("/").partition("/")
        match kind:
            case "simple":
                return self._page(rest, request.headers.get("if-none-match"))
            case "files":
                return self._file(unquote(rest))
            case "flat":
                files = [file for project in self._projects.values() for file in project.values()]
                return Answer(200, html_page("Files", [html_anchor(file) for file in files]), HTML_TYPE)
            case _:
                return Answer(404)

    def _admits(self, request: Request) -> bool:
        if self.credentials is None:
            return True
        known = base64.b64encode(":".join(self.credentials).encode()).decode()
        return request.headers.get("authorization") == f"Basic {known}"

    def _page(self, rest: str, known_etag: str | None) -> Answer:
        """Return the page of a project, or of all; redirect to the normalized name, as PyPI does."""
        name = normalised(rest.rstrip("/"))
        if name and name not in self._projects:
            return Answer(404)
        if rest != (f"{name}/" if name else ""):
            return Answer(301, headers={"Location": f"/simple/{name}/"})
        body, kind = self._project(name) if name else self._projects_list()
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if self.etags and known_etag == etag:
            return Answer(304, headers={"ETag": etag})
        return Answer(200, body, kind, {"ETag": etag} if self.etags else {})

    def _project(self, name: str) -> tuple[bytes, str]:
        files = list(self._projects[name].values())
        if self.style == "html":
            return html_page(name, [html_anchor(file) for file in files]), HTML_TYPE
        return json_page(name, files), JSON_TYPE

    def _projects_list(self) -> tuple[bytes, str]:
        names = sorted(self._projects)
        if self.style == "html":
            return html_page(
                "Simple index", [f'<a href="/simple/{name}/">{name}</a>' for name in names]
            ), HTML_TYPE
        page = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in names]}
        return json.dumps(page).encode(), JSON_TYPE

    def _file(self, filename: str) -> Answer:
        for project in list(self._projects.values()):
            if filename in project:
                return Answer(200, project[filename].content, FILE_TYPE)
            described = project.get(filename.removesuffix(".metadata"))
            if described is not None and described.metadata is not None:
                return Answer(200, described.metadata, FILE_TYPE)
        return Answer(404)


def publish_build_backend(
    index: LocalIndex, version: str, uploaded: str | None = None, *, works: bool = True
) -> PublishedFile:
    """Publish `minibuild`, a PEP 517 backend for `add_sdist`.

    A release that does not work raises `RuntimeError: minibuild is too old` from `build_wheel`. With it, a
    test can make an sdist that builds only with a later release. No release has
    `prepare_metadata_for_build_wheel`.
    """
    source = WORKING_BACKEND if works else BROKEN_BACKEND
    return index.add_wheel("minibuild", version, uploaded=uploaded, modules={"minibuild.py": source})


class _Server(ThreadingHTTPServer):
    """Knows its open connections, so that stopping waits for every thread and for no client."""

    daemon_threads = False  # so that server_close waits for the threads
    request_queue_size = 128  # uv opens fifty connections at once; five would make it wait for resends

    def __init__(self, index: LocalIndex) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.index = index
        if index.tls:
            # The connection's thread makes the handshake: a slow client would block the server's thread.
            self.socket = index.tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._open: set[socket.socket] = set()

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        self.index.connections += 1
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.0, the default: a connection for each request, so what a client keeps open changes no test."""

    server: _Server
    wbufsize = -1

    def handle(self) -> None:
        # The client went away, as uv does after a failed download, or refuses the certificate.
        with suppress(ConnectionError, ssl.SSLError):
            super().handle()

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        index = self.server.index
        answer = index.answer(Request(self.command, self.path, headers))
        if answer is None:
            return
        for ending, fault in list(index.faults.items()):
            answer = fault(answer) if self.path.endswith(ending) else answer
        self.send_response(answer.status)
        if answer.kind is not None:
            self.send_header("Content-Type", answer.kind)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD" and answer.drips_s:
            self._drip(answer.body, answer.drips_s)
        elif self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut_at])
            self.wfile.flush()
            if answer.stalls:
                self.connection.recv(1)  # returns as soon as one of the two sides closes the connection

    def do_HEAD(self) -> None:
        self.do_GET()

    def _drip(self, body: bytes, each_s: float) -> None:
        for byte in body:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if select.select([self.connection], [], [], each_s)[0]:  # one of the two sides has closed it
                break

    def log_message(self, *args: object) -> None:
        """Say nothing: `LocalIndex.requests` has it."""

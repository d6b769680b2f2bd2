"""A package index on this machine, for tests that run real uv or httpx without a network.

It serves what a test published and nothing else: wheels and sdists are made in memory, byte for byte the
same each time, and the simple pages are written anew for every request, so publishing, `style`, `etags`,
`down` and `fail_next` all take effect at once. Nothing here is a mock: the archives are valid, and uv
resolves, builds and installs from them.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import io
import json
import re
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, NamedTuple, Self
from urllib.parse import quote, unquote, urlsplit

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "text/html; charset=utf-8"
FILE_TYPE = "application/octet-stream"

Modules = Mapping[str, str]
"""Source text by path: `{"demo.py": "x = 1", "package/__init__.py": ""}`."""

# Python 3.6 and later can run it: a test may build for an old interpreter.
WORKING_BACKEND = '''\
"""Packs every file beside PKG-INFO into a wheel, with PKG-INFO as its metadata."""
import base64, email, hashlib, os, pathlib, zipfile

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    headers = email.message_from_string(pathlib.Path("PKG-INFO").read_text())
    stem = "%s-%s" % (headers["Name"].replace("-", "_"), headers["Version"])
    info = stem + ".dist-info/"
    files = {info + "METADATA": pathlib.Path("PKG-INFO").read_bytes()}
    tag = b"Root-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[info + "WHEEL"] = b"Wheel-Version: 1.0\\nGenerator: minibuild\\n" + tag
    for path in sorted(pathlib.Path(".").rglob("*")):
        if path.is_file() and path.name not in ("PKG-INFO", "pyproject.toml") and path.suffix != ".pyc":
            files[path.as_posix()] = path.read_bytes()
    record = ""
    with zipfile.ZipFile(os.path.join(wheel_directory, stem + "-py3-none-any.whl"), "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            record += "%s,sha256=%s,%d\\n" % (name, digest, len(content))
        archive.writestr(info + "RECORD", record + info + "RECORD,,\\n")
    return stem + "-py3-none-any.whl"
'''

BROKEN_BACKEND = '''\
"""A release of minibuild from before it worked."""

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    raise RuntimeError("minibuild is too old")
'''


class Request(NamedTuple):
    """One request as it came in; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """One file of a project and what the index says about it."""

    filename: str
    content: bytes = field(repr=False)
    uploaded: str | None = None
    """In UTC as the JSON page has it; without one, `--exclude-newer` shuts the file out."""
    requires_python: str | None = None
    yanked: str | None = None
    """The reason, which may be empty; `None` is not yanked."""
    metadata: bytes | None = field(default=None, repr=False)
    """Served at `<file>.metadata` (PEP 658)."""

    @property
    def path(self) -> str:
        return f"/files/{quote(self.filename)}"

    @property
    def version(self) -> str:
        """The version in the name; empty when the name has none."""
        if self.filename.endswith(".whl"):
            return [*self.filename.split("-"), ""][1]
        return re.sub(r"\.(tar\.\w+|zip|tgz)$", "", self.filename.rpartition("-")[2])


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
    """Whether nothing comes after those bytes, until the index stops or the client goes."""


class LocalIndex:
    """A package index at `url`, served from a thread between `with` and its end.

    Publishing a file name again replaces the file. Names need not be normalised.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        """All seen so far, the failed and unanswered ones too."""
        self.style: Literal["json", "html"] = "json"
        self.etags = False
        """Whether pages carry an ETag, and `If-None-Match` is answered with 304."""
        self.down = False
        """Whether connections are closed without an answer, once the request has been read."""
        self.faults: dict[str, Callable[[Answer], Answer]] = {}
        """What becomes of the answer to a request whose path ends so."""
        self._projects: dict[str, dict[str, PublishedFile]] = {}
        self._failures: list[int] = []
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._server = _Server(self)
        # The interval is how long leaving may take; the default is half a second for every test.
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
        assert self._server is not None, "the index is not serving: use it in a `with` block"
        return f"http://127.0.0.1:{self._server.server_port}/simple"

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
        """Publish an sdist, to be built by what `publish_build_backend` published.

        With metadata 2.1 a resolver has to build it to learn what it requires; from 2.2 on PKG-INFO may be
        believed and uv resolves without building.
        """
        files = dict(modules or default_modules(name, version))
        files["PKG-INFO"] = metadata_text(
            name,
            version,
            requires=requires,
            requires_python=requires_python,
            metadata_version=metadata_version,
        )
        # The way JSON writes strings and lists of them is also TOML's.
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
        with suppress(IndexError):  # pop is atomic; asking whether there is one first would not be
            return Answer(self._failures.pop())
        kind, _, rest = urlsplit(request.path).path.removeprefix("/").partition("/")
        match kind:
            case "simple":
                return self._page(rest, request.headers.get("if-none-match"))
            case "files":
                return self._file(unquote(rest))
            case _:
                return Answer(404)

    def _page(self, rest: str, known_etag: str | None) -> Answer:
        """The page of a project, or of all; as the public one does, it redirects to the normalised name."""
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

    A release that does not work raises `RuntimeError: minibuild is too old` from `build_wheel`, so that an
    sdist can be made which builds only with a later one. Neither has `prepare_metadata_for_build_wheel`.
    """
    source = WORKING_BACKEND if works else BROKEN_BACKEND
    return index.add_wheel("minibuild", version, uploaded=uploaded, modules={"minibuild.py": source})


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def stem(name: str, version: str) -> str:
    """What the file names begin with: `my_demo-1.0`."""
    return f"{normalised(name).replace('-', '_')}-{version}"


def default_modules(name: str, version: str) -> dict[str, str]:
    return {f"{normalised(name).replace('-', '_')}.py": f"__version__ = {version!r}\n"}


def utc(moment: str) -> str:
    """A date, or a date and time, as PEP 700 wants it; without an offset it is UTC already."""
    when = datetime.fromisoformat(moment)
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def metadata_text(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    metadata_version: str = "2.1",
) -> str:
    """METADATA or PKG-INFO; the extras that `requires` mentions are declared too."""
    lines = [f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    extras = {extra for line in requires for extra in re.findall(r"extra\s*==\s*['\"]([^'\"]+)", line)}
    lines += [f"Provides-Extra: {extra}" for extra in sorted(extras)]
    lines += [f"Requires-Dist: {line}" for line in requires]
    return "\n".join(lines) + "\n"


def wheel_bytes(
    stem: str, metadata: str, modules: Modules, entry_points: Mapping[str, str], tag: str
) -> bytes:
    info = f"{stem}.dist-info"
    pure = str(tag.endswith("-any")).lower()
    files = dict(modules)
    files[f"{info}/METADATA"] = metadata
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"
    if entry_points:
        scripts = "".join(f"{script} = {target}\n" for script, target in entry_points.items())
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}"
    lines = [record_line(path, text.encode()) for path, text in files.items()]
    files[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"])
    return zip_bytes(files)


def zip_bytes(files: Modules) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            member = zipfile.ZipInfo(path)  # dated 1980: the same input has the same hash
            member.external_attr = 0o100644 << 16
            archive.writestr(member, text)
    return buffer.getvalue()


def record_line(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return f"{path},sha256={digest},{len(content)}\n"


def sdist_bytes(stem: str, files: Modules) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{stem}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)


def json_page(name: str, files: Sequence[PublishedFile]) -> bytes:
    versions = sorted({file.version for file in files} - {""})
    page = {
        "meta": {"api-version": "1.1"},
        "name": name,
        "versions": versions,
        "files": [json_file(file) for file in files],
    }
    return json.dumps(page).encode()


def json_file(file: PublishedFile) -> dict[str, object]:
    entry: dict[str, object] = {
        "filename": file.filename,
        "url": file.path,
        "hashes": {"sha256": hashlib.sha256(file.content).hexdigest()},
        "size": len(file.content),
        "yanked": False if file.yanked is None else file.yanked or True,
    }
    if file.uploaded is not None:
        entry["upload-time"] = file.uploaded
    if file.requires_python is not None:
        entry["requires-python"] = file.requires_python
    if file.metadata is not None:
        entry["core-metadata"] = {"sha256": hashlib.sha256(file.metadata).hexdigest()}
    return entry


def html_page(title: str, anchors: Sequence[str]) -> bytes:
    meta = '<meta name="pypi:repository-version" content="1.0">'
    links = "".join(f"    {anchor}<br>\n" for anchor in anchors)
    head = f"<head>{meta}<title>{html.escape(title)}</title></head>"
    return f"<!DOCTYPE html>\n<html>\n  {head}\n  <body>\n{links}  </body>\n</html>\n".encode()


def html_anchor(file: PublishedFile) -> str:
    attributes = {"href": f"{file.path}#sha256={hashlib.sha256(file.content).hexdigest()}"}
    if file.requires_python is not None:
        attributes["data-requires-python"] = file.requires_python
    if file.yanked is not None:
        attributes["data-yanked"] = file.yanked
    if file.metadata is not None:
        attributes["data-core-metadata"] = f"sha256={hashlib.sha256(file.metadata).hexdigest()}"
    written = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<a {written}>{html.escape(file.filename)}</a>"


class _Server(ThreadingHTTPServer):
    """Knows its open connections, so that stopping waits for every thread and for no client."""

    daemon_threads = False  # daemons are not joined by server_close
    request_queue_size = 128  # uv opens fifty connections at once; five would make it wait for resends

    def __init__(self, index: LocalIndex) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.index = index
        self._open: set[socket.socket] = set()

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
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
        with suppress(ConnectionError):  # the client went away, as uv does after a failed download
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
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut_at])
            self.wfile.flush()
            if answer.stalls:
                self.connection.recv(1)  # comes back when one of the two sides closes it

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *args: object) -> None:
        """Say nothing: `LocalIndex.requests` has it."""

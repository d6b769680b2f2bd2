"""A package index on this machine: the files of another one, answered as the public index does, with a delay.

    python benchmarks/mirror.py --fd SOCKET --folder DIRECTORY [--delay 0.03]

The mirror fetches a page or a file from the user's own indexes at its first request, and keeps it in the
directory. It serves all that the public index does: JSON or HTML pages with upload times (PEP 503, 691, 700),
metadata files beside wheels (PEP 658), validators, the time for which an answer may be cached, ranges, and
compressed pages. `/-/counts` has the bytes that were sent, and the number of requests to the other index.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import hashlib
import importlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
from mousebender import simple
from packaging.utils import canonicalize_name
from simple_pages import File, as_html, as_json, key_of, metadata_of, part, read_page, served

from bisect_asgi.backend.network.configured import configured_indexes

PAGE_FOR = "max-age=600, public"
FILE_FOR = "max-age=365000000, immutable, public"


@dataclass
class Source:
    """The other index, and the directory that keeps its files and pages."""

    urls: Sequence[str]
    folder: Path
    fetched: int = 0
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _files: dict[str, File] = field(default_factory=dict)
    _client: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(timeout=60, follow_redirects=True)
    )

    async def page(self, project: str) -> list[File] | None:
        """The project's files; None: it has none."""
        text = await self._kept(f"pages/{project}.json", lambda: self._page(project))
        files: list[File] = json.loads(text) if text else []
        self._files |= {key_of(file["url"]): file for file in files}
        return files or None

    async def file(self, key: str) -> bytes | None:
        """A file's content."""
        return await self._kept(f"files/{key}", lambda: self._file(key))

    async def metadata(self, key: str) -> bytes | None:
        """The metadata of a wheel: as the index has it beside it, or out of it."""
        return await self._kept(f"metadata/{key}", lambda: self._metadata(key))

    async def _kept(self, name: str, fetch: Callable[[], Awaitable[bytes | None]]) -> bytes | None:
        path = self.folder / name
        async with self._locks.setdefault(name, asyncio.Lock()):
            if path.exists():
                return path.read_bytes()
            self.fetched += 1
            content = await fetch()
            if content is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            return content

    async def _page(self, project: str) -> bytes | None:
        for url in self.urls:
            address = simple.create_project_url(url, project)
            response = await self._client.get(address, headers={"Accept": simple.ACCEPT_SUPPORTED})
            if response.is_success:
                kind = response.headers.get("content-type", "text/html").partition(";")[0]
                return json.dumps(read_page(response.text, kind, project, address)).encode()
        return None

    async def _file(self, key: str) -> bytes | None:
        url = await self._url(key)
        response = await self._client.get(url) if url else None
        return response.content if response and response.is_success else None

    async def _metadata(self, key: str) -> bytes | None:
        url = await self._url(key)
        response = await self._client.get(f"{url}.metadata") if url else None
        if response and response.is_success:
            return response.content
        wheel = await self.file(key)
        return metadata_of(wheel) if wheel else None

    async def _url(self, key: str) -> str | None:
        """Return the address of a file, also if its page was fetched before this process started."""
        if key not in self._files:
            for path in (self.folder / "pages").glob("*.json"):
                await self.page(path.stem)
        return self._files[key]["url"] if key in self._files else None


@dataclass
class Mirror:
    """The ASGI app."""

    source: Source
    delay_s: float
    requests: int = 0
    sent_bytes: int = 0
    _pages: dict[tuple[str, Callable[[str, Sequence[File]], bytes]], bytes] = field(default_factory=dict)

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        if scope["path"] == "/-/counts":
            counts = {"requests": self.requests, "bytes": self.sent_bytes, "fetched": self.source.fetched}
            await _send(send, 200, {"content-type": "application/json"}, json.dumps(counts).encode())
            return
        self.requests += 1
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        status, told, body = await self._answer(scope["path"], headers)
        self.sent_bytes += len(body)
        await asyncio.sleep(self.delay_s)
        await _send(send, status, told, b"" if scope["method"] == "HEAD" else body, length=len(body))

    async def _answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        kind, body = await self._content(path, headers.get("accept", ""))
        if body is None:
            return 404, {"content-type": "text/plain"}, b"not here"
        is_page = path.startswith("/simple/")
        told = {
            "content-type": kind,
            # The file at an address never changes, so the address can be its tag.
            "etag": _tag(body) if is_page else f'"{key_of(path)}"',
            "cache-control": PAGE_FOR if is_page else FILE_FOR,
            **({"vary": "Accept, Accept-Encoding"} if is_page else {"accept-ranges": "bytes"}),
        }
        if headers.get("if-none-match") == told["etag"]:
            return 304, told, b""
        if is_page and "gzip" in headers.get("accept-encoding", ""):
            return 200, told | {"content-encoding": "gzip"}, _compressed(body)
        if not is_page and (wanted := part(headers.get("range", ""), len(body))):
            first, last = wanted
            return 206, told | {"content-range": f"bytes {first}-{last}/{len(body)}"}, body[first : last + 1]
        return 200, told, body

    async def _content(self, path: str, accept: str) -> tuple[str, bytes | None]:
        places = path.strip("/").split("/")
        match places:
            case ["simple", name]:
                project = canonicalize_name(name)
                if simple.ACCEPT_JSON_V1 in accept:
                    return simple.ACCEPT_JSON_V1, await self._page(project, as_json)
                return "text/html; charset=utf-8", await self._page(project, as_html)
            case ["files", key, name] if name.endswith(".metadata"):
                return "application/octet-stream", await self.source.metadata(key)
            case ["files", key, _]:
                return "application/octet-stream", await self.source.file(key)
        return "text/plain", None

    async def _page(self, project: str, write: Callable[[str, Sequence[File]], bytes]) -> bytes | None:
        """A page as it is served; written once, because writing it takes the time of a request."""
        if (project, write) not in self._pages and (files := await self.source.page(project)):
            self._pages[project, write] = write(project, [served(file) for file in files])
        return self._pages.get((project, write))


@lru_cache(maxsize=200)
def _compressed(page: bytes) -> bytes:
    return gzip.compress(page, 6, mtime=0)


@lru_cache(maxsize=200)
def _tag(page: bytes) -> str:
    return f'"{hashlib.sha256(page).hexdigest()[:32]}"'


async def _send(
    send: Any, status: int, headers: Mapping[str, str], body: bytes, *, length: int | None = None
) -> None:
    size = [] if status == 304 else [("content-length", str(len(body) if length is None else length))]
    pairs = [(name.encode(), value.encode()) for name, value in [*headers.items(), *size]]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fd", type=int, required=True, help="the socket to serve on")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--delay", type=float, default=0.03, metavar="SECONDS")
    arguments = parser.parse_args()
    source = Source(configured_indexes().urls, arguments.folder)
    app = Mirror(source, arguments.delay)
    uvicorn = importlib.import_module("uvicorn")
    uvicorn.run(app, fd=arguments.fd, log_level="warning", access_log=False, lifespan="off")


if __name__ == "__main__":
    main()

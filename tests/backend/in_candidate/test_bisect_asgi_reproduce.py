"""What the script for people without bisect-asgi has of its own does what bisect-asgi does."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisect_asgi.backend.in_candidate import bisect_asgi_reproduce as reproduce
from bisect_asgi.backend.process.usage import memory_of
from bisect_asgi.core.metrics import quantities, stats


class Echo(BaseHTTPRequestHandler):
    """Answers with the request as JSON."""

    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline()
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/hangs":
            self.server.released.wait()  # type: ignore[attr-defined]
        if self.path == "/breaks":
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
            self.close_connection = True
            return
        headers = {k.lower(): v for k, v in self.headers.items() if k.lower() != "user-agent"}
        seen = {
            "method": self.command,
            "target": self.path,
            "body": body.decode("latin-1"),
            "headers": headers,
        }
        content = json.dumps(seen, sort_keys=True).encode()
        if self.path == "/packed":
            content = gzip.compress(content)
        self.send_response(404 if self.path == "/absent" else 200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        if self.path == "/packed":
            self.send_header("Content-Encoding", "gzip")
        if self.path == "/closes":
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.released = threading.Event()  # type: ignore[attr-defined]
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield "127.0.0.1", server.server_port
        server.released.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


Ask = Callable[[Any], Any]

ASKED: dict[str, Ask] = {
    "get": lambda client: client.get("/a"),
    "parameters": lambda client: client.get("/a", params={"x": "1 2", "y": ["a", "b"]}),
    "headers": lambda client: client.get("/a", headers={"X-Word": "yes", "Accept": "text/plain"}),
    "post-json": lambda client: client.post("/a", json={"name": "grün", "n": [1, None]}),
    "post-form": lambda client: client.post("/a", data={"name": "a b"}),
    "post-bytes": lambda client: client.post("/a", content=b"\x00\xff"),
    "post-text": lambda client: client.post("/a", content="words"),
    "post-nothing": lambda client: client.post("/a"),
    "put": lambda client: client.put("/a", content=b"x"),
    "patch": lambda client: client.patch("/a", json=1),
    "delete": lambda client: client.delete("/a"),
    "options": lambda client: client.options("/a"),
    "head": lambda client: client.head("/a"),
    "any-method": lambda client: client.request("PROPFIND", "/a"),
    "absent": lambda client: client.get("/absent"),
    "packed": lambda client: client.get("/packed"),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_the_client_asks_and_answers_as_httpx_does(address: tuple[str, int], ask: Ask) -> None:
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}", trust_env=False) as theirs:
        expected = ask(theirs)
    found = ask(reproduce.Client(address))

    assert (found.status_code, found.text, found.content) == (
        (expected.status_code, expected.text, expected.content)
    )
    assert found.is_success == expected.is_success
    assert found.headers["Content-Type"] == expected.headers["Content-Type"]
    if expected.content:
        assert found.json() == expected.json()


@pytest.mark.parametrize("target", ["/hangs", "/breaks"])
def test_what_goes_wrong_has_the_name_that_httpx_gives_it(address: tuple[str, int], target: str) -> None:
    base = f"http://{address[0]}:{address[1]}"
    with httpx.Client(base_url=base, trust_env=False) as theirs, pytest.raises(Exception) as expected:  # noqa: PT011
        theirs.get(target, timeout=0.2)
    with pytest.raises(Exception) as found:  # noqa: PT011 (its name is what counts)
        reproduce.Client(address).get(target, timeout=0.2)

    assert found.type.__name__ == expected.type.__name__


def test_a_bad_status_is_raised_when_asked(address: tuple[str, int]) -> None:
    client = reproduce.Client(address)
    with pytest.raises(Exception, match="404") as found:
        client.get("/absent").raise_for_status()
    assert found.type.__name__ == httpx.HTTPStatusError.__name__
    assert client.get("/a").raise_for_status().status_code == 200


def test_a_connection_that_the_server_has_closed_is_replaced(address: tuple[str, int]) -> None:
    client = reproduce.Client(address)
    assert [client.get(path).status_code for path in ("/closes", "/a", "/closes", "/a")] == [200] * 4


def test_threads_have_connections_of_their_own(address: tuple[str, int]) -> None:
    client = reproduce.Client(address)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: client.get(f"/{n}").json()["target"], range(20)))
    assert found == [f"/{n}" for n in range(20)]


def test_a_coroutine_may_ask_for_several_at_a_time(address: tuple[str, int]) -> None:
    async def probe() -> list[str]:
        client = reproduce.AsyncClient(reproduce.Client(address))
        return [answer.json()["target"] for answer in await asyncio.gather(*map(client.get, ("/1", "/2")))]

    assert asyncio.run(probe()) == ["/1", "/2"]


def test_a_coroutine_gets_the_exception_of_its_request(address: tuple[str, int]) -> None:
    async def probe() -> None:
        await reproduce.AsyncClient(reproduce.Client(address)).get("/hangs", timeout=0.1)

    with pytest.raises(reproduce.ReadTimeout):
        asyncio.run(probe())


def test_what_the_client_has_not_says_so(address: tuple[str, int]) -> None:
    with pytest.raises(AttributeError, match="this client has no `stream`: use bisect-asgi itself"):
        reproduce.Client(address).stream("GET", "/")


# --- Numbers


@pytest.mark.parametrize("unit", [unit for unit in quantities._UNITS if unit])
def test_a_unit_counts_as_bisect_asgi_counts_it(unit: str) -> None:
    for text in (f"12.5 {unit}", f"-3{unit.upper()}", f"1e3 {unit}"):
        assert reproduce.in_base_unit(text) == pytest.approx(quantities.parse(text).value), text


@given(st.text(max_size=12))
def test_a_text_is_a_number_where_bisect_asgi_takes_it_for_one(text: str) -> None:
    try:
        expected: float | None = quantities.parse(text).value
    except ValueError:
        expected = None
    try:
        found: float | None = reproduce.in_base_unit(text)
    except ValueError:
        found = None
    assert found == expected


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=15, unique=True), st.data())
def test_the_slope_is_that_of_bisect_asgi(x: list[float], data: st.DataObject) -> None:
    y = data.draw(st.lists(st.floats(0, 1e6), min_size=len(x), max_size=len(x)))
    if max(x) - min(x) < 1:
        x = [float(place) for place in range(len(x))]
    expected, found = stats.slope(x, y), reproduce.Slope(x, y)
    assert found.value == pytest.approx(1000 * expected.value, rel=1e-6, abs=1e-3)
    assert found.plus_minus == pytest.approx(1000 * expected.plus_minus, rel=1e-6, abs=1e-2)


@pytest.mark.parametrize("children", [0, 2])
def test_memory_is_what_bisect_asgi_reads(children: int) -> None:
    code = (
        "import os, sys, time\n"
        "kept = bytearray(os.urandom(20_000_000))\n"
        f"for _ in range({children}):\n"
        "    if os.fork() == 0:\n"
        "        print('ready', flush=True)\n"
        "        sys.stdin.read()\n"
        "        os._exit(0)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        for _ in range(1 + children):  # one that has just begun writes to pages that it shared
            process.stdout.readline()
        expected, found = memory_of(process.pid), reproduce.memory_of(process.pid)
        assert len(reproduce.processes_of(process.pid)) == 1 + children
        process.communicate()
    assert found == pytest.approx(expected, rel=0.05)

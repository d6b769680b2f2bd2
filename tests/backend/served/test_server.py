"""What `server` gives a probe, of a real uvicorn."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import environment as make_environment
from support.served import install, observe, served

from bisect_asgi.backend.in_candidate.bisect_asgi_client import Request
from bisect_asgi.backend.served.server import Server
from bisect_asgi.core.model import Outcome

pytestmark = pytest.mark.network


def test_the_client_keeps_to_http_1_1(server: Server) -> None:
    response = server.client.post("/", content=b"words")
    assert (response.status_code, response.content, response.http_version) == (200, b"words", "HTTP/1.1")


def test_a_load_tells_how_long_each_request_took(server: Server) -> None:
    load = server.load("GET /slow", requests=20, concurrency=4)
    assert (load.requests, load.errors, load.timeouts, load.statuses) == (20, 0, 0, {200: 20})
    assert 0.05 <= load.p50 <= load.p95 <= load.p99 <= max(load.latencies_s)
    assert load.rate == 20 / load.duration_s
    assert load.duration_s < 20 * load.p99


def test_a_load_may_open_a_connection_for_each_request(server: Server) -> None:
    load = server.load("/absent", requests=4, keep_alive=False)
    assert load.statuses == {404: 4}


def test_a_load_may_last_for_a_time(server: Server) -> None:
    load = server.load("GET /slow", duration_s=0.5, concurrency=2)
    assert 2 <= load.requests <= 25
    assert load.duration_s >= 0.5


def test_requests_without_an_answer_in_time_are_counted(server: Server) -> None:
    load = server.load("GET /slow", requests=3, timeout_s=0.01)
    assert (load.timeouts, load.requests, load.latencies_s) == (3, 3, [])
    assert math.isnan(load.p50)
    assert load.rate == 0


def test_a_load_may_send_a_body_or_want_none_back(server: Server) -> None:
    posted = Request(method="POST", target="/", headers=(("x-a", "1"),), body=b"x" * 100_000)
    assert server.load(posted, requests=3).statuses == {200: 3}
    assert server.load("HEAD /", requests=2).requests == 2


def test_a_load_counts_errors_which_are_in_the_log(server: Server) -> None:
    load = server.load("GET /error", requests=3)
    assert load.statuses == {500: 3}
    assert "ValueError: no such thing" in server.log


def test_memory_is_read_from_outside(server: Server) -> None:
    before = server.memory()
    server.load("GET /keep", requests=1000)
    assert 10_000_000 < before < 200_000_000
    assert 15_000_000 < server.memory() - before < 40_000_000


def test_growth_is_per_thousand_requests(server: Server) -> None:
    def asking_for(path: str) -> Callable[[int], object]:
        return lambda count: server.load(f"GET {path}", requests=count)

    growth = server.growth(asking_for("/keep"), requests=400)
    flat = server.growth(asking_for("/"), requests=400, warm_up=200)

    assert 15e6 < growth.value < 40e6, growth
    assert growth.plus_minus < growth.value, growth
    assert abs(flat.value) < 5e6, flat


def test_objects_are_counted_inside(server: Server) -> None:
    def kept() -> int:
        return sum(count for name, count in server.objects().items() if name.endswith(".Kept"))

    before = kept()
    server.load("GET /keep", requests=7)

    assert kept() == before + 7
    assert server.objects()["builtins.dict"] > 100


def test_stacks_are_of_threads_and_tasks(server: Server) -> None:
    stacks = server.stacks()

    assert "Thread MainThread:" in stacks, stacks
    assert "Task <" in stacks, stacks


def test_the_log_has_what_was_written_so_far(server: Server) -> None:
    server.client.get("/first")
    assert "asked for /first" in server.log


def test_the_log_has_what_follows_a_response(server: Server) -> None:
    server.client.get("/afterwards?1")
    assert "LookupError: after the response to 1" in server.log


def test_a_request_that_is_under_way_is_not_waited_for(server: Server) -> None:
    with server.connection() as connection:
        connection.send_request("GET", "/waits")
        server.client.get("/afterwards?2")
        assert "LookupError: after the response to 2" in server.log
        server.client.post("/release")
        assert connection.response().body == b"/waits"


def test_a_task_that_never_ends_is_waited_for_once(server: Server) -> None:
    server.client.get("/never")
    server.client.get("/afterwards?3")
    assert "asked for /never" in server.log
    server.client.get("/afterwards?4")
    assert "LookupError: after the response to 4" in server.log


def test_the_log_of_a_server_that_has_ended_is_as_it_was_left(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    log = tmp_path / "server.log"
    log.write_text("the end\n")
    with ours:
        assert Server(("127.0.0.1", 0), pid=0, control=ours, log=log).log == "the end\n"


def test_a_connection_takes_several_requests(server: Server) -> None:
    with server.connection() as connection:
        for path in ("/one", "/two"):
            connection.send_request("GET", path, headers=[("x-a", "1")])
            response = connection.response()
            assert (response.status, response.body) == (200, path.encode())
            assert (response.header("X-Version"), response.header("absent")) == ("1", None)
        connection.send_request("POST", "/", body=b"words")
        assert connection.response().body == b"words"


def test_half_a_request_has_no_answer_until_the_other_half(server: Server) -> None:
    with server.connection(timeout_s=0.3) as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        with pytest.raises(TimeoutError, match=r"^nothing came within 0\.3 s$"):
            connection.receive()
        connection.send(b" whole")
        received = connection.receive(12, timeout_s=5)
        assert received == b"HTTP/1.1 200", received


def test_a_raw_connection_is_read_to_its_end(server: Server) -> None:
    with server.connection(receive_buffer_bytes=4096) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = b""
        while chunk := connection.receive(7):
            received += chunk
        assert received.endswith(b"\r\n\r\n/"), received


def test_nonsense_is_answered(server: Server) -> None:
    with server.connection() as connection:
        connection.send(b"nonsense\r\n\r\n")
        assert connection.receive().startswith(b"HTTP/1.1 400")


def test_a_connection_that_is_closed_without_an_answer_is_told(server: Server) -> None:
    with server.connection() as connection:
        connection.send(b"GET /half HTT")
        connection.finish_sending()
        message = "^the server closed the connection before a whole response$"
        with pytest.raises(ConnectionError, match=message):
            connection.response()


def test_a_reset_connection_leaves_the_server_serving(server: Server) -> None:
    connection = server.connection()
    connection.send(b"POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
    connection.reset()
    assert server.client.get("/still").text == "/still"


def test_a_websocket_is_spoken_to(tmp_path: Path, runs: Path) -> None:
    environment = make_environment(tmp_path / "environment")
    install(environment, "uvicorn==0.17.6", "websockets==10.4")
    code = """
async def app(scope, receive, send):
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": (await receive())["text"].upper()})

def probe(server):
    with server.websocket("/talk") as socket:
        socket.send("hello")
        assert socket.recv() == "HELLO"
"""

    seen = observe(served(code, options={"lifespan": "off"}), environment, runs)

    assert seen.outcome is Outcome.PASSED, seen.output_tail

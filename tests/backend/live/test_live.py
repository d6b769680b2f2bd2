"""Live pages as a browser gets them, and what others do not get."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import pytest
from support.processes import PATIENCE_S, eventually

from bisect_asgi.backend import live
from bisect_asgi.core.errors import Unavailable


class Board:
    """Two pages, one of them with a line break and a line that looks like an event."""

    def __init__(self) -> None:
        self.texts = {"": "<h1>first</h1>", "leak.html": "one\n\nevent: ended\r\ntwo\u2028"}
        self.at, self.is_ended, self.last_words = "searching", False, "it has ended"

    def page(self, name: str) -> str | None:
        return self.texts.get(name)

    def progress(self, name: str) -> str:
        return f"{self.at} {name}"


class Reader:
    """Who has opened a page, and takes in its news."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def read(self) -> tuple[str, str]:
        """The next event: its kind and what it has."""
        kind = next(line for line in self._lines if line.startswith("event: "))
        data = next(self._lines)
        assert data.startswith("data: ")
        return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    def rest(self) -> list[tuple[str, str]]:
        """All events until the end of the stream."""
        found = []
        while True:
            try:
                found.append(self.read())
            except StopIteration:
                return found


@contextmanager
def reading(address: str) -> Iterator[Reader]:
    with httpx.stream("GET", f"{address}?news", timeout=PATIENCE_S, trust_env=False) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Reader(answer.iter_lines())


def get(address: str, **headers: str) -> httpx.Response:
    return httpx.get(address, headers=headers, timeout=PATIENCE_S, trust_env=False)


def test_the_address_leads_to_the_first_page_on_this_machine_alone() -> None:
    with live.serving(Board()) as address:
        answer = get(address)
        assert urlsplit(address).hostname == "127.0.0.1"
        assert (answer.status_code, answer.text) == (200, "<h1>first</h1>")
        assert get(f"{address}leak.html").text == Board().texts["leak.html"]


def test_nothing_of_it_is_kept_or_told_to_other_sites() -> None:
    with live.serving(Board()) as address:
        for answer in (get(address), get(f"{address}other.html"), get(address, host="evil.example")):
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "change",
    [
        lambda address: address[:-1],
        lambda address: address[:-2] + "/",
        lambda address: f"{address}/",
        lambda address: f"{address}nothing.html",
        lambda address: f"{address}../",
        lambda address: address.rpartition("/")[0].rpartition("/")[0] + "/",
        lambda address: address.rpartition("/")[0].rpartition("/")[0] + "/é/",
    ],
)
@pytest.mark.parametrize("news", ["", "?news"])
def test_without_the_whole_address_there_is_no_page(change: object, news: str) -> None:
    with live.serving(Board()) as address:
        answer = get(f"{change(address)}{news}")  # type: ignore[operator]
        assert (answer.status_code, answer.text) == (404, "There is no such page.\n")


def test_each_command_has_an_address_of_its_own() -> None:
    with live.serving(Board()) as one, live.serving(Board()) as other:
        assert urlsplit(one).path != urlsplit(other).path
        assert len(urlsplit(one).path) > 20
        assert get(urlsplit(one)._replace(path=urlsplit(other).path).geturl()).status_code == 404


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost", 200),
        ("LOCALHOST:9", 200),
        ("127.0.0.1:8000", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:80", 421),
        ("localhost@evil.example", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
def test_only_names_of_this_machine_are_served(host: str, code: int) -> None:
    """Another site may have its own name lead here ("DNS rebinding"). A forwarded port may be any."""
    with live.serving(Board()) as address:
        assert get(address, host=host).status_code == code


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_pages_are_only_read(method: str) -> None:
    with live.serving(Board()) as address:
        answer = httpx.request(method, address, trust_env=False, headers={"origin": "https://evil.example"})
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_reader_gets_all_there_is_and_then_what_is_new() -> None:
    board = Board()
    with live.serving(board) as address, reading(f"{address}leak.html") as reader:
        assert [reader.read(), reader.read()] == [
            ("page", board.texts["leak.html"]),
            ("progress", "searching leak.html"),
        ]
        board.at = "confirming"
        assert reader.read() == ("progress", "confirming leak.html")
        board.texts["leak.html"] = "three"
        assert reader.read() == ("page", "three")


def test_at_the_end_every_reader_has_the_last_page() -> None:
    board = Board()
    seen: list[list[tuple[str, str]]] = []

    def read(address: str, ready: threading.Barrier) -> None:
        with reading(address) as reader:
            first = reader.read()
            ready.wait(PATIENCE_S)
            seen.append([first, *reader.rest()])

    ready = threading.Barrier(4)
    with live.serving(board) as address:
        readers = [threading.Thread(target=read, args=(address, ready)) for _ in range(3)]
        for each in readers:
            each.start()
        ready.wait(PATIENCE_S)
        board.texts[""], board.is_ended = "the result", True
    for each in readers:
        each.join(PATIENCE_S)
    assert len(seen) == 3
    for told in seen:
        assert [each for each in told if each[0] == "page"][-1] == ("page", "the result")
        assert told[-1] == ("ended", "it has ended")


def test_a_reader_who_does_not_read_keeps_nobody_waiting() -> None:
    board = Board()
    board.texts[""] = "x" * 50_000_000  # More than any buffer of a socket holds.
    with live.serving(board) as address:
        target = urlsplit(address)
        stuck = socket.create_connection((target.hostname, target.port))
        stuck.sendall(f"GET {target.path}?news HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert stuck.recv(10)
        board.is_ended = True
    eventually(lambda: "live" not in {thread.name for thread in threading.enumerate()})
    stuck.close()


def test_a_reader_who_goes_is_forgotten() -> None:
    with live.serving(Board()) as address:
        for _ in range(3):
            with reading(address) as reader:
                reader.read()
        assert get(address).status_code == 200


def test_after_the_end_nothing_listens_and_nothing_runs() -> None:
    with live.serving(Board()) as address:
        get(address)
    with pytest.raises(httpx.ConnectError):
        get(address)
    assert "live" not in {thread.name for thread in threading.enumerate()}


def test_a_command_that_ends_at_once_ends(capfd: pytest.CaptureFixture[str]) -> None:
    with live.serving(Board()):
        pass
    eventually(lambda: "live" not in {thread.name for thread in threading.enumerate()})
    assert capfd.readouterr() == ("", "")


def test_pages_are_served_by_a_command_that_runs_in_any_thread() -> None:
    codes: list[int] = []

    def command() -> None:
        with live.serving(Board()) as address:
            codes.append(get(address).status_code)

    thread = threading.Thread(target=command)
    thread.start()
    thread.join(PATIENCE_S)
    assert codes == [200]


def test_nothing_is_printed_or_logged(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(Board):
        def progress(self, name: str) -> str:
            raise ValueError("a bug")

    caplog.set_level(logging.DEBUG)
    with live.serving(Faulty()) as address:
        get(address)
        get(f"{address}nothing")
        with suppress(httpx.RemoteProtocolError), reading(address) as reader:
            assert reader.rest() == [("page", "<h1>first</h1>")]
        target = urlsplit(address)
        with socket.create_connection((target.hostname, target.port)) as garbage:
            garbage.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
            garbage.recv(100)
    assert capfd.readouterr() == ("", "")
    assert [each for each in caplog.records if each.name.startswith(("uvicorn", "starlette"))] == []


def test_a_machine_without_a_port_is_named_as_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> socket.socket:
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(Unavailable, match="Cannot assign requested address") as caught, live.serving(Board()):
        pass
    assert caught.value.hint == "drop `--live`"

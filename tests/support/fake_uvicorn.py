"""A package with those parts of uvicorn that a served app needs, for tests without the package index.

It serves HTTP/1.1 over persistent connections, one request after the other, and has no lifespan.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

MODULES = {
    "uvicorn/__init__.py": "",
    "uvicorn/config.py": """\
class Config:
    def __init__(self, app, **options):
        self.app = app
""",
    "uvicorn/main.py": """\
import asyncio
import signal
import traceback


class Server:
    def __init__(self, config):
        self.app = config.app
        self.started = False

    async def startup(self, sockets=None):
        await asyncio.start_server(self.serve, sock=sockets[0])
        self.started = True

    def run(self, sockets):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.add_signal_handler(signal.SIGINT, loop.stop)
        loop.run_until_complete(self.startup(sockets=sockets))
        loop.run_forever()

    async def serve(self, reader, writer):
        try:
            while await self.answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()

    async def answer(self, reader, writer):
        head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode("latin-1").split("\\r\\n")
        method, target, _ = head[0].split(" ")
        pairs = [line.split(": ", 1) for line in head[1:] if line]
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path, _, query = target.partition("?")
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode()}
        scope["headers"] = [(name.encode(), value.encode()) for name, value in headers.items()]
        try:
            await self.app(scope, receive, send)
        except Exception:
            traceback.print_exc()
            sent[:] = [{"status": 500, "headers": []}]
        content = b"".join(message.get("body", b"") for message in sent)
        lines = [b"HTTP/1.1 %d Fine" % sent[0]["status"], b"content-length: %d" % len(content)]
        lines += [b": ".join(pair) for pair in sent[0]["headers"] if pair[0] != b"content-length"]
        writer.write(b"\\r\\n".join(lines) + b"\\r\\n\\r\\n" + content)
        await writer.drain()
        return headers.get("connection") != "close"
""",
}


def install(folder: Path) -> None:
    """Write the package into a directory of modules."""
    for name, text in MODULES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def h11_modules() -> dict[str, str]:
    """Return the modules of the h11 that this Python has, for a wheel of a local index."""
    found = [path for path in files("h11").iterdir() if path.name.endswith(".py")]
    return {f"h11/{path.name}": path.read_text("utf-8") for path in found}

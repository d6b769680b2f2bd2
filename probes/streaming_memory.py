# /// script
# requires-python = "==3.8.*"
# dependencies = ["starlette", "uvicorn==0.17.6"]
#
# [tool.bisect-asgi]
# package = "starlette"
# releases = ">=0.12,<0.45"
# timeout = 60
# uvicorn = { http = "h11", lifespan = "off" }
# fixed-in = "0.15.0"
# source = "starlette issue 1012"
# ///
"""A large streamed response through BaseHTTPMiddleware waits for a client that does not read.

What breaks: the middleware put the chunks into a queue without a limit, so an app that streams faster than
its client reads was buffered whole. For whom: services that stream large responses behind any middleware
that is built on it; memory grows until the kernel kills them. Source: starlette issue 1012, pull requests
1018 (released in 0.13.7), 1028 (took it back in 0.13.8) and 1157 (anyio, 0.15.0).

How it is told apart: the app sends 1024 chunks of 64 KiB and counts; the client reads one byte and stops;
on other connections the count is asked for until it stands still. What the kernel's buffers hold (4 MiB
here) can always be produced; 16 MiB cannot without a queue of the middleware's.

What was measured on CPython 3.8, uvicorn 0.17.6: good 63 chunks, memory +0.0 to 0.4 MiB; bad all 1024
chunks, +60 MiB. History: bad to 0.13.6, good in 0.13.7, bad again 0.13.8 to 0.14.2, good since 0.15.0. The
claim "fixed in 0.15.0" is true and leaves out 0.13.7, which was good for nine days.
"""

CHUNK = 64 * 1024
CHUNKS = 1024
MOST_BUFFERED = 256


def app():
    import asyncio

    from starlette.middleware.base import BaseHTTPMiddleware

    produced = []

    async def endpoint(scope, receive, send):
        if scope["path"] == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for number in range(CHUNKS):
                chunk = b"%c" % (number % 256) * CHUNK
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                produced.append(number)
                await asyncio.sleep(0)  # what a real source does: it lets the loop run
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            body = str(len(produced)).encode()
            headers = [(b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

    class PassThrough(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            return await call_next(request)

    return PassThrough(endpoint)


def probe(server):
    before = server.memory()
    with server.connection(receive_buffer_bytes=CHUNK) as stalled:
        stalled.send_request("GET", "/stream")
        stalled.receive(1)
        count = stand_still(server)
        grown = (server.memory() - before) / 2**20
    print(
        f"{count} of {CHUNKS} chunks were produced for a client that does not read; memory {grown:+.1f} MiB"
    )
    assert count <= MOST_BUFFERED, f"{count} chunks were produced for a client that does not read"
    return {"chunks": count, "memory_mib": grown}


def stand_still(server):
    """Ask for the count until it is the same for a second."""
    import time

    count, since = -1, time.monotonic()
    while time.monotonic() - since < 1:
        now = int(server.client.get("/count").text)
        if now != count:
            count, since = now, time.monotonic()
        time.sleep(0.05)
    return count

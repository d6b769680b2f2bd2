# /// script
# requires-python = "==3.8.*"
# dependencies = ["uvicorn", "httptools"]
#
# [tool.bisect-asgi]
# package = "uvicorn"
# releases = ">=0.9,<0.34"
# timeout = 60
# uvicorn = { http = "httptools", loop = "asyncio", lifespan = "off" }
# ///
"""The keep-alive hang of uvicorn (fixed in 0.12.3), met about seven times in ten.

The first request's app starts a task that waits for the disconnect, but calls `receive()` only after a random
delay. If the response is complete by then, `receive()` returns at once, and nothing is wrong. If not, it
waits on an event, which all requests of the connection share in releases before 0.12.3. Then it consumes the
event that should wake the second request. The bug itself is this race: a delay uniform in 0 to 0.2 s against
a response after 0.14 s.

Releases since 0.12.3 never fail.
"""

LIMIT_S = 1.5


def app():
    import asyncio
    import random

    tasks = []

    async def wait_for_disconnect(receive):
        await asyncio.sleep(random.uniform(0, 0.2))
        while (await receive())["type"] != "http.disconnect":
            pass

    async def answer(scope, receive, send):
        await asyncio.sleep(0.02)
        await receive()
        if scope["path"] == "/first":
            tasks.append(asyncio.ensure_future(wait_for_disconnect(receive)))
            await asyncio.sleep(0.14)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    return answer


def probe(server):
    with server.connection(timeout_s=LIMIT_S) as connection:
        connection.send_request("GET", "/first")
        assert connection.response(timeout_s=20).body == b"ok"
        connection.send_request("GET", "/second")
        try:
            connection.response()
        except TimeoutError:
            raise AssertionError("the second request on the connection is not answered") from None

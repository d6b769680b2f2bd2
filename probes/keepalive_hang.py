# /// script
# requires-python = "==3.8.*"
# dependencies = ["uvicorn", "httptools"]
#
# [tool.bisect-asgi]
# package = "uvicorn"
# releases = ">=0.9"
# timeout = 60
# uvicorn = { http = "httptools", loop = "asyncio", lifespan = "off" }
# fixed-in = "0.12.3"
# source = "uvicorn issue 748"
# ///
"""A second request on a connection is answered while the first one's `receive()` is still awaited.

What breaks: all requests of a connection shared one event, so an app that went on waiting for the
disconnect of the first request took away the wake-up that the second one's `receive()` waited for, and that
hung for ever. For whom: apps that watch for disconnects in a task of their own, behind clients that keep
their connections. Source: uvicorn issue 748, pull request 848; the app is the issue's, with shorter sleeps.

How it is told apart: the second request on the connection is answered, or it is not within 2.5 s (while
other connections are answered at once).

What was measured on CPython 3.8, httptools of the day: good 0.05 to 0.1 s, bad never. h11 had the same
fault. History: one change, 0.12.3; every earlier release back to 0.2.21 that starts is bad. The claim is
confirmed.
"""


def app():
    import asyncio

    tasks = []

    async def wait_for_disconnect(receive):
        while (await receive())["type"] != "http.disconnect":
            pass

    async def answer(scope, receive, send):
        await asyncio.sleep(0.05)
        await receive()
        if scope["path"] == "/first":
            tasks.append(asyncio.ensure_future(wait_for_disconnect(receive)))
            await asyncio.sleep(0.05)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    return answer


def probe(server):
    import time

    with server.connection(timeout_s=2.5) as connection:
        connection.send_request("GET", "/first")
        assert connection.response(timeout_s=20).body == b"ok"
        started = time.monotonic()
        connection.send_request("GET", "/second")
        try:
            connection.response()
        except TimeoutError:
            raise AssertionError("the second request on the connection is not answered") from None
        return {"second_s": time.monotonic() - started}

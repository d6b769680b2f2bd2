# /// script
# requires-python = ">=3.7,<3.9"
# dependencies = ["uvicorn", "httptools"]
#
# [tool.bisect-asgi]
# package = "uvicorn"
# releases = ">=0.8"
# timeout = 60
# uvicorn = { http = "httptools", lifespan = "off" }
# ///
"""A second request on a connection is answered while the first one's `receive()` is still awaited."""


def app():
    import asyncio

    async def wait_for_disconnect(receive):
        while (await receive())["type"] != "http.disconnect":
            pass

    async def answer(scope, receive, send):
        await asyncio.sleep(0.05)
        await receive()
        if scope["path"] == "/first":
            asyncio.ensure_future(wait_for_disconnect(receive))
            await asyncio.sleep(0.05)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    return answer


def probe(server):
    with server.connection(timeout_s=3) as connection:
        connection.send_request("GET", "/first")
        connection.response()
        connection.send_request("GET", "/second")
        connection.response()

# /// script
# requires-python = "==3.8.*"
# dependencies = ["starlette", "uvicorn==0.17.6"]
#
# [tool.bisect-asgi]
# package = "starlette"
# releases = ">=0.12,<0.45"
# timeout = 60
# uvicorn = { http = "h11", lifespan = "off" }
# fixed-in = "0.29.0"
# source = "starlette issue 2093"
# ///
"""With BaseHTTPMiddleware, a request is answered while a background task of the one before it still runs.

What breaks: the second request on a connection waits until the first one's background task is done, so
tasks run one after the other and clients time out. For whom: services with background tasks behind such a
middleware, and clients that keep their connections. Source: starlette issue 2093, pull request 2194.

How it is told apart: the task waits at a gate that the driver opens from another connection; the second
request is sent while the gate is closed. No sleep decides.

What was measured on CPython 3.8, uvicorn 0.17.6: good answered within 50 ms; bad not within 2.5 s, and then
within 50 ms of the gate's opening. History: bad to 0.20.0, good 0.20.1 to 0.23.0 (pull request 1609), bad
again 0.23.1 to 0.28.0 (1940 took the stop out), good since 0.29.0. The claim "fixed in 0.29.0" is true and
leaves out the first fix.
"""

LIMIT_S = 2.5


def app():
    import threading

    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    gate = threading.Event()

    async def create(request):
        return PlainTextResponse("created", background=BackgroundTask(gate.wait, 30))

    async def open_gate(request):
        gate.set()
        return PlainTextResponse("open")

    async def ready(request):
        return PlainTextResponse("ready")

    class PassThrough(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            return await call_next(request)

    routes = [Route("/task", create), Route("/open", open_gate), Route("/ready", ready)]
    return PassThrough(Starlette(routes=routes))


def probe(server):
    import time

    try:
        with server.connection(timeout_s=LIMIT_S) as connection:
            connection.send_request("GET", "/task")
            assert connection.response().body == b"created"
            started = time.monotonic()
            connection.send_request("GET", "/ready")
            try:
                connection.response()
            except TimeoutError:
                raise AssertionError("the second request waits for the first one's background task") from None
            return {"second_s": time.monotonic() - started}
    finally:
        server.client.get("/open")

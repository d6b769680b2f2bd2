# /// script
# requires-python = "==3.8.*"
# dependencies = ["fastapi", "uvicorn==0.17.6"]
#
# [tool.bisect-asgi]
# package = "fastapi"
# releases = ">=0.60,<0.110"
# bad = "0.75.0"
# timeout = 60
# metric = "growth_mib"
# bad-above = 10
# broken-in = "0.69.0"
# source = "fastapi issue 4649"
# uvicorn = { http = "h11", log_level = "warning" }
# ///
"""Memory does not grow with requests behind middlewares when clients close their connections.

What breaks: behind BaseHTTPMiddlewares, each request whose client closes the connection as soon as it has
the body leaves cyclic garbage that the collector does not free while such traffic goes on. For whom:
services on CPython 3.8 and older with several middlewares and clients without keep-alive. Source: fastapi
issue 4649, starlette discussion 1843; one user's binary search by hand, with uvicorn held at 0.17.6, found
fastapi 0.69.0, which moved starlette from 0.14.2 to 0.15.0 and brought anyio.

How it is told apart: an async hello-world behind ten pass-through middlewares; sixteen clients at a time,
each request on a connection of its own. After a warm-up, the server's resident memory may grow by at most
10 MiB over 400 requests. (One client at a time shows the same, but its timing makes it weaker on a busy
machine; without middlewares or with connections that are kept, little is seen.)

What was measured on CPython 3.8, uvicorn 0.17.6: good +0.2 to 1.4 MiB (to 3.6 with both cores busy), bad
+28 to 30 MiB. What the growth is: not a plateau and not a peak; it goes on in a straight line (38 KiB a
request with five middlewares over 4000 requests). It is garbage that is collected late: it stays after the
traffic ends, the first full collection frees next to nothing, a second one right after it nearly all.
History: bad from fastapi 0.69.0 to 0.84.0, good since 0.85.0, whose starlette (0.20.4) has the fix of pull
request 1609. On CPython 3.9 and 3.10 the growth ends at 4 to 7 MiB; so "not from 3.8 on", as one comment
has it, is not so: 3.8 shows it, 3.9 does not.
"""

WARM_UP = 96
REQUESTS = 400
CLIENTS = 16
MIDDLEWARES = 10


def app():
    from fastapi import FastAPI
    from starlette.middleware.base import BaseHTTPMiddleware

    api = FastAPI()

    @api.get("/")
    async def root():
        return {"message": "Hello World"}

    async def pass_through(request, call_next):
        return await call_next(request)

    for _ in range(MIDDLEWARES):
        api.add_middleware(BaseHTTPMiddleware, dispatch=pass_through)
    return api


def probe(server):
    server.load("GET /", requests=WARM_UP, concurrency=CLIENTS, keep_alive=False)
    before = server.memory()
    load = server.load("GET /", requests=REQUESTS, concurrency=CLIENTS, keep_alive=False)
    assert not load.errors, f"{load.errors} requests had no response"
    growth = (server.memory() - before) / 2**20
    print(f"memory grew by {growth:.1f} MiB over {REQUESTS} requests")
    return {"growth_mib": growth}

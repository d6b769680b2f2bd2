# /// script
# requires-python = "==3.8.*"
# dependencies = ["fastapi", "uvicorn==0.17.6"]
#
# [tool.bisect-asgi]
# package = "fastapi"
# releases = ">=0.60,<0.110"
# timeout = 60
# metric = "growth_mib"
# bad-above = 5
# broken-in = "0.69.0"
# source = "fastapi issue 4649"
# uvicorn = { http = "h11", log_level = "warning" }
# ///
"""Memory does not grow with requests behind middlewares whose clients close their connections."""

WARM_UP = 100
REQUESTS = 400


def app():
    from fastapi import FastAPI
    from starlette.middleware.base import BaseHTTPMiddleware

    api = FastAPI()

    @api.get("/")
    async def root():
        return {"message": "Hello World"}

    async def pass_through(request, call_next):
        return await call_next(request)

    for _ in range(5):
        api.add_middleware(BaseHTTPMiddleware, dispatch=pass_through)
    return api


def probe(server):
    server.load("GET /", requests=WARM_UP, keep_alive=False)
    before = server.memory()
    load = server.load("GET /", requests=REQUESTS, keep_alive=False)
    assert not load.errors, f"{load.errors} requests had no response"
    growth = (server.memory() - before) / 2**20
    print(f"memory grew by {growth:.1f} MiB over {REQUESTS} requests")
    return {"growth_mib": growth}

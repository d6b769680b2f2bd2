# /// script
# requires-python = "==3.11.*"
# dependencies = ["fastapi", "uvicorn==0.22.0"]
#
# [tool.bisect-asgi]
# package = "fastapi"
# releases = ">=0.115,<0.142"
# timeout = 60
# metric = "p50"
# uvicorn = { http = "h11", lifespan = "off", access_log = false }
# ///
"""Latency of a response_model with 500 items: halved at 0.130.0, where pydantic writes the JSON itself."""

REQUESTS = 500


def app():

    from fastapi import FastAPI
    from pydantic import BaseModel

    class Item(BaseModel):
        number: int
        name: str
        price: float
        note: str | None = None

    api = FastAPI()
    items = [Item(number=n, name=f"item {n}", price=n / 4) for n in range(500)]

    @api.get("/", response_model=list[Item])
    async def all_items():
        return items

    return api


def probe(server):
    server.load("GET /", requests=100, concurrency=8)
    load = server.load("GET /", requests=REQUESTS, concurrency=8)
    assert load.statuses == {200: REQUESTS}, (load.statuses, load.errors, load.timeouts)
    return {"p50": load.p50, "p95": load.p95, "rate": load.rate}

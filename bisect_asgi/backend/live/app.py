"""The app that serves live pages: whole pages, and for each a stream of what changes in it.

Only requests with the token are answered, and a page of another site cannot guess it. Such a page cannot read
an answer either, because no answer allows other origins (CORS). And it cannot give this server another host
name ("DNS rebinding"), because only requests to names of this machine are answered.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

    from bisect_asgi.backend.live import Pages

_NAMES = ("127.0.0.1", "localhost")
_PORT = re.compile(r":[0-9]*$")
_TICK_S = 0.2
_TICKS = 5
"""So many ticks are between two looks at what is new."""
_RETRY_MS = 1000
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The headers of all answers, which keep the address with its token secret; a page lists what it may load."""


def app_of(pages: Pages, token: str) -> Starlette:
    """Return the app that serves the pages at `/TOKEN/NAME`, and their news at `/TOKEN/NAME?news`."""

    async def answer(request: Request) -> Response:
        if _PORT.sub("", request.headers.get("host", "")).lower() not in _NAMES:
            return _refused(421, "This server is only asked by names of this machine.")
        given, slash, name = request.path_params["path"].partition("/")
        is_known = bool(slash) and secrets.compare_digest(given.encode(), token.encode())
        page = pages.page(name) if is_known else None
        if page is None:
            return _refused(404, "There is no such page.")
        if "news" in request.query_params:
            return StreamingResponse(_news(pages, name), media_type="text/event-stream", headers=_HEADERS)
        return HTMLResponse(page, headers=_HEADERS)

    return Starlette(routes=[Route("/{path:path}", answer)])


def _refused(status: int, reason: str) -> Response:
    return PlainTextResponse(f"{reason}\n", status, headers=_HEADERS)


async def _news(pages: Pages, name: str) -> AsyncIterator[str]:
    """Yield what is new of a page, as server-sent events, until the command ends."""
    yield f"retry: {_RETRY_MS}\n\n"
    sent: dict[str, str | None] = {}
    is_over = False
    while not is_over:
        is_over = pages.is_ended  # read first: if it is set, what is sent now is the last change
        for kind, text in (("page", pages.page(name)), ("progress", pages.progress(name))):
            if sent.get(kind) != text:
                sent[kind] = text
                yield _event(kind, text or "")
        for _ in range(_TICKS):
            if not pages.is_ended:
                await asyncio.sleep(_TICK_S)
    yield _event("ended", pages.last_words)


def _event(kind: str, text: str) -> str:
    """Return an event; JSON has no line breaks, which would end it."""
    return f"event: {kind}\ndata: {json.dumps(text)}\n\n"

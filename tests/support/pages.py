"""Pages of an index, without one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import httpx

from bisect_asgi.backend.index import IndexClient
from bisect_asgi.core.model import Release
from support.local_index import Answer, LocalIndex, Request

Connect = Callable[..., IndexClient]


class CachingIndex(LocalIndex):
    """An index that says how long its pages may be kept, as the public one does."""

    kept_for: str | None = None

    def answer(self, request: Request) -> Answer | None:
        given = super().answer(request)
        if given is None or self.kept_for is None:
            return given
        return dataclasses.replace(given, headers={**given.headers, "Cache-Control": self.kept_for})


def answering(status: int, content_type: str, body: str) -> httpx.MockTransport:
    """An index that answers everything so; for what the local index cannot be brought to say."""
    headers = {"Content-Type": content_type} if content_type else {}
    return httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, content=body.encode()))


def versions(releases: tuple[Release, ...]) -> list[str]:
    return [release.version for release in releases]

"""Pages that are damaged, or that somebody wrote to do harm: read, or refused with one message."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from support.mutations import mutated

from bisect_asgi.backend.index import pages
from bisect_asgi.backend.index.cached import Page
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.model import Release

JSON = json.dumps(
    {
        "meta": {"api-version": "1.1"},
        "name": "demo",
        "versions": ["1.0"],
        "files": [
            {
                "filename": "demo-1.0-py3-none-any.whl",
                "url": "../demo-1.0-py3-none-any.whl",
                "hashes": {"sha256": "ab"},
                "requires-python": ">=3.6",
                "yanked": "broken",
                "upload-time": "2021-01-01T00:00:00.000000Z",
                "size": 3,
            },
            {
                "filename": "demo-1.1.tar.gz",
                "url": "https://files.example/demo",
                "hashes": {},
                "yanked": False,
            },
        ],
    }
).encode()
HTML = b"""<!DOCTYPE html><html><body>
<a href="demo-1.0.tar.gz#sha256=aa" data-requires-python="&gt;=3.6" data-yanked="broken"
   data-upload-time="2021-01-01T00:00">demo-1.0.tar.gz</a>
<a href="../demo-1.1-py3-none-any.whl">demo-1.1-py3-none-any.whl</a>
</body></html>"""


def read(content: bytes, media_type: str) -> tuple[Release, ...] | Unavailable:
    page = Page(text=content.decode("utf-8", "replace"), media_type=media_type)
    try:
        return pages.read_page(page, "demo", url="https://index.example/demo/")
    except Unavailable as error:
        return error


@pytest.mark.parametrize(
    ("content", "media_type"), [(JSON, "application/vnd.pypi.simple.v1+json"), (HTML, "text/html")]
)
def test_the_undamaged_pages_have_two_releases(content: bytes, media_type: str) -> None:
    releases = read(content, media_type)

    assert not isinstance(releases, Unavailable)
    assert [release.version for release in releases] == ["1.0", "1.1"]


@given(content=mutated(JSON))
def test_a_damaged_page_of_json_is_read_or_refused_with_a_hint(content: bytes) -> None:
    found = read(content, "application/vnd.pypi.simple.v1+json")

    assert found.hint if isinstance(found, Unavailable) else all(release.files for release in found)


@given(content=mutated(HTML))
def test_a_damaged_page_of_html_is_read_or_refused_with_a_hint(content: bytes) -> None:
    found = read(content, "text/html")

    assert found.hint if isinstance(found, Unavailable) else all(release.files for release in found)


@pytest.mark.parametrize("content", [b"<![[[", b"<![DOCTYPE ]", b"<!ELEMENT br EMPTY>"])
def test_markup_that_is_none_is_refused(content: bytes) -> None:
    assert isinstance(read(content, "text/html"), Unavailable)

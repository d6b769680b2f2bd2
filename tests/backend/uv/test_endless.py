"""An index whose answers never end, and archives that uv rejects."""

from __future__ import annotations

import dataclasses
import gzip
import sys
from pathlib import Path

import pytest
from support.local_index import LocalIndex, sdist_bytes
from support.uv import Connect, resolve

from bisect_asgi.backend import uv as uv_module
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, NoResult, Unavailable
from bisect_asgi.core.plan import Building


def without_checksum(sdist: bytes) -> bytes:
    """Return the archive as some tools of 2007 wrote it."""
    tar = gzip.decompress(sdist)
    return gzip.compress(tar[:148] + bytes(8) + tar[156:])


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        pytest.param(sdist_bytes("demo-1.0", {"List: Blocks": ""}), "List: Blocks", id="name"),
        pytest.param(without_checksum(sdist_bytes("demo-1.0", {"setup.py": ""})), "checksum", id="header"),
    ],
)
def test_an_archive_that_uv_rejects_is_that_releases_fault_alone(
    local_index: LocalIndex, uv: Uv, content: bytes, cause: str
) -> None:
    local_index.add_file("demo", "demo-1.0.tar.gz", content)

    with pytest.raises(BuildFailed, match=cause) as caught:
        resolve(uv, "demo")

    assert not caught.value.is_lasting  # a damaged download may look like that


def test_an_index_that_sends_no_whole_file_is_not_asked_for_ever(
    local_index: LocalIndex, connect: Connect, here: Path
) -> None:
    uv = connect(local_index.url)
    uv._environ["UV_HTTP_TIMEOUT"] = "1"
    for version in ("1.0", "2.0", "3.0"):
        local_index.add_wheel("demo", version)
    local_index.faults[".whl"] = lambda answer: dataclasses.replace(answer, cut_at=50, stalls=True)

    def install(version: str) -> None:
        pin = f"demo=={version}"
        uv.run("install", "--target", str(here / "t"), "--python", sys.executable, pin, token=CancelToken())

    for version in ("1.0", "2.0"):
        with pytest.raises(NoResult):
            install(version)
    with pytest.raises(Unavailable) as caught:
        install("3.0")

    assert str(caught.value).startswith("the package index has sent none of 3 files: ")


def test_a_file_that_comes_byte_by_byte_is_not_waited_for(
    local_index: LocalIndex, uv: Uv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uv_module, "_LIMIT_S", 0.5)
    local_index.add_wheel("demo", "1.0")
    local_index.faults["/simple/demo/"] = lambda answer: dataclasses.replace(answer, cut_at=5, stalls=True)

    with pytest.raises(NoResult) as caught:
        resolve(uv, "demo", builds=False)

    assert str(caught.value) == "uv did not end within 0.50 s: the index may send too slowly"


def test_in_the_box_a_page_that_never_ends_is_no_build_that_takes_too_long(
    local_index: LocalIndex, here: Path
) -> None:
    local_index.add_wheel("demo", "1.0")
    local_index.faults["/simple/demo/"] = lambda answer: dataclasses.replace(answer, cut_at=5, stalls=True)
    limited = Uv(here.parent / "state", Indexes(urls=(local_index.url,)), building=Building(timeout_s=2.0))

    with pytest.raises(NoResult, match=r"^uv did not end within 2\.0 s \(`--build-timeout`\): the index"):
        resolve(limited, "demo")

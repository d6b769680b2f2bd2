"""Fixtures that tests of this folder share."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tenacity
from support import machine
from support.certificates import Certificates
from support.homes import Home
from support.local_index import LocalIndex

_OF_THE_NETWORK = re.compile(r"(?i)^(UV_|XDG_|SSL_)|_PROXY$|^NETRC$")


@pytest.fixture
def user(tmp_path: Path, known_python: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A user who has configured nothing, and asks at once again."""
    machine.tell_python(known_python, uv_cache=tmp_path / "cache")
    for name in os.environ:
        if _OF_THE_NETWORK.search(name):
            monkeypatch.delenv(name)
    found = Home(tmp_path, monkeypatch)
    for folder in (found.home, found.here):
        folder.mkdir()
    found.set(HOME=found.home, UV_CACHE_DIR=tmp_path / "cache", UV_HTTP_RETRIES="0")
    monkeypatch.chdir(found.here)
    monkeypatch.setattr(tenacity, "wait_random_exponential", lambda **_: tenacity.wait_none())
    return found


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    (tmp_path / "certificates").mkdir()
    return Certificates(tmp_path / "certificates")


@pytest.fixture
def demo(local_index: LocalIndex, user: Home) -> LocalIndex:
    """An index with one release, which is the user's."""
    local_index.add_wheel("demo", "1.0", uploaded="2020-01-01")
    user.set(UV_DEFAULT_INDEX=local_index.url)
    return local_index


@pytest.fixture
def secure(user: Home, certificates: Certificates) -> Iterator[LocalIndex]:
    """The same, with a certificate of the tests' authority."""
    with LocalIndex(tls=certificates.server()) as index:
        index.add_wheel("demo", "1.0", uploaded="2020-01-01")
        user.set(UV_DEFAULT_INDEX=index.url)
        yield index

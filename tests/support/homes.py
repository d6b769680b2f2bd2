"""A user with a network of her own: what she has configured, and what is reached with it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bisect_asgi.backend.index import IndexClient
from bisect_asgi.backend.network.configured import configured_indexes
from bisect_asgi.backend.uv import Uv
from support.pages import versions
from support.uv import resolve


class Home:
    """A user with a home, a project as the current directory, and a configuration.

    Args:
        folder: the directory for all of these.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.here = folder / "work"
        self._monkeypatch = monkeypatch

    def set(self, **variables: str | Path) -> None:
        """Set variables of the shell."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, str(value))

    def configure(self, text: str) -> None:
        """Write the uv.toml of the project."""
        (self.here / "uv.toml").write_text(text)

    def client(self) -> IndexClient:
        return IndexClient(configured_indexes(), self.folder / "pages")

    def uv(self) -> Uv:
        return Uv(self.folder / "state", configured_indexes())

    def page(self) -> list[str]:
        """The versions of `demo` that the tool itself finds."""
        with closing(self.client()) as client:
            return versions(client.releases("demo"))

    def reach(self) -> list[list[str]]:
        """What the tool itself finds; and what uv resolves outside of a box, and in one."""
        uv = self.uv()
        return [self.page(), resolve(uv, "demo", builds=False), resolve(uv, "demo")]

    def written(self, secret: str) -> list[str]:
        """The files of the tool and of uv that have a secret in them."""
        places = [self.folder / name for name in ("pages", "state", "builds", "cache")]
        files = (path for place in places for path in place.rglob("*") if path.is_file())
        return [str(path) for path in files if secret.encode() in path.read_bytes()]


REACHED = [["1.0"], ["demo==1.0"], ["demo==1.0"]]
"""What all three find of an index with one release."""

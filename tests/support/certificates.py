"""Certificates of an authority that only tests trust."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trustme


class Certificates:
    """The files of an authority, in a directory, and servers' contexts with its certificates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = self._written("authority.pem", _authority("own").cert_pem)
        self.other = self._written("other.pem", _authority("other").cert_pem)
        """Another authority's, which has signed nothing."""

    def client(self) -> Path:
        """The file with a client's certificate and its key."""
        own = _authority("own").issue_cert("me@example.org")
        return self._written("client.pem", own.private_key_and_cert_chain_pem)

    def server(self, host: str = "localhost", *, wants_one: bool = False) -> ssl.SSLContext:
        """The context of a server; `wants_one`: clients have to show a certificate as well."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _authority("own").issue_cert(host).configure_cert(context)
        if wants_one:
            _authority("own").configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _written(self, name: str, content: trustme.Blob) -> Path:
        path = self._folder / name
        content.write_to_path(path)
        return path


@cache
def _authority(name: str) -> trustme.CA:
    import trustme  # only these tests need it

    return trustme.CA(organization_name=f"the tests' {name} authority")

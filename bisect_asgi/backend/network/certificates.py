"""Choose the certificates to trust: those that uv trusts with the same settings.

If `SSL_CERT_FILE` or `SSL_CERT_DIR` names any certificates, only these are trusted. Otherwise the machine's
are trusted if the user has chosen them for uv, else Mozilla's, from certifi.
"""

from __future__ import annotations

import os
import re
import ssl
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(?P<body>[\sA-Za-z0-9+/=]+)-----END CERTIFICATE-----")
_WHOLE = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
CLIENT = "SSL_CLIENT_CERT"
"""The variable that names the file with this user's own certificate and its key."""


def trusting(*, system: bool) -> ssl.SSLContext:
    """Return a context that trusts the user's certificates; `system`: the machine's where there are none."""
    return _with_own(_trusting_named() or (_trusting_system() if system else _trusting_mozilla()))


def trusting_at_once() -> ssl.SSLContext | None:
    """Return a context that trusts what OpenSSL finds by itself in the user's directories; None without one.

    OpenSSL finds a certificate when it needs it, by the hash in a file's name. Reading all certificates takes
    as long as getting a page, so this context is tried first. It trusts a subset of what `trusting` trusts:
    if it rejects a server, `trusting` has to decide.
    """
    folders = [folder for folder in _folders() if os.path.isdir(folder)]
    if not folders:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for folder in folders:
        context.load_verify_locations(capath=folder)
    return _with_own(context)


def trusting_all() -> ssl.SSLContext:
    """Return a context that verifies nothing, for the hosts that the user has named."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return _with_own(context)


def _trusting_named() -> ssl.SSLContext | None:
    """Return a context that trusts what the two variables name, or None if that is no certificate."""
    # A dictionary, because Linux distributions have each certificate several times: in a file and in bundles.
    found = {"".join(match["body"].split()): None for text in _named() for match in _PEM.finditer(text)}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not _load(context, found):
        for body in found:
            _load(context, [body])
    return context if context.cert_store_stats()["x509"] else None


def _load(context: ssl.SSLContext, bodies: Iterable[str]) -> bool:
    """Return whether all of these could be loaded; loading one by one takes twice as long."""
    try:
        context.load_verify_locations(cadata="".join(map(_WHOLE.format, bodies)))
        return True
    except (ssl.SSLError, ValueError):
        return False


def _named() -> Iterator[str]:
    """Yield the content of the files that the two variables name; in a directory, any file counts."""
    paths = {Path(file) for file in (os.environ.get("SSL_CERT_FILE"),) if file}
    for folder in _folders():
        with suppress(OSError):
            paths |= {Path(entry.path) for entry in os.scandir(folder)}
    for path in {Path(os.path.realpath(path)) for path in paths}:
        with suppress(OSError):
            if stat.S_ISREG(path.stat().st_mode):  # reading a FIFO would never end
                yield path.read_text("latin-1")


def _folders() -> list[str]:
    return [folder for folder in os.environ.get("SSL_CERT_DIR", "").split(os.pathsep) if folder]


def _trusting_system() -> ssl.SSLContext:
    import truststore  # imported here, because most commands do not need it

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _trusting_mozilla() -> ssl.SSLContext:
    import certifi

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=certifi.where())
    return context


def _with_own(context: ssl.SSLContext) -> ssl.SSLContext:
    if path := os.environ.get(CLIENT):
        with suppress(OSError, ssl.SSLError):  # uv itself warns of a certificate that cannot be read
            context.load_cert_chain(path)
    return context

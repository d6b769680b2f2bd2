"""Find the credentials for an address where uv looks for them, in the same order.

They are looked up once, at the beginning, because not only uv on this machine needs them. This tool reads
pages itself, builds run without a home and a keyring, and the workers of a cluster have other homes.
"""

from __future__ import annotations

import netrc
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from bisect_asgi.core import codec
from bisect_asgi.core.records import Struct

_KEYRING_S = 60.0
"""A keyring may ask the user to unlock it."""


class Credentials(Struct, frozen=True, kw_only=True):
    """A user name with its password, and the place where they were found, for people."""

    username: str
    password: str
    place: str


def find(url: str, *, name: str = "", keyring: bool = False, always: bool = False) -> Credentials | None:
    """Return the credentials for an address, or None.

    Args:
        url: the address, which may contain credentials, or a user name alone.
        name: the name of the index, for which there may be variables with credentials.
        keyring: whether to ask the program `keyring`.
        always: whether to ask it also without a user name.
    """
    try:
        parts = urlsplit(url)
        username = unquote(parts.username) if parts.username is not None else None
        own = parts.password
    except ValueError:  # it is no address
        return None
    if own is not None:
        return Credentials(username=username or "", password=unquote(own), place="the address")
    bare = _bare(parts)
    return (
        _of_variables(name)
        or _of_netrc(bare, username)
        or _of_uvs_store(bare, username)
        or (_of_keyring(bare, username) if keyring and (username or always) else None)
        # A user name alone may be a token.
        or (Credentials(username=username, password="", place="the address") if username else None)
    )


def places(name: str, *, keyring: bool) -> tuple[str, ...]:
    """Return where credentials are looked for, as words for people."""
    variables = tuple(f"`{variable}`" for variable in _variables(name)) if name else ()
    asked = ("the keyring",) if keyring else ()
    return ("the address", *variables, f"`{_netrc_path()}`", "uv's credentials store", *asked)


def with_credentials(url: str, found: Credentials | None) -> str:
    """Return the address with the credentials in it."""
    if found is None:
        return url
    parts = urlsplit(url)
    at = quote(found.username, safe="")
    if found.password:
        at += ":" + quote(found.password, safe="")
    return parts._replace(netloc=f"{at}@{parts.netloc.rpartition('@')[2]}").geturl()


def split(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return the address without its credentials, and the credentials.

    Raises:
        ValueError: it is no address.
    """
    parts = urlsplit(url)
    if parts.username is None and parts.password is None:
        return url, None
    return _bare(parts), (unquote(parts.username or ""), unquote(parts.password or ""))


def _bare(parts: SplitResult) -> str:
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _variables(name: str) -> tuple[str, str]:
    stem = re.sub(r"[^A-Z0-9]", "_", name.upper())
    return f"UV_INDEX_{stem}_USERNAME", f"UV_INDEX_{stem}_PASSWORD"


def _of_variables(name: str) -> Credentials | None:
    if not name:
        return None
    variables = _variables(name)
    username, password = map(os.environ.get, variables)
    if username is None and password is None:
        return None
    place = " and ".join(f"`{variable}`" for variable in variables if variable in os.environ)
    return Credentials(username=username or "", password=password or "", place=place)


def _netrc_path() -> Path:
    return Path(os.environ.get("NETRC") or os.path.expanduser("~/.netrc"))


def _of_netrc(url: str, username: str | None) -> Credentials | None:
    path = _netrc_path()
    try:
        found = netrc.netrc(path).authenticators(urlsplit(url).hostname or "")
    except (OSError, ValueError, netrc.NetrcParseError):
        return None
    if found is None or username not in (None, found[0]):
        return None
    return Credentials(username=found[0] or "", password=found[2] or "", place=f"`{path}`")


def _of_uvs_store(url: str, username: str | None) -> Credentials | None:
    """Return what `uv auth login` has stored for the address."""
    with suppress(OSError, ValueError, TypeError, AttributeError):  # the file has another form than expected
        for entry in _stored():
            is_above = f"{url}/".startswith(entry["service"].rstrip("/") + "/")
            if is_above and entry["scheme"] == "basic" and username in (None, entry["username"]):
                place = "uv's credentials store"
                return Credentials(username=entry["username"], password=entry["password"], place=place)
    return None


def _stored() -> Iterator[dict[str, str]]:
    folder = os.environ.get("UV_CREDENTIALS_DIR")
    home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    path = Path(folder or Path(home, "uv", "credentials"), "credentials.toml")
    entries = codec.from_toml(path.read_text("utf-8")).get("credential")
    for entry in entries if isinstance(entries, list) else []:
        if {"service", "username", "scheme", "password"} <= set(entry):
            yield entry


def _of_keyring(url: str, username: str | None) -> Credentials | None:
    """Return what the program `keyring` knows: of the address, of its host, and of its scheme and host."""
    parts = urlsplit(url)
    for service in (url, parts.netloc, f"{parts.scheme}://{parts.netloc}"):
        how = [service, username] if username else [service, "--mode", "creds"]
        lines = _said_by_keyring("get", *how)
        if username and lines:
            return Credentials(username=username, password=lines[0], place="the keyring")
        if len(lines) > 1:
            return Credentials(username=lines[0], password=lines[1], place="the keyring")
    return None


def _said_by_keyring(*arguments: str) -> list[str]:
    try:
        asked = subprocess.run(
            ["keyring", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_KEYRING_S,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return []
    return asked.stdout.splitlines() if asked.returncode == 0 else []

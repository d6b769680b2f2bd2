"""Choose the proxy of a request: by uv's settings if it has any, else by the variables of the shell.

The rules are uv's: an entry of NO_PROXY is a host with its subdomains, an address, a network such as
10.0.0.0/8, or `*` for all names.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from contextlib import suppress
from urllib.parse import urlsplit

from bisect_asgi.backend.network.settings import Settings
from bisect_asgi.core.records import Struct

_KINDS = ("http", "https", "socks5", "socks5h")


class Proxies(Struct, frozen=True, kw_only=True):
    """The proxies for each scheme, and what goes past them."""

    http: str = ""
    https: str = ""
    past: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Proxies:
        """Return the proxies of this machine's user."""
        http, https = (settings.first(f"{scheme}-proxy", str) for scheme in ("http", "https"))
        past = tuple(str(item) for _, item in settings.every("no-proxy"))
        if http or https:  # with these settings, uv ignores the shell's variables
            return cls(http=_address(http), https=_address(https), past=past)
        found = _of_the_shell()
        return cls(
            http=_address(found.get("http") or found.get("all")),
            https=_address(found.get("https") or found.get("all")),
            past=tuple(part.strip() for part in found.get("no", "").split(",") if part.strip()),
        )

    def address(self, url: str) -> str:
        """Return the address of the proxy for a request, or ""."""
        with suppress(ValueError):
            parts = urlsplit(url)
            proxy = {"http": self.http, "https": self.https}.get(parts.scheme, "")
            return "" if not proxy or self._is_past(parts.hostname or "") else proxy
        return ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Their passwords."""
        with suppress(ValueError):
            return tuple(password for url in (self.http, self.https) if (password := urlsplit(url).password))
        return ()

    def _is_past(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            names = [entry.lower().lstrip(".") for entry in self.past]
            return "*" in names or any(f".{host}".endswith(f".{name}") for name in names if name)
        return any(address in network for entry in self.past if (network := _network(entry)))


def _of_the_shell() -> dict[str, str]:
    """Return the proxies of the shell's variables, or on macOS else those of the system, by scheme."""
    if sys.platform != "darwin" and not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    import urllib.request  # importing it takes as long as getting a page

    return urllib.request.getproxies()


def _address(text: str | None) -> str:
    """Return the whole address of a proxy that may lack its scheme, or "" if it is none."""
    if not text:
        return ""
    whole = text if "://" in text else f"http://{text}"
    with suppress(ValueError):
        parts = urlsplit(whole)
        return whole if parts.hostname and parts.scheme in _KINDS and parts.port != 0 else ""
    return ""


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None

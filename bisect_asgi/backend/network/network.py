"""The user's proxies and trusted certificates on this machine."""

from __future__ import annotations

from bisect_asgi.backend.network.proxies import Proxies
from bisect_asgi.backend.network.settings import Settings
from bisect_asgi.core.records import Struct


class Network(Struct, frozen=True, kw_only=True):
    """The network of one machine; unlike indexes, it does not travel to the workers of a cluster."""

    proxies: Proxies = Proxies()
    system_certificates: bool = False
    """Whether the machine's certificates are trusted in place of Mozilla's."""

    @classmethod
    def of_this_machine(cls) -> Network:
        """Return the network of this process, by uv's settings and the variables."""
        settings = Settings()
        return cls(
            proxies=Proxies.of(settings),
            system_certificates=settings.is_on("system-certs", "native-tls"),
        )

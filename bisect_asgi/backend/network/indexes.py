"""The user's indexes: their addresses, and what uv's configuration says of each."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote, unquote, urlsplit

from bisect_asgi.backend.network import credentials, faults
from bisect_asgi.core import codec
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import without_credentials

FIRST_INDEX = "first-index"
"""The strategy by which the first index that has a package is the only one that counts for it."""


class Traits(Struct, frozen=True, kw_only=True):
    """The settings of an index, besides its address."""

    name: str = ""
    is_flat: bool = False
    """Whether it is one list of files of all projects."""
    authenticate: str = ""
    """When uv looks for credentials; "" as it does by default."""
    ignored: tuple[int, ...] = ()
    """The codes of answers for which the next index is asked."""
    found_in: str = ""
    """The place where its credentials were found, for messages."""


class Indexes(Struct, frozen=True, kw_only=True):
    """The user's indexes; the first has the highest priority, the last is the default."""

    urls: tuple[str, ...]
    """Their addresses, with credentials in them."""
    find_links: tuple[str, ...] = ()
    """Lists of files that count with those of each index; directories and addresses."""
    traits: tuple[Traits, ...] = ()
    """The settings of each address; empty if no index has any."""
    strategy: str = FIRST_INDEX
    insecure_hosts: tuple[str, ...] = ()
    """Hosts whose certificates are not verified, perhaps with a port."""
    has_keyring: bool = False
    """Whether credentials were looked for in the keyring as well."""
    offline: bool = False
    """Whether no index may be asked, so that only cached pages count."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords, and the user names that have none and may be tokens; as they are, and escaped."""
        found = set()
        for url in self.urls + self.find_links:
            with suppress(ValueError):  # the configured text may be no address
                parts = urlsplit(url)
                found.add(parts.password or parts.username or "")
        plain = set(map(unquote, found))
        return tuple({*found, *plain, *(quote(text, safe="") for text in plain)} - {""})

    @property
    def identity(self) -> str:
        """A digest of the addresses, without credentials: what one index has, another may lack."""
        places = [without_credentials(url) for url in self.urls + self.find_links]
        if self.strategy == FIRST_INDEX and not any(trait.is_flat for trait in self.traits):
            return codec.digest("indexes", places)
        return codec.digest("indexes", places, self.strategy, [trait.is_flat for trait in self.traits])

    def refusal(self, url: str, status: str) -> Unavailable:
        """Return the error about an address to which an index refuses access."""
        number = self._number_of(url)
        traits = self.of(number)
        has_own = number < len(self.urls) and credentials.split(self.urls[number])[1]
        return faults.refused(
            url,
            status,
            found_in=traits.found_in or ("the address" if has_own else ""),
            looked_in=credentials.places(traits.name, keyring=self.has_keyring),
        )

    def _number_of(self, url: str) -> int:
        """Return the place of the index that an address is of, or shares the host with; or one behind all."""
        bare = [credentials.split(own)[0] for own in self.urls]
        above = [number for number, own in enumerate(bare) if url.startswith(own)]
        host = urlsplit(url).netloc
        beside = [number for number, own in enumerate(bare) if urlsplit(own).netloc == host]
        return next(iter((*above, *beside)), len(bare))

    def of(self, number: int) -> Traits:
        """Return the traits of an index."""
        return self.traits[number] if number < len(self.traits) else Traits()

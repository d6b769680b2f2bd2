"""Recognize network faults in uv's output, and raise the same errors as for index pages."""

from __future__ import annotations

import re

from bisect_asgi.backend.network import faults
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.network.network import Network
from bisect_asgi.backend.uv_output import NetworkFault
from bisect_asgi.core.errors import OFFLINE, NoResult, Unavailable
from bisect_asgi.core.patterns import pattern
from bisect_asgi.core.text import without_credentials

_URL = pattern(r"(?:Failed to fetch: |for url \(|An index (?:URL )?\()(?P<url>[^\s()]+)")
_CERTIFICATE = pattern(r"invalid peer certificate: (?P<why>.+)|received fatal (?P<alert>alert: Cert\w+)")
_PROXY = pattern(
    r"(?P<why>407 Proxy Authentication Required|tunnel error: (?!failed).+|SOCKS error: (?!failed to).+)"
)
_NOT_THERE = pattern(r"tcp connect error|failed to create underlying connection|dns error")
_REFUSED = pattern(r"\b(?P<status>401 Unauthorized|403 Forbidden)\b")
_LAST_LINE = pattern(r"^\s*cause:\s*(?P<text>.+)$", re.M)
_OFF = pattern(
    r"(?:Because|because) (?P<name>[\w.=-]+) (?:was not found in the cache|needs to be downloaded)"
    r"|Failed to download `(?P<file>[^`]+)`"
    r"|found in the cache(?: for)?: `?\S*/(?P<part>[^/\s`]+)"
)
# Offline, the cached page may be older than the release that is missing.
_OUTDATED = pattern(r"there (?:is no version|are no versions) of (?P<name>[\w.=-]+)")
_OFFLINE = pattern(r"the network was disabled|Network connectivity is disabled")


def of_uv(stderr: str, indexes: Indexes, network: Network) -> Exception | None:
    """Return the error if uv failed because of something between it and the index, or None.

    A failure that may be gone the next time is a `NetworkFault`, without credentials in its message.
    """
    text = stderr.partition("[stderr]")[0]  # the rest is the output of a build
    if _OFFLINE.search(text) or (indexes.offline and _OUTDATED.search(text)):
        return _not_cached(text)
    match = _URL.search(text)
    url = without_credentials(match["url"]) if match else ""
    if found := _CERTIFICATE.search(text):
        return faults.certificate(url, found["why"] or found["alert"])
    proxy = network.proxies.address(url)
    if proxy and (found := _PROXY.search(text)):
        return faults.proxy(proxy, found["why"], answered=True)
    if proxy and _NOT_THERE.search(text):
        causes = _LAST_LINE.findall(text)
        fault = faults.proxy(proxy, causes[-1] if causes else "it does not answer", answered=False)
        return NetworkFault(str(fault), hint=fault.hint)
    return _refused(text, url, indexes)


def _refused(text: str, url: str, indexes: Indexes) -> Unavailable | None:
    """Return the error if the index wants credentials; a file that is forbidden may be in quarantine."""
    found = _REFUSED.search(text)
    if not found or (found["status"].startswith("403") and "An index " not in text):
        return None
    return indexes.refusal(url, found["status"])


def _not_cached(text: str) -> NoResult:
    """Return that something is not cached, which says nothing about the release that needs it."""
    found = _OFF.search(text) or _OUTDATED.search(text)
    name = next(filter(None, found.groups()), "") if found else ""
    what = f"`{name}` is" if name else "something that it needs is"
    return NoResult(f"{what} not cached, and {OFFLINE}")

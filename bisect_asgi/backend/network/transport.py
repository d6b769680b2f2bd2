"""Carry each request as uv would: with credentials, through proxies or past them, to hosts that it trusts."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import httpx

from bisect_asgi.backend.network import certificates, credentials
from bisect_asgi.backend.network.network import Network

_DEFAULT_PORTS = {"http": 80, "https": 443}


class CertificateFault(httpx.TransportError):
    """The index has no certificate that is trusted, or does not take ours."""


class ProxyFault(httpx.TransportError):
    """A proxy did not pass the request on.

    Args:
        proxy: its address.
        reason: its answer, or the reason why there is none.
        answered: whether the proxy answered; then another attempt is no use.
    """

    def __init__(self, proxy: str, reason: str, *, answered: bool) -> None:
        super().__init__(reason)
        self.proxy = proxy
        self.answered = answered


def _told(error: httpx.TransportError, proxy: str) -> httpx.TransportError:
    """Return what an error of a request means, which went through a proxy or, if it is "", did not."""
    if fault := next(_tls_faults(error), None):
        return fault
    if isinstance(error, httpx.ProxyError):
        reason = str(error)
        return ProxyFault(proxy, reason, answered=not reason.startswith("5"))
    if proxy and isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        return ProxyFault(proxy, str(error) or "it does not answer", answered=False)
    return error


def _told_of(transport: httpx.BaseTransport, request: httpx.Request, proxy: str) -> httpx.Response:
    """Send a request; what goes wrong is raised as what it means."""
    try:
        return transport.handle_request(request)
    except httpx.TransportError as error:
        told = _told(error, proxy)
        if told is error:  # without this, an error that is its own cause would loop for ever
            raise
        raise told from error


class Routes(httpx.BaseTransport):
    """A transport for all hosts; safe for threads.

    Args:
        network: the network settings of the machine.
        known: addresses with credentials, which hold for all addresses below them, or else on their host.
        insecure_hosts: hosts whose certificates are not verified.
    """

    def __init__(self, network: Network, known: Iterable[str], insecure_hosts: Sequence[str] = ()) -> None:
        self._network = network
        self._insecure = tuple(filter(None, map(_host, insecure_hosts)))
        self._known: list[tuple[str, str]] = []
        for url in known:
            with suppress(ValueError):
                bare, own = credentials.split(url)
                if own:
                    token = base64.b64encode(":".join(own).encode()).decode()
                    self._known.append((bare.rstrip("/") + "/", f"Basic {token}"))
        self._guard = threading.Lock()
        self._made: dict[tuple[str, bool], tuple[httpx.BaseTransport, bool]] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            CertificateFault, ProxyFault: the request did not reach the server.
        """
        url = str(request.url)
        if "authorization" not in request.headers and (own := self._credentials(request.url)):
            request.headers["Authorization"] = own
        proxy = self._network.proxies.address(url)
        # Reading all certificates takes as long as getting a page, and without TLS none are needed.
        verified = "https" in (request.url.scheme, proxy.partition(":")[0])
        verified = verified and not self._is_insecure(request.url)
        response = self._sent(request, proxy, verified=verified)
        if response.status_code == httpx.codes.PROXY_AUTHENTICATION_REQUIRED and proxy:
            response.close()
            raise ProxyFault(proxy, "407 Proxy Authentication Required", answered=True)
        return response

    def _sent(self, request: httpx.Request, proxy: str, *, verified: bool) -> httpx.Response:
        transport, trusts_all = self._transport(proxy, verified=verified)
        try:
            return _told_of(transport, request, proxy)
        except CertificateFault:
            if trusts_all:
                raise
        # It is safe to send the request again: without a connection, nothing was sent.
        transport, _ = self._transport(proxy, verified=verified, anew=True)
        return _told_of(transport, request, proxy)

    def close(self) -> None:
        """Close all connections."""
        for transport, _ in self._made.values():
            transport.close()

    def _transport(
        self, proxy: str, *, verified: bool, anew: bool = False
    ) -> tuple[httpx.BaseTransport, bool]:
        """Return a transport, and whether it trusts all that the user trusts.

        `anew`: make one that trusts all.
        """
        with self._guard:
            known = self._made.get((proxy, verified))
            if known is None or (anew and not known[1]):
                trusted = certificates.trusting_at_once() if verified and not anew else None
                context = trusted or (
                    certificates.trusting(system=self._network.system_certificates)
                    if verified
                    else certificates.trusting_all()
                )
                made = httpx.HTTPTransport(verify=context, proxy=proxy or None, trust_env=False)
                known = self._made[proxy, verified] = made, trusted is None
            return known

    def _credentials(self, url: httpx.URL) -> str:
        """Return the header for an address: of the longest known one above it, else of one on its host."""
        above = [(known, own) for known, own in self._known if f"{url}/".startswith(known)]
        beside = [(known, own) for known, own in self._known if _origin(httpx.URL(known)) == _origin(url)]
        return max(above, default=beside[0] if beside else ("", ""), key=lambda each: len(each[0]))[1]

    def _is_insecure(self, url: httpx.URL) -> bool:
        port = url.port or _DEFAULT_PORTS.get(url.scheme)
        return url.scheme == "https" and any(
            host == url.host and own in (None, port) for host, own in self._insecure
        )


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or _DEFAULT_PORTS.get(url.scheme)


def _host(text: str) -> tuple[str, int | None] | None:
    """Return the host and the port of an entry such as `host`, `host:8443` or `https://host`."""
    with suppress(httpx.InvalidURL):
        url = httpx.URL(text if "://" in text else f"https://{text}")
        return (url.host, url.port) if url.host else None
    return None


def _tls_faults(error: BaseException) -> Iterator[CertificateFault]:
    """Yield what is wrong with a certificate, if that is why a request failed."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            yield CertificateFault(cause.verify_message or str(cause))
        elif isinstance(cause, ssl.SSLError) and "ALERT" in (cause.reason or ""):
            yield CertificateFault(str(cause.reason).lower().replace("_", " "))
        cause = cause.__cause__ or cause.__context__

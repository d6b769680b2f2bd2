"""Faults between the tool and the index, each with a message and a hint.

No message shows a password: a proxy is named without it, and callers have removed credentials from addresses.
"""

from __future__ import annotations

from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.text import listing, without_credentials

_EXPIRED, _OF_ANOTHER = ("expired", "not yet valid"), ("mismatch", "not valid for", "NotValidForName")
_CERTIFICATE_HINTS = (
    (_EXPIRED, "check this machine's clock (`date`); if it is right, the index needs a new certificate"),
    (_OF_ANOTHER, "check the host in uv's configuration: the certificate is for another one"),
)
_UNTRUSTED = (
    "name the file of the authority that signed it, as in `SSL_CERT_FILE=ca.pem`, or trust this machine's "
    "certificates with `UV_SYSTEM_CERTS=1`"
)


def certificate(url: str, reason: str) -> Unavailable:
    """Return the error about a certificate."""
    hint = next((hint for words, hint in _CERTIFICATE_HINTS if any(word in reason for word in words)), None)
    if "alert" in reason.lower():
        return Unavailable(
            f"the index wants a certificate of yours: `{url}` ({reason})",
            hint="name the file with it and its key, as in `SSL_CLIENT_CERT=me.pem`",
        )
    return Unavailable(f"the index's certificate is not trusted: `{url}` ({reason})", hint=hint or _UNTRUSTED)


def proxy(address: str, reason: str, *, answered: bool) -> Unavailable:
    """Return the error about a proxy."""
    shown = f"`{without_credentials(address)}`"
    if "407" in reason or "authorization required" in reason:
        return Unavailable(
            f"the proxy wants credentials, or other ones: {shown} ({reason})",
            hint="write them into its address, as in `HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT`",
        )
    what = "the proxy refused the request" if answered else "the proxy cannot be reached"
    return Unavailable(
        f"{what}: {shown} ({reason})",
        hint="check `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY`, or name the index's host in `NO_PROXY`",
    )


def refused(url: str, status: str, *, found_in: str, looked_in: tuple[str, ...]) -> Unavailable:
    """Return the error about an index that wants credentials, or other ones."""
    if found_in:
        return Unavailable(
            f"the package index refused the credentials from {found_in}: `{url}` ({status})",
            hint="correct them, or ask for access to the index",
        )
    return Unavailable(
        f"the package index refused access: `{url}` ({status}); there are no credentials for it in "
        f"{listing(looked_in, most=9)}",
        hint="add them to one of these, as `uv auth login URL --username USER` does",
    )

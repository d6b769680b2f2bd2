"""What is asked of the outside only behind a boundary: contents, changelogs, tags."""

from __future__ import annotations

import threading

from bisect_asgi.backend import sdists
from bisect_asgi.backend.index import IndexClient
from bisect_asgi.backend.repository import remote_tags
from bisect_asgi.core.cancel import Lifeline
from bisect_asgi.core.errors import Cancelled, Unavailable
from bisect_asgi.core.model import Distribution
from bisect_asgi.core.releases import changelog
from bisect_asgi.core.releases.select import SDIST_SUFFIXES
from bisect_asgi.core.services import ReleasesOf

_TAGS_TIMEOUT_S = 5.0


def asked_tags(where: str) -> tuple[str, ...]:
    """The tags at an address, if it answers soon: they are only for a link.

    Raises:
        UsageError: there is no repository.
        Unavailable: it does not answer, or not soon.
    """
    lifeline = Lifeline()
    timer = threading.Timer(_TAGS_TIMEOUT_S, lifeline.cancel)
    timer.start()
    try:
        return remote_tags(where, lifeline)
    except Cancelled as error:
        raise Unavailable(f"`{where}` does not answer", hint="its tags are for a link alone") from error
    finally:
        timer.cancel()


def changelogs(index: IndexClient, releases_of: ReleasesOf, distribution: Distribution) -> tuple[str, ...]:
    """What may be changelogs in the source distribution of a release."""
    for release in releases_of(distribution.name):
        if release.version == distribution.version:
            for file in release.files:
                if file.filename.endswith(SDIST_SUFFIXES):
                    content = index.download(file, at_most=sdists.LARGEST_BYTES)
                    return sdists.texts(content, changelog.candidates) if content else ()
    return ()

"""What is installed in an environment, read from its files as `importlib.metadata` there reads them.

Not by asking its Python, which takes as long as many a probe: that it looks there was proved of the skeleton.
"""

from __future__ import annotations

from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bisect_asgi.backend.environments.templates import NotProved, site_packages
from bisect_asgi.core.model import Distribution


def installed(environment: Path) -> tuple[Distribution, ...]:
    """The environment's distributions, in the order of their names.

    Raises:
        NotProved: one of them does not say what it is.
    """
    found = map(_read, metadata.distributions(path=[str(site_packages(environment))]))
    return tuple(sorted(found, key=lambda distribution: distribution.name))


def _read(distribution: metadata.Distribution) -> Distribution:
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    headers = HeaderParser().parsestr(text.partition("\n\n")[0])  # not the description, which may be long
    name, version = headers["Name"], headers["Version"]
    if not name or not version:
        raise NotProved(f"`{getattr(distribution, '_path', distribution)}` does not say what it is")
    return Distribution(name=canonicalize_name(name), version=version)


def prove(distributions: tuple[Distribution, ...], wanted: Distribution | None) -> None:
    """Hold what is installed against what should be.

    Raises:
        NotProved: it is not there, or another version.
    """
    if wanted is None:
        return
    found = next((d.version for d in distributions if d.name == wanted.name), None)
    if found is None:
        raise NotProved(f"`{wanted}` was installed, and its Python does not see it")
    try:
        same = Version(found) == Version(wanted.version)
    except InvalidVersion:
        same = found == wanted.version
    if not same:
        raise NotProved(f"`{wanted}` was installed, and its metadata says {found}")

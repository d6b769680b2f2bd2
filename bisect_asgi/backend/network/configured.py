"""Find out which indexes the user has configured for uv.

uv prints only the addresses. Names, formats and other settings of an index are read from the variables and
files that name its address.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bisect_asgi.backend.network import credentials, question
from bisect_asgi.backend.network.indexes import FIRST_INDEX, Indexes, Traits
from bisect_asgi.backend.network.network import Network
from bisect_asgi.backend.network.settings import Settings
from bisect_asgi.backend.network.uv_faults import of_uv
from bisect_asgi.backend.uv_output import KILLED, RETRIES, first_cause
from bisect_asgi.core.errors import NoResult, Unavailable, not_asked
from bisect_asgi.core.text import duration

_ASK_S = 120.0


def binary() -> str:
    """Return the path of the uv that is installed with this tool.

    Raises:
        Unavailable: the installation is damaged.
    """
    # In a virtual environment, `uv.find_uv_bin` finds this one first, too, in the time of ten imports.
    if sys.prefix != sys.base_prefix and (program := question.beside_python()):
        return program
    import uv

    try:
        return uv.find_uv_bin()
    except FileNotFoundError as error:
        raise Unavailable(
            f"uv's program is missing: {error}", hint="install bisect-asgi again; uv comes with it"
        ) from error


def configured_indexes() -> Indexes:
    """Return the indexes of the user's configuration (files, variables, defaults), as uv reads it here.

    Raises:
        Unavailable: uv could not read its configuration.
    """
    printed, settings = _printed(), Settings()
    keyring = (
        os.environ.get("UV_KEYRING_PROVIDER") or settings.first("keyring-provider", str)
    ) == "subprocess"
    tables = [*_of_variables(), *_of_files(settings)]
    urls, traits = [], []
    for url in printed["--extra-index-url"] + printed["--index-url"]:
        folder, table = next(((folder, own) for folder, own in tables if own.get("url") == url), (None, {}))
        own, trait = _completed(_whole(url, folder), table, keyring=keyring)
        urls.append(own)
        traits.append(trait)
    links = [_whole(url, _folder_of(url, settings.every("find-links"))) for url in printed["--find-links"]]
    return Indexes(
        urls=tuple(urls),
        find_links=tuple(_completed(url, {}, keyring=keyring)[0] for url in links),
        traits=tuple(traits) if any(trait != Traits() for trait in traits) else (),
        strategy=os.environ.get("UV_INDEX_STRATEGY") or settings.first("index-strategy", str) or FIRST_INDEX,
        insecure_hosts=tuple(_insecure_hosts(settings)),
        has_keyring=keyring,
        offline=settings.is_on("offline"),
    )


def _completed(url: str, table: dict[str, Any], *, keyring: bool) -> tuple[str, Traits]:
    """Return the address of an index with its credentials, and its traits."""
    name, authenticate = (str(table.get(key) or "") for key in ("name", "authenticate"))
    found = None
    if authenticate != "never" and url.startswith(("http:", "https:")):
        found = credentials.find(url, name=name, keyring=keyring, always=authenticate == "always")
    codes = table.get("ignore-error-codes") or ()
    return credentials.with_credentials(url, found), Traits(
        name=name,
        is_flat=table.get("format") == "flat",
        authenticate=authenticate,
        ignored=tuple(code for code in codes if isinstance(code, int)),
        found_in=found.place if found else "",
    )


def _of_variables() -> Iterator[tuple[Path | None, dict[str, Any]]]:
    """Yield the indexes in uv's variables as tables, most of which have an address only."""
    for variable in ("UV_INDEX", "UV_DEFAULT_INDEX"):
        for text in os.environ.get(variable, "").split():
            name, equals, url = text.partition("=")
            # If the value has no name, its first `=` is a part of the address.
            is_named = equals and "/" not in name and ":" not in name
            yield None, {"name": name, "url": url} if is_named else {"url": text}


def _of_files(settings: Settings) -> Iterator[tuple[Path | None, dict[str, Any]]]:
    for folder, table in settings.every("index"):
        if isinstance(table, dict):
            yield folder, table
    for key in ("index-url", "extra-index-url"):
        for folder, url in settings.every(key):
            yield folder, {"url": url}


def _folder_of(url: str, items: Iterator[tuple[Path, Any]]) -> Path | None:
    return next((folder for folder, item in items if item == url), None)


def _whole(url: str, folder: Path | None) -> str:
    """Return an address as such: a path is relative to the directory of the file that has it."""
    return url if "://" in url or url.startswith("file:") else Path(folder or Path.cwd(), url).as_uri()


def _insecure_hosts(settings: Settings) -> Iterator[str]:
    yield from os.environ.get("UV_INSECURE_HOST", "").split()
    for name in ("allow-insecure-host", "trusted-host"):
        yield from (str(host) for _, host in settings.every(name))


def _asked() -> subprocess.CompletedProcess[str]:
    """Return what uv prints of its configuration; run uv again if it was killed, as when memory is short.

    Raises:
        Unavailable: uv does not end, or is killed again.
    """
    try:
        for _ in range(RETRIES):
            asked = question.answer(binary(), limit_s=_ASK_S)
            if asked.returncode >= 0 and not KILLED.search(asked.stderr):
                return asked
    except subprocess.TimeoutExpired as error:
        raise Unavailable(
            f"uv did not say within {duration(_ASK_S)} which indexes it is configured for",
            hint="`uv pip compile - --emit-index-url < /dev/null` shows whether it ends",
        ) from error
    raise Unavailable(
        f"uv was killed {RETRIES} times before it had read its configuration",
        hint="free some memory, then run the same command again",
    )


def _printed() -> dict[str, list[str]]:
    """Return the addresses that uv prints, by option.

    Raises:
        Unavailable: uv could not read its configuration.
    """
    asked = _asked()
    if asked.returncode != 0:
        # uv reads lists of files already to print its configuration, so this may be a fault of the network.
        found = of_uv(asked.stderr, Indexes(urls=()), Network.of_this_machine())
        if isinstance(found, NoResult):
            raise not_asked(found)
        if found is None and "--find-links" in asked.stderr:
            found = Unavailable(
                f"a list of files cannot be read: {first_cause(asked.stderr)}",
                hint="check `find-links` in uv's configuration, and `UV_FIND_LINKS`",
            )
        raise found or Unavailable(
            f"uv cannot read its configuration: {first_cause(asked.stderr)}",
            hint="`uv pip compile - --emit-index-url < /dev/null` shows it",
        )
    printed: dict[str, list[str]] = {"--index-url": [], "--extra-index-url": [], "--find-links": []}
    for line in asked.stdout.splitlines():
        option, _, value = line.strip().partition(" ")
        if option in printed:
            printed[option].append(value)
    return printed

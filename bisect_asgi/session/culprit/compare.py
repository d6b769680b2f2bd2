"""Compare the two releases of a culprit: requirements, files, changelog and links."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from bisect_asgi.core.errors import BuildFailed, Unavailable, Unresolvable, UsageError
from bisect_asgi.core.events import Compared
from bisect_asgi.core.model import Distribution, Interpreter, Move, Observation
from bisect_asgi.core.records import replace
from bisect_asgi.core.release_diff import Contents
from bisect_asgi.core.releases import changelog, links
from bisect_asgi.core.releases.diff import compare
from bisect_asgi.core.releases.links import tag_of
from bisect_asgi.core.services import Repository, Services

_FRAME = re.compile(r'File "(?P<path>[^"\n]+)", line (?P<line>\d+), in (?P<function>\S+)')

Frames = Sequence[tuple[str, int, str]]


def compare_releases(
    move: Move,
    interpreter: Interpreter,
    failing: Sequence[Observation],
    services: Services,
    repository: Repository | None = None,
) -> Compared:
    """Compare a distribution's two versions; what cannot be had is left out, with the problem if it is all.

    Args:
        failing: the runs on the side that fails; files of their tracebacks come first.
        repository: the one that the user named; None: the one that the releases link to.
    """
    compared = Compared(name=move.name, old=move.old or "", new=move.new or "")
    if not (move.old and move.new):  # it was added or removed
        return compared
    try:
        old, new = (
            services.index.contents(Distribution(name=move.name, version=version), interpreter)
            for version in (move.old, move.new)
        )
    except (Unresolvable, BuildFailed, Unavailable) as error:
        return replace(compared, problem=str(error))
    address = links.repository(new.metadata) or links.repository(old.metadata)
    tags = _tags(address, repository, compared, services)
    return replace(
        compared,
        changed=compare(old, new, traceback=_frames(failing)),
        links=links.links(new.metadata),
        repository=address,
        comparison=links.comparison(address, *tags) if address and tags else None,
        changelog=_excerpt(
            compared, chain(_texts(new), _sdist_texts(compared, services), _own_texts(repository, tags))
        ),
    )


def _frames(runs: Sequence[Observation]) -> Frames:
    """Return the frames of a failing run: of its exception, else of its output, or of where it hung."""
    for run in runs:
        if run.frames:
            return run.frames
        if found := list(_FRAME.finditer(run.stacks or run.output_tail)):
            return [(match["path"], int(match["line"]), match["function"]) for match in found]
    return ()


def _tags(
    address: str | None, repository: Repository | None, compared: Compared, services: Services
) -> tuple[str, str] | None:
    """Return the tags of both releases, or None if the repository lacks one or does not answer."""
    if repository:
        own = [repository.tag_of(version, compared.name) for version in (compared.old, compared.new)]
    else:
        every = _remote_tags(address, services) if address else ()
        own = [tag_of(version, compared.name, every) for version in (compared.old, compared.new)]
    return (own[0], own[1]) if own[0] and own[1] else None


def _remote_tags(address: str, services: Services) -> Sequence[str]:
    try:
        return services.repositories.tags(address)
    except (Unavailable, UsageError):
        return ()


def _excerpt(compared: Compared, texts: Iterable[str]) -> str | None:
    """Return the part of a changelog about the newer release, from the first text that has one."""
    found = (changelog.excerpt(text, compared.old, compared.new, name=compared.name) for text in texts)
    return next((text for text in found if text), None)


def _own_texts(repository: Repository | None, tags: tuple[str, str] | None) -> Iterator[str]:
    """Yield files of the repository that may be changelogs, at the newer tag."""
    if repository is None or tags is None:
        return
    for path in changelog.candidates(repository.files(tags[1])):
        try:
            yield repository.text(tags[1], path)
        except (Unavailable, UsageError):  # a copy may lack large files
            continue


def _texts(contents: Contents) -> Iterator[str]:
    files = {file.path: file.text for file in contents.files if file.text}
    yield from (files[path] for path in changelog.candidates(files))
    yield contents.metadata.description


def _sdist_texts(compared: Compared, services: Services) -> Iterator[str]:
    try:
        yield from services.index.changelogs(Distribution(name=compared.name, version=compared.new))
    except (Unavailable, UsageError):
        return  # a changelog is worth no error

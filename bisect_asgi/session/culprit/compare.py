"""What changed in what carries the change: between the two releases of it that answer differently."""

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
    """Compare a distribution's two versions; what could not be had is said and left out.

    Args:
        failing: the runs on the side that fails; files of their tracebacks come first.
        repository: the one that the user named, if any.
    """
    told = Compared(name=move.name, old=move.old or "", new=move.new or "")
    if not (move.old and move.new):  # there is nothing to compare it with
        return told
    try:
        old, new = (
            services.index.contents(Distribution(name=move.name, version=version), interpreter)
            for version in (move.old, move.new)
        )
    except (Unresolvable, BuildFailed, Unavailable) as error:
        return replace(told, problem=str(error))
    address = links.repository(new.metadata) or links.repository(old.metadata)
    tags = _tags(address, repository, told, services)
    return replace(
        told,
        changed=compare(old, new, traceback=_frames(failing)),
        links=links.links(new.metadata),
        repository=address,
        comparison=links.comparison(address, *tags) if address and tags else None,
        changelog=_excerpt(
            told, chain(_texts(new), _sdist_texts(told, services), _own_texts(repository, tags))
        ),
    )


def _frames(runs: Sequence[Observation]) -> Frames:
    """The frames of a failing run: of its exception, else of what it printed, or of where it hung."""
    for run in runs:
        if run.frames:
            return run.frames
        if found := list(_FRAME.finditer(run.stacks or run.output_tail)):
            return [(match["path"], int(match["line"]), match["function"]) for match in found]
    return ()


def _tags(
    address: str | None, repository: Repository | None, told: Compared, services: Services
) -> tuple[str, str] | None:
    """The tags of both releases; None where the repository has them not, or does not answer."""
    if repository:
        own = [repository.tag_of(version, told.name) for version in (told.old, told.new)]
    else:
        every = _asked(address, services) if address else ()
        own = [tag_of(version, told.name, every) for version in (told.old, told.new)]
    return (own[0], own[1]) if own[0] and own[1] else None


def _asked(address: str, services: Services) -> Sequence[str]:
    try:
        return services.repositories.tags(address)
    except (Unavailable, UsageError):
        return ()


def _excerpt(told: Compared, texts: Iterable[str]) -> str | None:
    """What the changelog says of the newer release: the first text in which it is found."""
    found = (changelog.excerpt(text, told.old, told.new, name=told.name) for text in texts)
    return next((text for text in found if text), None)


def _own_texts(repository: Repository | None, tags: tuple[str, str] | None) -> Iterator[str]:
    """What may be changelogs in the repository, at the newer tag."""
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


def _sdist_texts(told: Compared, services: Services) -> Iterator[str]:
    try:
        yield from services.index.changelogs(Distribution(name=told.name, version=told.new))
    except (Unavailable, UsageError):
        return  # a changelog is worth no error

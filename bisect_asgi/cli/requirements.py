"""Read what environments get besides the package: `--with`, files of requirements, groups, own projects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bisect_asgi.cli.files import read_bytes
from bisect_asgi.core.errors import BisectError, UsageError
from bisect_asgi.core.plan import LockedProject
from bisect_asgi.core.plan.own_projects import GivenProject, StatedLine, Wanted, based, reference_of
from bisect_asgi.core.plan.tables import ProbeMetadata
from bisect_asgi.core.records import replace

if TYPE_CHECKING:
    from bisect_asgi.core.plan.options import Options

_WITH, _PROBE = "--with", "the probe's dependencies"


def read_wanted(options: Options, metadata: ProbeMetadata, folder: Path | None) -> Wanted:
    """Return all that environments get; paths in the probe's metadata are relative to `folder`, the probe's.

    Raises:
        UsageError: a file or a project does not exist or cannot be read.
        Unavailable: a repository's address did not respond.
    """
    files = _Files()
    for path in options.with_requirements:
        files.take(path, "--with-requirements")
    for path in options.constraint:
        files.take(path, "--constraint", is_constraint=True)
    lines = [*files.lines, *_grouped(options.group)]
    texts = [
        *((text, f"`{_WITH}`") for text in options.with_),
        *((based(text, str(folder or ".")), _PROBE) for text in metadata.dependencies),
        *((line.text, line.of) for line in lines),
    ]
    own = _with_sources(dict.fromkeys(given for text, of in texts if (given := _own(text, of))))
    _check_names(list(own))
    is_own = {given.given for given in own}
    copied = [given for given in own if not given.is_built]
    lines += [
        StatedLine(text=text, of=f"`{given.project.name}`", is_file=False)
        for given in copied
        for text in given.requires
    ]
    return Wanted(
        stated=tuple(text for text in options.with_ if text not in is_own),
        of_probe=tuple(t for t in metadata.dependencies if based(t, str(folder or ".")) not in is_own),
        lines=tuple(line for line in lines if line.text not in is_own),
        constraints=tuple(files.constraints),
        hashes=tuple(files.hashes),
        own=tuple(own),
    )


def _own(text: str, of: str) -> GivenProject | None:
    """Return the project of the user's that a requirement names, or None if it names a release."""
    reference = reference_of(text, of)
    if reference is None:
        return None
    from bisect_asgi.backend.own_projects import read_project
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.core.cancel import CancelToken

    places = CachePaths.configured()
    return read_project(
        reference,
        given=text,
        option=of,
        projects=places.projects,
        repositories=places.repositories,
        token=CancelToken(),
    )


def _with_sources(own: Iterable[GivenProject]) -> list[GivenProject]:
    """Return projects with those that their `[tool.uv.sources]` name; one that the user names wins."""
    found = list(own)
    names = {given.project.name for given in found}
    for given in found:  # `found` grows meanwhile, so that sources of sources are found, too
        for text in given.sources:
            more = _own(text, f"`[tool.uv.sources]` of `{given.project.name}`")
            if more and more.project.name not in names:
                names.add(more.project.name)
                found.append(more)
    return found


def _check_names(own: Sequence[GivenProject]) -> None:
    """Raise UsageError if two different projects have one name."""
    for number, given in enumerate(own):
        for other in own[:number]:
            if other.project.name == given.project.name and other.project != given.project:
                raise UsageError(
                    f"`{other.given}` and `{given.given}` are both the project `{given.project.name}`",
                    hint="name one of them",
                )


def read_locked(text: str, folder: Path) -> tuple[LockedProject, ...]:
    """Return the projects in a lock file that are directories, files or commits; paths begin at `folder`.

    A lock file may have been moved away from the projects that it names, so a missing project is no error.
    """
    from bisect_asgi.core.lockfiles.sources import sources

    found = []
    for entry, requirement in sources(text).items():
        try:
            given = _own(based(requirement, str(folder)), "the lock file")
        except BisectError as error:
            found.append(LockedProject(entry=entry, problem=str(error)))
        else:
            if given and given.is_built:
                found.append(LockedProject(entry=entry, given=given))
    return tuple(found)


class _Files:
    """Reads files of requirements, with those that they include, each once."""

    def __init__(self) -> None:
        self.lines: list[StatedLine] = []
        self.constraints: list[StatedLine] = []
        self.hashes: list[str] = []
        self._read: set[tuple[Path, bool]] = set()

    def take(self, path: str, option: str, *, is_constraint: bool = False) -> None:
        """Read a file.

        Raises:
            UsageError: the file cannot be read, or has a line that is not supported.
        """
        from bisect_asgi.core.lockfiles import decode
        from bisect_asgi.core.plan.requirement_files import read_lines

        if "://" in path:
            raise UsageError(f"`{path}` is no file of this machine (`{option}`)", hint="download it")
        place = Path(path)
        if (place.resolve(), is_constraint) in self._read:
            return
        self._read.add((place.resolve(), is_constraint))
        found = read_lines(decode(read_bytes(place, option), name=path), name=path)
        stated = [StatedLine(text=_placed(text, place.parent), of=f"`{path}`") for text in found.requirements]
        self.hashes += found.hashes
        if is_constraint:
            self.constraints += map(_constraint, stated)
        else:
            self.lines += stated
        for file in found.files:
            self.take(str(place.parent / file), f"-r in {path}", is_constraint=is_constraint)
        for file in found.constraints:
            self.take(str(place.parent / file), f"-c in {path}", is_constraint=True)


def _constraint(line: StatedLine) -> StatedLine:
    """Return a constraint, which has no address and no extras for uv."""
    if reference_of(line.text, line.of) is not None:
        raise UsageError(
            f"{line.of} names a project of yours, which is no constraint: `{line.text}`",
            hint="name it by `--with`",
        )
    return line


def _placed(text: str, folder: Path) -> str:
    """Return a line with its path made relative to the current directory: pip's rule, or else the file's."""
    reference = reference_of(text, "")
    if reference is None or reference.is_git or Path(reference.where).expanduser().exists():
        return text
    return based(text, str(folder))


def _grouped(groups: Sequence[str]) -> Iterator[StatedLine]:
    """Yield the requirements of dependency groups.

    Raises:
        UsageError: the file or the group does not exist.
    """
    for asked in groups:
        from bisect_asgi.backend.own_projects.facts import sources_of
        from bisect_asgi.core import codec
        from bisect_asgi.core.plan.requirement_files import read_group, split_group

        path, name = split_group(asked)
        place = Path(path) / "pyproject.toml" if Path(path).is_dir() else Path(path)
        text = read_bytes(place, "--group").decode("utf-8", "replace")
        try:
            document = codec.from_toml(text)
        except codec.Unreadable as error:
            raise UsageError(
                f"`{place}` is no valid TOML: {error} (`--group`)", hint="mend it, and run this again"
            ) from error
        of = f"the group `{name}`"
        lines = read_group(document, name, where=str(place))
        placed = sources_of(document, lines, place.parent)
        for line in lines:
            text = based(placed.get(line, line), str(place.parent))
            yield StatedLine(text=text, of=of, is_file=False)


def relative_requirements(folder: Path, options: Options) -> Options:
    """Return the options of a file in `folder`, with paths in `with` and `group` joined to it."""
    from bisect_asgi.core.plan.requirement_files import split_group

    def grouped(text: str) -> str:
        path, name = split_group(text)
        return f"{folder / path}:{name}"

    return replace(
        options,
        with_=tuple(based(text, str(folder)) for text in options.with_),
        group=tuple(map(grouped, options.group)),
    )

"""Build with the tools of one date after the other, and keep the wheels of commits.

Tools as old as the project may lack today's interface (PEP 517 came in 2018), and today's tools may no longer
build an old project. Tools of some date in between mostly work. Failed builds are recorded.

The wheel of a commit is built in a separate checkout, because files that one build leaves could get into the
next wheel. It is kept under the digest of its sources. All files in it have the same date: then commits that
change nothing in the package give equal bytes, and share an environment.
"""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from time import monotonic

from packaging.utils import canonicalize_name, parse_wheel_filename

from bisect_asgi.backend.files import flush, locked, remove
from bisect_asgi.backend.repository import Repository
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Unresolvable, not_writable
from bisect_asgi.core.model import Commit, Interpreter, OwnProject, ProjectMetadata
from bisect_asgi.core.plan.own_projects import name_in

_YEAR = timedelta(days=365.25)
_LATER_YEARS = (1, 2, 3, 5, 8)
_BUDGET_S = 45.0
_GRACE = timedelta(days=1)
_NOTE = "tools.txt"


class BuildTools:
    """Tries build tools of several dates, and remembers which failed.

    Args:
        recall_failure: returns the reason why a build with tools up to a date failed before, or None.
        record_failure: stores that reason.
    """

    def __init__(
        self, *, recall_failure: Callable[[str], str | None], record_failure: Callable[[str, str], None]
    ) -> None:
        self._recall_failure = recall_failure
        self._record_failure = record_failure

    def build(
        self,
        what: str,
        interpreter: Interpreter,
        limits: Iterable[datetime | None],
        action: Callable[[datetime | None], None],
    ) -> datetime | None:
        """Call `action` with each date in turn; return the first with which it succeeded (None: no date).

        Raises:
            BuildFailed: it failed with all dates; the message is the last reason.
        """
        reason, is_lasting = "", True
        started = monotonic()
        for limit in limits:
            if monotonic() - started > _BUDGET_S:
                break  # only compiling takes so long, and the compiler does not depend on the date
            key = codec.digest("build", what, interpreter, limit)
            if known := self._recall_failure(key):
                reason = known
                continue
            try:
                action(limit)
                return limit
            except (Unresolvable, BuildFailed) as error:
                reason = str(error)
                if error.is_lasting:
                    self._record_failure(key, reason)
                is_lasting &= error.is_lasting
        raise BuildFailed(reason, is_lasting=is_lasting)


def later(moment: datetime | None) -> list[datetime | None]:
    """Return the dates of later tools in the order in which they are tried; None is today."""
    if moment is None:
        return [None]
    now = datetime.now(UTC)
    past = [then for years in _LATER_YEARS if (then := moment + years * _YEAR) < now]
    return [*past, None]


def stamp(moment: datetime) -> str:
    """Return a date as uv reads it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def when(limit: datetime | None) -> str:
    """Return a date as people read it."""
    return limit.date().isoformat() if limit else "today"


class WheelBuilder:
    """Builds and keeps the wheels of commits; safe for threads and processes.

    Args:
        uv: builds.
        folder: the directory of finished wheels.
        repositories: the directory of the copies of repositories.
        recall_failure, record_failure: see `BuildTools`.
    """

    def __init__(
        self,
        uv: Uv,
        *,
        folder: Path,
        repositories: Path,
        recall_failure: Callable[[str], str | None],
        record_failure: Callable[[str, str], None],
    ) -> None:
        self._uv = uv
        self._folder = folder
        self._repositories = repositories
        self._tools = BuildTools(recall_failure=recall_failure, record_failure=record_failure)
        self._sound: set[str] = set()

    def wheel(self, commit: Commit, interpreter: Interpreter, token: CancelToken) -> Path:
        """Return the wheel of a commit, building it unless it exists.

        Raises:
            BuildFailed: tools of no date build it, or the repository does not contain the project.
            UsageError: there is no such repository or commit.
            Unavailable: the index or the repository did not answer, or the directory cannot be written.
            Cancelled: the token was cancelled.
        """
        digest = codec.digest("wheel", commit.repository, commit.sha, commit.project, interpreter)
        return self._obtained(digest, lambda home: self._make(home, commit, interpreter, token), token)

    def own(self, project: OwnProject, interpreter: Interpreter, token: CancelToken) -> Path:
        """Return the wheel of a project of the user's, building it unless it exists.

        A wheel that fits every Python is built once, on the first one that is asked for.

        Raises:
            BuildFailed: it cannot be built; the message has the last line of the build.
            Unavailable, Cancelled: as `wheel`.
        """
        if project.commit:
            return self.wheel(project.commit, interpreter, token)
        everywhere = codec.digest("own", project.name, project.content)
        here = codec.digest("own", project.name, project.content, interpreter)
        with locked(self._lock(everywhere), waiting=token.check):
            for digest in (everywhere, here):
                if kept := self._kept(self._folder / digest):
                    return kept
            made = self._obtained(here, lambda home: self._make_own(home, project, interpreter, token), token)
            if not _fits_everywhere(made):
                return made
            try:
                remove(self._folder / everywhere)
                made.parent.rename(self._folder / everywhere)
            except OSError as error:
                raise not_writable("wheels", self._folder, error) from error
            return self._folder / everywhere / made.name

    def _obtained(self, digest: str, make: Callable[[Path], None], token: CancelToken) -> Path:
        """Return the wheel that is kept under a digest, making it unless it is whole."""
        home = self._folder / digest
        with locked(self._lock(digest), waiting=token.check):
            if (kept := self._kept(home)) is None:
                try:
                    remove(home)
                    make(home)
                except OSError as error:
                    raise not_writable("wheels", self._folder, error) from error
                kept = next(home.glob("*.whl"))
            self._sound.add(digest)
            return kept

    def _lock(self, digest: str) -> Path:
        return self._folder.with_name("locks") / f"wheel-{digest}.lock"

    def _kept(self, home: Path) -> Path | None:
        """Return the cached wheel, or None if it is damaged; its files are read once a command."""
        wheel = next(home.glob("*.whl"), None)
        if wheel is None or home.name in self._sound:
            return wheel
        import zipfile  # most commands build nothing

        with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(wheel) as archive:
            if archive.testzip() is None and (home / _NOTE).is_file():
                return wheel
        return None

    def _make(self, home: Path, commit: Commit, interpreter: Interpreter, token: CancelToken) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix="new-", dir=self._folder, ignore_cleanup_errors=True
        ) as aside:
            bench = _Bench(Path(aside), commit, self._repositories, token)
            committed = commit.committed + _GRACE
            limits = [committed, *later(committed)] if committed < datetime.now(UTC) else [None]

            def build(until: datetime | None) -> None:
                self._build(bench, interpreter, until, token)

            what = f"{commit.project} @ {commit.sha}"
            try:
                served = self._tools.build(what, interpreter, limits, build)
            except (BuildFailed, _NotThere) as error:
                message = f"commit {commit.sha[:12]} cannot be built: {error}"
                raise BuildFailed(message, is_lasting=getattr(error, "is_lasting", True)) from error
            (bench.made / _NOTE).write_text("" if served == limits[0] else when(served))
            flush(bench.made)
            bench.made.rename(home)

    def _make_own(
        self, home: Path, project: OwnProject, interpreter: Interpreter, token: CancelToken
    ) -> None:
        """Build a directory or a source distribution with today's tools, or copy a wheel."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix="new-", dir=self._folder, ignore_cleanup_errors=True
        ) as aside:
            made = Path(aside, "made")
            if project.path.endswith(".whl"):
                made.mkdir()
                shutil.copy(project.path, made)
            else:
                self._build_own(Path(aside), made, project, interpreter, token)
            (made / _NOTE).write_text("")
            flush(made)
            made.rename(home)

    def _build_own(
        self, aside: Path, made: Path, project: OwnProject, interpreter: Interpreter, token: CancelToken
    ) -> None:
        from bisect_asgi.backend.own_projects.copies import (
            copy_to_build,
        )  # most commands build no such project

        def build(_until: datetime | None) -> None:
            source = copy_to_build(project, aside / "source")
            arguments = ("--out-dir", str(made), "--python", interpreter.path)
            self._uv.build(source, *arguments, token=token, writable=[aside])

        what = f"{project.name} @ {project.content}"
        self._tools.build(what, interpreter, [None], build)
        found = [path.name for path in made.glob("*.whl")]
        if not any(parse_wheel_filename(name)[0] == project.name for name in found):
            raise BuildFailed(f"it builds {' and '.join(found) or 'no wheel'}, not `{project.name}`")

    def _build(
        self, bench: _Bench, interpreter: Interpreter, until: datetime | None, token: CancelToken
    ) -> None:
        """Build in the first directory that gives a wheel of the project's name, with tools up to a date."""
        failures, others = [], []
        for folder in bench.folders:
            remove(bench.made)
            dated = ("--exclude-newer", stamp(until)) if until else ()
            arguments = ("--out-dir", str(bench.made), "--python", interpreter.path, *dated)
            try:
                shared = bench.commit.repository  # one cache for the builds of a repository, and no others
                self._uv.build(folder, *arguments, token=token, writable=[bench.folder], shared=shared)
            except BuildFailed as error:
                failures.append(error)
            else:
                names = [path.name for path in bench.made.glob("*.whl")]
                if any(parse_wheel_filename(name)[0] == bench.commit.project for name in names):
                    return
                others += names
        if failures:
            raise failures[0]
        instead = f", only {' and '.join(others)}" if others else ""
        raise _NotThere(f"nothing in it builds `{bench.commit.project}`{instead}")


class _NotThere(Exception):
    """The repository does not contain the project at this commit, so that no tools would help."""


class _Bench:
    """The checkout of one commit, made only when a build needs it: it may be known to fail."""

    def __init__(self, folder: Path, commit: Commit, repositories: Path, token: CancelToken) -> None:
        self.commit = commit
        self.made = folder / "made"
        self.folder = folder
        """The directory of the checkout, and of what is built from it."""
        self._repositories = repositories
        self._token = token

    @cached_property
    def folders(self) -> list[Path]:
        """The directories of the checkout that may build the project, the likeliest first."""
        # Some builds take the project's name from the directory, so the checkout is named after the project.
        checkout = self.folder / self.commit.project
        repository = Repository.open(self.commit.repository, self._repositories, self._token)
        repository.checkout(self.commit.sha, checkout)
        return list(project_folders(checkout, self.commit.project))


def _fits_everywhere(wheel: Path) -> bool:
    """Return whether every Python 3 on every platform can install a wheel."""
    tags = parse_wheel_filename(wheel.name)[3]
    return any((tag.interpreter, tag.abi, tag.platform) == ("py3", "none", "any") for tag in tags)


def read_metadata(wheel: Path) -> ProjectMetadata:
    """Return what a wheel says of itself."""
    name, version, _, _ = parse_wheel_filename(wheel.name)
    import email
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        inner = next((each for each in archive.namelist() if each.endswith(".dist-info/METADATA")), None)
        text = archive.read(inner).decode("utf-8", "replace") if inner else ""
    headers = email.message_from_string(text)
    return ProjectMetadata(
        name=name, version=str(version), requires=tuple(map(str, headers.get_all("Requires-Dist", ())))
    )


def project_folders(checkout: Path, project: str) -> Iterator[Path]:
    """Yield the directories that may build a project: the root, then others down to two levels below it.

    The root counts unless it names another project. Another directory counts if its `pyproject.toml` names
    this project. Directories without such a name come last, if they are called like the project: old projects
    have their name in a `setup.py`, which cannot be read without running it.
    """
    if _builds(checkout) and _name(checkout) in (None, project):
        yield checkout
    below = [
        folder
        for pattern in ("*", "*/*")
        for folder in sorted(checkout.glob(pattern))
        if not folder.relative_to(checkout).parts[0].startswith(".") and _builds(folder)
    ]
    yield from (folder for folder in below if _name(folder) == project)
    yield from (f for f in below if _name(f) is None and canonicalize_name(f.name) == project)


def _builds(folder: Path) -> bool:
    """Return whether a directory can be built; a `pyproject.toml` alone may be there only for linters."""
    if (folder / "setup.py").exists() or (folder / "setup.cfg").exists():
        return True
    return not {"build-system", "project"}.isdisjoint(_pyproject(folder))


def _name(folder: Path) -> str | None:
    """Return the normalized project name in a directory's `pyproject.toml`, or None."""
    return name_in(_pyproject(folder)) or None


def _pyproject(folder: Path) -> dict[str, object]:
    with suppress(OSError, ValueError):
        return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    return {}


def built_with(wheel: Path) -> str:
    """Return the date of the tools that built a wheel; "" if those of the commit's date did."""
    return wheel.with_name(_NOTE).read_text()

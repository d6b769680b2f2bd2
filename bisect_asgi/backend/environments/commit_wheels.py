"""From a commit to the wheel of a project, built with the tools of its time.

A wheel is built in a checkout of its own, because what a build leaves behind may get into the next one, and
kept under the digest of what it was built from. Files in it are dated alike, so that commits which change
nothing in the package build the same bytes, and share an environment.
"""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from bisect_asgi.backend.environments.build_tools import BuildTools, later, stamp, when
from bisect_asgi.backend.files import locked
from bisect_asgi.backend.repository import Repository
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, not_writable
from bisect_asgi.core.model import Commit, Interpreter

_GRACE = timedelta(days=1)
_NOTE = "tools.txt"
_NAMES = (
    ("project", "name"),
    ("tool", "poetry", "name"),
    ("tool", "flit", "metadata", "dist-name"),
    ("tool", "flit", "metadata", "module"),
)
"""Where a `pyproject.toml` may have the project's name; the first that has one counts."""


class WheelBuilder:
    """Builds and keeps the wheels of commits; safe for threads and processes.

    Args:
        folder: where wheels are kept.
        repositories: where copies of repositories are kept.
        recall_failure, record_failure: the memory of builds that failed, as the Resolver has it.
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

    def wheel(self, commit: Commit, interpreter: Interpreter, token: CancelToken) -> Path:
        """Return the wheel of a commit, building it unless it is there.

        Raises:
            BuildFailed: the tools of no time build it, or nothing in the repository has the project's name.
            UsageError: there is no such repository or commit.
            Unavailable: the index or the repository did not answer, or the folder cannot be written.
            Cancelled: the token was cancelled.
        """
        digest = codec.digest("wheel", commit.repository, commit.sha, commit.project, interpreter)
        home = self._folder / digest
        lock = self._folder.with_name("locks") / f"wheel-{digest}.lock"
        with locked(lock, waiting=token.check):
            if not home.exists():
                try:
                    self._make(home, commit, interpreter, token)
                except OSError as error:
                    raise not_writable("wheels", self._folder, error) from error
            return next(home.glob("*.whl"))

    def _make(self, home: Path, commit: Commit, interpreter: Interpreter, token: CancelToken) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix="new-", dir=self._folder, ignore_cleanup_errors=True
        ) as aside:
            bench = _Bench(Path(aside), commit, self._repositories, token)
            own = commit.committed + _GRACE
            limits = [own, *later(own)] if own < datetime.now(UTC) else [None]

            def build(until: datetime | None) -> None:
                self._build(bench, interpreter, until, token)

            what = f"{commit.project} @ {commit.sha}"
            try:
                served = self._tools.build(what, interpreter, limits, build)
            except (BuildFailed, _NotThere) as error:
                raise BuildFailed(f"commit {commit.sha[:12]} cannot be built: {error}") from error
            (bench.made / _NOTE).write_text("" if served == limits[0] else when(served))
            bench.made.rename(home)

    def _build(
        self, bench: _Bench, interpreter: Interpreter, until: datetime | None, token: CancelToken
    ) -> None:
        """Build in the first place that gives a wheel of the project's name, with tools up to a date."""
        failures, others = [], []
        for place in bench.places:
            shutil.rmtree(bench.made, ignore_errors=True)
            dated = ("--exclude-newer", stamp(until)) if until else ()
            arguments = ("--out-dir", str(bench.made), "--python", interpreter.path, *dated)
            try:
                self._uv.build(place, *arguments, token=token)
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
    """The repository has not the project at this commit, whatever the tools."""


class _Bench:
    """What one commit's wheel is built on; checked out when needed, because failures are remembered."""

    def __init__(self, folder: Path, commit: Commit, repositories: Path, token: CancelToken) -> None:
        self.commit = commit
        self.made = folder / "made"
        self._folder = folder
        self._repositories = repositories
        self._token = token

    @cached_property
    def places(self) -> list[Path]:
        """The folders of a checkout that may build the project, the likeliest first."""
        # Some projects take their name or package from the folder's.
        checkout = self._folder / self.commit.project
        repository = Repository.open(self.commit.repository, self._repositories, self._token)
        repository.checkout(self.commit.sha, checkout)
        return list(places(checkout, self.commit.project))


def places(checkout: Path, project: str) -> Iterator[Path]:
    """The folders that may build a project: the root, unless it is another's, then folders of its name.

    Folders are looked at down to two levels below the root. Those whose own name is the project's come last:
    old projects have their name in a program.
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
    """Tell whether a folder has what a build starts from; a `pyproject.toml` may be for linters alone."""
    if (folder / "setup.py").exists() or (folder / "setup.cfg").exists():
        return True
    return not {"build-system", "project"}.isdisjoint(_pyproject(folder))


def _name(folder: Path) -> str | None:
    """The normalised name that a folder's `pyproject.toml` gives; None: it gives none."""
    for keys in _NAMES:
        value: object = _pyproject(folder)
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str):
            return canonicalize_name(value)
    return None


def _pyproject(folder: Path) -> dict[str, object]:
    with suppress(OSError, ValueError):
        return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    return {}


def built_with(wheel: Path) -> str:
    """Of when the tools are that built a wheel, where those of its commit's time did not; else nothing."""
    return wheel.with_name(_NOTE).read_text()

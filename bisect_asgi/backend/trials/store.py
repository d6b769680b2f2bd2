"""Store results under the digest of everything that could change them, in one SQLite file.

Every row is written at once, so that no observation is lost if the tool is killed. WAL with
`synchronous=NORMAL` takes a tenth of a millisecond for a row, and committed rows survive if the process is
killed.

A resolution as of a past date is valid for ever. Any other resolution is valid for ten minutes, so that the
trials of one command agree. A failure is stored only if it follows from requirements or from a build, and no
later upload can change it; it is valid for a day. Resolutions and failures are valid only for the indexes
that were asked.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.backend.environments.resolve import Resolver
from bisect_asgi.backend.files import locked
from bisect_asgi.backend.process.usage import waiting_for
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import NO_ROOM, BuildFailed, NoResult, Unavailable, Unresolvable
from bisect_asgi.core.model import EnvironmentSpec, Interpreter, Observation, OwnProject, ProjectMetadata
from bisect_asgi.core.records import Struct

# The columns that all statements use. They are tested, because another program's file may have tables with
# these names but other columns.
_USED = """
select key, place, value, made from observation limit 0;
select key, value, made from resolution limit 0;
select key, reason, made from failure limit 0;
select digest from probe limit 0;
"""
_SCHEMA = """
create table if not exists observation (
    key text not null, place integer not null, value blob not null, made text not null,
    primary key (key, place)
) without rowid;
create table if not exists resolution (
    key text primary key, value blob not null, made text not null
) without rowid;
create table if not exists failure (
    key text primary key, reason text not null, made text not null
) without rowid;
create table if not exists probe (digest text primary key) without rowid;
"""


class Store:
    """Stores observations, resolutions and failed builds; safe for threads and processes.

    A file that is damaged, or that another program wrote, is renamed, and the store begins anew.

    Args:
        path: the file; only the user can read it.
        say: called with a sentence about a file that was renamed.

    Raises:
        Unavailable: the file cannot be written.
    """

    def __init__(self, path: Path, *, say: Callable[[str], None] = lambda _: None) -> None:
        self._path = path
        self._say = say
        self._lock = threading.Lock()
        self._connection = self._opened()

    def _opened(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self._path.with_suffix(".lock"), waiting=_patiently):
                try:
                    return self._connect()
                except (IsADirectoryError, sqlite3.Error) as error:
                    if not _is_damaged(error):
                        raise
                    self._set_aside()
                    return self._connect()
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error

    def _connect(self) -> sqlite3.Connection:
        with suppress(FileNotFoundError):
            os.chmod(self._path, 0o600)  # an earlier version let others read it
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
        # With invalid text, only one row is unreadable. Without "replace", the whole store would raise an
        # error.
        connection.text_factory = lambda content: content.decode("utf-8", "replace")
        try:
            connection.execute("pragma journal_mode=wal")
            connection.execute("pragma synchronous=normal")
            connection.executescript(_SCHEMA)
            connection.executescript(_USED)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _set_aside(self) -> None:
        aside = f"{self._path}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        for ending in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.rename(f"{self._path}{ending}", f"{aside}{ending}")
        self._say(f"`{self._path}` was damaged, or not written by bisect-asgi: it is now `{aside}`")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def observations(self, key: str) -> tuple[Observation, ...]:
        """Return the observations under `key` in the order of their runs."""
        rows = self._rows("select value from observation where key = ? order by place", key)
        try:
            return tuple(codec.from_json(value, Observation) for (value,) in rows)
        except _DAMAGED_VALUE:
            self.forget_observations(key)
            return ()

    def add_observation(self, key: str, observation: Observation) -> None:
        """Append an observation under `key`."""
        self._rows(
            "insert into observation select ?, coalesce(max(place) + 1, 0), ?, ? "
            "from observation where key = ?",
            *(key, codec.to_json(observation), _now(), key),
        )

    def forget_observations(self, key: str) -> None:
        """Delete the observations under `key`."""
        self._rows("delete from observation where key = ?", key)

    def resolution(self, key: str) -> tuple[Resolution, datetime] | None:
        """Return the resolution under `key` and the time when it was made, or None."""
        rows = self._rows("select value, made from resolution where key = ?", key)
        for value, made in rows:
            with suppress(*_DAMAGED_VALUE):
                return codec.from_json(value, Resolution), _moment(made)
        return None

    def keep_resolution(self, key: str, resolution: Resolution) -> None:
        """Store a resolution under `key`."""
        value = codec.to_json(resolution)
        self._rows("insert or replace into resolution values (?, ?, ?)", key, value, _now())

    def forget_resolution(self, key: str) -> None:
        """Delete the resolution under `key`."""
        self._rows("delete from resolution where key = ?", key)

    def failure(self, key: str) -> tuple[str, datetime] | None:
        """Return why and when the build or resolution under `key` failed, or None; it holds for a day."""
        rows = self._rows("select reason, made from failure where key = ?", key)
        for reason, made in rows:
            with suppress(*_DAMAGED_VALUE):
                if (moment := _moment(made)) > datetime.now(UTC) - _FAILED_FOR:
                    return str(reason), moment
        return None

    def keep_failure(self, key: str, reason: str) -> None:
        """Store why a build or resolution failed, because uv would try it again each time."""
        self._rows("insert or replace into failure values (?, ?, ?)", key, reason, _now())

    def forget_failure(self, key: str) -> None:
        """Delete the failure under `key`, because it succeeded this time."""
        self._rows("delete from failure where key = ?", key)

    def note_probe(self, digest: str) -> None:
        """Remember that a probe was run on something."""
        self._rows("insert or ignore into probe values (?)", digest)

    def knows_probe(self, digest: str) -> bool:
        """Return whether a probe was ever run on something; a guess at whether there is something to run."""
        return bool(self._rows("select 1 from probe where digest = ?", digest))

    def count(self) -> int:
        """Return the number of stored observations."""
        return int(self._rows("select count(*) from observation")[0][0])

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                if not _is_damaged(error):
                    raise self._failed(error) from error
            self._connection.close()
            self._connection = self._opened()
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise self._failed(error) from error

    def _failed(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"the store cannot be used: `{self._path}` ({error})",
            hint=NO_ROOM,
        )


_DAMAGED_VALUE = (codec.Unreadable, TypeError, ValueError)
_DAMAGED = frozenset(
    [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT]
)


def _is_damaged(error: Exception) -> bool:
    """Return whether the file is no store; the lower bits of an error code say what kind it is."""
    if isinstance(error, IsADirectoryError):
        return True
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _patiently() -> None:
    """Keep waiting while another command opens the store: SQLite does not wait while WAL is turned on."""


class Learnt(Struct, frozen=True, kw_only=True):
    """The records of a spec's environment in the store."""

    resolution: Resolution | None
    unresolvable: str | None
    """Why no set of releases satisfies the spec; None if one does, or if nobody knows."""
    unbuildable: str | None


_RECENT = timedelta(days=1)
_FAILED_FOR = timedelta(days=1)
_KEPT_FOR = timedelta(minutes=10)


class Resolutions:
    """Resolutions of specs, and the reasons why some have none, for as long as they hold.

    Args:
        store: caches them.
        resolver: makes those that are not cached.
        locks: the directory of the locks by which trials of one spec wait for its resolution.
        indexes: identifies the indexes that are asked.
    """

    def __init__(self, store: Store, resolver: Resolver, *, locks: Path, indexes: str) -> None:
        self._store = store
        self._resolver = resolver
        self._locks = locks
        self._indexes = indexes
        self._begun = datetime.now(UTC)
        self._renewed: set[str] = set()

    def for_command(self) -> Resolutions:
        """Return the same for another command, which resolves anew what it wants fresh."""
        self._resolver.begin()
        return Resolutions(self._store, self._resolver, locks=self._locks, indexes=self._indexes)

    def resolve(self, spec: EnvironmentSpec, token: CancelToken, *, fresh: bool = False) -> Resolution:
        """Return the resolution from the store, or a new one.

        `fresh`: ignore a stored one, unless this command has made it.

        Raises:
            Unresolvable, BuildFailed: no set of releases satisfies `spec`.
            NoResult: a file of the index was damaged or incomplete.
            Unavailable: the index did not answer.
            Cancelled: the token was cancelled.
        """
        key = self._key(spec)
        if found := self._usable(spec, key, fresh=fresh):
            return found
        # A trial and the build ahead of it may both need it: the second one waits, and then finds it in the
        # store.
        with waiting_for(locked(self._locks / f"resolve-{key}.lock", waiting=token.check)):
            return self._usable(spec, key, fresh=fresh) or self._resolve(spec, key, token)

    def metadata(self, project: OwnProject, interpreter: Interpreter, token: CancelToken) -> ProjectMetadata:
        """Return what the wheel of a project of the user's says; raises as `Resolver.metadata`."""
        return self._resolver.metadata(project, interpreter, token)

    def wheels(self, spec: EnvironmentSpec, token: CancelToken) -> Resolution | None:
        """Return the resolution if all its distributions have wheels, else None; nothing is built for it.

        Raises:
            Unavailable: the index did not answer.
            Cancelled: the token was cancelled.
        """
        if known := self.known(spec):
            return known if known.has_wheels else None
        is_past, without = _is_past(spec, datetime.now(UTC)), codec.digest("no wheels", self._indexes, spec)
        if is_past and (self.failure(spec) or self._store.failure(without)):
            return None
        try:
            resolution = self._resolver.resolve(spec, token, wheels_only=True)
        except (Unresolvable, BuildFailed) as error:
            if error.is_lasting:
                self._store.keep_failure(without, str(error))
            return None
        except NoResult:
            return None
        self._store.keep_resolution(self._key(spec), resolution)
        return resolution

    def _usable(self, spec: EnvironmentSpec, key: str, *, fresh: bool) -> Resolution | None:
        """Return what the store has; raises the reason if it knows that there is no resolution."""
        if fresh and key not in self._renewed:
            return None
        if failure := self.failure(spec):
            raise failure
        return self.known(spec)

    def _resolve(self, spec: EnvironmentSpec, key: str, token: CancelToken) -> Resolution:
        try:
            earlier = self._store.resolution(key)
            resolution = self._resolver.resolve(spec, token, likely=earlier[0].sdists if earlier else ())
        except (Unresolvable, BuildFailed) as error:
            self.keep_failure(spec, error)
            raise
        self.forget_failures(spec)
        self._store.keep_resolution(key, resolution)
        self._renewed.add(key)
        return resolution

    def known(self, spec: EnvironmentSpec) -> Resolution | None:
        """Return a kept resolution that still holds: a past date's always, another for ten minutes."""
        if not (known := self._store.resolution(self._key(spec))):
            return None
        resolution, made = known
        return resolution if _is_past(spec, made) or made > datetime.now(UTC) - _KEPT_FOR else None

    def stale(self, spec: EnvironmentSpec) -> Resolution | None:
        """Return a kept resolution that has to be made anew: most probably it comes to the same."""
        known = self._store.resolution(self._key(spec))
        return known[0] if known and self.known(spec) is None else None

    def failure(self, spec: EnvironmentSpec) -> Unresolvable | BuildFailed | None:
        """Return why there is no environment, if no later upload can change that."""
        if not _is_past(spec, datetime.now(UTC)):
            return None
        for kind in (Unresolvable, BuildFailed):
            if failure := self._store.failure(self._failure_key(spec, kind)):
                reason, made = failure
                return kind(reason, since=made if made < self._begun else None)
        return None

    def keep_failure(self, spec: EnvironmentSpec, error: Unresolvable | BuildFailed) -> None:
        """Remember why there is no environment, if that follows from requirements or from a build."""
        if error.is_lasting:
            self._store.keep_failure(self._failure_key(spec, type(error)), str(error))

    def forget_failures(self, spec: EnvironmentSpec) -> None:
        """Forget why there was no environment, because there is one now."""
        for kind in (Unresolvable, BuildFailed):
            self._store.forget_failure(self._failure_key(spec, kind))

    def forget(self, spec: EnvironmentSpec) -> None:
        """Forget a resolution, because the index has other files now."""
        self._store.forget_resolution(self._key(spec))

    def learnt(self, spec: EnvironmentSpec) -> Learnt:
        """Return all that is kept about a spec, for another machine's store."""
        known = self._store.resolution(self._key(spec))
        return Learnt(
            resolution=known[0] if known else None,
            unresolvable=self._reason(spec, Unresolvable),
            unbuildable=self._reason(spec, BuildFailed),
        )

    def learn(self, spec: EnvironmentSpec, known: Learnt) -> None:
        """Keep what another machine's store has about a spec."""
        if known.resolution:
            self._store.keep_resolution(self._key(spec), known.resolution)
        for kind, reason in ((Unresolvable, known.unresolvable), (BuildFailed, known.unbuildable)):
            if reason is not None:
                self._store.keep_failure(self._failure_key(spec, kind), reason)
            elif known.resolution:
                self._store.forget_failure(self._failure_key(spec, kind))

    def _reason(self, spec: EnvironmentSpec, kind: type[Exception]) -> str | None:
        failure = self._store.failure(self._failure_key(spec, kind))
        return failure[0] if failure else None

    def _key(self, spec: EnvironmentSpec) -> str:
        return codec.digest("resolve 2", self._indexes, spec)

    def _failure_key(self, spec: EnvironmentSpec, kind: type[Exception]) -> str:
        name = Unresolvable.__name__ if issubclass(kind, Unresolvable) else ""
        return codec.digest("failure", self._indexes, name, spec)


def _is_past(spec: EnvironmentSpec, made: datetime) -> bool:
    return spec.exclude_newer is not None and spec.exclude_newer < made - _RECENT

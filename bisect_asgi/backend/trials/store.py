"""What was done before, by the digest of everything that could change it: one SQLite file.

Every row is written when it becomes known, so that whatever kills the tool loses nothing that was
measured. WAL with `synchronous=NORMAL` costs a tenth of a millisecond a row and survives a killed process.

A past date's resolution does not change any more. Another holds for ten minutes, so that the trials of one
command agree. A failure is remembered only where nothing that is uploaded later can mend it.
"""

from __future__ import annotations

import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bisect_asgi.backend.environments.resolve import Resolution, Resolver
from bisect_asgi.backend.files import locked
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import NO_ROOM, BuildFailed, Unavailable, Unresolvable
from bisect_asgi.core.model import EnvironmentSpec, Observation
from bisect_asgi.core.records import Struct

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
"""


class Store:
    """Remembers observations, resolutions and failed builds; safe for threads and processes.

    Raises:
        Unavailable: the file cannot be written, or is no store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=30, isolation_level=None, check_same_thread=False
            )
            with locked(path.with_suffix(".lock"), waiting=_patiently):
                self._connection.execute("pragma journal_mode=wal")
                self._connection.execute("pragma synchronous=normal")
                self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def observations(self, key: str) -> tuple[Observation, ...]:
        """What the runs under `key` showed, in their order."""
        rows = self._rows("select value from observation where key = ? order by place", key)
        return tuple(codec.from_json(value, Observation) for (value,) in rows)

    def add_observation(self, key: str, observation: Observation) -> None:
        """Keep one more run under `key`."""
        self._rows(
            "insert into observation select ?, coalesce(max(place) + 1, 0), ?, ? "
            "from observation where key = ?",
            *(key, codec.to_json(observation), _now(), key),
        )

    def forget_observations(self, key: str) -> None:
        """Drop the runs under `key`."""
        self._rows("delete from observation where key = ?", key)

    def resolution(self, key: str) -> tuple[Resolution, datetime] | None:
        """The resolution under `key` and when it was made."""
        rows = self._rows("select value, made from resolution where key = ?", key)
        for value, made in rows:
            return codec.from_json(value, Resolution), datetime.fromisoformat(made)
        return None

    def keep_resolution(self, key: str, resolution: Resolution) -> None:
        """Keep a resolution under `key`."""
        value = codec.to_json(resolution)
        self._rows("insert or replace into resolution values (?, ?, ?)", key, value, _now())

    def failure(self, key: str) -> str | None:
        """Why what `key` names (a build, a resolution) failed; None: it did not, or was not tried."""
        rows = self._rows("select reason from failure where key = ?", key)
        return str(rows[0][0]) if rows else None

    def keep_failure(self, key: str, reason: str) -> None:
        """Remember a failure: uv tries each again and again."""
        self._rows("insert or replace into failure values (?, ?, ?)", key, reason, _now())

    def count(self) -> int:
        """How many observations are kept."""
        return int(self._rows("select count(*) from observation")[0][0])

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"the store cannot be used: `{self._path}` ({error})",
            hint=NO_ROOM,
        )


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _patiently() -> None:
    """Wait while another command opens the store: SQLite itself does not while WAL is being turned on."""


_RECENT = timedelta(days=1)
_KEPT_FOR = timedelta(minutes=10)


def resolve(
    spec: EnvironmentSpec, store: Store, resolver: Resolver, token: CancelToken, *, anew: bool = False
) -> Resolution:
    """Return the resolution from the store, or a new one.

    `anew`: ask whatever the store has.

    Raises:
        Unresolvable, BuildFailed: there is no set that satisfies `spec`.
        Unavailable: the index did not answer.
        Cancelled: the token was cancelled.
    """
    if not anew:
        if failure := known_failure(spec, store):
            raise failure
        if known := known_resolution(spec, store):
            return known
    try:
        resolution = resolver.resolve(spec, token)
    except (Unresolvable, BuildFailed) as error:
        keep_failure(spec, error, store)
        raise
    store.keep_resolution(_resolution_key(spec), resolution)
    return resolution


def known_resolution(spec: EnvironmentSpec, store: Store) -> Resolution | None:
    """A resolution of the store that still holds: a past date's for ever, another for ten minutes."""
    if not (known := store.resolution(_resolution_key(spec))):
        return None
    resolution, made = known
    return resolution if _is_past(spec, made) or made > datetime.now(UTC) - _KEPT_FOR else None


def known_failure(spec: EnvironmentSpec, store: Store) -> Unresolvable | BuildFailed | None:
    """A remembered failure, where nothing that is uploaded later can change it."""
    if not _is_past(spec, datetime.now(UTC)):
        return None
    for kind in (Unresolvable, BuildFailed):
        if reason := store.failure(_failure_key(spec, kind)):
            return kind(reason)
    return None


def keep_failure(spec: EnvironmentSpec, error: Unresolvable | BuildFailed, store: Store) -> None:
    """Remember why there is no environment."""
    store.keep_failure(_failure_key(spec, type(error)), str(error))


class Learnt(Struct, frozen=True, kw_only=True):
    """What a store has about the environment of a spec."""

    resolution: Resolution | None
    unresolvable: str | None
    """Why there is no set of releases; None: there is one, or nobody knows."""
    unbuildable: str | None


def learnt(spec: EnvironmentSpec, store: Store) -> Learnt:
    """Return what the store has about a spec, for another machine's store."""
    known = store.resolution(_resolution_key(spec))
    return Learnt(
        resolution=known[0] if known else None,
        unresolvable=store.failure(_failure_key(spec, Unresolvable)),
        unbuildable=store.failure(_failure_key(spec, BuildFailed)),
    )


def learn(spec: EnvironmentSpec, known: Learnt, store: Store) -> None:
    """Keep what another machine's store has about a spec."""
    if known.resolution:
        store.keep_resolution(_resolution_key(spec), known.resolution)
    for kind, reason in ((Unresolvable, known.unresolvable), (BuildFailed, known.unbuildable)):
        if reason is not None:
            store.keep_failure(_failure_key(spec, kind), reason)


def _resolution_key(spec: EnvironmentSpec) -> str:
    return codec.digest("resolve", spec)


def _failure_key(spec: EnvironmentSpec, kind: type[Exception]) -> str:
    return codec.digest("failure", Unresolvable.__name__ if issubclass(kind, Unresolvable) else "", spec)


def _is_past(spec: EnvironmentSpec, made: datetime) -> bool:
    return spec.exclude_newer is not None and spec.exclude_newer < made - _RECENT

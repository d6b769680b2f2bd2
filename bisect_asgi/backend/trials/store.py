"""What was done before, by the digest of everything that could change it: one SQLite file.

Every row is written when it becomes known, so that whatever kills the tool loses nothing that was
measured. WAL with `synchronous=NORMAL` costs a tenth of a millisecond a row and survives a killed process.
"""

from __future__ import annotations

import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bisect_asgi.backend.environments.resolve import Resolution
from bisect_asgi.backend.locks import locked
from bisect_asgi.core import codec
from bisect_asgi.core.errors import NO_ROOM, Unavailable
from bisect_asgi.core.model import Observation

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

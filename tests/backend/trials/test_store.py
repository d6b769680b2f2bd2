"""What was measured is remembered, in its order, whoever asks and whatever kills the tool."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import CONFLICT, TYPE_ERROR, broken, day, failed, passed, untestable
from support.mutations import mutated

from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.backend.trials.store import Store
from bisect_asgi.core import codec
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.model import Distribution, ExcludeNewerPackage, Observation
from bisect_asgi.core.records import replace

HINT = "free some disk space, make the directory writable, or set `BISECT_ASGI_CACHE_DIR` to another one"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store(path)
    yield opened
    opened.close()


RESOLUTION = Resolution(
    digest="ab12",
    pins=("h11==0.9 --hash=sha256:4bc6d6a1",),
    exclude_newer=day("2021-10-08"),
    exclude_newer_package=(ExcludeNewerPackage(name="fastapi", exclude_newer=day("2021-10-09")),),
    distributions=(Distribution(name="h11", version="0.9"),),
    step="as of the date, wheels only",
)


def numbered(number: int) -> Observation:
    """A run that can be told from the others."""
    return replace(passed(), wall_s=float(number))


def test_observations_come_back_in_the_order_of_their_runs(store: Store) -> None:
    seen = (
        passed("grüße ☃\x00\n"),
        failed(TYPE_ERROR),
        untestable(CONFLICT),
        broken(),
        *map(numbered, range(12)),
    )

    for observation in seen:
        store.add_observation("key", observation)

    assert store.observations("key") == seen


def test_each_key_has_its_own_observations(store: Store) -> None:
    store.add_observation("one", passed())
    store.add_observation("two", failed())
    store.add_observation("one", failed())

    assert store.observations("one") == (passed(), failed())
    assert store.observations("two") == (failed(),)
    assert store.observations("three") == ()
    assert store.count() == 3


def test_forgetting_one_key_leaves_the_others(store: Store) -> None:
    for key in ("one", "two"):
        store.add_observation(key, passed())

    store.forget_observations("one")
    store.add_observation("one", failed())

    assert store.observations("one") == (failed(),)
    assert store.observations("two") == (passed(),)


def test_everything_survives_closing_and_opening(path: Path) -> None:
    first = Store(path)
    first.add_observation("key", failed())
    first.keep_failure("build", "no compiler")
    first.keep_resolution("spec", RESOLUTION)
    first.close()

    second = Store(path)
    kept = second.resolution("spec")

    assert second.observations("key") == (failed(),)
    assert (second.failure("build") or [None])[0] == "no compiler"
    assert kept is not None
    assert kept[0] == RESOLUTION
    second.close()


def test_two_stores_on_one_file_see_each_others_rows_at_once(path: Path, store: Store) -> None:
    other = Store(path)

    store.add_observation("key", numbered(1))
    other.add_observation("key", numbered(2))
    store.add_observation("key", numbered(3))

    assert other.observations("key") == (numbered(1), numbered(2), numbered(3))
    other.close()


def test_threads_and_stores_may_write_at_the_same_time_and_no_run_is_lost(path: Path, store: Store) -> None:
    other = Store(path)
    together = threading.Barrier(4)

    def write(target: Store, first: int) -> None:
        together.wait()
        for number in range(first, first + 25):
            target.add_observation("key", numbered(number))

    writers = [(store, 0), (store, 100), (other, 200), (other, 300)]
    threads = [threading.Thread(target=write, args=arguments) for arguments in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = [int(observation.wall_s) for observation in store.observations("key")]

    assert sorted(seen) == [first + number for _, first in writers for number in range(25)]
    assert all(
        [n for n in seen if n // 100 == k] == sorted(n for n in seen if n // 100 == k) for k in range(4)
    )
    other.close()


def test_a_tool_killed_after_a_run_was_kept_loses_nothing(path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from bisect_asgi.core.model import Observation, Outcome, Phase
from bisect_asgi.backend.trials.store import Store
store = Store(Path({str(path)!r}))
for number in range(20):
    store.add_observation("key", Observation(outcome=Outcome.PASSED, phase=Phase.CHECK, wall_s=float(number)))
print("kept", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "kept\n"
        process.send_signal(signal.SIGKILL)

    store = Store(path)

    assert [observation.wall_s for observation in store.observations("key")] == [float(n) for n in range(20)]
    store.close()


# --- Resolutions and failures


def test_a_resolution_is_kept_with_the_moment_at_which_it_was_made(store: Store) -> None:
    before = datetime.now(UTC)
    store.keep_resolution("spec", RESOLUTION)

    kept = store.resolution("spec")

    assert kept is not None
    assert kept[0] == RESOLUTION
    assert before <= kept[1] <= before + timedelta(minutes=1)


def test_a_later_resolution_replaces_the_earlier(store: Store) -> None:
    store.keep_resolution("spec", RESOLUTION)
    later = replace(RESOLUTION, exclude_newer=day("2024-01-01"))
    store.keep_resolution("spec", later)

    kept = store.resolution("spec")

    assert kept is not None
    assert kept[0] == later


def test_a_later_failure_replaces_the_earlier(store: Store) -> None:
    store.keep_failure("build", "no compiler")
    store.keep_failure("build", "no Rust")

    assert (store.failure("build") or [None])[0] == "no Rust"


def test_what_was_never_kept_is_not_there(store: Store) -> None:
    assert store.resolution("spec") is None
    assert store.failure("build") is None
    assert store.observations("key") == ()
    assert store.count() == 0


# --- When it cannot be used


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file is in the way")

    with pytest.raises(Unavailable) as caught:
        Store(tmp_path / "cache" / "store.db")

    assert str(caught.value) == (
        f"the store cannot be used: `{tmp_path}/cache/store.db` ([Errno 17] File exists: '{tmp_path}/cache')"
    )
    assert caught.value.hint == HINT


def test_a_store_that_breaks_while_it_is_used_is_unavailable(path: Path) -> None:
    store = Store(path)
    store.add_observation("key", passed())
    store.close()

    with pytest.raises(Unavailable) as caught:
        store.add_observation("key", passed())

    assert str(caught.value) == f"the store cannot be used: `{path}` (Cannot operate on a closed database.)"


# --- When it is damaged


def no_database(path: Path) -> None:
    path.write_text("dear diary, " * 100)


def a_folder(path: Path) -> None:
    path.mkdir()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def scribbled_on(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))


def of_another_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as foreign:
        foreign.execute("create table observation (what text)")


@pytest.mark.parametrize("damage", [no_database, a_folder, cut, scribbled_on, of_another_program])
def test_a_damaged_store_is_set_aside_and_begun_anew(path: Path, damage: Callable[[Path], None]) -> None:
    with closing(Store(path)) as store:
        store.add_observation("key", passed())
    if damage is a_folder:
        path.unlink()
    damage(path)
    said: list[str] = []

    with closing(Store(path, say=said.append)) as store:
        before = store.observations("key")
        store.add_observation("key", failed())
        after = store.observations("key")

    (aside,) = [p for p in path.parent.glob("store.db.damaged-*") if not p.name.endswith(("-wal", "-shm"))]
    assert (before, after) == ((), (failed(),))
    assert said == [f"`{path}` was damaged, or not written by bisect-asgi: it is now `{aside}`"]


def test_a_store_that_is_damaged_while_it_is_used_is_set_aside_too(path: Path) -> None:
    with closing(Store(path)) as first, closing(Store(path)) as second:
        for place in range(500):
            first.add_observation(f"key {place}", passed())
        first._rows("pragma wal_checkpoint(truncate)")
        scribbled_on(path)

        found = [second.observations(f"key {place}") for place in range(500)]

        second.add_observation("key", failed())
        assert second.observations("key") == (failed(),)
    assert all(each in ((), (passed(),)) for each in found)


@pytest.mark.parametrize("value", [b"{", b"\xff", None, 7, '{"outcome": "splendid"}'])
def test_a_row_that_cannot_be_read_is_not_there(store: Store, value: object) -> None:
    store.add_observation("key", passed())
    store.keep_resolution("spec", RESOLUTION)
    store.keep_failure("build", "no compiler")
    store._rows("pragma ignore_check_constraints = on")
    if value is not None:
        store._rows("update observation set value = ?", value)
        store._rows("update resolution set value = ?", value)
    store._rows("update failure set made = ?", "yesterday" if value is None else value)

    assert store.observations("key") == ((passed(),) if value is None else ())
    assert (store.resolution("spec") is None) is (value is not None)
    assert store.failure("build") is None
    store.add_observation("key", failed())
    assert store.observations("key")[-1] == failed()


@pytest.mark.parametrize("mode", [None, 0o644, 0o444])
def test_only_the_user_can_read_it(path: Path, mode: int | None) -> None:
    if mode:
        Store(path).close()
        path.chmod(mode)
    with closing(Store(path)) as store:
        store.add_observation("key", passed())
        modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.glob("store.db*")}

    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}


def test_a_probe_is_known_once_it_was_run_on_something(store: Store, path: Path) -> None:
    assert not store.knows_probe("ab")

    store.note_probe("ab")
    store.note_probe("ab")

    with closing(Store(path)) as again:
        assert again.knows_probe("ab")
        assert not again.knows_probe("cd")


# --- Rows that were damaged


ROWS = [
    codec.to_json(failed(TYPE_ERROR)),
    codec.to_json(RESOLUTION),
    b"2026-11-30T13:00:00+00:00",
]
VALUES = (
    st.sampled_from(ROWS).flatmap(mutated)
    | st.binary(max_size=50)
    | st.text(max_size=50)
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.none()
)


@given(VALUES, VALUES, st.booleans())
def test_rows_that_were_damaged_are_as_if_they_were_not_there(
    tmp_path_factory: pytest.TempPathFactory, value: object, made: object, as_text: bool
) -> None:
    path = tmp_path_factory.mktemp("store") / "store.db"
    store = Store(path)
    with closing(store):
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            as_it_is = "cast(? as text)" if as_text else "?"  # a text that is not UTF-8 among others
            for statement in (
                f"insert or ignore into observation values ('key', 0, {as_it_is}, {as_it_is})",
                f"insert or ignore into resolution values ('key', {as_it_is}, {as_it_is})",
                f"insert or ignore into failure values ('key', {as_it_is}, {as_it_is})",
            ):
                other.execute(statement, (value, made))

        assert len(store.observations("key")) <= 1
        store.resolution("key")
        store.failure("key")
        before = len(store.observations("key"))
        store.add_observation("key", passed())
        assert len(store.observations("key")) == before + 1
        store.keep_resolution("key", RESOLUTION)
        assert (store.resolution("key") or [None])[0] == RESOLUTION
        store.keep_failure("key", "no compiler")
        assert (store.failure("key") or [None])[0] == "no compiler"

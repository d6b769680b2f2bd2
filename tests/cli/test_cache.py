"""`bisect-asgi cache` as a user meets it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.shell import Shell, publish

from bisect_asgi.backend.files import locked
from bisect_asgi.cli.cache import cache
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.plan.options import Options


def test_the_cache_is_shown_and_cleared(shell: Shell) -> None:
    publish(shell.index, "+-")
    shell.bisect("--confirm", "1")

    before = shell.run("cache").stdout.splitlines()
    cleared = shell.run("cache", "--clear")
    kept = sorted(path.name for path in shell.cache.glob("*")) if shell.cache.exists() else []
    after = shell.run("cache").stdout.splitlines()

    assert before[0] == f"directory     {shell.cache}"
    assert before[1].startswith("environments  2, ")
    assert before[2].startswith("store         4 observations, ")
    assert before[3] == "logs          1"
    assert cleared.stdout == f"cleared {shell.cache}\n"
    assert kept == []
    assert after[1].startswith("environments  0, 0 B of at most 20 GiB ")
    assert after[2].startswith("store         0 observations, ")


@pytest.mark.parametrize("garbage", [b"", b"\x00\xff garbage {"], ids=["empty", "garbage"])
def test_any_damaged_file_of_the_cache_is_made_again(shell: Shell, garbage: bytes) -> None:
    publish(shell.index, "++--")
    before = shell.report("--confirm", "1")
    for path in shell.cache.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o644)
            path.write_bytes(garbage)

    done = shell.bisect("--confirm", "1", "--json")
    again = shell.report("--confirm", "1")

    assert done.returncode == 0, done.stderr
    assert again["headline"] == before["headline"]
    assert "is now `" in done.stderr or garbage == b""  # an empty file is a store with nothing in it


def test_a_cache_of_files_where_folders_should_be_is_set_aside(shell: Shell) -> None:
    publish(shell.index, "+-")
    shell.bisect("--confirm", "1")
    for folder in shell.cache.iterdir():
        if folder.is_dir() and folder.name != "interpreters":
            folder.rename(shell.folder / f"old-{folder.name}")
            folder.write_text("a file in its place")

    done = shell.bisect("--confirm", "1")

    assert done.returncode == 0, done.stderr
    assert f"note: `{shell.cache}/environments` was no directory: it is now `" in done.stderr


@pytest.mark.parametrize("damage", ["0 bytes", "truncated", "gone"])
def test_a_module_that_a_power_cut_has_emptied_is_installed_anew(shell: Shell, damage: str) -> None:
    publish(shell.index, "+")
    check = ("check", "demo==1.0", "--probe", "leak.py", "--env", "DIARY", "--sandbox", "none")
    assert shell.run(*check).returncode == 0
    shared = [path for folder in (shell.cache, shell.folder / "uv-cache") for path in folder.rglob("demo.py")]
    assert len(shared) == 2
    for path in shared:
        if damage == "gone":
            path.unlink()
        else:
            path.chmod(0o644)
            os.truncate(path, 0 if damage == "0 bytes" else 5)

    assert shell.run(*check, "--fresh").returncode == 0


# --- Clearing, which opens nothing


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "cache"
    monkeypatch.setenv("BISECT_ASGI_CACHE_DIR", str(found))
    return found


def clear() -> None:
    cache(Options(clear=True))


def test_a_cache_that_is_not_there_is_clear(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clear()

    assert capsys.readouterr().out == f"cleared {folder}\n"
    assert not folder.exists()


def test_a_cache_of_any_garbage_is_cleared(folder: Path) -> None:
    for name in ("environments", "locks", "store.db"):
        (folder / name).mkdir(parents=True)
    (folder / "environments" / "a").write_text("no environment")
    (folder / "locks" / "a.lock").mkdir()
    (folder / "logs").symlink_to("/nowhere")
    (folder / "store.db" / "inside").mkdir()
    (folder / "store.db").chmod(0o555)

    clear()

    assert list(folder.iterdir()) == []


def test_what_is_in_use_is_not_cleared(folder: Path) -> None:
    (folder / "environments" / "a").mkdir(parents=True)

    lock = locked(folder / "locks" / "a.lock", shared=True, waiting=lambda: None)
    with lock, pytest.raises(Unavailable) as caught:
        clear()
    assert (folder / "environments" / "a").exists()
    clear()

    assert str(caught.value) == "1 environment in use by another command"


def test_a_cache_on_a_full_disk_is_cleared(folder: Path) -> None:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can make a small disk")
    try:
        (folder / "environments" / "a").mkdir(parents=True)
        (folder / "store.db").write_text("")
        with pytest.raises(OSError, match="No space left"), (folder / "log").open("wb") as stream:
            stream.write(bytes(2**20))

        clear()

        assert list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", folder], check=True)


def test_the_cache_is_a_document(shell: Shell) -> None:
    publish(shell.index, "+-")
    shell.bisect("--confirm", "1")

    document = json.loads(shell.run("cache", "--json").stdout)

    assert document["schema"] == "bisect-asgi.cache/1"
    assert (document["folder"], document["limit_bytes"]) == (str(shell.cache), 20 * 2**30)
    assert (document["environments"], document["observations"], document["logs"]) == (2, 4, 1)
    assert document["environments_bytes"] > 0
    assert document["store_bytes"] == (shell.cache / "store.db").stat().st_size


def test_the_cache_is_shown_or_cleared_and_not_both(shell: Shell) -> None:
    done = shell.run("cache", "--json", "--clear")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: `--json` shows the size, and `--clear` removes everything\n\nhint: drop one of them\n"
    )

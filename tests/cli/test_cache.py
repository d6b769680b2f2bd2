"""`bisect-asgi cache` as a user meets it."""

from __future__ import annotations

from support.shell import Shell, publish


def test_the_cache_is_shown_and_cleared(shell: Shell) -> None:
    publish(shell.index, "+-")
    shell.bisect("--confirm", "1")

    before = shell.run("cache").stdout.splitlines()
    cleared = shell.run("cache", "--clear")
    kept = sorted(path.name for path in shell.cache.glob("*")) if shell.cache.exists() else []
    after = shell.run("cache").stdout.splitlines()

    assert before[0] == f"folder        {shell.cache}"
    assert before[1].startswith("environments  2, ")
    assert before[2].startswith("store         4 observations, ")
    assert before[3] == "logs          1"
    assert cleared.stdout == f"cleared {shell.cache}\n"
    assert kept == []
    assert after[1].startswith("environments  0, 0 B of at most 20 GiB ")
    assert after[2].startswith("store         0 observations, ")

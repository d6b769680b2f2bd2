"""What is done once, whichever thread comes first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from bisect_asgi.backend.trials.once import Once


def test_each_key_is_the_first_once_whoever_asks() -> None:
    once = Once()
    keys = ["a", ("b", "c"), "a", "d"] * 50

    with ThreadPoolExecutor(max_workers=8) as pool:
        found = list(pool.map(once.is_first, keys))

    assert sum(found) == 3
    assert Once().is_first("a")

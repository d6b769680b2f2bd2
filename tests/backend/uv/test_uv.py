"""uv is asked with a configuration of our own, and its failures are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.local_index import LocalIndex
from support.uv import COMPILE, Connect, resolve

from bisect_asgi.backend import uv as uv_module
from bisect_asgi.backend.network.indexes import Indexes
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core.cancel import CancelToken

# --- What is asked of uv


def test_uv_answers_from_the_given_indexes_in_their_order(local_index: LocalIndex, here: Path) -> None:
    local_index.add_wheel("demo", "1.0", requires=["dep"])
    local_index.add_wheel("dep", "1.0")
    with LocalIndex() as first:
        first.add_wheel("dep", "0.5")

        uv = Uv(here.parent / "state", Indexes(urls=(first.url, local_index.url)))

        assert resolve(uv, "demo") == ["demo==1.0", "dep==0.5"]


def test_uv_heeds_neither_the_users_files_nor_variables_that_change_the_answer(
    local_index: LocalIndex, connect: Connect, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_index.add_wheel("demo", "1.0", uploaded="2021-01-01")
    local_index.add_wheel("demo", "2.0", uploaded="2022-01-01")
    (here / "uv.toml").write_text(
        'exclude-newer = "2021-06-01T00:00:00Z"\n'
        '[[index]]\nurl = "http://127.0.0.1:1/simple"\ndefault = true\n'
    )
    for name, value in {
        "UV_EXCLUDE_NEWER": "2021-06-01T00:00:00Z",
        "UV_RESOLUTION": "lowest",
        "UV_DEFAULT_INDEX": "http://127.0.0.1:1/simple",
        "UV_INDEX": "http://127.0.0.1:1/simple",
        "UV_OFFLINE": "1",
        "UV_CONSTRAINT": str(here / "constraints.txt"),
    }.items():
        monkeypatch.setenv(name, value)
    (here / "constraints.txt").write_text("demo<2\n")

    assert resolve(connect(local_index.url), "demo") == ["demo==2.0"]


def test_pages_are_kept_for_a_while_and_asked_for_again_when_told(local_index: LocalIndex, uv: Uv) -> None:
    local_index.add_wheel("demo", "1.0")
    first = resolve(uv, "demo", builds=False)
    local_index.add_wheel("demo", "2.0")

    second = resolve(uv, "demo", builds=False)
    third = uv.run(*COMPILE, token=CancelToken(), stdin="demo", ask_again=True).split()

    assert (first, second, third) == (["demo==1.0"], ["demo==1.0"], ["demo==2.0"])


def test_pages_that_were_got_in_a_long_run_are_not_asked_for_again_in_it(
    local_index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(uv_module.time, "monotonic", lambda: now)
    uv = Uv(tmp_path / "uv", Indexes(urls=(local_index.url,)))

    def seconds_kept() -> int:
        text = uv._config()
        return int(text.partition('api = "max-age=')[2].partition('"')[0])

    assert seconds_kept() == 600
    now += 3599
    assert seconds_kept() >= 600 + 2999
    now += 600
    assert seconds_kept() >= 4199
    uv.begin()  # another command, in the same process
    assert seconds_kept() == 600

"""Values that everybody shares."""

from __future__ import annotations

import pytest

from bisect_asgi.core.model import Interpreter


@pytest.mark.parametrize(
    ("path", "version", "told"),
    [
        pytest.param("/usr/bin/python3.10", "3.10.13", "3.10", id="on-the-path"),
        pytest.param("/home/me/.pyenv/versions/3.10.13/bin/python3.10", "3.10.13", None, id="pyenv"),
        pytest.param("/opt/hostedtoolcache/Python/3.8.18/x64/bin/python", "3.8.18", None, id="a-folder"),
        pytest.param(
            "/home/me/.local/share/uv/python/cpython-3.8.18-linux-x86_64-gnu/bin/python3.8",
            "3.8.18",
            "3.8",
            id="uvs-own",
        ),
    ],
)
def test_uv_gets_the_path_of_an_interpreter_that_it_does_not_find(
    path: str, version: str, told: str | None
) -> None:
    assert Interpreter(path=path, version=version).for_uv == (told or path)

"""Each template finds something real: the releases on both sides of what it shows."""

from __future__ import annotations

import pytest
from support.shell import Command

pytestmark = [pytest.mark.network, pytest.mark.e2e]


@pytest.mark.parametrize(
    ("kind", "bad", "good"),
    [
        pytest.param("script", "jinja2==3.1.0", "jinja2==3.0.3", id="script"),
        pytest.param("status", "fastapi==0.121.3", "fastapi==0.122.0", id="status"),
        pytest.param("hang", "starlette==0.28.0", "starlette==0.29.0", id="hang"),
        pytest.param("latency", "starlette==0.28.0", "starlette==0.29.0", id="latency"),
        pytest.param("memory", "starlette==0.14.2", "starlette==0.15.0", id="memory"),
    ],
)
def test_a_template_tells_two_real_releases_apart(real: Command, kind: str, bad: str, good: str) -> None:
    real.run("new", f"{kind}.py", "--kind", kind)

    codes = [real.run("check", release, "--probe", f"{kind}.py").returncode for release in (bad, good)]

    assert codes == [1, 0]

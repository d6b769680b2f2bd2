"""Fixtures that tests of this folder share."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor

import pytest
from support.services import InlineExecutor


@pytest.fixture(params=["inline", "threads"])
def executor(request: pytest.FixtureRequest) -> Executor:
    return InlineExecutor() if request.param == "inline" else ThreadPoolExecutor(max_workers=4)

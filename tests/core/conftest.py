"""Fixtures that tests of statistics share."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def scipy_stats() -> ModuleType:
    """Statistics by others; to import them takes seconds, so that only the tests that compare do it."""
    return import_module("scipy.stats")


@pytest.fixture(scope="session")
def scipy_special() -> ModuleType:
    """Special functions by others."""
    return import_module("scipy.special")

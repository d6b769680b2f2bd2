"""The sandbox of this machine, which tests of a process try once."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from bisect_asgi.backend.process.sandbox import Sandbox

_FOLDER = tempfile.TemporaryDirectory(prefix="bisect-asgi-sandbox-")


@cache
def sandbox() -> Sandbox:
    """Return the sandbox; its cache directory is no test's."""
    return Sandbox(Path(_FOLDER.name))

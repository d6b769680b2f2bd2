"""What is read of environments while they are checked."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pytest

from bisect_asgi.backend.environments import manifest as manifests


class Reads:
    """Counts the contents that are read, and the folders that are listed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.contents = self.folders = 0
        digest, scan = hashlib.file_digest, os.scandir

        def counted(*arguments: Any) -> Any:
            self.contents += 1
            return digest(*arguments)

        def listed(*arguments: Any) -> Any:
            self.folders += 1
            return scan(*arguments)

        monkeypatch.setattr(manifests.hashlib, "file_digest", counted)
        monkeypatch.setattr(manifests.os, "scandir", listed)
        monkeypatch.setattr(manifests, "_READ", {})
        monkeypatch.setattr(manifests, "_MOMENT_NS", -1)

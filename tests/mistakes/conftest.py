"""The fixtures of whole commands."""

from __future__ import annotations

from cli.conftest import shell, tmp_path

__all__ = ["shell", "tmp_path"]

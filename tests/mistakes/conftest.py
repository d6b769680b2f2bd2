"""The fixtures of whole commands."""

from __future__ import annotations

from cli.conftest import shell

__all__ = ["shell"]

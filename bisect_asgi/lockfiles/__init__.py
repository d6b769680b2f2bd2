"""What a lock file installs on one interpreter: distributions with exact versions."""

from __future__ import annotations

from bisect_asgi.lockfiles.lock import Lock, LockKind, PassedOver
from bisect_asgi.lockfiles.markers import marker_environment
from bisect_asgi.lockfiles.reading import decode, read_lock

__all__ = ["Lock", "LockKind", "PassedOver", "decode", "marker_environment", "read_lock"]

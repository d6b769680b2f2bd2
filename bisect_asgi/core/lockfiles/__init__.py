"""What a lock file installs on one interpreter: distributions with exact versions."""

from __future__ import annotations

from bisect_asgi.core.lockfiles.lock import Lock, LockKind, PassedOver
from bisect_asgi.core.lockfiles.reading import decode, read_lock
from bisect_asgi.core.markers import marker_environment

__all__ = ["Lock", "LockKind", "PassedOver", "decode", "marker_environment", "read_lock"]

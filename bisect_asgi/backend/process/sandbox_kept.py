"""Cache that this machine can confine runs at the strongest level, so that not every command has to test it.

A wrong cache entry is harmless. Each run is still confined step by step, and a step that the kernel refuses
is an error (`sandbox_calls.enter`): the run fails, and is never confined less. Then the entry is removed, and
the level is tested again (`Sandbox.doubt`).

The test also shows that the steps, if they succeed, really keep a run from writing. That depends on the
kernel and on the state of this process. So the entry holds only for the same boot of the same kernel, the
same user with the same capabilities, namespaces, filters and labels, and the same code. It expires after a
day, in case something else matters. A lower level is not cached, because the machine may support more later.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

from bisect_asgi.backend.files import write_whole
from bisect_asgi.core import codec
from bisect_asgi.core.records import Struct

_KEPT_FOR_S = 24 * 3600.0
_NAME = "sandbox.json"
_CODE = Path(__file__).with_name("sandbox_calls.py")
_OF_THE_PROCESS = re.compile(r"^(?:Uid|Gid|Groups|Cap\w+|NoNewPrivs|Seccomp\w*):.*", re.MULTILINE)
_NAMESPACES = ("user", "mnt", "pid", "ipc", "net", "cgroup")
_SETTINGS = (
    "kernel/random/boot_id",
    "kernel/unprivileged_userns_clone",
    "kernel/apparmor_restrict_unprivileged_userns",
    *(f"user/max_{name}_namespaces" for name in ("user", "mnt", "ipc", "net")),
)


class _Kept(Struct, frozen=True, kw_only=True):
    machine: str
    tried_s: float
    """When it was tried, in seconds since 1970."""
    lacks: str


def recall(cache: Path) -> str | None:
    """Return what the strongest level lacks here, or None if it is not known whether it can be had."""
    try:
        kept = codec.from_json((cache / _NAME).read_bytes(), _Kept)
        is_young = 0 <= time.time() - kept.tried_s < _KEPT_FOR_S
        return kept.lacks if is_young and kept.machine == _machine() else None
    except (OSError, codec.Unreadable):
        return None


def keep(cache: Path, *, lacks: str) -> None:
    """Remember that the strongest level can be had here; a full disk is no reason to fail."""
    with suppress(OSError):
        kept = _Kept(machine=_machine(), tried_s=time.time(), lacks=lacks)
        write_whole(cache / _NAME, codec.to_json(kept))


def forget(cache: Path) -> None:
    """Have the next command try again."""
    with suppress(OSError):
        (cache / _NAME).unlink()


def _machine() -> str:
    """Return a digest of everything on which the result of the test depends.

    Raises:
        OSError: the system does not provide a part of it.
    """
    kernel = os.uname()
    status = _OF_THE_PROCESS.findall(Path("/proc/self/status").read_text())
    spaces = [os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES]
    settings = [_text(f"/proc/sys/{name}") for name in _SETTINGS]
    if not settings[0]:
        raise OSError("it is not known which boot this is")
    return codec.digest(
        (kernel.nodename, kernel.release, kernel.version, kernel.machine),
        status,
        spaces,
        settings,
        _text("/proc/self/attr/current"),
        _CODE.read_bytes(),
    )


def _text(path: str) -> str:
    """Return what a file of the system says, or "" if this one has no such file."""
    with suppress(OSError, UnicodeDecodeError):
        return Path(path).read_text()
    return ""

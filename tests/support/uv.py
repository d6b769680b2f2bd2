"""Requests to uv in tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from bisect_asgi.backend.network.configured import binary
from bisect_asgi.backend.uv import Uv
from bisect_asgi.core.cancel import CancelToken


def uvs_own_default() -> str:
    """The index that uv uses where nobody has configured another."""
    asked = subprocess.run(
        [binary(), "pip", "compile", "-", "--no-config", "--quiet", "--no-header", "--emit-index-url"],
        input="",
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    return asked.stdout.split()[-1]


DEFAULT = uvs_own_default()


COMPILE = ("compile", "-", "--no-header", "--no-annotate", "--python", sys.executable)


Connect = Callable[[str], Uv]


def resolve(uv: Uv, *requirements: str, token: CancelToken | None = None, builds: bool = True) -> list[str]:
    """Resolve requirements; where something may have to be built, uv runs in a box."""
    how = () if builds else ("--only-binary", ":all:")
    return uv.run(*COMPILE, *how, token=token or CancelToken(), stdin="\n".join(requirements)).split()

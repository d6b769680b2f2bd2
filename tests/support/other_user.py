"""Running a tool as a user without rights, where the tests themselves run as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


def run_as_nobody(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code that imports the tool and its libraries; skip the test where that cannot be done."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    # Not the interpreter of the tests: it may be in a directory that only root can enter.
    python = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin:/opt/bin")
    if python is None:
        pytest.skip("there is no such Python that everybody may run")
    return subprocess.run(
        [python, "-c", code, *arguments],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def open_folder() -> Iterator[Path]:
    """Yield a new directory of nobody's into which everybody may look."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="bisect-asgi-test-"))
    try:
        folder.chmod(0o755)
        if os.getuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder
    finally:
        shutil.rmtree(folder)

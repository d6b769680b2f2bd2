"""Have pytest write its JUnit file into a run's report folder, and read it.

pytest takes options from the variable `PYTEST_ADDOPTS`, which other programs ignore. If the probe itself
passes `--junitxml`, that option wins and the file is missing here. The printed output is then read instead.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path

from bisect_asgi.core.model import Probe

OPTIONS = "PYTEST_ADDOPTS"
_FILE = "junit.xml"
_LARGEST = 4 * 1024 * 1024
_WITHOUT = b"no:junitxml"


def variables(probe: Probe, report: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with which pytest writes the file; the probe's own options in `environ` win.

    There are none if the probe does without pytest's plugin for such files: pytest would reject the option.
    """
    own = environ.get(OPTIONS, "")
    texts = [own.encode(), (probe.command or "").encode(), *(file.content for file in probe.files)]
    if probe.served or any(_WITHOUT in text for text in texts):
        return {}
    file = shlex.quote(str(report / _FILE))
    return {OPTIONS: f"--junitxml={file} -o junit_family=xunit1 {own}".strip()}


def read(report: Path) -> str:
    """Return the text of the file, or "" if there is none that can be trusted to be pytest's."""
    try:
        with open(report / _FILE, "rb", opener=_open) as stream:
            is_file = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
            content = stream.read(_LARGEST + 1) if is_file else b""
        return content.decode() if len(content) <= _LARGEST else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _open(path: str, flags: int) -> int:
    # A link may lead anywhere, and opening a FIFO would wait for its other end.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)

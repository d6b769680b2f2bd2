"""Have pytest write its JUnit file into a run's report directory, and read it.

pytest takes options from the variable `PYTEST_ADDOPTS`, which other programs ignore. If the probe itself
passes `--junitxml`, that option wins and the file is missing here. Then the printed output is read instead.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from bisect_asgi.backend.trials.reports import Reports
from bisect_asgi.core.model import Probe

OPTIONS = "PYTEST_ADDOPTS"
_FILE = "junit.xml"
_LARGEST = 4 * 1024 * 1024
_WITHOUT = b"no:junitxml"


def variables(probe: Probe, report: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with which pytest writes the file; the probe's own options in `environ` win.

    There are none if the probe disables pytest's `junitxml` plugin, because pytest would reject the option.
    """
    own = environ.get(OPTIONS, "")
    texts = [own.encode(), (probe.command or "").encode(), *(file.content for file in probe.files)]
    if probe.served or any(_WITHOUT in text for text in texts):
        return {}
    file = shlex.quote(str(report / _FILE))
    return {OPTIONS: f"--junitxml={file} -o junit_family=xunit1 {own}".strip()}


def read(report: Reports) -> str:
    """Return the text of the file, or "" if there is none that can be trusted to be pytest's."""
    content = report.read(_FILE, _LARGEST + 1) or b""
    try:
        return content.decode() if len(content) <= _LARGEST else ""
    except UnicodeDecodeError:
        return ""

"""The manual page is as generated, and reads without a warning."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import bisect_asgi
from bisect_asgi.cli import manual

PAGE = Path(bisect_asgi.__file__).parents[1] / "docs" / "bisect-asgi.1"


def test_the_page_is_as_generated() -> None:
    assert PAGE.read_text(encoding="utf-8") == manual.render(), "write it anew: make docs"


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff")
def test_the_page_reads_without_a_warning() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-Kutf8", "-ww", PAGE], capture_output=True, text=True, check=True
    )

    assert done.stderr == ""
    assert "--bad-above" in done.stdout

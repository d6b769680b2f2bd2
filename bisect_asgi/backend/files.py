"""Files that others may be reading, or writing, at the same time."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that whoever opens it finds all of the old content or all of the new.

    Several threads and processes may do so at once: the last one stays. Only the user can read it.

    Raises:
        OSError: it cannot be written; nothing is left of it then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        os.rename(aside, path)
    except BaseException:
        os.unlink(aside)
        raise

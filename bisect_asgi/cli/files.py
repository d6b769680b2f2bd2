"""Read files that the user names, with a message for each way in which that fails."""

from __future__ import annotations

import difflib
import stat
from pathlib import Path

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.text import listing

_LARGEST_BYTES = 100 * 1024 * 1024


def read_bytes(path: Path, option: str) -> bytes:
    """Return the content of a file that the user named with `option`.

    Raises:
        UsageError: the file is missing, unreadable, no regular file or larger than 100 MiB, or its name is no
        text.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not path.is_dir():  # reading a FIFO could block forever
            raise UsageError(f"`{path}` is no regular file (`{option}`)", hint="copy its content into a file")
        if status.st_size > _LARGEST_BYTES:
            raise UsageError(f"`{path}` is larger than 100 MiB (`{option}`)", hint="have the probe make it")
        path.name.encode()
        return path.read_bytes()
    except ValueError as error:
        raise UsageError(
            f"the name of `{path}` is not UTF-8 (`{option}`)", hint="rename the file, in ASCII for example"
        ) from error
    except FileNotFoundError as error:
        raise UsageError(f"there is no file `{path}` (`{option}`)", hint=_near(path)) from error
    except OSError as error:
        hint = _near(path / "*.py") if path.is_dir() else "name a file that can be read"
        raise UsageError(f"`{path}` cannot be read (`{option}`): {error.strerror}", hint=hint) from error


def _near(path: Path) -> str:
    """Return what to name instead of a file that is not there."""
    try:
        there = sorted(other.name for other in path.parent.iterdir() if other.is_file())
    except OSError:
        return f"pass an existing file: there is no directory `{path.parent}` that can be read"
    near = difflib.get_close_matches(path.name, there, n=3, cutoff=0.7)
    like = near or [name for name in there if name.endswith(path.suffix or ".py")]
    if not like:
        return f"pass an existing file: `{path.parent}` has no `*{path.suffix or '.py'}`"
    return f"pass an existing file: {listing((f'`{path.parent / name}`' for name in like), most=6)}"

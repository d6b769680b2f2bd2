"""Programs that a command takes from the machine although it may have meant the environment's.

`pytest -q` in an environment without that program runs the machine's, if there is one: another Python, with
another release of everything. What that shows is no answer. A program of the system (`grep`, `curl`) is
compiled and meant to be the machine's; a script is taken for a stray where no Python of the environment ran.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

_SCRIPT = b"#!"
_BETWEEN = frozenset("();<>|&")


def stray(command: str, environ_path: str, folder: Path) -> Path | None:
    """Return the first script outside the environment's `folder` that a shell's `command` runs, if any.

    `environ_path`: the PATH that the command has.
    """
    for word in _programs(command):
        found = shutil.which(word, path=environ_path) if "/" not in word else None
        if found and not Path(found).is_relative_to(folder) and _is_script(Path(found)):
            return Path(found)
    return None


def _programs(command: str) -> Iterator[str]:
    """The first word of each simple command, as far as that can be told without a shell."""
    is_first = True
    try:
        for word in shlex.shlex(command.replace("\n", ";"), posix=True, punctuation_chars=True):
            if _BETWEEN.issuperset(word):
                is_first = not set("<>") & set(word)
            elif is_first and not _is_assignment(word):
                yield word
                is_first = False
    except ValueError:  # quotes that are not closed: the shell will say so
        return


def _is_assignment(word: str) -> bool:
    return word.partition("=")[0].isidentifier() and "=" in word


def _is_script(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(_SCRIPT)) == _SCRIPT
    except OSError:
        return False

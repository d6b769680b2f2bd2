"""Answer a shell that completes a command line.

A person waits for the answer after pressing a key, so this module imports neither typer nor the index client.
The shell calls the command with the words so far and with `BISECT_ASGI_COMPLETE` set. The answer has one line
for each word: `value`, the word and its meaning, separated by tabs. The lines `files` and `folders` make the
shell complete paths itself.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from bisect_asgi.cli.wiring.paths import CachePaths
from bisect_asgi.core.plan.completing import Completion, Sources, complete
from bisect_asgi.core.text import printable

VARIABLE = "BISECT_ASGI_COMPLETE"

_PACKAGE = re.compile(r"""^#\s*package\s*=\s*["']([\w.-]+)""", re.MULTILINE)
_METRIC = re.compile(r"""@metric\s+([\w.-]+)|^#\s*metric\s*=\s*["']([\w.-]+)""", re.MULTILINE)


def main() -> None:
    """Print what may stand at the end of the command line; nothing if anything is wrong."""
    with suppress(OSError, ValueError):
        print("\n".join(lines(complete(sys.argv[1:], sources(CachePaths.folder())))))


def lines(found: Completion) -> list[str]:
    """Return the answer for the shell."""
    values = [f"value\t{printable(value)}\t{printable(text)}" for value, text in found.values]
    return [*([found.paths] if found.paths else []), *values]


def sources(folder: Path) -> Sources:
    """Return the packages and versions cached in `folder`, and the names in probes."""

    def packages() -> Iterable[str]:
        with suppress(OSError):
            return sorted(os.listdir(folder / "index" / "versions"))
        return ()

    def versions(project: str) -> Iterable[tuple[str, str]]:
        name = re.sub(r"[-_.]+", "-", project).lower()
        with suppress(OSError, ValueError):
            text = (folder / "index" / "versions" / name).read_text()
            return [
                (version, day) for version, _, day in (line.partition("\t") for line in text.splitlines())
            ][::-1]
        return ()

    return Sources(packages=packages, versions=versions, named_in=_named_in)


def _named_in(probe: str) -> tuple[str, tuple[str, ...]]:
    with suppress(OSError, ValueError):
        text = Path(probe).expanduser().read_text(encoding="utf-8")
        package = _PACKAGE.search(text)
        metrics = dict.fromkeys(first or second for first, second in _METRIC.findall(text))
        return package[1] if package else "", tuple(metrics)
    return "", ()

"""Releases of a package that admit what is bad in a dependency."""

from __future__ import annotations

from collections.abc import Mapping

from support.local_index import LocalIndex
from support.shell import PYTHON, Command

# Without `--history none`, spot checks of other releases would add runs that these tests do not need.
USUAL = ("--probe", "leak.py", "--python", PYTHON, "--history", "none")


def publish(
    index: LocalIndex, project: str, *releases: str, requires: Mapping[str, str] | None = None
) -> None:
    """Releases such as `2.0 2021-02-01 bad`: the third word is what the module `project` says of itself."""
    for text in releases:
        version, uploaded, is_ = text.split()
        index.add_wheel(
            project,
            version,
            uploaded=uploaded,
            modules={f"{project}.py": f"version = {version!r}\nis_ = {is_!r}\n"},
            requires=[rule for rule in (requires or {}).get(version, "").split(",") if rule],
        )


DEP = ("1.0 2020-01-01 good", "1.1 2020-02-01 good", "1.2 2020-03-01 bad", "1.3 2020-04-01 bad")


LOOKS_AT_DEP = "import app, dep\nassert dep.is_ == 'good', 'it is ' + dep.is_\n"


def fails_by_hand(command: Command, line: str) -> str:
    """The last line of what a failing probe says, run as the report tells."""
    done = command.paste(line)
    assert done.returncode == 1, done.stderr
    return done.stderr.splitlines()[-1]

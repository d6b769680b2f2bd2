"""Environments lend each other distributions: neighbouring releases differ in few of them.

What another environment has under the same pin, hashes included, is linked from there file by file
instead of being installed again. With it comes the byte-code that was compiled there: a file and its link
are one file, with one date and one size, which is what Python holds byte-code against (PEP 552). So a module
is compiled once, whatever number of releases import it.

Who lends is noted for each pin once its environment was used, because what was not imported anywhere has
no byte-code. A borrower has all byte-code of its lender and what its own runs add, so that to note the last
user is to note one who has most. A file that is gone, or has another size than was recorded when it was
installed, was changed by a probe: such a lender is passed over.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from packaging.utils import canonicalize_name

from bisect_asgi.backend.environments.templates import site_packages
from bisect_asgi.backend.files import locked_if_free, write_whole
from bisect_asgi.core import codec
from bisect_asgi.core.model import Interpreter
from bisect_asgi.core.records import Struct


class FileReuse(Struct, frozen=True, kw_only=True):
    """Knows which environment lends what.

    Args:
        folder: where that is noted, one small file for each pin.
        environments: where the environments are.
        locks: where each environment's lock is, under its name.
    """

    folder: Path
    environments: Path
    locks: Path

    def note(self, pins: Iterable[str], interpreter: Interpreter, digest: str) -> None:
        """From now on, the environment `digest`, which was used, lends all these."""
        for pin in pins:
            write_whole(self._note(pin, interpreter), digest.encode())

    def lend(self, pins: Sequence[str], interpreter: Interpreter, target: Path) -> tuple[str, ...]:
        """Put into `target` what others have of `pins`, and return those that nobody has."""
        lenders: dict[str, list[str]] = defaultdict(list)
        missing = []
        for pin in pins:
            try:
                lenders[self._note(pin, interpreter).read_text()].append(pin)
            except OSError:
                missing.append(pin)
        for digest, lent in lenders.items():
            missing += self._lend_from(digest, lent, target)
        return tuple(missing)

    def _lend_from(self, digest: str, pins: Sequence[str], target: Path) -> Iterator[str]:
        """Link what one environment has of `pins`; give those that it cannot lend."""
        with ExitStack() as held:
            lender = self.environments / digest
            lock = locked_if_free(self.locks / f"{digest}.lock", shared=True)
            if not held.enter_context(lock) or not lender.exists():
                yield from pins
                return
            source, goal = site_packages(lender), site_packages(target)
            folders = _dist_infos(source)
            for pin in pins:
                if not _link(source, goal, folders.get(_name_of(pin))):
                    yield pin

    def _note(self, pin: str, interpreter: Interpreter) -> Path:
        return self.folder / codec.digest("lender", pin, interpreter)


def _name_of(pin: str) -> str:
    """The project of `name==version …` or `name @ address …`."""
    return pin.partition(" ")[0].partition("==")[0]


def _dist_infos(source: Path) -> dict[str, str]:
    """The folders of metadata, by their project's normalised name."""
    names = (entry.name for entry in os.scandir(source) if entry.name.endswith(".dist-info"))
    return {canonicalize_name(name.partition("-")[0]): name for name in names}


def _link(source: Path, goal: Path, dist_info: str | None) -> bool:
    """Link all files of a distribution and their byte-code; tell whether it is whole, or else not there."""
    if dist_info is None:
        return False
    try:
        with (source / dist_info / "RECORD").open(newline="", encoding="utf-8") as stream:
            recorded = [(row[0], row[2]) for row in csv.reader(stream) if row]
    except (OSError, IndexError, csv.Error, UnicodeDecodeError):
        return False
    names = [name for name, _ in recorded if not name.endswith(".pyc")]
    if not all(_is_whole(source, name, size) for name, size in recorded if not name.endswith(".pyc")):
        return False
    made: list[str] = []
    try:
        for name in (*names, *_byte_code(source, names)):
            _link_one(source, goal, name, made)
    except OSError:  # another distribution's file is in the way, or it went meanwhile
        for path in made:
            os.unlink(path)
        # To uv, an empty folder of that name is the distribution, and there is nothing to install.
        shutil.rmtree(goal / dist_info, ignore_errors=True)
        return False
    return True


def _is_whole(source: Path, name: str, size: str) -> bool:
    """Tell whether a file is as it was installed, as far as its size tells."""
    if name.startswith("/"):
        return False
    with suppress(OSError):
        return not size or os.stat(f"{source}/{name}").st_size == int(size)
    return False


def _byte_code(source: Path, names: Iterable[str]) -> Iterator[str]:
    """The byte-code of the modules among `names`."""
    stems: dict[str, set[str]] = defaultdict(set)
    for name in names:
        folder, _, base = name.rpartition("/")
        if base.endswith(".py"):
            stems[folder].add(base.removesuffix(".py"))
    for folder, modules in stems.items():
        cache = f"{folder}/__pycache__" if folder else "__pycache__"
        with suppress(FileNotFoundError), os.scandir(f"{source}/{cache}") as entries:
            for entry in entries:
                # Python writes aside first, as `name.tag.pyc.number`.
                if entry.name.endswith(".pyc") and entry.name.partition(".")[0] in modules:
                    yield f"{cache}/{entry.name}"


def _link_one(source: Path, goal: Path, name: str, made: list[str]) -> None:
    path = f"{goal}/{name}"
    try:
        os.link(f"{source}/{name}", path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.link(f"{source}/{name}", path)
    made.append(path)

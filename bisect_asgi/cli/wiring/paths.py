"""The paths of the cache on this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bisect_asgi.core.errors import UsageError, not_writable
from bisect_asgi.core.records import Struct

_FOLDERS = (
    *("answers", "building", "contents", "declared", "environments", "index", "interpreters", "lenders"),
    *("locks", "logs", "own", "projects", "repositories", "runs", "sdists", "templates", "uv", "wheels"),
)
DEFAULT_LIMIT = "20 GiB"


class CachePaths(Struct, frozen=True):
    """The directories and files below the cache directory."""

    root: Path

    @classmethod
    def configured(cls, note: Callable[[str], None] | None = None) -> CachePaths:
        """The user's cache directory, or `BISECT_ASGI_CACHE_DIR`, repaired if other files are in its way.

        `note` receives a remark for each file that was renamed; None writes it to the standard error.

        Raises:
            Unavailable: the cache directory cannot be written.
        """
        root = cls.folder()
        try:
            root.mkdir(parents=True, exist_ok=True)
            for path in (root, *(root / name for name in _FOLDERS)):
                _mend(path, note or _say)
            tag = root / "CACHEDIR.TAG"
            if not tag.exists():  # write only once: a full disk must not stop a command that only reads
                tag.write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
        except OSError as error:
            raise not_writable("the cache directory", root, error) from error
        return cls(root)

    @staticmethod
    def folder() -> Path:
        """Return the path of the cache directory, which need not exist."""
        named = os.environ.get("BISECT_ASGI_CACHE_DIR")
        if named:
            return Path(named).absolute()
        import platformdirs

        return platformdirs.user_cache_path("bisect-asgi")

    @property
    def store(self) -> Path:
        """The store's file."""
        return self.root / "store.db"

    @property
    def environments(self) -> Path:
        """The directory of environments."""
        return self.root / "environments"

    @property
    def logs(self) -> Path:
        """The directory of event logs."""
        return self.root / "logs"

    @property
    def interpreters(self) -> Path:
        """The directory of facts about interpreters."""
        return self.root / "interpreters"

    @property
    def projects(self) -> Path:
        """The directory of copies of the user's own projects."""
        return self.root / "projects"

    @property
    def repositories(self) -> Path:
        """The directory of copies of repositories."""
        return self.root / "repositories"

    @property
    def answers(self) -> Path:
        """The directory of cached responses from the network."""
        return self.root / "answers"

    def new_log(self, project: str) -> Path:
        """The path of a new event log; names sort by time."""
        return self.logs / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}-{project}.jsonl"

    def past_logs(self) -> list[Path]:
        """The paths of all event logs, newest first, without empty logs of commands that did not begin."""
        found = []
        for path in sorted(self.logs.glob("*.jsonl"), reverse=True):
            with suppress(OSError):  # another command may be clearing the cache
                if path.stat().st_size:
                    found.append(path)
        return found

    def newest_log(self) -> Path:
        """The path of the newest event log.

        Raises:
            UsageError: there is no event log.
        """
        logs = self.past_logs()
        if not logs:
            raise UsageError(
                "there is no event log yet", hint="`bisect-asgi PACKAGE --probe FILE` writes one"
            )
        return logs[0]


def _say(text: str) -> None:
    # Imported late: completion in a shell has to be fast, and imports this module but needs no output.
    from bisect_asgi.cli.output import say_note

    say_note(text)


def _mend(folder: Path, note: Callable[[str], None]) -> None:
    """Rename a file that is in the directory's place, and make a read-only directory writable.

    Raises:
        OSError: the file cannot be renamed.
    """
    if folder.is_dir():
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            with suppress(OSError):  # the next write will report it
                folder.chmod(folder.stat().st_mode | stat.S_IRWXU)
    elif os.path.lexists(folder):
        aside = folder.with_name(f"{folder.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        folder.rename(aside)
        note(f"`{folder}` was no directory: it is now `{aside}`")


def limit_bytes() -> int:
    """Return the most bytes for environments: `BISECT_ASGI_CACHE_LIMIT`, such as `20 GiB`.

    Raises:
        UsageError: the variable is no size.
    """
    from bisect_asgi.core.plan.amounts import read_size

    return read_size(os.environ.get("BISECT_ASGI_CACHE_LIMIT", DEFAULT_LIMIT), "BISECT_ASGI_CACHE_LIMIT")

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
    """The folders and files below the cache folder."""

    root: Path

    @classmethod
    def configured(cls, note: Callable[[str], None] | None = None) -> CachePaths:
        """The user's cache folder, or `BISECT_ASGI_CACHE_DIR`, with what stands in the way set aside.

        `note` gets a remark on what was set aside; None: it goes to the standard error.

        Raises:
            Unavailable: it cannot be written.
        """
        root = cls.folder()
        try:
            root.mkdir(parents=True, exist_ok=True)
            for path in (root, *(root / name for name in _FOLDERS)):
                _mend(path, note or _say)
            tag = root / "CACHEDIR.TAG"
            if not tag.exists():  # a full disk is no reason to begin
                tag.write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
        except OSError as error:
            raise not_writable("the cache directory", root, error) from error
        return cls(root)

    @staticmethod
    def folder() -> Path:
        """Return the path of the cache folder, which need not exist."""
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
        """The environments' folder."""
        return self.root / "environments"

    @property
    def logs(self) -> Path:
        """The event logs' folder."""
        return self.root / "logs"

    @property
    def interpreters(self) -> Path:
        """The folder that keeps what is known of interpreters."""
        return self.root / "interpreters"

    @property
    def projects(self) -> Path:
        """The folder of copies of the user's own projects."""
        return self.root / "projects"

    @property
    def repositories(self) -> Path:
        """The folder of copies of repositories."""
        return self.root / "repositories"

    @property
    def answers(self) -> Path:
        """The folder that keeps answers of the outside."""
        return self.root / "answers"

    def new_log(self, project: str) -> Path:
        """The path of a new event log; names sort by time."""
        return self.logs / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}-{project}.jsonl"

    def past_logs(self) -> list[Path]:
        """The paths of all event logs, the newest first; one is empty where a command did not begin."""
        found = []
        for path in sorted(self.logs.glob("*.jsonl"), reverse=True):
            with suppress(OSError):  # another command clears the cache
                if path.stat().st_size:
                    found.append(path)
        return found

    def newest_log(self) -> Path:
        """The path of the newest event log.

        Raises:
            UsageError: there is none.
        """
        logs = self.past_logs()
        if not logs:
            raise UsageError(
                "there is no event log yet", hint="`bisect-asgi PACKAGE --probe FILE` writes one"
            )
        return logs[0]


def _say(text: str) -> None:
    # A shell that completes a word waits for this module, and never needs that one.
    from bisect_asgi.cli.output import say_note

    say_note(text)


def _mend(folder: Path, note: Callable[[str], None]) -> None:
    """Set aside what is no folder, and make a folder writable that the user has made read-only.

    Raises:
        OSError: what is no folder cannot be moved.
    """
    if folder.is_dir():
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            with suppress(OSError):  # what has to be written says so
                folder.chmod(folder.stat().st_mode | stat.S_IRWXU)
    elif os.path.lexists(folder):
        aside = folder.with_name(f"{folder.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        folder.rename(aside)
        note(f"`{folder}` was no directory: it is now `{aside}`")


def limit_bytes() -> int:
    """Return the most bytes for environments: `BISECT_ASGI_CACHE_LIMIT`, such as `20 GiB`.

    Raises:
        UsageError: it cannot be read.
    """
    from bisect_asgi.core.plan.amounts import read_size

    return read_size(os.environ.get("BISECT_ASGI_CACHE_LIMIT", DEFAULT_LIMIT), "BISECT_ASGI_CACHE_LIMIT")

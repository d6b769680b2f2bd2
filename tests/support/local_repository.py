"""Small git repositories for tests, made commit by commit with the machine's git and no configuration."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bisect_asgi.backend.repository import Repository
from bisect_asgi.core.cancel import CancelToken

BEGINNING = datetime(2021, 1, 1, 12, tzinfo=UTC)
BARE_CONFIGURATION = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
"""For `monkeypatch.setenv`: git as on a machine where nobody configured anything."""


class LocalRepository:
    """A clone in `folder`; each commit is a day younger than the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = BEGINNING
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *arguments: str) -> str:
        """Return the output of git, without the end of its line."""
        person = {
            f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        dates = {f"GIT_{who}_DATE": self.now.isoformat() for who in ("AUTHOR", "COMMITTER")}
        said = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            env={"PATH": os.environ["PATH"], **BARE_CONFIGURATION, **person, **dates},
            capture_output=True,
            text=True,
            check=True,
        )
        return said.stdout.strip()

    def put(self, name: str, text: str) -> None:
        """Write one file, which the next commit has."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, subject: str, *tags: str) -> str:
        """Commit all that was written, tag it, and return its id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", subject)
        for tag in tags:
            self.git("tag", tag)
        self.now += timedelta(days=1)
        return self.git("rev-parse", "HEAD")

    def merge(self, branch: str, subject: str) -> str:
        """Merge a branch with a commit of its own, and return its id."""
        self.git("merge", "--quiet", "--no-ff", "--message", subject, branch)
        self.now += timedelta(days=1)
        return self.git("rev-parse", "HEAD")


def opened(where: str | Path, tmp_path: Path) -> Repository:
    """The repository, with copies of others below `tmp_path`."""
    return Repository.open(str(where), tmp_path / "cache" / "repositories", CancelToken())

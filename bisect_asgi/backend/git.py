"""git as a program of the user's: with their configuration and credentials, without hooks and questions.

What it fails with is told apart by what it says, in English; it has no exit codes for that.
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from bisect_asgi.backend.process.run import Completed, run_helper
from bisect_asgi.core.cancel import Lifeline
from bisect_asgi.core.errors import BisectError, Unavailable, UsageError

# Set in hooks and `git bisect run`: there they would turn git from the repository that it is asked about.
_BOUND = re.compile(
    r"GIT_(DIR|WORK_TREE|INDEX_FILE|COMMON_DIR|NAMESPACE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|PREFIX)"
)
_NO_REPOSITORY = re.compile(
    r"repository\b.{0,300}\b(not found|does not exist)|does not appear to be a git repository", re.I
)


def run_git(*arguments: str, lifeline: Lifeline, stdin: str = "") -> Completed:
    """Run git where it can ask nobody, runs no hooks, and speaks English.

    Raises:
        Unavailable: there is no git.
        Cancelled: the lifeline was cancelled.
    """
    environ = {name: value for name, value in os.environ.items() if not _BOUND.fullmatch(name)}
    environ |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    argv = ["git", "-c", f"core.hooksPath={os.devnull}", *arguments]
    try:
        return run_helper(argv, environ=environ, lifeline=lifeline, stdin=stdin)
    except OSError as error:
        raise Unavailable(
            f"`git` cannot be run: {error.strerror or error}",
            hint="commits cannot be had without it; install it",
        ) from error


def said(completed: Completed, where: str) -> str:
    """What git wrote to its standard output when it was asked about the repository `where`.

    Raises:
        UsageError: `where` is no repository, or not one that git may read.
        Unavailable: git failed otherwise.
    """
    if completed.exit_code != 0:
        raise _failure(completed.stderr, where)
    return completed.stdout


def shown(where: str) -> str:
    """An address without the password in it."""
    password = urlsplit(where).password if "://" in where else None
    return where.replace(f":{password}@", "@") if password else where


def _failure(stderr: str, where: str) -> BisectError:
    name = shown(where)
    if "dubious ownership" in stderr:
        return UsageError(
            f"git does not read `{name}`, because the folder belongs to somebody else",
            hint=f"`git config --global --add safe.directory {name}` if you trust its owner",
        )
    if "not a git repository" in stderr:
        return UsageError(f"`{name}` is no git repository", hint="name the folder of a clone, or an address")
    told = _telling(stderr).replace(where, name)
    if _NO_REPOSITORY.search(stderr):
        return UsageError(f"there is no repository at `{name}`: {told}", hint="check the address")
    return Unavailable(
        f"git failed on `{name}`: {told}",
        hint=f"`git ls-remote {name}` should answer here without asking for a password",
    )


def _telling(stderr: str) -> str:
    """The line that says what failed: the first that git marks so, else the last."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()] or ["it gave no reason"]
    return next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1])

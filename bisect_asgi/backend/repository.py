"""Read a project's git repository: its tags, the commits between two of them, and working trees.

A clone on this machine is only read. An address is cloned once, bare, into the cache. git asks the address
again only if the copy lacks a tag or a commit, or for a branch, because a branch changes.

git runs with the user's configuration and credentials, but without hooks and without asking for a password.
Its exit codes do not distinguish failures, so its messages are read, in English.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from packaging.utils import canonicalize_name

from bisect_asgi.backend.files import kept, locked, once_each
from bisect_asgi.backend.network.settings import Settings
from bisect_asgi.backend.process.helper import Completed, run_helper
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import OFFLINE, ONCE_ONLINE, BisectError, Cancelled, Unavailable, UsageError
from bisect_asgi.core.events import CommitFile, CommitShown
from bisect_asgi.core.model import Commit
from bisect_asgi.core.patterns import pattern
from bisect_asgi.core.releases.links import commit_page, tag_of
from bisect_asgi.core.services import History
from bisect_asgi.core.text import hide_credentials, without_credentials

_ADDRESS = pattern(r"\w[\w+.-]*://.+|[^/]+@[^/:]+:.+")
_FIELDS = "%H%x00%ct%x00%s%x00"
_TAGS_KEPT_FOR = timedelta(days=1)
_TAGS_TIMEOUT_S = 5.0


def is_address(where: str) -> bool:
    """Return whether `where` is an address as git takes them, and not a directory."""
    return bool(_ADDRESS.fullmatch(where))


class Repository:
    """A git repository on this machine, the user's or a copy of this tool; see `Repository.open`.

    Args:
        where: the user's address, or the absolute path of the user's directory.
        folder: the directory in which git runs.
        objects: the repository itself, which a worktree shares with its clone.
        lock: held while the copy is updated; None for the user's repository.
    """

    def __init__(
        self, where: str, folder: Path, *, objects: Path, lock: Path | None, token: CancelToken
    ) -> None:
        self.where = where
        self._folder = folder
        self._objects = objects
        self._lock = lock
        self._token = token
        self._is_fresh = lock is None

    @classmethod
    def open(cls, where: str, cache: Path, token: CancelToken) -> Repository:
        """Open a clone at a path, or the copy of an address in the directory `cache`, cloning it if needed.

        Raises:
            UsageError: `where` is no repository, or git refuses to read it.
            Unavailable: git is missing, or the address did not answer.
            Cancelled: the token was cancelled.
        """
        path = Path(where).expanduser()
        if path.is_dir():
            path = path.resolve()
            objects = _common_folder(path, where, token)
            return cls(str(path), path, objects=objects, lock=None, token=token)
        if not is_address(where):
            raise UsageError(
                f"there is no repository `{where}`",
                hint="name the directory of a clone, or an address such as `https://example.org/project.git`",
            )
        folder = cache / codec.digest("repository", where)
        lock = cache.with_name("locks") / f"repository-{folder.name}.lock"
        with locked(lock, waiting=token.check):
            is_new = not folder.exists()
            if is_new:
                _clone(where, folder, token)
        repository = cls(where, folder, objects=folder, lock=lock, token=token)
        repository._is_fresh = is_new
        return repository

    def tags(self) -> tuple[str, ...]:
        """Return the names of all tags, sorted; a copy may lack the newest ones."""
        return tuple(self._git("for-each-ref", "--format=%(refname:strip=2)", "refs/tags").splitlines())

    def tag_of(self, version: str, project: str) -> str | None:
        """Return the tag of a release, or None; if a copy has none, ask the address again."""
        found = tag_of(version, project, self.tags())
        return tag_of(version, project, self.tags()) if found is None and self.refresh() else found

    def refresh(self) -> bool:
        """Update the copy; return False if it is new, or the user's repository, or nothing may be asked.

        Raises:
            Unavailable: the address did not answer.
        """
        if self._is_fresh or self._lock is None or _is_out_of_reach(self.where):
            return False
        refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        with locked(self._lock, waiting=self._token.check):
            self._git("fetch", "--quiet", "--no-tags", self.where, *refs)
        self._is_fresh = True
        return True

    def resolve(self, ref: str) -> str:
        """Return the full id of the commit of a tag, a branch or an abbreviated id; a tag comes first.

        Raises:
            UsageError: there is no such commit.
            Unavailable: an address that had to be asked did not answer.
        """
        name, sha = self._look_up(ref)
        moves = not name.startswith("refs/tags/") and not sha.startswith(ref)
        if (not sha or moves) and self.refresh():
            _, sha = self._look_up(ref)
        if not sha:
            raise self._unknown(ref)
        return sha

    def commits(self, low: str, high: str, *, project: str, first_parent: bool) -> History:
        """Return `low`, then the commits that are reachable from `high` and not from `low`, oldest first.

        If `low` is no ancestor of `high`, the history starts at their merge base, because releases are often
        tagged on branches of their own. `first_parent`: leave out the commits that merges brought in.

        Raises:
            UsageError: a commit does not exist, both share no history, or `high` is the older one.
        """
        ends = self.resolve(low), self.resolve(high)
        start = self._run(self._folder, "merge-base", *ends).stdout.strip()
        if not start:
            raise UsageError(
                f"`{low}` and `{high}` of `{self.shown}` share no history", hint=self._unshared_hint()
            )
        if start == ends[1] != ends[0]:
            raise UsageError(
                f"no commits lead from `{low}` to `{high}`: the second is in the history of the first",
                hint=f"pass `{high}` as the older end and `{low}` as the newer",
            )
        walk = ("--topo-order", "--reverse", *(["--first-parent"] if first_parent else []))
        found = [*self._log(project, "--no-walk", start), *self._log(project, *walk, f"{start}..{ends[1]}")]
        return History(commits=tuple(found), forked=start != ends[0])

    def commit(self, ref: str, *, project: str) -> Commit:
        """Return one commit, from which `project` is to be built."""
        return next(self._log(project, "--no-walk", self.resolve(ref)))

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Return whether one commit is in the history of another.

        Raises:
            UsageError: one of them does not exist.
        """
        ends = self.resolve(older), self.resolve(newer)
        asked = self._run(self._folder, "merge-base", "--is-ancestor", *ends)
        return asked.exit_code != 1 and _output(asked, self.where) == ""  # 1 means no, others failures

    def files(self, ref: str) -> tuple[str, ...]:
        """Return the paths of all files at a commit.

        Raises:
            UsageError: there is no such commit.
        """
        return tuple(self._git("ls-tree", "-r", "--name-only", "-z", self.resolve(ref)).split("\0")[:-1])

    def text(self, ref: str, path: str) -> str:
        """Return the text of a file at a commit.

        Raises:
            UsageError: there is no such commit.
            Unavailable: there is no such file, or the repository lacks its content.
        """
        return self._git("show", f"{self.resolve(ref)}:{path}")

    def parents(self, sha: str) -> tuple[str, ...]:
        """Return the ids of a commit's parents, the one that it was merged into first."""
        return tuple(self._git("rev-list", "--parents", "--max-count=1", self.resolve(sha)).split()[1:])

    def show(self, commit: Commit) -> CommitShown:
        """Return a commit with its author, the files that differ from its first parent, and its page.

        Raises:
            UsageError: there is no such commit.
        """
        what = ("-m", "--first-parent", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv")
        how = ("-1", "--no-show-signature", "--encoding=UTF-8", "--format=%an%x00", "-z")
        author, _, files = self._git("log", *how, *what, self.resolve(commit.sha), "--").partition("\0")
        return CommitShown(
            sha=commit.sha,
            subject=commit.subject,
            author=author,
            committed=commit.committed,
            files=tuple(map(_commit_file, files.lstrip("\0\n").split("\0")[:-1])),
            link=commit_page(self._origin(), commit.sha),
        )

    def _origin(self) -> str:
        """Return the address that the clone came from, or where it is."""
        return self._run(self._folder, "config", "--get", "remote.origin.url").stdout.strip() or self.where

    def checkout(self, sha: str, folder: Path) -> None:
        """Make a working tree of one commit in a new directory, with all tags and submodules.

        It has a `.git`, from which projects derive their version, and which borrows the objects of this
        repository. Submodules that cannot be fetched stay empty.

        Raises:
            UsageError: there is no such commit.
            Unavailable: the files cannot be written or read.
        """
        full = self.resolve(sha)
        how = ("--quiet", "--shared", "--no-checkout", "--origin", "origin", "--template=")
        self._git_in(Path(), "clone", *how, str(self._objects), str(folder.absolute()))
        # A submodule's address may be relative to the address that the clone came from.
        self._git_in(folder, "remote", "set-url", "origin", self._origin())
        self._git_in(folder, "checkout", "--quiet", "--detach", full)
        if (folder / ".gitmodules").exists():
            self._run(folder, "submodule", "--quiet", "update", "--init", "--recursive")

    @property
    def shown(self) -> str:
        """The user's address or path, without credentials."""
        return without_credentials(self.where)

    def _look_up(self, ref: str) -> tuple[str, str]:
        """Return the full name and the commit of `ref`; both are empty if there is no such commit."""
        names = [f"refs/tags/{ref}", f"refs/heads/{ref}", f"refs/remotes/origin/{ref}", ref]
        asked = "".join(f"{name}^{{commit}}\n" for name in names) if "\n" not in ref else ""
        answers = self._git("cat-file", "--batch-check=%(objectname)", stdin=asked).splitlines()
        found = (
            pair for pair in zip(names, answers, strict=False) if re.fullmatch(r"[0-9a-f]{40,64}", pair[1])
        )
        return next(found, ("", ""))

    def _unknown(self, ref: str) -> UsageError:
        near = get_close_matches(ref, self.tags(), n=3)
        tags = ", ".join(f"`{tag}`" for tag in near)
        return UsageError(
            f"`{self.shown}` has no tag, branch or commit `{ref}`",
            hint=f"pass one of the similar tags: {tags}" if tags else "`git tag` in a clone lists its tags",
        )

    def _unshared_hint(self) -> str:
        if self._git("rev-parse", "--is-shallow-repository").strip() == "true":
            return "the clone is a shallow one; `git fetch --unshallow` in it gets the rest"
        return "name two commits of one line of development"

    def _log(self, project: str, *arguments: str) -> Iterator[Commit]:
        """Yield the commits of `git log` with these arguments."""
        how = ("--no-show-signature", "--encoding=UTF-8", f"--format={_FIELDS}")
        fields = self._git("log", *how, *arguments, "--").split("\0")[:-1]
        for sha, seconds, subject in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
            yield Commit(
                repository=self.where,
                sha=sha.strip(),
                project=canonicalize_name(project),
                subject=" ".join(subject.split()),
                committed=datetime.fromtimestamp(int(seconds), UTC),
            )

    def _git(self, *arguments: str, stdin: str = "") -> str:
        """Return the output of git in this repository."""
        return _output(self._run(self._folder, *arguments, stdin=stdin), self.where)

    def _git_in(self, folder: Path, *arguments: str) -> str:
        return _output(self._run(folder, *arguments), self.where)

    def _run(self, folder: Path, *arguments: str, stdin: str = "") -> Completed:
        return run_git("-C", str(folder), *arguments, token=self._token, stdin=stdin)


def _commit_file(line: str) -> CommitFile:
    """Return a file from a line of `git log --numstat`, which has dashes for a binary file."""
    added, removed, path = line.split("\t", 2)
    counts = (int(count) if count.isdecimal() else None for count in (added, removed))
    return CommitFile(path=path, added=next(counts), removed=next(counts))


def _common_folder(path: Path, where: str, token: CancelToken) -> Path:
    """Return the directory of the repository of a path; a worktree has its clone's."""
    asked = run_git("-C", str(path), "rev-parse", "--git-common-dir", token=token)
    return Path(path, _output(asked, where).rstrip("\n")).resolve()


def remote_tags(where: str, token: CancelToken) -> tuple[str, ...]:
    """Ask an address for its tags, without cloning.

    Raises:
        UsageError: there is no repository.
        Unavailable: it does not answer.
        Cancelled: the token was cancelled.
    """
    _check_reach(where)
    refs = _output(run_git("ls-remote", "--tags", "--refs", "--", where, token=token), where)
    return tuple(line.partition("refs/tags/")[2] for line in refs.splitlines())


def _clone(where: str, folder: Path, token: CancelToken) -> None:
    """Clone an address into `folder`; the copy gets that name only when it is complete."""
    _check_reach(where)
    aside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)  # a killed clone may have left it
    how = ("--quiet", "--bare", "--origin", "origin", "--template=")
    _output(run_git("clone", *how, "--", where, str(aside), token=token), where)
    aside.rename(folder)


def _is_out_of_reach(where: str) -> bool:
    """Return whether an address is on the network, and the network is off."""
    return not where.startswith("file:") and Settings().is_on("offline")


def _check_reach(where: str) -> None:
    """Raise Unavailable if an address may not be asked."""
    if _is_out_of_reach(where):
        raise Unavailable(
            f"`{without_credentials(where)}` is not cached, and {OFFLINE}",
            hint=ONCE_ONLINE,
        )


# Left out of git's environment: in a hook or under `git bisect run`, these variables name another repository,
# the one of the user's command.
_BOUND = pattern(
    r"GIT_(DIR|WORK_TREE|INDEX_FILE|COMMON_DIR|NAMESPACE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|PREFIX)"
)
_NO_REPOSITORY = pattern(
    r"repository\b.{0,300}\b(not found|does not exist)|does not appear to be a git repository", re.I
)


def run_git(*arguments: str, token: CancelToken, stdin: str = "") -> Completed:
    """Run git without hooks, without questions, and with messages in English.

    Raises:
        Unavailable: there is no git.
        Cancelled: the token was cancelled.
    """
    environ = {name: value for name, value in os.environ.items() if not _BOUND.fullmatch(name)}
    environ |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    argv = ["git", "-c", f"core.hooksPath={os.devnull}", *arguments]
    try:
        return run_helper(argv, environ=environ, token=token, stdin=stdin)
    except OSError as error:
        raise Unavailable(
            f"`git` cannot be run: {error.strerror or error}",
            hint="commits cannot be had without it; install it",
        ) from error


def _output(completed: Completed, where: str) -> str:
    """Return the standard output of git in the repository `where`.

    Raises:
        UsageError: `where` is no repository, or git refuses to read it.
        Unavailable: git failed for another reason.
    """
    if completed.exit_code != 0:
        raise _failure(completed.stderr, where)
    return completed.stdout


def _failure(stderr: str, where: str) -> BisectError:
    name = without_credentials(where)
    if "dubious ownership" in stderr:
        return UsageError(
            f"git does not read `{name}`, because the directory belongs to somebody else",
            hint=f"`git config --global --add safe.directory {name}` if you trust its owner",
        )
    if "not a git repository" in stderr:
        return UsageError(
            f"`{name}` is no git repository", hint="name the directory of a clone, or an address"
        )
    message = _message(stderr).replace(where, name)
    if _NO_REPOSITORY.search(stderr):
        return UsageError(f"there is no repository at `{name}`: {message}", hint="check the address")
    return Unavailable(
        f"git failed on `{name}`: {message}",
        hint=f"`git ls-remote {name}` should answer here without asking for a password",
    )


def _message(stderr: str) -> str:
    """Return the line that says what failed: the first that git marks as such, else the last."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()] or ["it gave no reason"]
    line = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1])
    return hide_credentials(line)


class GitRepositories:
    """Opens each repository once for a command.

    Args:
        folder: the directory of the copies of addresses.
        answers: the directory that caches the tags of addresses for a day.
    """

    def __init__(self, folder: Path, *, answers: Path) -> None:
        self._answers = answers
        self._open = once_each(partial(Repository.open, cache=folder, token=CancelToken()))

    def open(self, where: str) -> Repository:
        """Return the repository at a path or an address; raises as `Repository.open`."""
        return self._open(where)

    def tags(self, address: str) -> tuple[str, ...]:
        """Return the tags at an address, at most a day old; raises as `ask_for_tags`."""
        path = self._answers / f"tags-{codec.digest(address)}.json"
        return kept(path, lambda: ask_for_tags(address), at_most=_TAGS_KEPT_FOR)


def ask_for_tags(address: str, *, timeout_s: float = _TAGS_TIMEOUT_S) -> tuple[str, ...]:
    """Return the tags at an address if it answers in time, because a report only links to them.

    Raises:
        UsageError: there is no repository.
        Unavailable: the address does not answer, or not in time.
    """
    token = CancelToken()
    timer = threading.Timer(timeout_s, token.cancel)
    timer.start()
    try:
        return remote_tags(address, token)
    except Cancelled as error:
        name = without_credentials(address)
        raise Unavailable(f"`{name}` does not answer", hint="its tags are for a link alone") from error
    finally:
        timer.cancel()

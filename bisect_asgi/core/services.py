"""The ports of a session: index, interpreters, repositories, trials, executor.

A session knows these types alone. `cli/wiring` hands it the real ones, and offline tests hand it fakes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from typing import Protocol

from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import (
    BuiltEnvironment,
    Commit,
    Declared,
    Distribution,
    EnvironmentSpec,
    Interpreter,
    OwnProject,
    ProjectMetadata,
    Release,
    Step,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.records import Struct
from bisect_asgi.core.release_diff import Contents
from bisect_asgi.core.releases.installable import TargetPython

Emit = Callable[[events.Event], None]
RunTrial = Callable[[TrialRequest, CancelToken], Trial]
Prepare = Callable[[TrialRequest, CancelToken], dict[Step, float]]
"""Builds the environment of a trial; returns the seconds of each step."""


class History(Struct, frozen=True, kw_only=True):
    """The commits from one end to another, parents before children."""

    commits: tuple[Commit, ...]
    """The first is the start of the history, the last is the newer end."""
    forked: bool = False
    """The older end is on a branch of its own; the history starts where that branch left (the merge base)."""


class Repository(Protocol):
    """A git repository: its tags, its files, and the commits between two of them."""

    @property
    def shown(self) -> str:
        """Return the repository's name for messages."""
        ...

    def tag_of(self, version: str, project: str) -> str | None:
        """Return the tag of a release, or None if there is none."""
        ...

    def resolve(self, ref: str) -> str:
        """Return the full id of the commit that a tag, a branch or an id means, tags first.

        Raises:
            UsageError: there is none.
            Unavailable: an address that had to be asked did not answer.
        """
        ...

    def commit(self, ref: str, *, project: str) -> Commit:
        """Return the commit that a reference means, to be built as `project`."""
        ...

    def commits(self, low: str, high: str, *, project: str, first_parent: bool) -> History:
        """Return `low`, then all that is reachable from `high` and not from `low`, oldest first."""
        ...

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Return whether `newer` has `older` in its history."""
        ...

    def parents(self, sha: str) -> Sequence[str]:
        """Return the ids of a commit's parents, the first parent first."""
        ...

    def show(self, commit: Commit) -> events.CommitShown:
        """Return a commit with its author, its files, and its page on a known forge."""
        ...

    def files(self, ref: str) -> Sequence[str]:
        """Return the paths of all files at a reference."""
        ...

    def text(self, ref: str, path: str) -> str:
        """Return a file's text at a reference."""
        ...


class Index(Protocol):
    """The package index: the releases of a project, and their contents."""

    def releases(self, project: str, *, having: Collection[str] | None = None) -> Sequence[Release]:
        """Return all releases of a project, oldest version first.

        `having`: a list that has these versions suffices, even if it lacks the uploads of the last minutes.
        None: the list has to be complete.

        Raises:
            UsageError: the index has no such project.
            Unavailable: the index did not answer.
        """
        ...

    def provider(self, module: str) -> str | None:
        """Return the package that provides a module, or None if that is not known."""
        ...

    def contents(self, distribution: Distribution, interpreter: Interpreter) -> Contents:
        """Return the files and the metadata that a release installs for an interpreter.

        Raises:
            Unresolvable: the release has no file for the interpreter.
            BuildFailed: it has only a source distribution, and building that failed.
            Unavailable: the index did not answer, or the disk is full.
        """
        ...

    def changelogs(self, distribution: Distribution) -> Sequence[str]:
        """Return the texts in a release's source distribution that may be changelogs.

        Raises:
            Unavailable: the index did not answer.
        """
        ...


class Interpreters(Protocol):
    """The Pythons of this machine, and those that could be installed."""

    def find_all(self) -> Sequence[TargetPython]:
        """Return every interpreter of this machine that can run probes."""
        ...

    def find(self, wish: str) -> TargetPython:
        """Return the interpreter that the user named by version or path.

        Raises:
            UsageError: there is none, or it is too old.
        """
        ...

    def target(self, interpreter: Interpreter) -> TargetPython:
        """Return the interpreter with the tags of the files that it can install."""
        ...

    def downloadable(self) -> Sequence[TargetPython]:
        """Return the interpreters that uv could download."""
        ...


class Repositories(Protocol):
    """The git repositories that a session may look into."""

    def open(self, where: str) -> Repository:
        """Return the repository at a path or an address; an address is cloned if it was not before.

        Raises:
            UsageError: it is no repository, or git refuses to read it.
            Unavailable: git is missing, or the address did not answer.
        """
        ...

    def tags(self, address: str) -> Sequence[str]:
        """Return the tags of the repository at an address, without cloning it.

        Raises:
            UsageError: there is no repository.
            Unavailable: the address did not answer soon.
        """
        ...


class Trials(Protocol):
    """Trials, and all that is known from earlier ones: of this machine, or of a cluster."""

    @property
    def builders(self) -> Executor | None:
        """The executor that builds environments ahead with `prepare`; None if that is of no use."""
        ...

    def run(self, request: TrialRequest, token: CancelToken) -> Trial:
        """Build the candidate's environment and run the probe in it; meant to be called in an executor.

        Raises:
            Unavailable: the index, the disk or uv failed, so that there is no result.
            Cancelled: the token was canceled.
        """
        ...

    def prepare(self, request: TrialRequest, token: CancelToken) -> dict[Step, float]:
        """Build the candidate's environment alone; return the seconds of each step.

        Raises:
            Unavailable, Cancelled: as `run`.
        """
        ...

    def recall(self, request: TrialRequest) -> Trial | None:
        """Return what earlier commands observed of the candidate, or None if they did not run it."""
        ...

    def is_built(self, request: TrialRequest) -> bool:
        """Return whether the candidate's environment is known to be there."""
        ...

    def resolve(self, spec: EnvironmentSpec) -> Sequence[Distribution]:
        """Return the distributions that an environment would have in it.

        Raises:
            Unresolvable, BuildFailed: there is no such environment.
            Unavailable: the index did not answer.
        """
        ...

    def wheels(self, spec: EnvironmentSpec, token: CancelToken) -> Sequence[Distribution] | None:
        """Return the distributions that an environment would have, or None if not all of them have wheels.

        Raises:
            Unavailable: the index did not answer.
            Cancelled: the token was canceled.
        """
        ...

    def metadata(self, project: OwnProject, interpreter: Interpreter, token: CancelToken) -> ProjectMetadata:
        """Build a project of the user's, unless its wheel exists, and return the wheel's metadata.

        Raises:
            BuildFailed: it cannot be built.
            NoResult: a file did not arrive intact.
            Unavailable: the index did not answer.
            Cancelled: the token was canceled.
        """
        ...

    def declared(self, built: BuiltEnvironment) -> Mapping[str, Declared]:
        """Return what each distribution of an environment declares, by name; empty if that is not known."""
        ...


class Services(Struct, frozen=True, kw_only=True):
    """All that a session needs of the outside."""

    index: Index
    interpreters: Interpreters
    repositories: Repositories
    trials: Trials
    executor: Executor
    """Runs trials."""

"""What a session needs of the outside, as types: the index, interpreters, repositories, trials.

A session knows these types alone. `cli` hands it the real things, and offline tests hand it fakes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Protocol

from bisect_asgi.core import events
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.model import (
    BuiltEnvironment,
    Commit,
    Distribution,
    EnvironmentSpec,
    Interpreter,
    Release,
    Step,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.records import Struct
from bisect_asgi.core.release_diff import Contents
from bisect_asgi.core.releases.select import TargetPython

Emit = Callable[[events.Event], None]
ReleasesOf = Callable[[str], Sequence[Release]]
RunTrial = Callable[[TrialRequest, CancelToken], Trial]
Prepare = Callable[[TrialRequest, CancelToken], dict[Step, float]]
"""Builds the environment of a trial; returns the seconds of each step."""


class History(Struct, frozen=True, kw_only=True):
    """The commits from one end to another, parents before children."""

    commits: tuple[Commit, ...]
    """The first is where the history starts, the last is the newer end."""
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

    def files(self, ref: str) -> Sequence[str]:
        """Return the paths of all files at a reference."""
        ...

    def text(self, ref: str, path: str) -> str:
        """Return a file's text at a reference."""
        ...


class Sources(Struct, frozen=True, kw_only=True):
    """What axes ask of the outside; each is replaced by a fake in offline tests."""

    releases_of: ReleasesOf
    """Asks the index for a project's releases."""
    interpreters: Callable[[], Sequence[TargetPython]]
    """Finds the interpreters of this machine."""
    interpreter: Callable[[str], TargetPython]
    """Finds the interpreter that the user names."""
    target: Callable[[Interpreter], TargetPython]
    """Says what an interpreter can install."""
    downloadable: Callable[[], Sequence[TargetPython]]
    """Lists the interpreters that uv could download."""
    resolve: Callable[[EnvironmentSpec], tuple[Distribution, ...]]
    """Says what an environment would have in it; raises Unresolvable or BuildFailed."""
    repository: Callable[[str], Repository]
    """Opens a repository, cloning it where it is an address."""


class World(Sources, frozen=True, kw_only=True):
    """What a session needs of the outside; each is replaced by a fake in offline tests."""

    run_trial: RunTrial
    recall: Callable[[TrialRequest], Trial | None]
    """Asks the store what is known of a candidate."""
    requirements: Callable[[BuiltEnvironment], Mapping[str, tuple[str, ...]]]
    """What each distribution of an environment requires, by name; empty where it is not at hand."""
    contents: Callable[[Distribution, Interpreter], Contents]
    """Gets what is in a release; raises Unresolvable, BuildFailed or Unavailable."""
    changelogs: Callable[[Distribution], Sequence[str]]
    """Reads what may be changelogs in a release's source distribution."""
    tags: Callable[[str], Sequence[str]]
    """Asks a repository's address for its tags; raises UsageError or Unavailable."""
    is_built: Callable[[TrialRequest], bool] = lambda _: False
    """Tells whether a candidate's environment is there."""
    executor: Executor
    prepare: Prepare | None = None
    """Builds an environment ahead; None: that is of no use here."""
    builders: Executor | None = None
    """Where that is done."""

"""Commits of a project's repository, oldest first, each built and installed as a release would be.

The ends are releases, whose tags are looked for in the usual spellings, or anything that git understands.
Each candidate is the first parent of the next one. Commits of parallel branches have no order in which one
boundary could be searched. If the first bad commit is a merge, `merges` continues along the branch that was
merged.
"""

from __future__ import annotations

from collections.abc import Callable

from packaging.version import InvalidVersion, Version

from bisect_asgi.core import events
from bisect_asgi.core.axis_words import AxisWords, EndHints
from bisect_asgi.core.errors import Unavailable, UsageError
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.model import Candidate, Commit, EnvironmentSpec
from bisect_asgi.core.plan import COMMITS, Plan
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.interpreters import InterpreterChoice
from bisect_asgi.core.releases.selection import ReleaseFilter, ReleaseRange, select
from bisect_asgi.core.services import Repository, Services
from bisect_asgi.session.axes import own as own_projects
from bisect_asgi.session.axes.base import (
    Axis,
    SearchSpace,
    admitted,
    choose_interpreter,
    newest_upload,
    outside_the_limit,
    pinned_releases,
)

_SHORT = 10
"""Digits of a commit's name in labels."""


class CommitRange(Struct, frozen=True, kw_only=True):
    """The commits between two ends, the older end first."""

    commits: tuple[Commit, ...]
    is_reversed: bool
    """The end that was named first is the newer one."""
    notes: tuple[str, ...] = ()


class Commits(Axis):
    """Commits of the package's repository."""

    name = COMMITS
    words = AxisWords(
        subject="{project}",
        noun="commit",
        nouns="commits",
        title="Commit",
        dated="Committed",
        clause="the first {verdict} commit of {subject} is {label}",
        has_versions=False,
    )
    hints = EndHints(good_fails="pass another {noun} with `--good`")
    has_repository = True
    as_of = "each commit"
    is_explained = False  # the first bad commit is itself the explanation

    def read_end(self, text: str, option: str) -> str:  # noqa: ARG002 (git says what it cannot read)
        """Return the text: a version, or anything that git understands."""
        return text

    def is_same_end(self, good: str, bad: str) -> bool:
        """Return whether both are the same text; whether git knows both as one commit is not known yet."""
        return good == bad

    def shown(self, candidate: Candidate, services: Services) -> events.CommitShown | None:
        """Return the candidate's commit, or None if git does not answer."""
        commit = candidate.spec.commit
        try:
            return services.repositories.open(commit.repository).show(commit) if commit else None
        except (UsageError, Unavailable):
            return None  # the boundary is valid without it

    def prepare(self, plan: Plan, services: Services) -> SearchSpace:
        """Return a candidate for each commit between the ends.

        Raises:
            UsageError: no repository or older end is named, an end is not there, or there is nothing between
                them.
            Unavailable: the repository or the index did not answer.
        """
        where, start = _named(plan)
        ends, options = (start, plan.bad or "HEAD"), ("--good", "--bad")
        stretch = between(services.repositories.open(where), *ends, project=plan.project, options=options)
        pinned = pinned_releases(plan.indexed, services.index)
        choice = _choose(plan, services)
        own_projects.build(plan, choice.interpreter, services)

        def spec(commit: Commit) -> EnvironmentSpec:
            return EnvironmentSpec(
                interpreter=choice.interpreter,
                requirements=(plan.named, *plan.held),
                overrides=plan.overrides,
                constraints=plan.constraints,
                projects=plan.projects,
                hashes=plan.hashes,
                exclude_newer=plan.policy.as_of(commit.committed),
                exclude_newer_package=outside_the_limit(pinned),
                held=plan.held,
                held_exclude_newer=newest_upload(pinned),
                commit=commit,
            )

        last = len(stretch.commits) - 1
        good, bad = (last, 0) if stretch.is_reversed else (0, last)
        return SearchSpace(
            choice=choice,
            candidates=candidates(stretch.commits, spec),
            expectation=Expectation(good=good, bad=bad if plan.bad else None),
            notes=stretch.notes,
        )


def _named(plan: Plan) -> tuple[str, str]:
    """The repository and the older end, which only the user can name.

    Raises:
        UsageError: one of them is missing.
    """
    if plan.repository is None or plan.good is None:
        missing = "`--repo PATH|URL`" if plan.repository is None else "`--good`"
        raise UsageError(
            f"`--over commits` needs {missing}",
            hint=f"`bisect-asgi {plan.named} --over commits --repo PATH --good VERSION --bad VERSION …`",
        )
    return plan.repository, plan.good


def candidates(
    commits: tuple[Commit, ...], spec: Callable[[Commit], EnvironmentSpec]
) -> tuple[Candidate, ...]:
    """Return a candidate for each commit."""
    return tuple(
        Candidate(
            label=f"{commit.sha[:_SHORT]} {commit.subject}", spec=spec(commit), uploaded=commit.committed
        )
        for commit in commits
    )


def between(
    repository: Repository,
    one: str,
    other: str,
    *,
    project: str,
    options: tuple[str, str] = ("", ""),
) -> CommitRange:
    """Return the commits between two versions or refs, in either order.

    Raises:
        UsageError: one of them is not there, or nothing lies between them.
        Unavailable: the repository did not answer.
    """
    refs = [_ref(repository, end, project, option) for end, option in zip((one, other), options, strict=True)]
    ends = [repository.commit(ref, project=project) for ref in refs]
    leads_on, leads_back = repository.is_ancestor(*refs), repository.is_ancestor(*reversed(refs))
    # Commit dates count only if neither is an ancestor of the other.
    is_reversed = leads_back if leads_on or leads_back else ends[1].committed < ends[0].committed
    low, high = reversed(refs) if is_reversed else refs
    history = repository.commits(low, high, project=project, first_parent=True)
    if len(history.commits) < 2:
        raise UsageError(
            f"`{one}` and `{other}` are the same commit of `{repository.shown}`",
            hint="pass two different ones",
        )
    notes = (f"`{low}` is on a branch of its own; the search begins where that branch left",)
    return CommitRange(
        commits=history.commits, is_reversed=is_reversed, notes=notes if history.forked else ()
    )


def _ref(repository: Repository, end: str, project: str, option: str) -> str:
    """The tag of a version, or the end as git understands it."""
    try:
        Version(end)
    except InvalidVersion:
        return end
    if tag := repository.tag_of(end, project):
        return tag
    try:
        return repository.resolve(end)  # an abbreviated commit id may look like a version
    except UsageError as error:
        raise UsageError(
            f"`{repository.shown}` has no tag for {project} {end}{f' (`{option}`)' if option else ''}",
            hint="name a tag or a commit instead, as git knows it",
        ) from error


def _choose(plan: Plan, services: Services) -> InterpreterChoice:
    """The interpreter that suits the releases at the ends, or all releases if the ends are not releases."""
    try:
        every = services.index.releases(plan.project)
    except UsageError:  # only the repository has it
        every = ()
    ends = {end for end in (plan.good, plan.bad) if end is not None}
    named = [release for release in every if release.version in ends]
    kept = named or list(select(every, ReleaseFilter(), None).kept)
    if not kept and plan.python is None:
        newest = max(
            admitted(plan, services.interpreters, ReleaseRange(releases=())),
            key=lambda u: Version(u.interpreter.version),
        )
        return InterpreterChoice(
            target=newest, reason=f"the newest one; no index has releases of {plan.project}"
        )
    span = ReleaseRange(releases=tuple(kept), good=0 if named else None)
    return choose_interpreter(plan, services, span, newest=kept[-1:])


AXIS = Commits()

"""Compare the culprit's two releases, and search the commits between them.

If the first bad commit is a merge, the merged branch is searched by itself, from where it left the main
branch to its last merged commit. Merges on that branch are searched in the same way. Of several merged
branches, the first is searched. If the last commit of the branch is good, the merge itself is the first bad
commit.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from bisect_asgi.core import events
from bisect_asgi.core.errors import BisectError, BuildFailed, Unavailable, Unresolvable, UsageError
from bisect_asgi.core.events import Compared
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.model import Commit, Distribution, Interpreter, Move, Observation, Outcome
from bisect_asgi.core.plan import COMMITS, Plan
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.release_diff import Contents
from bisect_asgi.core.releases import changelog, links
from bisect_asgi.core.releases.diff import compare
from bisect_asgi.core.releases.links import tag_of
from bisect_asgi.core.services import Repository, Services
from bisect_asgi.session.axes import commits
from bisect_asgi.session.axes.base import SearchSpace
from bisect_asgi.session.bisection import Search
from bisect_asgi.session.bisection.run import SearchResult
from bisect_asgi.session.bisection.stages import Stages

_NAMING_FILES = ("pyproject.toml", "setup.cfg", "setup.py")
"""Files of a repository that name the distribution."""
_DEEPEST = 6
"""The greatest depth of merges within each other that are searched."""


class DrillTarget(Struct, frozen=True, kw_only=True):
    """A culprit within which no other package is one, and its two versions with different verdicts."""

    move: Move
    new_is: Outcome
    interpreter: Interpreter
    failing: tuple[Observation, ...]
    """The runs on the side that fails."""
    held: tuple[str, ...] = ()
    """Requirements that hold other packages at their older version."""
    within: str = ""
    """The first candidate after the run's boundary for which it is the culprit."""

    @property
    def is_drillable(self) -> bool:
        """Whether there are two releases to search between."""
        return self.move.old is not None and self.move.new is not None


def go_into(target: DrillTarget, plan: Plan, stages: Stages) -> None:
    """Compare the culprit's two releases, and search the commits between them if the user wants that.

    Raises:
        UsageError: the repository that the user named does not exist.
        Unavailable: the repository did not answer.
    """
    own = stages.services.repositories.open(plan.repository) if plan.repository else None
    if own and not is_of(own, target.move):
        own = None
    compared = compare_releases(target.move, target.interpreter, target.failing, stages.services, own)
    compared = replace(compared, within=target.within)
    if not target.is_drillable:
        stages.emit(compared)
        return
    where = plan.repository if own else compared.repository
    stages.emit(replace(compared, drill=command(plan, target, where)))
    if plan.drill and where:
        _drill(drill_plan(plan, target, where), stages)
    elif plan.drill:
        text = f"{target.move.name} links to no repository that is known: name it by `--repo`"
        stages.emit(events.Note(text=text))


def is_of(repository: Repository, move: Move) -> bool:
    """Return whether a repository is a distribution's own: it has both tags, and its files say that name."""
    if move.old is None or move.new is None or not repository.tag_of(move.old, move.name):
        return False
    tag = repository.tag_of(move.new, move.name)
    names = re.escape(move.name).replace("\\-", "[-_.]")
    pattern = re.compile(rf"\b(?:name|module|dist-name)\b[\"']?\s*[=:]\s*[\"']?{names}\b", re.IGNORECASE)
    texts = (_text(repository, tag, path) for path in _NAMING_FILES) if tag else ()
    return any(pattern.search(text) for text in texts)


def _text(repository: Repository, tag: str, path: str) -> str:
    try:
        return repository.text(tag, path)
    except BisectError:
        return ""


def _drill(plan: Plan, stages: Stages) -> None:
    """Search the commits, as a stage."""
    try:
        result = stages.search(plan)
        if not plan.first_parent:
            go_into_merges(plan, result, stages)
    except BisectError:  # the stage's last event has the error
        return


def drill_plan(plan: Plan, target: DrillTarget, repository: str) -> Plan:
    """Return the plan of the search in a repository, between the two releases of its distribution."""
    old, new = target.move.old, target.move.new
    good, bad = (old, new) if target.new_is is Outcome.FAILED else (new, old)
    return replace(
        plan,
        project=target.move.name,
        extras=plan.extras if target.move.name == plan.project else (),
        over=COMMITS,
        repository=repository,
        good=good,
        bad=bad,
        python=target.interpreter.path,
        held=target.held,
        own=plan.every_own,
        history=plan.history.of_a_stage,
        drill=False,
        culprit=False,
        locks=(),
    )


def command(plan: Plan, target: DrillTarget, repository: str | None) -> str:
    """Return the command line that runs the same search by itself."""
    drilled = drill_plan(plan, target, repository or "PATH|URL")
    words = ["bisect-asgi", drilled.named, "--over", COMMITS, "--repo", repository or "PATH|URL"]
    words += ["--good", drilled.good or "", "--bad", drilled.bad or "", "--python", target.interpreter.short]
    words += ["--any-failure"] if plan.criteria.any_failure else []
    words += [] if plan.first_parent else ["--every-commit"]
    return " ".join([*map(shlex.quote, words), *drilled.check_options()])


def go_into_merges(plan: Plan, result: SearchResult, stages: Stages) -> None:
    """Search the branch that the found commit merged, if it is a merge, and on into merges there."""
    for _ in range(_DEEPEST):
        merge = _found_commit(result)
        space = _branch(merge, result.search, stages.services) if merge else None
        if merge is None or space is None:
            return
        result = stages.search(plan, space=space, context=f"merged by {merge.sha[:10]}")


def _found_commit(result: SearchResult) -> Commit | None:
    """Return the commit that was found, or None: there may be several."""
    found = result.answer.found
    if found is None or found.skipped:
        return None
    return result.search.space.candidates[found.high].spec.commit


def _branch(merge: Commit, search: Search, services: Services) -> SearchSpace | None:
    """Return the commits of the branch that `merge` merged, as candidates, or None: fewer than two."""
    repository = services.repositories.open(merge.repository)
    parents = repository.parents(merge.sha)
    if len(parents) < 2:
        return None
    history = repository.commits(parents[0], parents[1], project=merge.project, first_parent=True)
    if len(history.commits) < 2:
        return None
    like = next(each.spec for each in search.space.candidates if each.spec.commit == merge)
    candidates = commits.candidates(history.commits, lambda commit: replace(like, commit=commit))
    last = len(candidates) - 1
    is_regression = search.judgement().new_is is Outcome.FAILED
    ends = Expectation(good=0, bad=last) if is_regression else Expectation(good=last, bad=0)
    return replace(search.space, candidates=candidates, expectation=ends, notes=())


_FRAME = re.compile(r'File "(?P<path>[^"\n]+)", line (?P<line>\d+), in (?P<function>\S+)')

Frames = Sequence[tuple[str, int, str]]


def compare_releases(
    move: Move,
    interpreter: Interpreter,
    failing: Sequence[Observation],
    services: Services,
    repository: Repository | None = None,
) -> Compared:
    """Compare a distribution's two versions, as far as they are available; with the problem if nothing is.

    Args:
        failing: the runs on the side that fails; files of their tracebacks come first.
        repository: the one that the user named; None: the one that the releases link to.
    """
    compared = Compared(name=move.name, old=move.old or "", new=move.new or "")
    if not (move.old and move.new):  # it was added or removed
        return compared
    try:
        old, new = (
            services.index.contents(Distribution(name=move.name, version=version), interpreter)
            for version in (move.old, move.new)
        )
    except (Unresolvable, BuildFailed, Unavailable) as error:
        return replace(compared, problem=str(error))
    address = links.repository(new.metadata) or links.repository(old.metadata)
    tags = _tags(address, repository, compared, services)
    return replace(
        compared,
        changed=compare(old, new, traceback=_frames(failing)),
        links=links.links(new.metadata),
        repository=address,
        comparison=links.comparison(address, *tags) if address and tags else None,
        changelog=_excerpt(
            compared, chain(_texts(new), _sdist_texts(compared, services), _own_texts(repository, tags))
        ),
    )


def _frames(runs: Sequence[Observation]) -> Frames:
    """Return the frames of a failing run: of its exception, else of its output, or of where it hung."""
    for run in runs:
        if run.frames:
            return run.frames
        if found := list(_FRAME.finditer(run.stacks or run.output_tail)):
            return [(match["path"], int(match["line"]), match["function"]) for match in found]
    return ()


def _tags(
    address: str | None, repository: Repository | None, compared: Compared, services: Services
) -> tuple[str, str] | None:
    """Return the tags of both releases, or None if the repository lacks one or does not answer."""
    if repository:
        own = [repository.tag_of(version, compared.name) for version in (compared.old, compared.new)]
    else:
        every = _remote_tags(address, services) if address else ()
        own = [tag_of(version, compared.name, every) for version in (compared.old, compared.new)]
    return (own[0], own[1]) if own[0] and own[1] else None


def _remote_tags(address: str, services: Services) -> Sequence[str]:
    try:
        return services.repositories.tags(address)
    except (Unavailable, UsageError):
        return ()


def _excerpt(compared: Compared, texts: Iterable[str]) -> str | None:
    """Return the part of a changelog about the newer release, from the first text that has one."""
    found = (changelog.excerpt(text, compared.old, compared.new, name=compared.name) for text in texts)
    return next((text for text in found if text), None)


def _own_texts(repository: Repository | None, tags: tuple[str, str] | None) -> Iterator[str]:
    """Yield files of the repository that may be changelogs, at the newer tag."""
    if repository is None or tags is None:
        return
    for path in changelog.candidates(repository.files(tags[1])):
        try:
            yield repository.text(tags[1], path)
        except (Unavailable, UsageError):  # a copy may lack large files
            continue


def _texts(contents: Contents) -> Iterator[str]:
    files = {file.path: file.text for file in contents.files if file.text}
    yield from (files[path] for path in changelog.candidates(files))
    yield contents.metadata.description


def _sdist_texts(compared: Compared, services: Services) -> Iterator[str]:
    try:
        yield from services.index.changelogs(Distribution(name=compared.name, version=compared.new))
    except (Unavailable, UsageError):
        return  # a missing changelog is not worth an error

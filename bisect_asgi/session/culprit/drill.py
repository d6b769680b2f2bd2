"""From a boundary on to what is behind it: what changed between the two releases, and in which commit.

Where the first bad commit is a merge, the line that was merged is searched:
That line is searched by itself, from where it left the main one to what was merged of it, and so on into
merges on it; of a merge of several lines, the first. Where what was merged passes, it is the merge that
brought both together.
"""

from __future__ import annotations

import re
import shlex

from bisect_asgi.core import events
from bisect_asgi.core.errors import BisectError
from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.model import Commit, Interpreter, Move, Observation, Outcome
from bisect_asgi.core.plan.plan import COMMITS, Plan
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.services import Repository, Services
from bisect_asgi.session.axes import commits
from bisect_asgi.session.axes.base import SearchSpace
from bisect_asgi.session.bisection.search import SearchResult
from bisect_asgi.session.bisection.stages import Stages
from bisect_asgi.session.culprit.compare import compare_releases

_SAYING_NAMES = ("pyproject.toml", "setup.cfg", "setup.py")


class DrillTarget(Struct, frozen=True, kw_only=True):
    """A distribution below which nothing carries the change, and the two versions of it that differ."""

    move: Move
    new_is: Outcome
    interpreter: Interpreter
    failing: tuple[Observation, ...]
    """The runs on the side that fails."""
    held: tuple[str, ...] = ()
    """What was as on the older side while it moved, as requirements."""

    @property
    def is_drillable(self) -> bool:
        """Tell whether there are two releases to go between."""
        return self.move.old is not None and self.move.new is not None


def go_into(carrier: DrillTarget, plan: Plan, services: Services, stages: Stages) -> None:
    """Compare what carries the change with what it was before; go into its commits, where that is wanted.

    Raises:
        UsageError: there is no such repository as the user named.
        Unavailable: it did not answer.
    """
    own = services.repositories.open(plan.repository) if plan.repository else None
    if own and not is_of(own, carrier.move):
        own = None
    compared = compare_releases(carrier.move, carrier.interpreter, carrier.failing, services, own)
    if not carrier.is_drillable:
        stages.emit(compared)
        return
    where = plan.repository if own else compared.repository
    stages.emit(replace(compared, drill=command(plan, carrier, where)))
    if plan.drill and where:
        _drill(drill_plan(plan, carrier, where), services, stages)
    elif plan.drill:
        text = f"{carrier.move.name} links to no repository that is known: name it by `--repo`"
        stages.emit(events.Note(text=text))


def is_of(repository: Repository, move: Move) -> bool:
    """Tell whether a repository is a distribution's own: it has the tags, and its files say that name."""
    if move.old is None or move.new is None or not repository.tag_of(move.old, move.name):
        return False
    tag = repository.tag_of(move.new, move.name)
    names = re.escape(move.name).replace("\\-", "[-_.]")
    pattern = re.compile(rf"\b(?:name|module|dist-name)\b\s*=\s*[\"']?{names}\b", re.IGNORECASE)
    texts = (_text(repository, tag, path) for path in _SAYING_NAMES) if tag else ()
    return any(pattern.search(text) for text in texts)


def _text(repository: Repository, tag: str, path: str) -> str:
    try:
        return repository.text(tag, path)
    except BisectError:
        return ""


def _drill(plan: Plan, services: Services, stages: Stages) -> None:
    """Search in the commits, as a stage; what goes wrong there is told there."""
    try:
        hunt = stages.hunt(plan, services)
        if not plan.first_parent:
            go_into_merges(plan, hunt, services, stages)
    except BisectError:
        return


def drill_plan(plan: Plan, carrier: DrillTarget, repository: str) -> Plan:
    """The plan of the search between the carrier's two releases, in its repository."""
    old, new = carrier.move.old, carrier.move.new
    good, bad = (old, new) if carrier.new_is is Outcome.FAILED else (new, old)
    return replace(
        plan,
        project=carrier.move.name,
        extras=plan.extras if carrier.move.name == plan.project else (),
        over=COMMITS,
        repository=repository,
        good=good,
        bad=bad,
        python=carrier.interpreter.path,
        held=carrier.held,
        all_changes=False,
        drill=False,
        culprit=False,
        locks=(),
    )


def command(plan: Plan, carrier: DrillTarget, repository: str | None) -> str:
    """The command that does the same by itself."""
    drilled = drill_plan(plan, carrier, repository or "PATH|URL")
    words = ["bisect-asgi", drilled.named, "--over", COMMITS, "--repo", repository or "PATH|URL"]
    words += ["--good", drilled.good or "", "--bad", drilled.bad or "", "--python", carrier.interpreter.short]
    words += ["--any-failure"] if plan.criteria.any_failure else []
    words += [] if plan.first_parent else ["--every-commit"]
    return " ".join([*map(shlex.quote, words), *drilled.check_options()])


_DEEPEST = 6


def go_into_merges(plan: Plan, hunt: SearchResult, services: Services, stages: Stages) -> None:
    """Search along the line that the found commit merged, if it is a merge, and on into merges there."""
    for _ in range(_DEEPEST):
        merge = _found_commit(hunt)
        if merge is None:
            return
        space = _merged(merge, hunt.space, services)
        if space is None:
            return
        hunt = stages.hunt(plan, services, space=space, context=f"merged by {merge.sha[:10]}")


def _found_commit(hunt: SearchResult) -> Commit | None:
    found = hunt.answer.found
    if found is None or found.skipped:
        return None
    return hunt.space.candidates[found.high].spec.commit


def _merged(merge: Commit, space: SearchSpace, services: Services) -> SearchSpace | None:
    """The line that a commit merged, as candidates; None: it merged none, or one commit alone."""
    repository = services.repositories.open(merge.repository)
    parents = repository.parents(merge.sha)
    if len(parents) < 2:
        return None
    history = repository.commits(parents[0], parents[1], project=merge.project, first_parent=True)
    if len(history.commits) < 2:
        return None
    like = next(each.spec for each in space.candidates if each.spec.commit == merge)
    candidates = commits.candidates(history.commits, lambda commit: replace(like, commit=commit))
    last = len(candidates) - 1
    good_first = space.expectation.good == 0
    ends = Expectation(good=0, bad=last) if good_first else Expectation(good=last, bad=0)
    return replace(space, candidates=candidates, expectation=ends, notes=())

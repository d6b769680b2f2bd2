"""Into a merge: when the first bad commit merged a line of others, which of those is it?

That line is searched by itself, from where it left the main one to what was merged of it, and so on into
merges on it; of a merge of several lines, the first. Where what was merged passes, it is the merge that
brought both together.
"""

from __future__ import annotations

from dataclasses import replace

from bisect_asgi.core.judge.judge import Expectation
from bisect_asgi.core.model import Commit
from bisect_asgi.core.plan.plan import Plan
from bisect_asgi.core.services import World
from bisect_asgi.session.axes import commits
from bisect_asgi.session.axes.base import Setting
from bisect_asgi.session.bisection.search import Hunt
from bisect_asgi.session.bisection.stages import Stages

_DEEPEST = 6


def go_into_merges(plan: Plan, hunt: Hunt, world: World, stages: Stages) -> None:
    """Search along the line that the found commit merged, if it is a merge, and on into merges there."""
    for _ in range(_DEEPEST):
        merge = _found_commit(hunt)
        if merge is None:
            return
        setting = _merged(merge, hunt.setting, world)
        if setting is None:
            return
        hunt = stages.hunt(plan, world, setting=setting, context=f"merged by {merge.sha[:10]}")


def _found_commit(hunt: Hunt) -> Commit | None:
    found = hunt.answer.found
    if found is None or found.skipped:
        return None
    return hunt.setting.candidates[found.high].spec.commit


def _merged(merge: Commit, setting: Setting, world: World) -> Setting | None:
    """The line that a commit merged, as candidates; None: it merged none, or one commit alone."""
    repository = world.repository(merge.repository)
    parents = repository.parents(merge.sha)
    if len(parents) < 2:
        return None
    history = repository.commits(parents[0], parents[1], project=merge.project, first_parent=True)
    if len(history.commits) < 2:
        return None
    like = next(each.spec for each in setting.candidates if each.spec.commit == merge)
    candidates = commits.candidates(history.commits, lambda commit: replace(like, commit=commit))
    last = len(candidates) - 1
    good_first = setting.expectation.good == 0
    ends = Expectation(good=0, bad=last) if good_first else Expectation(good=last, bad=0)
    return replace(setting, candidates=candidates, expectation=ends, notes=())

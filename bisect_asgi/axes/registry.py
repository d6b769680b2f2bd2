"""The axes by name, and the words in which their candidates are spoken of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bisect_asgi.axes import commits, dates, dependency, locks, pythons, releases
from bisect_asgi.axes.base import Setting, Sources
from bisect_asgi.plan import COMMITS, DATE, LOCKS, PYTHON, RELEASES, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """How candidates are made, and what they are called.

    With the candidate's label: `{subject} 0.69.0 is the first bad {noun} {context}`.
    """

    prepare: Callable[[Plan, Sources], Setting]
    subject: Callable[[Plan], str]
    noun: str
    holds: bool = True
    """Whether the package stays at what the plan says."""

    def context(self, plan: Plan) -> str:
        """What is held: `with fastapi==0.68.2`."""
        return f"with {plan.base}" if self.holds else ""


_DEPENDENCY = Axis(prepare=dependency.prepare, subject=lambda plan: plan.over, noun="release")

AXES = {
    RELEASES: Axis(prepare=releases.prepare, subject=lambda plan: plan.project, noun="release", holds=False),
    DATE: Axis(prepare=dates.prepare, subject=lambda _: "", noun="upload"),
    PYTHON: Axis(prepare=pythons.prepare, subject=lambda _: "Python", noun="interpreter"),
    LOCKS: Axis(prepare=locks.prepare, subject=lambda _: "", noun="lock", holds=False),
    COMMITS: Axis(prepare=commits.prepare, subject=lambda plan: plan.project, noun="commit", holds=False),
}


def axis_of(plan: Plan) -> Axis:
    """The axis that the plan names; a name that is none is a dependency's."""
    return AXES.get(plan.over, _DEPENDENCY)

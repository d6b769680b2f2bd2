"""Axes: each turns a question into an ordered list of candidates, of which one thing varies.

An axis is imported when it is used: most runs need one of them, and some bring a lot with them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from bisect_asgi.core.plan.plan import COMMITS, DATE, LOCKS, PYTHON, RELEASES, Plan
from bisect_asgi.core.records import Struct
from bisect_asgi.core.services import Services
from bisect_asgi.session.axes.base import SearchSpace

Prepare = Callable[[Plan, Services], SearchSpace]


class Axis(Struct, frozen=True, kw_only=True):
    """How candidates are made, and what they are called.

    With the candidate's label: `{subject} 0.69.0 is the first bad {noun} {context}`.
    """

    prepare: Prepare
    subject: Callable[[Plan], str]
    noun: str
    holds: bool = True
    """Whether the package stays at what the plan says."""

    def context(self, plan: Plan) -> str:
        """What is held: `with fastapi==0.68.2`."""
        return f"with {plan.base}" if self.holds else ""


def _of(module: str) -> Prepare:
    """The `prepare` of one of the modules of this package."""

    def prepare(plan: Plan, services: Services) -> SearchSpace:
        found: SearchSpace = import_module(f"{__package__}.{module}").prepare(plan, services)
        return found

    return prepare


_DEPENDENCY = Axis(prepare=_of("dependency"), subject=lambda plan: plan.over, noun="release")

AXES = {
    RELEASES: Axis(prepare=_of("releases"), subject=lambda plan: plan.project, noun="release", holds=False),
    DATE: Axis(prepare=_of("dates"), subject=lambda _: "", noun="upload"),
    PYTHON: Axis(prepare=_of("pythons"), subject=lambda _: "Python", noun="interpreter"),
    LOCKS: Axis(prepare=_of("locks"), subject=lambda _: "", noun="lock", holds=False),
    COMMITS: Axis(prepare=_of("commits"), subject=lambda plan: plan.project, noun="commit", holds=False),
}


def axis_of(plan: Plan) -> Axis:
    """The axis that the plan names; a name that is none is a dependency's."""
    return AXES.get(plan.over, _DEPENDENCY)

"""Axes: each turns a question into an ordered list of candidates, of which one thing varies.

An axis is one class in one module, and one line in `_MODULES`. The module is imported when its axis is used:
most runs need one of them, and some bring a lot with them.
"""

from __future__ import annotations

from importlib import import_module

from bisect_asgi.core.plan.plan import COMMITS, DATE, DEPENDENCY, LOCKS, PYTHON, RELEASES, Plan
from bisect_asgi.session.axes.base import Axis

_MODULES = {
    RELEASES: "releases",
    DEPENDENCY: "dependency",
    DATE: "dates",
    PYTHON: "pythons",
    COMMITS: "commits",
    LOCKS: "locks",
}
"""The module of each axis; its instance there is called `AXIS`."""


def axis_of(plan: Plan) -> Axis:
    """Return the axis of a plan."""
    module = import_module(f"{__package__}.{_MODULES[plan.over]}")
    axis: Axis = module.AXIS
    return axis

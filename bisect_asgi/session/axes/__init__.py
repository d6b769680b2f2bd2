"""Axes: each turns a question into an ordered list of candidates, of which one thing varies.

An axis is one class in one module, whose instance there is called `AXIS`, and one line in `_MODULES`. The
module is imported when its axis is used: most runs need one of them, and some have many imports of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from bisect_asgi.core.plan import COMMITS, DATE, DEPENDENCY, LOCKS, PYTHON, RELEASES, Plan
from bisect_asgi.session.axes.base import Axis

_MODULES = {
    RELEASES: "releases",
    DEPENDENCY: "dependency",
    DATE: "dates",
    PYTHON: "pythons",
    COMMITS: "commits",
    LOCKS: "locks",
}


class Axes(Mapping[str, Axis]):
    """All axes by name: those of this package, and those that are registered."""

    def __init__(self) -> None:
        self._registered: dict[str, Axis] = {}

    def register(self, axis: Axis) -> None:
        """Add an axis.

        Raises:
            ValueError: there is one of that name.
        """
        if axis.name in self:
            raise ValueError(f"there is an axis `{axis.name}`")
        self._registered[axis.name] = axis

    def unregister(self, name: str) -> None:
        """Remove an axis that was registered."""
        del self._registered[name]

    def __getitem__(self, name: str) -> Axis:
        if name in self._registered:
            return self._registered[name]
        found: Axis = import_module(f"{__package__}.{_MODULES[name]}").AXIS
        return found

    def __iter__(self) -> Iterator[str]:
        yield from (*_MODULES, *self._registered)

    def __len__(self) -> int:
        return len(_MODULES) + len(self._registered)


AXES = Axes()


def axis_of(plan: Plan) -> Axis:
    """Return the axis of a plan."""
    return AXES[plan.over]

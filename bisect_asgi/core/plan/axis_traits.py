"""The traits of an axis that planning needs: options that fit `--over`, and how to read the ends.

The axes themselves are in `session.axes`, and `make_plan` gets them as an argument. The defaults are those of
the axis of releases.
"""

from __future__ import annotations

from typing import ClassVar

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from bisect_asgi.core.axis_words import AxisWords, EndHints
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan import HistoryKind, Plan
from bisect_asgi.core.plan.parsing import parse_version

LATEST = "latest"
"""An end that is the newest release of the range."""


def sure_ends(plan: Plan) -> tuple[str, ...] | None:
    """Return both ends if the user gave them and no release beyond them may be run.

    In that case, no release of the last minutes can be an end or newer than both ends. Return None otherwise,
    and if everything is to be done anew.
    """
    ends = tuple(end for end in (plan.good, plan.bad) if end is not None and end != LATEST)
    is_all = len(ends) == 2 and plan.history.kind is HistoryKind.NONE and not plan.fresh
    return ends if is_all else None


class AxisTraits:
    """An axis as far as plans and messages depend on it."""

    name: ClassVar[str]
    """Its name in plans."""
    words: ClassVar[AxisWords] = AxisWords()
    """Its words for a search. `{project}`, `{dependency}` and `{base}` are replaced by the plan's."""
    hints: ClassVar[EndHints] = EndHints()
    """The hints for ends with another verdict than the user gave."""
    is_option: ClassVar[bool] = True
    """`--over` takes its name."""
    holds_package: ClassVar[bool] = False
    """The package stays within the versions that PACKAGE or the probe requires."""
    has_repository: ClassVar[bool] = False
    """`--repo` says where the candidates are."""
    replaces: ClassVar[str | None] = None
    """The option that sets, for all candidates, the thing that this axis varies."""

    def read_over(
        self,
        over: str,
        package: Requirement,
        pinned: SpecifierSet,  # noqa: ARG002 (another axis needs one release)
    ) -> str:
        """Check PACKAGE and its specifier `pinned`; return the package that varies instead, or "".

        Raises:
            UsageError: PACKAGE fixes what this axis varies, or says too little.
        """
        if not self.holds_package and package.specifier:
            raise UsageError(
                f"`{package}` names releases, and a bisection over {over} looks for one",
                hint=f"limit the range by `--releases '{package.specifier}'`; "
                "one release: `bisect-asgi check`",
            )
        return ""

    def read_end(self, text: str, option: str) -> str:
        """Return an end in its normal form.

        Raises:
            UsageError: it cannot be read; the message names `option`.
        """
        return text if text == LATEST else str(parse_version(text, option))

    def is_same_end(self, good: str, bad: str) -> bool:
        """Return whether two ends in their normal form are one candidate."""
        if LATEST in (good, bad):
            return good == bad
        return Version(good) == Version(bad)

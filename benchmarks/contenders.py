"""The contenders of `bench.py`, and the tools that cannot be one, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from commands import (
    BAYESECT,
    BISECT,
    PIP_TRIAL,
    UV_TRIAL,
    Place,
    Said,
    bisecter,
    find_first_bad,
    in_repository,
    loop,
    ours,
    read_ours,
    told,
    version_bisect,
)
from work import IMPORT, MAIN, SERVED, WORKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A way to find the first release after a change."""

    title: str
    command: Callable[[str, Place], list[str]]
    read: Callable[[str, Place, str], Said]
    package: str = ""
    """What has to be installed for it."""
    is_slow: bool = False
    """It is run once."""
    boundary: str = ""
    """The line of standard error that shows the boundary; empty if the command ends with it."""
    remembers: bool = False
    """The same command once more is worth a row."""
    works: tuple[str, ...] = tuple(WORKS)

    @property
    def folder(self) -> str:
        """What the environment of its package is called."""
        return self.package.replace("==", "-")


OURS, LOOP = "ours", "uv loop"
SHOWN = r"^note: the change is (in|between) .*; confirming it"
_FIRST = r"^(?:first new:|first bad option is:) *(\S+)$"
_FIRST_COMMIT = r"^([0-9a-f]{40}) is the first bad commit"
_FIXED = r"^(?:first_affected|fixed_in): *(?!None)(\S+)$"

CONTENDERS: Mapping[str, Contender] = {
    OURS: Contender(
        title="bisect-asgi",
        command=ours("--deps", "latest", "--no-culprit", "--history", "none"),
        read=read_ours,
        boundary=SHOWN,
        remembers=True,
    ),
    "ours, culprit": Contender(
        title="bisect-asgi, with the culprit",
        command=ours("--deps", "latest", "--history", "none"),
        read=read_ours,
        boundary=SHOWN,
        remembers=True,
        works=(MAIN,),
    ),
    "ours, dated": Contender(
        title="bisect-asgi, dependencies as of each release",
        command=ours("--no-culprit", "--history", "none"),
        read=read_ours,
        boundary=SHOWN,
        works=(MAIN, *SERVED),
    ),
    "ours, history": Contender(
        title="bisect-asgi, with a look at the rest of the history",
        command=ours("--deps", "latest", "--no-culprit"),
        read=read_ours,
        boundary=SHOWN,
        works=(MAIN,),
    ),
    LOOP: Contender(title="loop around `uv run --isolated`", command=loop(UV_TRIAL), read=told(_FIRST)),
    "git": Contender(
        title="`git bisect run`",
        command=in_repository(BISECT % "sh {trial}"),
        read=told(_FIRST_COMMIT),
        works=(MAIN, IMPORT),
    ),
    "bisecter": Contender(
        title="bisecter",
        command=bisecter,
        read=told(r"first bad combination is:\s+(\S+)"),
        package="bisecter==1.0",
        is_slow=True,
        works=(MAIN,),
    ),
    "bisectlib": Contender(
        title="git_bisectlib, in `git bisect run`",
        command=in_repository(BISECT % "python {recipe}"),
        read=told(_FIRST_COMMIT),
        package="git_bisectlib==0.16.2",
        is_slow=True,
        works=(MAIN,),
    ),
    "first-bad": Contender(
        title="bisect-find-first-bad",
        command=find_first_bad,
        read=told(_FIRST),
        package="bisect-find-first-bad==0.0.4",
        is_slow=True,
        works=(MAIN,),
    ),
    "bayesect": Contender(
        title="git_bayesect",
        command=in_repository(BAYESECT),
        read=told(r"^Bisection converged to ([0-9a-f]+)"),
        package="git_bayesect==1.2",
        is_slow=True,
        works=(MAIN,),
    ),
    "version-bisect": Contender(
        title="pypi-version-bisect",
        command=version_bisect,
        read=told(_FIXED),
        package="pypi-version-bisect==0.1.0",
        is_slow=True,
        works=(MAIN,),
    ),
    "pip": Contender(
        title="loop around `python -m venv` and pip",
        command=loop(PIP_TRIAL),
        read=told(_FIRST),
        is_slow=True,
        works=(MAIN,),
    ),
}

CANNOT: Mapping[str, str] = {
    "script-bisect": "bisects the commits of the package's repository, which it clones, not its releases; it "
    "needs Python 3.12.",
    "tox-timemachine": "bisects points in time to within an hour, with all packages moving; it names no "
    "release.",
    "merge-bisect": "only looks at merge commits.",
    "depbisect, culpip": "start from two sets of pins of a project; the index as configured here has "
    "neither.",
    "mozregression, cargo-bisect-rustc, asv find": "bisect builds of Firefox, toolchains of Rust, and "
    "commits of the project that is benchmarked.",
}

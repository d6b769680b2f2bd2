"""The result of a run as a value, the facts that its messages need, and results that no search gave."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bisect_asgi.core import hints
from bisect_asgi.core.axis_words import AxisWords, EndHints
from bisect_asgi.core.errors import BisectError, ExitCode
from bisect_asgi.core.events import BeliefUpdated, ResultKind, RunFinished
from bisect_asgi.core.judge.judge import Expectation, Judgement
from bisect_asgi.core.model import FailureStretch
from bisect_asgi.core.never_ran import NeverRan
from bisect_asgi.core.records import Struct, field, replace
from bisect_asgi.core.search import AllBoundaries, Boundary
from bisect_asgi.core.text import listing


class Result(Struct, frozen=True, kw_only=True):
    """The result of a run: a boundary, or a message with a hint."""

    kind: ResultKind
    message: str = ""
    """Why there is no boundary; of a boundary that was found, which named ends are not as given."""
    hint: str | None = None
    found: Boundary | None = None
    mapped: AllBoundaries | None = None
    excluded_between: tuple[str, ...] = ()
    """The excluded releases inside the boundary."""
    failures: tuple[FailureStretch, ...] = ()
    """The failures on the bad side of the boundary, if they differ from the bad end's; see `core.chains`."""

    def event(self, *, elapsed_s: float) -> RunFinished:
        """Return the result as the last event of the log."""
        mapped = self.mapped
        return RunFinished(
            kind=self.kind,
            elapsed_s=elapsed_s,
            boundary=self.found,
            changes=mapped.changes if mapped else (),
            shortest=mapped.shortest if mapped else None,
            excluded_between=self.excluded_between,
            failures=self.failures,
            message=self.message,
            hint=self.hint,
        )


INTERRUPTED = Result(
    kind=ResultKind.INTERRUPTED,
    message="interrupted",
    hint="finished runs are cached; run the same command to continue",
)

OUT_OF_TIME = Result(
    kind=ResultKind.OUT_OF_TIME,
    message="the time limit was reached",
    hint="pass a longer `--time-limit`, or run the same command to continue",
)


class ResultContext(Struct, frozen=True, kw_only=True):
    """The facts about a run that its messages need."""

    axis: AxisWords = AxisWords()
    """The words of the axis for its candidates."""
    end_hints: EndHints = EndHints()
    """The hints for ends that have another outcome than the user gave."""
    probe: str
    labels: tuple[str, ...]
    expectation: Expectation
    errors: Mapping[int, str] = field(default_factory=dict)
    """The candidates without a result, with the reason."""
    believed: BeliefUpdated | None = None
    """The most probable boundary, if runs contradict each other."""
    metric: str | None = None
    """The metric that decides, or None if passing and failing do."""
    limit: str = ""
    """The threshold as text, such as `above 115 s`."""
    is_settled: bool = False
    """Whether a noisy search has decided on which side each candidate is."""
    doubtful: frozenset[int] = frozenset()
    """The user-given ends that the noisy search puts on the wrong side, although their own runs agree with
    the user."""
    installed: Mapping[int, Collection[str]] = field(default_factory=dict)
    """The normalized names of the distributions in the environment of each candidate that was run."""
    python: str = ""
    """The Python of all candidates, such as `3.12`, or "" if they have several."""
    provider: hints.Providing = hints.nothing_known
    budget: str = ""
    """The budget of the noisy search, as text."""
    is_unconfined: bool = False
    """Whether a run without a result had no sandbox, so that the probe may have ended what supervises it."""

    def name(self, key: int) -> str:
        """Return the name of a candidate, such as `fastapi 0.69.0`."""
        return self.axis.name(self.labels[key])

    def circumstances(self, judgement: Judgement) -> hints.Circumstances:
        """Return what hints for untestable candidates depend on."""
        return hints.Circumstances(
            labels=self.labels,
            rulings=judgement.rulings,
            installed=self.installed,
            python=self.python,
            provider=self.provider,
        )

    @property
    def each(self) -> str:
        """The noun for one candidate, such as `release of fastapi`."""
        noun, subject = self.axis.noun, self.axis.subject
        return f"{noun} of {subject}" if subject else noun


CAUSE = "the cause"

REST = "the rest of the history"
"""The stretches after a result, which an interrupt may end."""


UNFINISHED = "was not finished"
"""The message about a part that a result lacks."""


def interrupted(known: Result, unfinished: str) -> Result:
    """Return the result of a run that had its result, and was interrupted in a later step."""
    message = "; ".join(filter(None, (known.message, f"{unfinished} {UNFINISHED}")))
    return replace(known, kind=ResultKind.INTERRUPTED, message=message, hint=INTERRUPTED.hint)


def out_of_time(known: Result, unfinished: str) -> Result:
    """Return the result of a run that had one, and whose time ended before the rest was finished."""
    left = f"{unfinished} {UNFINISHED} within the time limit"
    return replace(known, message="; ".join(filter(None, (known.message, left))))


def kind_of(error: BisectError) -> ResultKind:
    """Return the kind of result of a run that this error ended."""
    if error.exit_code is ExitCode.USAGE:
        return ResultKind.NOT_ASKED
    return ResultKind.UNAVAILABLE


def of_never_ran(case: ResultContext, wrong: NeverRan) -> Result:
    """Return the result for a probe that ran nowhere."""
    what = f"`{wrong.subject or case.probe}` {wrong.what}"
    where = listing(case.name(key) for key in wrong.keys)
    return Result(
        kind=ResultKind.NOT_ASKED,
        message=": ".join(filter(None, (f"{what} (tried with {where})", wrong.reason))),
        hint=wrong.hint,
    )

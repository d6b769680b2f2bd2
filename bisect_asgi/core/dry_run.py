"""The plan of a search, or of the check of a claim: the document of `--dry-run`, and its estimate."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from statistics import median

from bisect_asgi.core.axis_words import AxisWords
from bisect_asgi.core.model import Excluded, Verdict
from bisect_asgi.core.records import Struct
from bisect_asgi.core.search.all_changes import AllChanges
from bisect_asgi.core.search.confirmation import wanted_runs
from bisect_asgi.core.tally import Tally
from bisect_asgi.core.text import date, duration, listing, plural, roughly

SCHEMA = "bisect-asgi.dry-run/1"
SUITE_SCHEMA = "bisect-asgi.suite-dry-run/1"
_MOST_REASONS = 5


class PlannedCandidate(Struct, frozen=True, kw_only=True):
    """A candidate of a search that has not begun."""

    version: str
    uploaded: datetime | None
    cached_runs: int
    """The number of its runs that earlier commands made."""


class DryRun(Struct, frozen=True, kw_only=True):
    """The plan of a search, or of the check of a claim."""

    schema: str = SCHEMA
    package: str
    probe: str
    """The script's path as given, or the command."""
    python: str | None
    """The version of the Python, or None if the search varies it."""
    python_reason: str
    further_pythons: tuple[str, ...] = ()
    """The versions of the Pythons on which the search continues if nothing changes on this one."""
    candidates: tuple[PlannedCandidate, ...]
    """The candidates, oldest first."""
    excluded: tuple[Excluded, ...]
    notes: tuple[str, ...]
    claim: str = ""
    """The claim that is checked, such as `fixed in 0.15.0`, or "" for a search."""
    search_runs: int
    """The most runs that a steady probe with one change needs to find the boundary; for a claim, the runs
    that judge it if it is true."""
    confirm_runs: int
    """The runs that then confirm it."""
    later: tuple[str, ...] = ()
    """The stretches that follow and take further runs: `cause`, `history`."""
    beyond: tuple[str, ...] = ()
    """The first and the last of the releases newer than the range that the look at the history may run."""
    median_run_s: float | None
    """The median time of the probe's cached runs in this range, or None if there are none."""
    estimated_s: float | None
    """The time of all these runs, one after the other and without builds, or None if it is unknown."""


class PlannedProbe(Struct, frozen=True, kw_only=True):
    """A probe of a suite that has not begun."""

    probe: str
    python: str = ""
    """The version of its Python, if the probe is to run on several."""
    plan: DryRun | None = None
    """The plan of its search, or None if the search is impossible."""
    problem: str = ""
    hint: str | None = None


class SuiteDryRun(Struct, frozen=True, kw_only=True):
    """The plan of a suite."""

    schema: str = SUITE_SCHEMA
    probes: tuple[PlannedProbe, ...]


def runs_to_find(size: int, *, gallops: bool) -> int:
    """Return the most runs of a bisection of so many candidates.

    With both ends given: the ends, then halving. Without them, the search also has to find the older end, by
    steps that double.
    """
    if size < 2:
        return size
    halving = (size - 2).bit_length()
    return 2 + 2 * halving if gallops else 2 + halving


def runs_to_judge(size: int, place: int, *, shortest: int) -> tuple[int, int]:
    """Return how many candidates before `place`, and from it on, are run to judge a true claim about it.

    These runs also look for other changes: states of at least `shortest` candidates are seen.
    """
    verdicts: dict[int, Verdict] = {}
    first = (place, place - 1, size - 1, 0)
    while wanted := AllChanges.replay(size, verdicts, shortest=shortest, first=first).ask(1):
        verdicts |= {key: Verdict.NEW if key >= place else Verdict.OLD for key in wanted}
    newer = sum(key >= place for key in verdicts)
    return len(verdicts) - newer, newer


def runs_to_confirm(older: int, newer: int, *, confidence: float, at_once: int = 0) -> int:
    """Return the runs that confirm a boundary of a steady probe.

    Args:
        older: how many candidates are run on the older side of the boundary, once each.
        newer: the same on the newer side.
        confidence: the confidence that is required of the boundary.
        at_once: how often each side is run again at least.
    """
    tallies = {key: Tally(passed=1) for key in range(older)}
    tallies |= {older + key: Tally(failed=1) for key in range(newer)}
    tallies |= {older - 1: Tally(passed=1 + at_once), older: Tally(failed=1 + at_once)}
    return 2 * at_once + sum(wanted_runs(tallies, older - 1, older, confidence=confidence))


def estimate(runs: int, seconds: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the median of the times of earlier runs, and the time of `runs` more of them."""
    if not seconds:
        return None, None
    middle = median(seconds)
    return middle, runs * middle


def lines(plan: DryRun, axis: AxisWords, width: int) -> Iterator[str]:
    """Yield the lines of text, broken between words at `width`: labels, each with a value."""
    for label, value in _facts(plan, axis):
        start = f"{label:<12}"
        yield from textwrap.wrap(
            value,
            width,
            initial_indent=start,
            subsequent_indent=" " * len(start),
            break_long_words=False,
            break_on_hyphens=False,
        )


def _facts(plan: DryRun, axis: AxisWords) -> Iterator[tuple[str, str]]:
    if plan.python:
        yield "Python", f"{plan.python}: {plan.python_reason}"
    if plan.further_pythons:
        yield "", f"then {listing(plan.further_pythons)}, if nothing changes on it"
    first, last = plan.candidates[0], plan.candidates[-1]
    yield "Candidates", f"{axis.counted(len(plan.candidates))}: {_dated(first)} to {_dated(last)}"
    if plan.excluded:
        yield "Excluded", plural(len(plan.excluded), "release")
        reasons = Counter(out.reason for out in plan.excluded).most_common()
        yield from (("", f"{number:>5,}  {reason}") for reason, number in reasons[:_MOST_REASONS])
        if rest := reasons[_MOST_REASONS:]:
            yield "", f"{sum(number for _, number in rest):>5,}  for {plural(len(rest), 'other reason')}"
    if cached := [each for each in plan.candidates if each.cached_runs]:
        runs = plural(sum(each.cached_runs for each in cached), "run")
        yield "Cached", f"{runs} of {axis.counted(len(cached))}"
    if plan.claim:
        yield "Claim", plan.claim
    found = f"about {plan.search_runs} to judge it" if plan.claim else f"up to {plan.search_runs} to search"
    more = f"; more for {listing(plan.later)}" if plan.later else ""
    yield "Runs", f"{found}, {plan.confirm_runs} to confirm{more}"
    if plan.beyond:
        yield "History", f"may run releases beyond the range, {' to '.join(dict.fromkeys(plan.beyond))}"
    yield "Time", _time(plan)
    yield from (("Note", note) for note in plan.notes)


def _time(plan: DryRun) -> str:
    if plan.estimated_s is None or plan.median_run_s is None:
        return "unknown: no run of this probe is cached"
    median_run = f"the median cached run took {duration(plan.median_run_s)}"
    return f"up to {roughly(plan.estimated_s)} without builds; {median_run}"


def _dated(candidate: PlannedCandidate) -> str:
    day = date(candidate.uploaded)
    has_day = candidate.uploaded is None or day in candidate.version
    return candidate.version if has_day else f"{candidate.version} ({day})"

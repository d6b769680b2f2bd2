"""Where the time of a run went: what was on the way, what overlapped, what working ahead cost and won.

All of it follows from the log, see `spans`. The definitions, and why they are these:

**Critical path.** From the end backwards: the trial that came back last, before it the one whose return let
it start (the last to come back before a worker took it), and so on. What lies between is the tool's own:
deciding, asking the index, comparing releases. Path, gaps, head (before the first trial) and tail (after the
last) are the whole wall time.

**Working ahead** costs the worker-seconds of what was cancelled or told nothing. It wins the head start of
what was used: how much of its work was done before it was known to be needed. That is measured against the
same runs one after another, so it bounds what was won from above: side by side, runs slow each other down,
and a search that asks for one candidate at a time would have asked for fewer.

**The lower bound**: somebody knows beforehand which trials will tell something, and does nothing else: no
cancelled ones, no detours, no waiting for results. What is left is a matter of workers. All runs of one
candidate are a chain (its environment comes first, its confirmations are made in a row); chains go side by
side. So nobody is faster than the head, during which nobody knows what there is to run, plus the longest of:
all useful work by the workers; the longest chain; and, where only one run measures at a time, all measured
runs of a host. Where more is under way than there are workers (trials that mostly wait, environments built
ahead), each moment is shared by all of it, and what is useful of it counts for its share. Each of the three
is work that was done within the rest of the wall time, so the bound never exceeds it. What it does not know:
the trials would have been faster had nothing else run beside them. It is a bound for this search's path; the
*oracle's* bound knows the answer as well, and only has to show it: ends, both sides and their repetitions,
spot checks, and the same for the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from bisect_asgi.core import events
from bisect_asgi.core.model import Step
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.report.projection import Projection
from bisect_asgi.report.spans import Fate, Span, spans_of


class Ahead(Struct, frozen=True, kw_only=True):
    """What was done before it was known to be needed."""

    count: int = 0
    used: int = 0
    cancelled: int = 0
    cost_s: float = 0.0
    """Worker-seconds of what was not used."""
    won_s: float = 0.0
    """The head start of what was used, against the same one after another."""


class Bound(Struct, frozen=True, kw_only=True):
    """The least wall time, of its parts."""

    seconds: float
    work_s: float
    """Of the trials and environments that count, in worker-seconds."""
    share_s: float
    """What the workers took for that, all of them together."""
    chain_s: float
    """The longest chain of one candidate."""
    lane_s: float = 0.0
    """Runs that measure, which are made one at a time on each host."""


class Timings(Struct, frozen=True, kw_only=True):
    """Where the time went; in seconds."""

    wall_s: float
    workers: int
    head_s: float
    """Before the first trial: the index, the interpreters, what earlier commands observed."""
    own_s: float
    """Between the trials of the critical path."""
    tail_s: float
    """After the last trial."""
    steps: dict[str, float]
    """What all trials and environments together went to."""
    steps_of_reason: dict[str, float]
    """The part of the searches inside the run: for what carries the change, into commits."""
    steps_of_path: dict[str, float]
    """The part that lies on the critical path."""
    at_once: tuple[float, ...]
    """For how long nothing, one piece of work, two, … were under way."""
    busy_s: float
    idle_s: float
    """Of the workers, in worker-seconds."""
    speculation: Ahead
    """Trials that were started before they were known to be needed."""
    preparation: Ahead
    """Environments that were built ahead."""
    lower_bound: Bound
    """With perfect foresight of which trials will tell something, on as many workers."""
    oracle: Bound
    """For somebody who knows the answer and only has to show it."""
    ratio: float
    """The wall time by the lower bound."""
    spans: tuple[Span, ...]

    @property
    def mean_at_once(self) -> float:
        """How many pieces of work were under way on average."""
        return self.busy_s / self.wall_s if self.wall_s else 0.0


OTHER = "other"
"""What of a trial no step accounts for."""
STOPPED = "cancelled"
"""What was cancelled; how far it had come is not known."""


def measure(projection: Projection) -> Timings | None:
    """Return where the time of a run went; None if its log has no dates."""
    started, finished = projection.run.started, projection.run.finished
    if started is None or started.at_s is None:
        return None
    spans = spans_of(projection, begun_s=started.at_s, workers=started.most_jobs or started.jobs)
    last_s = max((span.ended_s for span in spans), default=0.0)
    return _timings(spans, max(last_s, finished.elapsed_s if finished else 0.0), started)


def _timings(spans: Sequence[Span], wall_s: float, started: events.RunStarted) -> Timings:
    path = critical_path(spans)
    spans = tuple(replace(span, is_critical=place in path) for place, span in enumerate(spans))
    on_path = [spans[place] for place in path]
    head_s = min((span.begun_s for span in spans), default=wall_s)
    last_s = max((span.ended_s for span in spans), default=wall_s)
    at_once = _at_once(spans, wall_s)
    busy_s = sum(count * seconds for count, seconds in enumerate(at_once))
    has_lane = started.metric is not None
    useful = [span for span in spans if span.fate is Fate.USED]
    shares = _shares(spans, started.jobs)
    bound = _bound(useful, shares, head_s, has_lane=has_lane)
    path_s = sum(span.took_s for span in on_path)
    return Timings(
        wall_s=wall_s,
        workers=started.jobs,
        head_s=head_s,
        own_s=max(0.0, last_s - head_s - path_s),
        tail_s=wall_s - last_s,
        steps=_steps(spans),
        steps_of_reason=_steps([span for span in spans if span.stage]),
        steps_of_path=_steps(on_path),
        at_once=at_once,
        busy_s=busy_s,
        idle_s=sum(max(0, started.jobs - count) * seconds for count, seconds in enumerate(at_once)),
        speculation=_ahead([span for span in spans if not span.is_preparation]),
        preparation=_ahead([span for span in spans if span.is_preparation]),
        lower_bound=bound,
        oracle=_bound([s for s in useful if s.is_evidence], shares, head_s, has_lane=has_lane),
        ratio=wall_s / bound.seconds if bound.seconds else 1.0,
        spans=spans,
    )


def critical_path(spans: Sequence[Span]) -> tuple[int, ...]:
    """The places of the trials that each let the next one start, the first one first."""
    trials = [
        (span.ended_s, place)
        for place, span in enumerate(spans)
        if not span.is_preparation and span.fate is not Fate.CANCELLED
    ]
    path: list[int] = []
    while trials:
        _, place = max(trials)
        path.append(place)
        # Strictly earlier by its place as well: of what took no time, none comes before itself.
        begun_s = spans[place].begun_s
        trials = [(end_s, other) for end_s, other in trials if end_s <= begun_s and other != place]
    return tuple(reversed(path))


def _steps(spans: Iterable[Span]) -> dict[str, float]:
    """Seconds by step, in the order in which a trial goes through them; without those that took none."""
    sums: dict[str, float] = defaultdict(float)
    for span in spans:
        if span.fate is Fate.CANCELLED and not span.steps:
            sums[STOPPED] += span.took_s
        for step, seconds in span.steps.items():
            sums[step] += seconds
        sums[OTHER] += span.other_s
    return {name: sums[name] for name in (*Step, OTHER, STOPPED) if sums[name] > 0}


def _at_once(spans: Iterable[Span], wall_s: float) -> tuple[float, ...]:
    """For how long so many pieces of work were under way, by their number."""
    spent: list[float] = [0.0]
    count, then_s = 0, 0.0
    for now_s, is_end, *_ in _changes(spans):
        spent += [0.0] * (count + 1 - len(spent))
        spent[count] += now_s - then_s
        count, then_s = count + (-1 if is_end else 1), now_s
    spent[0] += wall_s - then_s
    return tuple(spent)


_Name = tuple[int, int, bool, float]
"""A piece of work: its stage, key and kind, and when it was asked for."""


def _name(span: Span) -> _Name:
    return span.stage, span.key, span.is_preparation, span.asked_s


def _changes(spans: Iterable[Span]) -> list[tuple[float, bool, _Name, Span]]:
    """The moments at which work begins and ends, ends first; what took no time has none."""
    lasting = [span for span in spans if span.took_s > 0]
    moments = [(span.begun_s, False, _name(span), span) for span in lasting]
    moments += [(span.ended_s, True, _name(span), span) for span in lasting]
    return sorted(moments, key=lambda moment: (moment[0], not moment[1], moment[2]))


def _ahead(spans: Iterable[Span]) -> Ahead:
    ahead = [span for span in spans if span.is_ahead]
    return Ahead(
        count=len(ahead),
        used=sum(span.fate is Fate.USED for span in ahead),
        cancelled=sum(span.fate is Fate.CANCELLED for span in ahead),
        cost_s=sum(span.took_s for span in ahead if span.fate is not Fate.USED),
        won_s=sum(span.won_s for span in ahead),
    )


def _shares(spans: Iterable[Span], workers: int) -> Mapping[_Name, float]:
    """What all workers together took for each piece of work, by its name."""
    shares: dict[_Name, float] = defaultdict(float)
    under_way: dict[_Name, Span] = {}
    then_s = 0.0
    for now_s, is_end, name, span in _changes(spans):
        for other, each in under_way.items():
            useful = each.work_s / each.took_s
            shares[other] += (now_s - then_s) * useful / max(workers, len(under_way))
        then_s = now_s
        if is_end:
            del under_way[name]
        else:
            under_way[name] = span
    return shares


def _bound(spans: Sequence[Span], shares: Mapping[_Name, float], head_s: float, *, has_lane: bool) -> Bound:
    chains = _by_candidate(spans)
    work_s = sum(chains.values())
    chain_s = max(chains.values(), default=0.0)
    lane_s = max(_measured(spans).values(), default=0.0) if has_lane else 0.0
    share_s = sum(shares.get(_name(span), 0.0) for span in spans)
    seconds = head_s + max(share_s, chain_s, lane_s)
    return Bound(seconds=seconds, work_s=work_s, share_s=share_s, chain_s=chain_s, lane_s=lane_s)


def _by_candidate(spans: Iterable[Span]) -> Mapping[tuple[int, int], float]:
    sums: dict[tuple[int, int], float] = defaultdict(float)
    for span in spans:
        sums[span.stage, span.key] += span.work_s
    return sums


def _measured(spans: Iterable[Span]) -> Mapping[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for span in spans:
        sums[span.host] += span.steps.get(Step.RUN, 0.0)
    return sums

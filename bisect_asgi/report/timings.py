"""Where the time of a run went: critical path, parallel work, speculation, and the least possible time.

All of it is computed from the log, see `spans`. The definitions and their reasons:

**Critical path.** It is followed backward from the end. Its last trial is the one that ended last. The trial
before it is the one whose end allowed it to start: the last to end before a worker took it. The time between
these trials is spent by bisect-asgi itself: it decides, requests index pages, compares releases. The path,
the time between, the head (before the first trial) and the tail (after the last) add up to the wall time.

**Speculation** costs the worker-seconds of trials that were canceled or not used. It saves the head start of
used trials: the part of their work that was done before they were known to be needed. The head start is an
upper bound of the saved time, because it is relative to the same runs one after another. Parallel runs slow
each other down, and a search that tries one candidate at a time would need fewer runs.

**The lower bound** is the time with perfect foresight. If the used trials were known in advance, no trial
would be canceled, unused or wait for a result, and only the workers would limit the time. The runs of one
candidate form a chain, because its environment comes first and its confirmations follow one another; chains
run in parallel. So the time is at least the head, in which nothing is known, plus the longest of three: all
used work divided among the workers; the longest chain; all measured runs of one host, of which only one runs
at a time. More work than workers may be under way (trials that mostly wait, environments built ahead). All of
it then shares each moment, and used work counts with its share. Each of the three was done within the rest of
the wall time, so the bound never exceeds the wall time. It does not consider that trials run faster without
other work.

**The oracle's bound** is the lower bound of a search that knows the result and only has to prove it: ends,
both neighbors of the boundary and their repetitions, spot checks, and the same in each stage.
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
    """Work that was started before it was known to be needed."""

    count: int = 0
    """Number of trials or environments."""
    used: int = 0
    cancelled: int = 0
    cost_s: float = 0.0
    """Worker-seconds of those that were not used."""
    won_s: float = 0.0
    """The head start of those that were used, in seconds."""


class Bound(Struct, frozen=True, kw_only=True):
    """The least wall time, and its parts."""

    seconds: float
    """The head, and the longest of the three parts."""
    work_s: float
    """All work that counts, in worker-seconds."""
    share_s: float
    """The time that the workers together took for it."""
    chain_s: float
    """The longest chain of one candidate."""
    measuring_s: float = 0.0
    """All measured runs of one host, which runs one at a time."""


class Timings(Struct, frozen=True, kw_only=True):
    """Where the time of a run went, in seconds."""

    wall_s: float
    """From the start of the run to its end."""
    workers: int
    """Number of trials that could run in parallel."""
    head_s: float
    """Before the first trial: asking the index, choosing a Python, reading cached runs."""
    own_s: float
    """Between the trials of the critical path."""
    tail_s: float
    """After the last trial."""
    steps: dict[str, float]
    """Seconds of each step, summed over all trials and environments built ahead."""
    steps_of_culprit: dict[str, float]
    """The part of the stages: searches for the culprit and its commits."""
    steps_of_path: dict[str, float]
    """The part that lies on the critical path."""
    in_parallel: tuple[float, ...]
    """Seconds in which nothing, one trial, two, … were under way; environments built ahead count, too."""
    busy_s: float
    """Worker-seconds in which something was under way."""
    idle_s: float
    """Worker-seconds in which a worker had nothing to do."""
    speculation: Ahead
    """Trials that were started before they were known to be needed."""
    preparation: Ahead
    """Environments that were built ahead."""
    lower_bound: Bound
    """The least time with foresight of which trials are used, on as many workers."""
    oracle: Bound
    """The least time with foresight of the result as well."""
    ratio: float
    """The wall time divided by the lower bound."""
    spans: tuple[Span, ...]

    @property
    def mean_parallel(self) -> float:
        """The mean number of trials and environments under way."""
        return self.busy_s / self.wall_s if self.wall_s else 0.0


OTHER = "other"
"""Time of trials that belongs to no step."""
STOPPED = "cancelled"
"""Time of canceled trials, whose steps are not known."""


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
    in_parallel = _in_parallel(spans, wall_s)
    busy_s = sum(count * seconds for count, seconds in enumerate(in_parallel))
    is_measured = started.metric is not None
    useful = [span for span in spans if span.fate is Fate.USED]
    shares = _shares(spans, started.jobs)
    bound = _bound(useful, shares, head_s, is_measured=is_measured)
    path_s = sum(span.took_s for span in on_path)
    return Timings(
        wall_s=wall_s,
        workers=started.jobs,
        head_s=head_s,
        own_s=max(0.0, last_s - head_s - path_s),
        tail_s=wall_s - last_s,
        steps=_steps(spans),
        steps_of_culprit=_steps([span for span in spans if span.stage]),
        steps_of_path=_steps(on_path),
        in_parallel=in_parallel,
        busy_s=busy_s,
        idle_s=sum(max(0, started.jobs - count) * seconds for count, seconds in enumerate(in_parallel)),
        speculation=_ahead([span for span in spans if not span.is_preparation]),
        preparation=_ahead([span for span in spans if span.is_preparation]),
        lower_bound=bound,
        oracle=_bound([s for s in useful if s.is_evidence], shares, head_s, is_measured=is_measured),
        ratio=wall_s / bound.seconds if bound.seconds else 1.0,
        spans=spans,
    )


def critical_path(spans: Sequence[Span]) -> tuple[int, ...]:
    """Return the places of the trials on the critical path, in the order of time."""
    trials = [
        (span.ended_s, place)
        for place, span in enumerate(spans)
        if not span.is_preparation and span.fate is not Fate.CANCELLED
    ]
    path: list[int] = []
    while trials:
        _, place = max(trials)
        path.append(place)
        # A trial that took no time ends when it begins, so it must be kept from preceding itself.
        begun_s = spans[place].begun_s
        trials = [(end_s, other) for end_s, other in trials if end_s <= begun_s and other != place]
    return tuple(reversed(path))


def _steps(spans: Iterable[Span]) -> dict[str, float]:
    """Return the seconds of each step that took any, in the order of a trial."""
    sums: dict[str, float] = defaultdict(float)
    for span in spans:
        if span.fate is Fate.CANCELLED and not span.steps:
            sums[STOPPED] += span.took_s
        for step, seconds in span.steps.items():
            sums[step] += seconds
        sums[OTHER] += span.other_s
    return {name: sums[name] for name in (*Step, OTHER, STOPPED) if sums[name] > 0}


def _in_parallel(spans: Iterable[Span], wall_s: float) -> tuple[float, ...]:
    """Return for how long nothing, one piece of work, two, … were under way."""
    spent: list[float] = [0.0]
    count, then_s = 0, 0.0
    for now_s, is_end, *_ in _changes(spans):
        spent += [0.0] * (count + 1 - len(spent))
        spent[count] += now_s - then_s
        count, then_s = count + (-1 if is_end else 1), now_s
    spent[0] += wall_s - then_s
    return tuple(spent)


_Name = tuple[int, int, bool, float]
"""The identity of a span: its stage, key and kind, and the moment when it was submitted."""


def _name(span: Span) -> _Name:
    return span.stage, span.key, span.is_preparation, span.asked_s


def _changes(spans: Iterable[Span]) -> list[tuple[float, bool, _Name, Span]]:
    """Return the moments at which spans begin and end, sorted; ends come before begins of the same moment.

    A span that took no time is omitted.
    """
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
    """Return for each span the time that the workers together took for it."""
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


def _bound(
    spans: Sequence[Span], shares: Mapping[_Name, float], head_s: float, *, is_measured: bool
) -> Bound:
    chains = _by_candidate(spans)
    work_s = sum(chains.values())
    chain_s = max(chains.values(), default=0.0)
    measuring_s = max(_measured(spans).values(), default=0.0) if is_measured else 0.0
    share_s = sum(shares.get(_name(span), 0.0) for span in spans)
    seconds = head_s + max(share_s, chain_s, measuring_s)
    return Bound(seconds=seconds, work_s=work_s, share_s=share_s, chain_s=chain_s, measuring_s=measuring_s)


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

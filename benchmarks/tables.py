"""Write the tables of `bench.py`: every number is from the results, and missed goals are listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from contenders import CANNOT, CONTENDERS, LOOP, OURS
from indexes import MIRROR, REAL
from overhead import BUDGET_MS
from results import AGAIN, COLD, STATES, WARM, Key, Result, Row, ratio, rows
from work import IMPORT, MAIN, SERVED, WORKS

_INDEX = {REAL: "the index as configured here", MIRROR: "the mirror"}


@dataclass(frozen=True, slots=True)
class Goal:
    """A promised number, and the measured one."""

    promise: str
    measured: str
    missed: str = ""
    """By how much, and why; empty: it is met."""

    def __str__(self) -> str:
        return f"| {self.promise} | {self.measured} | {self.missed or 'met'} |"


def text(results: Sequence[Result], others: Mapping[str, Mapping[str, Any]]) -> str:
    """All that is written into the README."""
    parts = [_machine(others.get("machine", {})), "\n#### Goals\n"]
    parts += ["| goal | measured | |", "|---|---|---|", *map(str, goals(results, others))]
    parts += _imports(others.get("imports", {}))
    for index in (MIRROR, REAL):
        for name in WORKS:
            parts += _work(results, index, name)
    parts += [*_served(results), *_cannot(), *_leaks(results)]
    return "\n".join(parts)


def of_goals(results: Sequence[Result], others: Mapping[str, Mapping[str, Any]]) -> str:
    """The goals alone, each with how often it was measured."""
    measured = sorted({(each.index, each.work) for each in results})
    counts = (f"{work} ({_INDEX[index]}): {_repetitions(results, index, work)}" for index, work in measured)
    told = ", ".join(counts)
    lines = [_machine(others.get("machine", {})), f"Pairs of runs: {told}.\n"]
    lines += ["| goal | measured | |", "|---|---|---|", *map(str, goals(results, others))]
    return "\n".join([*lines, *_imports(others.get("imports", {}))])


def _repetitions(results: Sequence[Result], index: str, work: str) -> int:
    return len({each.repetition for each in results if (each.index, each.work) == (index, work)})


def _machine(told: Mapping[str, Any]) -> str:
    versions = f"uv {told.get('uv', '?')} and Python {told.get('python', '?')}"
    waits = f"the mirror waits {told.get('delay_s', 0) * 1000:.0f} ms before each answer"
    load = f", and a load of {told['load']:.1f} before it was begun" if "load" in told else ""
    return f"On {told.get('cores', '?')} cores, with {versions}{load}; {waits}."


_COMPLETION = 9
"""150 ms on a machine on which a Python that does nothing takes 17 ms."""


def goals(results: Sequence[Result], others: Mapping[str, Mapping[str, Any]]) -> Iterator[Goal]:
    """Compare the numbers with the promised ones; numbers that were not measured are left out."""
    for share in SHARES:
        times = ratio(
            results, share.index, share.work, share.state, LOOP, OURS, to_boundary=share.to_boundary
        )
        if times is not None:
            short = ""
            if 1 / times > share.most:
                short = f"missed by {1 / times - share.most:.2f}; {most(results, share)}"
            yield Goal(str(share), f"{1 / times:.2f} of it", short)
    yield from _never_slower(results)
    yield from _bound(results)
    for index, times in others.get("remembered", {}).items():
        most_times, how = (14, "its page fresh") if index == MIRROR else (20, "its page asked for")
        over = times - most_times
        yield Goal(
            f"a remembered answer in at most {most_times} times `python -I -c pass`, {how}: {_INDEX[index]}",
            f"{times:.1f} times",
            f"missed by {over:.1f}" if over > 0 else "",
        )
    if spent := others.get("overhead"):
        worst = max(spent.values())
        shown = ", ".join(f"{state} {value * 1000:.0f} ms" for state, value in spent.items())
        missed = f"missed by {(worst - 0.03) * 1000:.0f} ms" if worst >= 0.03 else ""
        yield Goal("below 30 ms of processor time a trial, beyond uv and the probe", shown, missed)
    if starts := others.get("start"):
        for name, what in (
            ("first_line", "the first line shown within 150 ms"),
            ("help", "`--help` within that"),
        ):
            taken = starts[name]
            missed = f"missed by {(taken - 0.15) * 1000:.0f} ms" if taken >= 0.15 else ""
            yield Goal(what, f"{taken * 1000:.0f} ms", missed)
        if "completion" in starts:
            over = starts["completion"] - _COMPLETION
            yield Goal(
                f"a word completed in at most {_COMPLETION} times `python -I -c pass`",
                f"{starts['completion']:.1f} times",
                f"missed by {over:.1f}" if over > 0 else "",
            )


@dataclass(frozen=True, slots=True)
class Share:
    """The largest allowed ratio of our time to the loop's."""

    index: str
    state: str
    work: str
    to_boundary: bool
    most: float

    def __str__(self) -> str:
        what = "to the boundary" if self.to_boundary else "to the end"
        where = f"{self.state}, {_INDEX[self.index]}, {self.work}"
        return f"{where}: {what} at most {self.most:g} of the uv loop's time"


SHARES = (
    *(Share(MIRROR, WARM, work, True, most) for work, most in ((MAIN, 0.7), (IMPORT, 0.6), ("pandas", 0.6))),
    *(Share(MIRROR, WARM, work, False, most) for work, most in ((MAIN, 1.1), (IMPORT, 0.9), ("pandas", 1.2))),
    Share(MIRROR, COLD, MAIN, True, 0.6),
    Share(MIRROR, COLD, MAIN, False, 0.75),
    Share(REAL, COLD, MAIN, False, 0.5),
    Share(MIRROR, COLD, "5s", False, 0.5),
)


def most(results: Sequence[Result], share: Share) -> str:
    """What would be reached if trials cost nothing but the same runs of the probe."""
    index, state, work = share.index, share.state, share.work
    theirs = [each.wall_s for each in results if _is(each, index, work, state, LOOP)]
    mine = [each for each in results if _is(each, index, work, state, OURS)]
    starts = [each.wall_s for each in results if _is(each, index, work, AGAIN, OURS)]
    cores = max((each.more.get("cores") or 1 for each in mine), default=1)
    probes = median(each.more.get("probes_cpu_s") or 0.0 for each in mine)
    if not theirs or not probes:
        return "how much there is to win is not known"
    count, start = median(each.runs for each in mine), median(starts or [0.0])
    return (
        f"a command that makes no trial takes {start:.2f} s, and the {count:.0f} runs of the probe alone "
        f"take {probes:.1f} s of processor time; with nothing else, on {cores} cores, it "
        f"would be {(start + probes / cores) / median(theirs):.2f} of it to the end"
    )


def _is(each: Result, index: str, work: str, state: str, contender: str) -> bool:
    told = (each.index, each.work, each.state, each.contender)
    return each.is_right and told == (index, work, state, contender)


def _never_slower(results: Sequence[Result]) -> Iterator[Goal]:
    """Over all that was measured side by side, cold and warm, and came to the right answer."""
    compared = {
        (index, work, state, other): times
        for index, work, state, other in {(e.index, e.work, e.state, e.contender) for e in results}
        if not other.startswith(OURS) and state != AGAIN
        if (times := ratio(results, index, work, state, other, OURS, to_boundary=True)) is not None
    }
    if not compared:
        return
    slow = sorted((times, key) for key, times in compared.items() if times < 1)
    worst = min(compared.values())
    told = "; ".join(f"{title(key)}: {times:.2f}" for times, key in slow)
    yield Goal(
        "never slower to the boundary than any other",
        f"{len(compared) - len(slow)} of {len(compared)} comparisons, the worst {worst:.2f} times as fast",
        f"missed: {told}" if slow else "",
    )


def title(key: tuple[str, str, str, str]) -> str:
    """A comparison in a sentence."""
    index, work, state, other = key
    return f"{CONTENDERS[other].title}, {work}, {state}, {index}"


def _bound(results: Sequence[Result]) -> Iterator[Goal]:
    """The wall time against the least that the trace allows."""
    found = {}
    for index, state in ((REAL, COLD), (REAL, WARM), (MIRROR, COLD), (MIRROR, WARM)):
        traced = [
            traced
            for each in results
            if _is(each, index, MAIN, state, OURS) and (traced := each.more.get("ratio"))
        ]
        if traced:
            found[f"{state}, {index}"] = median(traced)
    if found:
        shown = ", ".join(f"{where}: {value:.2f}" for where, value in found.items())
        worst = max(found.values())
        missed = f"missed by {worst - 1.1:.2f}" if worst > 1.1 else ""
        yield Goal("wall time at most 1.10 times the lower bound of the trace", shown, missed)


def _work(results: Sequence[Result], index: str, name: str) -> Iterator[str]:
    """One table: a work on an index."""
    here = [each for each in results if (each.index, each.work) == (index, name)]
    if not here:
        return
    told = rows(here)
    last, first = WORKS[name].answer
    yield f"\n#### {WORKS[name].title}: {_INDEX[index]}\n"
    yield f"The change is at {last} → {first}.\n"
    yield (
        "| contender | caches | as long as ours to the boundary | to the end | to the boundary "
        "| right | runs | to the end | processor | fetched | disk |"
    )
    yield "|---" * 11 + "|"
    for state in STATES:
        for contender in CONTENDERS:
            key = (index, name, state, contender)
            if key in told:
                yield _line(key, told[key], here)


def _line(key: Key, row: Row, results: Sequence[Result]) -> str:
    index, work, state, contender = key
    both = (
        ratio(results, index, work, state, contender, OURS, to_boundary=to_boundary)
        for to_boundary in (True, False)
    )
    ours = " | ".join("–" if times is None else f"{times:.2f}" for times in both)
    return f"| {CONTENDERS[contender].title} | {state} | {ours} | {row.boundary_s:.2f} s | {_numbers(row)} |"


def _numbers(row: Row) -> str:
    return (
        f"{row.right} of {row.repetitions} | {row.runs:.0f} | {row.wall_s:.2f} s | {row.cpu_s:.1f} s "
        f"| {size(row.fetched_bytes)} | {size(row.disk_bytes)}"
    )


def size(count: float) -> str:
    """Return bytes as text with a suitable unit."""
    if count < 100_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1e8 else f"{count / 1e6:.0f} MB"


def _imports(taken: Mapping[str, float]) -> Iterator[str]:
    """Yield the table of the import times of a cached result, by package, next to their limits."""
    if not taken:
        return
    yield "\n#### What a remembered answer imports\n"
    yield "By package, with the time of its own modules (`-X importtime`), the least of nine times.\n"
    yield "| package | takes | may take | |"
    yield "|---|---|---|---|"
    for name, spent in sorted(taken.items(), key=lambda item: -item[1]):
        budget = BUDGET_MS.get(name)
        may = "–" if budget is None else f"{budget:g} ms"
        over = f"{spent - budget:.1f} ms too much" if budget is not None and spent > budget else ""
        if spent >= 1 or over:
            yield f"| {name} | {spent:.1f} ms | {may} | {over} |"


def _served(results: Sequence[Result]) -> Iterator[str]:
    """The probes that only this tool can run: their app is served, or they measure a metric."""
    told = {key: row for key, row in rows(results).items() if key[1] in SERVED}
    if not told:
        return
    yield "\n#### The served probes of `probes/`: the index as configured here\n"
    yield "| probe | caches | answer | right | runs | time | processor | fetched | disk |"
    yield "|---" * 9 + "|"
    for (_, name, state, _), row in sorted(told.items()):
        found = {
            f"{each.last} → {each.first}" for each in results if (each.work, each.state) == (name, state)
        }
        yield (f"| {name} | {state} | {', '.join(sorted(found))} | {_numbers(row)} |")


def _cannot() -> Iterator[str]:
    yield "\n#### Tools that cannot do it\n"
    yield from (f"- *{name}*: {why}" for name, why in CANNOT.items())


def _leaks(results: Sequence[Result]) -> Iterator[str]:
    """Runs on the mirror that had to wait for the real index are told."""
    leaked = [each for each in results if each.leaked]
    if leaked:
        told = ", ".join(sorted({f"{CONTENDERS[e.contender].title} ({e.work}, {e.state})" for e in leaked}))
        yield f"\nRuns that asked for something the mirror had to fetch first: {told}."

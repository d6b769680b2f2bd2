"""The tables of `bench.py`: every number in them comes out of the results, and what falls short is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from contenders import CANNOT, CONTENDERS, LOOP, OURS
from indexes import MIRROR, REAL
from results import AGAIN, COLD, STATES, WARM, Key, Result, Row, ratio, rows
from work import IMPORT, MAIN, SERVED, WORKS

_INDEX = {REAL: "the index as configured here", MIRROR: "the mirror"}


@dataclass(frozen=True, slots=True)
class Goal:
    """Something promised, and what came out."""

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
    for index in (MIRROR, REAL):
        for name in WORKS:
            parts += _work(results, index, name)
    parts += [*_served(results), *_cannot(), *_leaks(results)]
    return "\n".join(parts)


def _machine(told: Mapping[str, Any]) -> str:
    versions = f"uv {told.get('uv', '?')} and Python {told.get('python', '?')}"
    waits = f"the mirror waits {told.get('delay_s', 0) * 1000:.0f} ms before each answer"
    return f"On {told.get('cores', '?')} cores, with {versions}; {waits}."


def goals(results: Sequence[Result], others: Mapping[str, Mapping[str, Any]]) -> Iterator[Goal]:
    """Hold the numbers against what was promised; what was not measured is left out."""
    for index, state, wanted in (
        (REAL, COLD, 2.0),
        (MIRROR, COLD, 2.0),
        (MIRROR, WARM, 3.0),
        (REAL, WARM, 10.0),
    ):
        times = ratio(results, index, MAIN, state, LOOP, OURS)
        if times is not None:
            promise = f"{state} at least {wanted:g} times as fast as the uv loop, on {_INDEX[index]}"
            short = (
                f"missed: {times / wanted:.0%} of it; {most(results, index, state)}" if times < wanted else ""
            )
            beside = ratio(results, index, IMPORT, state, LOOP, OURS)
            also = f" ({beside:.2f} with the probe that imports fastapi)" if beside else ""
            yield Goal(promise, f"{times:.2f} times{also}", short)
    yield from _never_slower(results)
    yield from _bound(results)
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


def most(results: Sequence[Result], index: str, state: str) -> str:
    """The ratio that would be reached if trials cost nothing but the same runs of the probe."""
    theirs = [each.wall_s for each in results if _is(each, index, MAIN, state, LOOP)]
    mine = [each for each in results if _is(each, index, MAIN, state, OURS)]
    starts = [each.wall_s for each in results if _is(each, index, MAIN, AGAIN, OURS)]
    cores = max((each.more.get("cores") or 1 for each in mine), default=1)
    probes = median(each.more.get("probes_cpu_s") or 0.0 for each in mine)
    if not theirs or not probes:
        return "how much there is to win is not known"
    count, start = median(each.runs for each in mine), median(starts or [0.0])
    return (
        f"a command that makes no trial takes {start:.2f} s, and the {count:.0f} runs of the probe alone "
        f"take {probes:.1f} s of processor time; with nothing else, on {cores} cores, it "
        f"would be {median(theirs) / (start + probes / cores):.1f} times"
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
        if (times := ratio(results, index, work, state, other, OURS)) is not None
    }
    if not compared:
        return
    slow = sorted((times, key) for key, times in compared.items() if times < 1)
    worst = min(compared.values())
    told = "; ".join(f"{title(key)}: {times:.2f}" for times, key in slow)
    yield Goal(
        "never slower than any other",
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
        missed = f"missed by {worst - 1.15:.2f}" if worst > 1.15 else ""
        yield Goal("wall time at most 1.15 times the lower bound of the trace", shown, missed)


def _work(results: Sequence[Result], index: str, name: str) -> Iterator[str]:
    """One table: a work on an index."""
    here = [each for each in results if (each.index, each.work) == (index, name)]
    if not here:
        return
    told = rows(here)
    last, first = WORKS[name].answer
    yield f"\n#### {WORKS[name].title}: {_INDEX[index]}\n"
    yield f"The change is at {last} → {first}.\n"
    yield "| contender | caches | as long as ours | right | runs | time | processor | fetched | disk |"
    yield "|---" * 9 + "|"
    for state in STATES:
        for contender in CONTENDERS:
            key = (index, name, state, contender)
            if key in told:
                yield _line(key, told[key], ratio(here, index, name, state, contender, OURS))


def _line(key: Key, row: Row, times: float | None) -> str:
    _, _, state, contender = key
    ours = "–" if times is None else f"{times:.2f}"
    return f"| {CONTENDERS[contender].title} | {state} | {ours} | {_numbers(row)} |"


def _numbers(row: Row) -> str:
    return (
        f"{row.right} of {row.repetitions} | {row.runs:.0f} | {row.wall_s:.2f} s | {row.cpu_s:.1f} s "
        f"| {size(row.fetched_bytes)} | {size(row.disk_bytes)}"
    )


def size(count: float) -> str:
    """Bytes as people say them."""
    if count < 100_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1e8 else f"{count / 1e6:.0f} MB"


def _served(results: Sequence[Result]) -> Iterator[str]:
    """The probes that only this tool can run: the app is served, or what it answers is a measurement."""
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

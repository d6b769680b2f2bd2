"""The culprit of a boundary as sentences, and what belongs to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from bisect_asgi.core.culprit import MOST_MIXES, MOST_UNTESTABLE
from bisect_asgi.core.events import Compared, Explained, ShownSet
from bisect_asgi.core.model import CulpritKind, Move
from bisect_asgi.core.release_diff import LinkKind
from bisect_asgi.core.text import listing
from bisect_asgi.report.document import Report

_LIMIT = f"bisect-asgi stops after {MOST_MIXES} combinations, or {MOST_UNTESTABLE} untestable ones"


def because(why: Sequence[Explained]) -> str:
    """Return the culprit as the headline ends: `, because it requires starlette 0.15.0`; empty if unknown."""
    if not why or not why[0].sets or why[0].problem:
        return ""
    further = [listing(map(_perhaps, more.sets)) for more in why if more.is_further and more.sets]
    return ", and then of ".join([_because(why[0]), *further])


def is_named(explained: Explained, label: str) -> bool:
    """Return whether the label of a candidate already names the culprit, the only package that differs."""
    return [f"{move.name} {move.new}" for move in explained.moves] == [" ".join(label.split()[-2:])]


def _because(first: Explained) -> str:
    match first.kind:
        case CulpritKind.PACKAGE:
            pulled_in = first.sets[0].pulled_in
            return f", by itself, but not without {_names(pulled_in)}" if pulled_in else ", by itself"
        case CulpritKind.DEPENDENCY:
            return f", {_carrier(first, first.sets[0])}"
        case CulpritKind.TOGETHER:
            return f", because of {_names(first.sets[0].moved)} together"
        case CulpritKind.EITHER:
            return _alternatives(first)
        case CulpritKind.UNCLEAR:
            return f", because of {listing(map(_perhaps, first.sets), most=3)}"
        case _ as never:
            assert_never(never)


def sentences(explained: Explained, *, word: str) -> tuple[str, ...]:
    """Return what was shown, a sentence for each fact; `word` is the newer side's verdict, such as `bad`."""
    if explained.problem:
        return (f"the cause could not be determined: {explained.problem}",)
    said = ["with that reverted, it fails differently:"] if explained.is_further else []
    said += [] if _is_own_with_others(explained) else [_kind(explained, word)]
    for shown in explained.sets:
        if shown.pulled_in and not shown.doubtful:
            said.append(
                f"{_names(shown.moved)} does not run without {_names(shown.pulled_in)}; "
                f"with that alone, {explained.old} is not {word}"
            )
        if shown.is_cut_short:
            said.append(f"{_names(shown.moved)} may not be the smallest set: {_LIMIT}")
        elif shown.doubtful and explained.kind is not CulpritKind.UNCLEAR:
            said.append(f"whether {listing(shown.doubtful)} matters there could not be tested")
    if not explained.is_all:
        said.append("could not test whether the other differences also cause it")
    return tuple(said)


def _is_own_with_others(explained: Explained) -> bool:
    """Return whether the culprit is the package itself, which does not run without what it pulls in."""
    return explained.kind is CulpritKind.PACKAGE and bool(explained.sets[0].pulled_in)


def _kind(explained: Explained, word: str) -> str:
    sets = explained.sets
    match explained.kind:
        case _ if len(explained.moves) == 1:
            return f"nothing else differs between {explained.old} and {explained.new}"
        case CulpritKind.PACKAGE:
            return f"{explained.new} is {word} even with the dependencies of {explained.old}"
        case CulpritKind.DEPENDENCY:
            return _dependency(explained, word)
        case CulpritKind.TOGETHER:
            return f"it takes {_names(sets[0].moved)} together; with any of them reverted it is not {word}"
        case CulpritKind.EITHER:
            return f"each of these is {word} without the others: {'; '.join(map(_set, sets))}"
        case CulpritKind.UNCLEAR:
            return _unclear(explained)
        case _ as never:
            assert_never(never)


def _dependency(explained: Explained, word: str) -> str:
    (move,) = explained.sets[0].moved
    carrier = f"with {move.name} {move.new}" if move.new else f"without {move.name}"
    back = f"{move.name} reverted to {move.old}" if move.old else f"{move.name} removed"
    otherwise = f"; with {back}, {explained.new} is not" if explained.is_all else ""
    return f"{explained.old} is {word} {carrier}{otherwise}"


def _unclear(explained: Explained) -> str:
    said = []
    for shown in explained.sets:
        sure, doubtful = _by_doubt(shown)
        if shown.is_cut_short:
            said.append(f"it is among {_names(shown.moved)}")
        elif sure and doubtful:
            said.append(
                f"it takes {_names(sure)}; whether {_names(doubtful)} matters as well could not be tested"
            )
        elif doubtful:
            said.append(f"it is among {_names(doubtful)}, and combinations of those are untestable")
        else:
            said.append(f"{_names(sure)} causes it")
    return "; ".join(said)


def _perhaps(shown: ShownSet) -> str:
    sure, doubtful = _by_doubt(shown)
    if not sure:
        return f"something among {_names(doubtful)}"
    return f"{_names(sure)} and perhaps {_names(doubtful)}" if doubtful else _names(sure)


def _by_doubt(shown: ShownSet) -> tuple[list[Move], list[Move]]:
    """Return the packages that are shown to matter, and the others."""
    doubtful = [move for move in shown.moved if move.name in shown.doubtful]
    return [move for move in shown.moved if move.name not in shown.doubtful], doubtful


def _carrier(explained: Explained, shown: ShownSet) -> str:
    if explained.package is None:
        return f"because of {_names(shown.moved)}"
    if shown.moved[0].new is None:
        return f"because it drops {shown.moved[0].name}"
    (move,) = shown.moved
    if shown.required in ("", "any version"):
        return f"because it installs {_name(move)}"
    if shown.required == f"=={move.new}":
        return f"because it requires {_name(move)}"
    return f"because it requires {move.name} {shown.required} and installs {move.new}"


def _alternatives(explained: Explained) -> str:
    """Return the sets that are each enough: `, by itself; also because of beta 2 and gamma 2 together`."""
    is_own = [[move.name for move in shown.moved] == [explained.package] for shown in explained.sets]
    if all(len(shown.moved) == 1 for shown in explained.sets):
        told = ["itself" if own else _names(s.moved) for own, s in zip(is_own, explained.sets, strict=True)]
        return f", because of {listing(told, most=6)}, each alone"
    smallest_first = sorted(zip(is_own, explained.sets, strict=True), key=lambda pair: len(pair[1].moved))
    told = ["by itself" if own else f"because of {_set(shown)}" for own, shown in smallest_first]
    return f", {'; also '.join(told)}"


def _set(shown: ShownSet) -> str:
    return f"{_names(shown.moved)} together" if len(shown.moved) > 1 else _names(shown.moved)


def _names(moved: Sequence[Move]) -> str:
    return listing((_name(move) for move in moved), most=6)


def _name(move: Move) -> str:
    return f"{move.name} {move.new}" if move.new else f"the absence of {move.name}"


def leads_to(stage: Report, report: Report) -> str | None:
    """Return the boundary of the run for whose culprit a search was made; None for combinations."""
    before = [why for why in report.why if why.stages_before < stage.stage]
    if not before or not stage.plan.axis.is_ordered:
        return None
    return max(before, key=lambda why: why.stages_before).within


def addresses(compared: Compared) -> Iterator[tuple[str, str]]:
    """Yield the pages about a change in a package: what each is, and its address."""
    if compared.comparison:
        yield "comparison", compared.comparison
    shown = (LinkKind.CHANGELOG, LinkKind.SOURCE, LinkKind.HOME)
    yield from ((link.kind.value, link.address) for link in compared.links if link.kind in shown)

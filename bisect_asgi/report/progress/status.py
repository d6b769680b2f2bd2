"""The parts of live displays: the progress of a run, and lines that fit the width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import cell_len
from rich.text import Text

from bisect_asgi.core import events
from bisect_asgi.core.events import Stretch
from bisect_asgi.core.model import Outcome
from bisect_asgi.report.progress.fitting import cut, wrapped
from bisect_asgi.report.progress.wording import Progress, Words

Styled = tuple[str, str]
"""A text and its style."""

_BARS = range(8, 41)
"""The widths of the bar that shows the range; with less room there is none."""

MARKS = {
    Outcome.PASSED: ("✓", "green"),
    Outcome.FAILED: ("✗", "red"),
    Outcome.UNTESTABLE: ("?", "yellow"),
    Outcome.ERROR: ("!", "magenta"),
}


def stretches(progress: Progress, words: Words) -> Iterator[Styled]:
    """Yield the stretches of the run, the current one marked."""
    planned, current = progress.stretches.planned, progress.stretches.current
    if not words.candidates:
        yield "asking the index", ""
        return
    place = planned.index(current) if current in planned else len(planned)
    for number, stretch in enumerate(planned):
        yield from [(" · ", "dim")] * (number > 0)
        yield (
            (f"[{stretch}]", "bold cyan")
            if number == place
            else (str(stretch), "" if number < place else "dim")
        )


def place(progress: Progress, words: Words, width: int) -> list[Styled]:
    """Return the line about what is left of a search, or nothing before anything is known.

    Its bar fills the rest of `width` cells.
    """
    judged, belief, repeats = words.known.judged, words.known.belief, words.pace.repeats
    if belief is not None:
        return [(words.likeliest(belief), "")]
    if judged is None:
        return []
    low, high = words.known.low, words.known.high
    is_history = not words.stage and progress.stretches.current is Stretch.HISTORY
    if low is not None and high is not None and not is_history and words.axis.is_ordered:
        return _range(words, judged, low, high, width)
    if judged.left and (settled := words.settled(judged)):
        return [(settled, "")]
    return [(f"confirming: {repeats}", "")] if repeats else []


def _range(words: Words, judged: events.RulingsChanged, low: int, high: int, width: int) -> list[Styled]:
    """Return the range as `0.60.0 ━━━━╌╌╌╌━━ 0.110.0   12 releases left, roughly 4 steps, 40 s`."""
    before, after = f"{words.label(low)} ", f" {words.label(high)}   {_rest(words, judged)}"
    room = min(_BARS.stop - 1, width - cell_len(before) - cell_len(after))
    if room < _BARS.start:
        return [(f"{before}→ {words.label(high)}, {_rest(words, judged)}", "")]
    size = max(1, len(words.candidates) - 1)
    start, end = round(room * min(1, low / size)), round(room * min(1, high / size))
    start, end = max(1, start), min(room - 1, end)
    new_is = judged.new_is or Outcome.FAILED
    old_is = Outcome.PASSED if new_is is Outcome.FAILED else Outcome.FAILED
    return [
        (before, ""),
        ("━" * start, MARKS[old_is][1]),
        ("╌" * (end - start), "dim"),
        ("━" * (room - max(start, end)), MARKS[new_is][1]),
        (after, ""),
    ]


def _rest(words: Words, judged: events.RulingsChanged) -> str:
    if judged.left:
        return f"{words.axis.counted(judged.left)} left, {words.pace.steps(judged.left)}"
    return f"confirming: {words.pace.repeats}" if words.pace.repeats else "boundary found"


def joined(parts: Iterable[Styled], width: int) -> Text:
    """Return the parts as one line of at most `width` cells."""
    line, room = Text(), width
    for text, style in parts:
        shown = cut(text, room)
        line.append(shown, style=style or None)
        room -= cell_len(shown)
    return line


def hanging(name: Styled, text: str, style: str, width: int, indent: str) -> Iterator[Text]:
    """Yield a sentence as lines of at most `width` cells, which all begin behind the name of the first."""
    start = indent + name[0]
    for number, line in enumerate(wrapped(text, width - cell_len(start))):
        head = (start, name[1]) if number == 0 else (" " * cell_len(start), "")
        yield Text.assemble(head, (line, style))

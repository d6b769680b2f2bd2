"""The report that fits on one screen: a line for each fact, then the result in a box above the prompt.

Each fact has a label and a value, which is cut after a few lines. If the facts do not fit on the screen, the
report omits less important ones first, then shortens long ones. It always keeps the result, the requirement
that avoids the bug and the command that reproduces it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.text import Text

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.text import plural
from bisect_asgi.report.document import Report
from bisect_asgi.report.facts import Fact, facts_of, fix_lines
from bisect_asgi.report.headline import brief
from bisect_asgi.report.text.command import continued

MOST_LINES = 22
"""Of a screen of 24, with room for the prompt and a hint."""
WIDTH_OF_FILES = 80
_WIDEST = 120
_LABEL = 12
_MOST_CHANGES = 4


def parts(report: Report, console: Console, *, name: str, is_boxed: bool) -> Iterator[RenderableType]:
    """Yield the report: on a terminal with the result in a box at its end, else with the sentence first."""
    width, full = min(console.width, _WIDEST), " ".join(filter(None, ("bisect-asgi report", name, "--full")))
    inside = width - 4 if is_boxed else width
    sentence = cut(brief(report), console, width=inside, most=4, style="bold")
    fix = _fix(report, console, width=inside)
    command = _command(report, full, width)
    room = MOST_LINES - len(sentence) - len(fix) - len(command) - 1 - (2 if is_boxed else 1)
    lines, left_out = _fitted(facts_of(report), console, width=width, room=room)
    if is_boxed:
        yield from (*lines, *command, _more(full, left_out))
        style = "green" if report.exit_code is ExitCode.FOUND else "yellow"
        yield Panel(Text("\n").join([*sentence, *fix]), border_style=style, width=width, padding=(0, 1))
    else:
        yield from sentence
        yield ""
        yield from (*lines, *fix, *command, _more(full, left_out))


def _fitted(facts: Sequence[Fact], console: Console, *, width: int, room: int) -> tuple[list[Text], int]:
    """Return the lines of the facts, cut until they fit, and the number of omitted facts."""
    shown = [_lines(fact, console, width=width) for fact in facts]
    left_out = 0
    while sum(map(len, shown)) > room and any(shown):
        # Cut one line from the least important fact; of several, from the longest, then from the last.
        place = max(
            (place for place, lines in enumerate(shown) if lines),
            key=lambda place: (
                len(shown[place]) > 1 or facts[place].rank > 0,
                facts[place].rank,
                len(shown[place]),
                place,
            ),
        )
        left_out += len(shown[place]) == 1
        shown[place] = _lines(facts[place], console, width=width, most=len(shown[place]) - 1)
    return [line for lines in shown for line in lines], left_out


def _lines(fact: Fact, console: Console, *, width: int, most: int = 9) -> list[Text]:
    """Return the lines of a fact, at most so many: the label, then the value."""
    if most == 0:
        return []
    shown = cut(fact.value, console, width=width - _LABEL, most=min(fact.most, most), style=fact.style)
    label = Text(fact.label, style="cyan")
    label.truncate(_LABEL - 1, overflow="ellipsis", pad=False)
    blanks = [_LABEL - label.cell_len, *[_LABEL] * (len(shown) - 1)]
    labels = [label, *[Text()] * (len(shown) - 1)]
    return [
        Text.assemble(name, " " * blank, line)
        for name, blank, line in zip(labels, blanks, shown, strict=True)
    ]


def cut(text: str, console: Console, *, width: int, most: int, style: str = "") -> list[Text]:
    """Return a text as lines of at most `width` cells; the last of `most` lines ends with `…` if cut."""
    width = max(width, 8)
    lines = list(Text(" ".join(text.split()), style=style, overflow="fold").wrap(console, width))
    for line in lines:
        line.rstrip()
    if len(lines) > most:
        lines = lines[:most]
        lines[-1].truncate(width - 1, overflow="crop")
        lines[-1].append("…")
    return lines or [Text()]


def _fix(report: Report, console: Console, *, width: int) -> list[Text]:
    """Return the lines of what to require, an alternative below the other."""
    is_usual = (report.plan.term_old, report.plan.term_new) == ("good", "bad")
    label, lines = "Fix" if is_usual else f"For {report.plan.term_old}", list[Text]()
    for fix in fix_lines(report):
        lines += _lines(Fact(label=label, value=fix), console, width=width)
        label = " or"
    return lines


def _command(report: Report, full: str, width: int) -> list[Text]:
    """Return the lines with the command that shows the bad side again."""
    if not report.check:
        return []
    lines = continued(report.check, width=width - _LABEL, most=4) or [full]
    labels = [Text("Reproduce", style="cyan"), *[Text()] * (len(lines) - 1)]
    return [
        Text.assemble(label, " " * (_LABEL - label.cell_len), line)
        for label, line in zip(labels, lines, strict=True)
    ]


def _more(full: str, left_out: int) -> Text:
    further = f" ({plural(left_out, 'more fact')})" if left_out else ""
    return Text.assemble(("More", "cyan"), " " * (_LABEL - 4), full, further)

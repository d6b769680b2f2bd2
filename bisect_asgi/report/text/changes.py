"""What changed in what carries the change, as the terminal shows it: short, with where to read on."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from bisect_asgi.core.events import Compared
from bisect_asgi.core.release_diff import LinkKind, WhatChanged
from bisect_asgi.core.releases.diff import summary
from bisect_asgi.core.text import plural, printable
from bisect_asgi.report.text.tables import Pasted

_MOST_LINES = 10
_MOST_CHANGELOG = 15
_MOST_DIFF = 20


def is_telling(compared: Compared) -> bool:
    """Tell whether there is anything to show: of what was added or removed there is not."""
    return bool(compared.changed or compared.problem or compared.drill)


def parts(compared: Compared) -> Iterator[RenderableType]:
    """The section of one distribution."""
    yield Text(f"What changed in {compared.name} {compared.old} → {compared.new}", style="bold")
    if compared.problem:
        yield _line(f"it could not be compared: {compared.problem}")
    if compared.changed:
        yield from (_line(line) for line in summary(compared.changed, most=_MOST_LINES))
        yield from _diff(compared.changed)
    if compared.changelog:
        yield from _changelog(compared.changelog)
    for name, address in _addresses(compared):
        yield Pasted(f"  {name:<11} {address}")
    if compared.drill:
        yield Pasted(f"  {'commits':<11} {compared.drill}")


def diffs(compared: Compared) -> Iterator[str]:
    """All diffs that are kept, whole, as plain lines."""
    for file in compared.changed.files if compared.changed else ():
        yield from (printable(line) for line in file.diff.splitlines())


def _diff(changed: WhatChanged) -> Iterator[RenderableType]:
    """The diff of the file that the traceback ends in, where it is in a traceback and short."""
    for file in changed.files[:1]:
        lines = file.diff.splitlines()
        if file.lines and len(lines) <= _MOST_DIFF:
            yield Padding(Text("\n".join(map(printable, lines)), style="dim"), (0, 0, 0, 4))


def _changelog(text: str) -> Iterator[RenderableType]:
    lines = [printable(line) for line in text.strip().splitlines()]
    yield _line("its changelog:")
    yield Padding(Text("\n".join(lines[:_MOST_CHANGELOG]), style="dim"), (0, 0, 0, 4))
    if len(lines) > _MOST_CHANGELOG:
        yield _line(f"  … {plural(len(lines) - _MOST_CHANGELOG, 'more line')} (`--json` has them)")


def _addresses(compared: Compared) -> Iterator[tuple[str, str]]:
    if compared.comparison:
        yield "comparison", compared.comparison
    shown = (LinkKind.CHANGELOG, LinkKind.SOURCE, LinkKind.HOME)
    yield from ((link.kind.value, link.address) for link in compared.links if link.kind in shown)


def _line(text: str) -> Padding:
    return Padding(Text(printable(text)), (0, 0, 0, 2))

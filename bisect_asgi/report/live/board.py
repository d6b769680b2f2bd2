"""The pages of several probes: an index with a row for each of them, and a page for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from bisect_asgi.core.records import replace
from bisect_asgi.core.text import elapsed, plural
from bisect_asgi.report import html
from bisect_asgi.report.html.figures import suite_figures
from bisect_asgi.report.live.pages import FIRST, LivePages, report_page, search_page
from bisect_asgi.report.live.search import LiveSearch
from bisect_asgi.report.page import Entry, Fact, Strip
from bisect_asgi.report.page.suite import page_of_row, suite_page
from bisect_asgi.report.suite import SuiteReport, SuiteRow, suite_report

_INDEX = "./"
"""The address of the index, as the pages of the probes see it."""


class BoardPages(LivePages):
    """Pages of several probes; any thread may report the progress of a probe."""

    def __init__(self, rows: Sequence[SuiteRow], clock: Callable[[], float] = time.monotonic) -> None:
        """Take the row of each probe as it is before the probe begins."""
        super().__init__(clock)
        self._begun_s = clock()
        self._probes = [_Probe(row) for row in rows]
        entries = suite_page(self._report()).entries
        self._named = {
            f"{entry.anchor}.html": probe for entry, probe in zip(entries, self._probes, strict=True)
        }
        self._keep(FIRST, self._index, lambda: (self.is_ended, *(each.version() for each in self._probes)))
        for name, probe in self._named.items():
            self._keep(name, probe.page, probe.version)

    def begun(self, place: int) -> LiveSearch:
        """Take in that the probe at this place has begun, and return the sink of its events."""
        self._probes[place].search = search = LiveSearch(self._clock)
        return search

    def ended(self, place: int, row: SuiteRow) -> None:
        """Take in the row of a probe that has ended, or could not begin."""
        self._probes[place].ended = row

    def all_ended(self, rows: Sequence[SuiteRow]) -> None:
        """Take in all rows as they are at the end, those of probes that were interrupted, too."""
        for place, row in enumerate(rows):
            self.ended(place, row)

    def end(self, problem: str = "") -> None:
        """Take in that the command has ended, and the problem that has kept it from a result."""
        for probe in self._probes:
            probe.stop()
        super().end(problem)

    def _report(self) -> SuiteReport:
        rows = [each.row for each in self._probes]
        return suite_report(rows, elapsed_s=self._clock() - self._begun_s, is_interrupted=False)

    def _index(self) -> str:
        page = suite_page(self._report())
        if not self.is_ended:
            entries = tuple(map(_running, page.entries, self._probes))
            page = replace(page, title=f"Running {plural(len(entries), 'probe')}", entries=entries)
        return html.render_suite(page, suite_figures(page), of_pages=True, live=True)

    def _counted(self) -> str:
        ended = sum(each.ended is not None for each in self._probes)
        return f"{ended} of {plural(len(self._probes), 'probe')} ended"

    def _strip(self, name: str) -> Strip:
        probe = self._named.get(name)
        if probe and probe.search:
            return probe.search.strip()
        running = [each for each in self._probes if each.search and not each.ended]
        return Strip(
            where=self._counted(),
            elapsed=elapsed(self._clock() - self._begun_s),
            running=tuple(Fact(each.row.name, each.at) for each in running),
        )


def _running(entry: Entry, probe: _Probe) -> Entry:
    """Return the entry, without the color of an outcome as long as the probe has none."""
    return entry if probe.ended else replace(entry, kind="" if probe.search else "unknown")


class _Probe:
    """One of the probes."""

    def __init__(self, row: SuiteRow) -> None:
        self._first = row
        self.search: LiveSearch | None = None
        self.ended: SuiteRow | None = None

    def version(self) -> object:
        """A value that changes whenever the row does."""
        return self.ended is not None, self.search and self.search.version

    @property
    def at(self) -> str:
        """The probe's present activity."""
        return f"{self.search.at} {elapsed(self.search.elapsed_s)}" if self.search else "waiting"

    @property
    def row(self) -> SuiteRow:
        """Its row, as far as it is known."""
        if self.ended:
            return self.ended
        if self.search is None:
            return replace(self._first, answer="waiting")
        report = self.search.report()
        return replace(
            self._first,
            answer=self.search.at,
            report=report,
            runs=report.runs if report else 0,
            elapsed_s=self.search.elapsed_s,
        )

    def stop(self) -> None:
        """Note that the probe does not continue."""
        if self.ended is None:
            row = self.row
            if self.search:
                self.search.stop()
                row = replace(row, report=self.search.report())
            self.ended = replace(row, answer=self._first.answer)

    def page(self) -> str:
        """Return its own page."""
        if self.ended and self.ended.report:
            report = self.ended.report
            return report_page(page_of_row(self.ended, report), report, index=_INDEX)
        return search_page(self.search or LiveSearch(), self._first.name, index=_INDEX)

"""The report of a search as other programs use it."""

from __future__ import annotations

from pathlib import Path

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.model import NamedBoundary
from bisect_asgi.report import document
from bisect_asgi.report.culprit import because
from bisect_asgi.report.document import Report as Document
from bisect_asgi.report.rows import Row


class Report:
    """The result of a search with its evidence; in a notebook it shows itself as a table."""

    def __init__(self, found: Document, log: Path) -> None:
        self.document = found
        """All of it: the fields of the JSON report."""
        self.log = log
        """The event log, which `bisect-asgi report LOG` shows."""

    @property
    def headline(self) -> str:
        """The result as one sentence."""
        return self.document.headline

    @property
    def hint(self) -> str | None:
        """The hint for a missing result, or None."""
        return self.document.hint

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that the command would have: 0 if a boundary was found."""
        return self.document.exit_code

    @property
    def boundary(self) -> NamedBoundary | None:
        """The boundary that was found: its `last` and `first` candidate, the first's `verdict`, the `gap`."""
        found = (change for change in self.changes if change.first == self.document.first)
        return next(found, None)

    @property
    def changes(self) -> tuple[NamedBoundary, ...]:
        """All boundaries that are known, oldest first."""
        return self.document.changes

    @property
    def affected(self) -> tuple[str, ...]:
        """The bad releases as PEP 440 specifiers, one for each stretch, oldest first."""
        return tuple(stretch.specifier for stretch in self.document.affected)

    @property
    def cause(self) -> str:
        """The culprit as a phrase, such as `it requires starlette 0.15.0`; empty if it is unknown."""
        phrase = because(self.document.why_of(self.document.first))
        return phrase.removeprefix(", ").removeprefix("because ")

    @property
    def rows(self) -> tuple[Row, ...]:
        """One row for each candidate, oldest first."""
        return self.document.rows

    @property
    def reproduce(self) -> dict[str, str]:
        """For each side of the boundary, the command that runs the probe on it."""
        return dict(self.document.reproduce)

    def to_json(self) -> str:
        """Return the JSON report, as `bisect-asgi --json` writes it."""
        return document.render(self.document)

    def __str__(self) -> str:
        return self.headline

    def __repr__(self) -> str:
        return f"<Report: {self.headline}>"

    def _repr_html_(self) -> str:
        from bisect_asgi.report import html
        from bisect_asgi.report.page.fold import page_of

        return html.render_part(page_of(self.document))

"""Write results to the standard output, and everything else to the standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bisect_asgi.core.errors import ExitCode, UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.records import Struct
from bisect_asgi.core.text import printable_json

if TYPE_CHECKING:
    from bisect_asgi.cli.report_files import ReportFile
    from bisect_asgi.core.events import Event
    from bisect_asgi.core.gate import Gate
    from bisect_asgi.report.document import Report
    from bisect_asgi.report.forms import Form
    from bisect_asgi.report.progress.board import Board
    from bisect_asgi.report.progress.live_board import LiveBoard
    from bisect_asgi.report.projection import Projection
    from bisect_asgi.report.suite import SuiteReport


class OutputOptions(Struct, frozen=True, kw_only=True):
    """The amount and the form of a command's output."""

    form: Form | None = None
    """The form on the standard output; None: text, as much of it as the other options say."""
    files: tuple[ReportFile, ...] = ()
    quiet: bool = False
    verbose: bool = False
    full: bool = False
    """Show the whole report, not what fits on a screen."""
    plot: bool = False
    """Draw the metric against the releases."""
    timings: bool = False
    """Show where the time went."""
    live: bool = False
    """Serve the report as a page while the command runs."""
    fail_on: frozenset[Gate] = frozenset()
    """The conditions that decide the exit code; empty: the result does."""

    @classmethod
    def of(cls, options: Options, *, is_suite: bool = False) -> Self:
        """Return those of the command line, and have all consoles color as it says.

        Raises:
            UsageError: a file cannot be written, or its ending selects no form.
        """
        if options.color is not None:
            from bisect_asgi.report.progress.console import use_color

            use_color(options.color)
        shown = ("quiet", "verbose", "full", "plot", "timings", "live")
        return cls(
            form=_form(options),
            files=_files(options.output, is_suite=is_suite),
            fail_on=_gates(options.fail_on),
            **{name: bool(getattr(options, name)) for name in shown},
        )

    @property
    def json(self) -> bool:
        """Whether the standard output gets one JSON document."""
        return self.form == "json"

    def begin(self, what: str, *, early: bool) -> None:
        """Write what the command is going to do.

        At a terminal, the call with `early` writes it, before anything that takes time. Elsewhere, the call
        after the options were checked writes it, so that an error in an option is printed alone.
        """
        if not self.quiet and sys.stderr.isatty() is early:
            say(what)

    @contextmanager
    def progress(self, title: str = "", *, asks: bool = False) -> Iterator[Callable[[Event], None]]:
        """Yield the sink that shows progress: live at a terminal, else as lines; nothing if quiet.

        `title` is the name of the probe, if the command runs several. With `asks`, a person types answers in
        between, so the display is never redrawn.
        """
        if self.quiet:
            yield lambda _: None
        elif _is_live() and not asks:
            from bisect_asgi.report.progress.console import standard_error
            from bisect_asgi.report.progress.terminal import TerminalSink

            with TerminalSink(standard_error(), title=title, verbose=self.verbose) as sink:
                yield sink
        else:
            from bisect_asgi.report.progress.plain import PlainSink

            if title:
                say(title)
            yield PlainSink(say, verbose=self.verbose)

    @contextmanager
    def board(self, total: int) -> Iterator[Board | LiveBoard]:
        """Yield the board that shows the progress of so many probes: live at a terminal, else as lines."""
        if not self.quiet and _is_live():
            from bisect_asgi.report.progress.console import standard_error
            from bisect_asgi.report.progress.live_board import LiveBoard

            with LiveBoard(standard_error(), total=total) as live:
                yield live
        else:
            from bisect_asgi.report.progress.board import Board

            yield Board((lambda _: None) if self.quiet else say, total=total)

    def show(self, run: Projection, log: Path) -> ExitCode:
        """Show the report of a run that has ended, and return its exit code."""
        from bisect_asgi.cli.past_runs import keep
        from bisect_asgi.report.folding import report_of

        report = report_of(run)
        if report.kind is ResultKind.NOT_ASKED and not report.runs:
            with suppress(OSError):  # nothing was run, so the log has nothing for `report` to show
                log.unlink()
        else:
            keep(report, log)
        if report.rows and not self.quiet and log.exists():
            say(f"log: {log}")  # before the result, which belongs next to the prompt
        self.show_report(report)
        return report.exit_code

    def show_report(self, report: Report, *, name: str = "") -> None:
        """Show a report; without a boundary, write the reason and the hint to the standard error, too."""
        if not self.write(report):
            self._show_text(report, name)
        if report.exit_code is not ExitCode.FOUND:
            show_error("" if self._is_seen(report) else report.headline, report.hint)

    def write(self, report: Report | SuiteReport, *, document: str = "") -> bool:
        """Write a report to the files, and to the standard output unless the standard output gets text.

        Return whether it wrote to the standard output. On GitHub, the step gets its summary and annotations.
        `document` is the JSON of a command whose document differs from the report's.
        """
        if self.form is None and not self.files and os.environ.get("GITHUB_ACTIONS") != "true":
            return False
        from bisect_asgi.cli import report_files

        sys.stderr.write(report_files.annotate(report))
        if self.form is not None:
            sys.stdout.write(report_files.rendered(report, self.form, document=document))
        report_files.write(report, self.files, document=document)
        return self.form is not None

    def write_forms(self, render: Callable[[Form], str]) -> None:
        """Write what a command without a report shows, by its own forms, to where a report would go."""
        from bisect_asgi.cli import report_files

        if self.form is not None:
            sys.stdout.write(render(self.form))
        report_files.write_texts(self.files, render)

    def _is_seen(self, report: Report) -> bool:
        """Return whether the terminal shows the headline already, right above."""
        both = sys.stdout.isatty() and sys.stderr.isatty()
        return both and not self.full and self.form is None and self._is_shown(report)

    def _is_shown(self, report: Report) -> bool:
        """Return whether the text has the headline at its end."""
        if self.quiet:
            return report.kind.is_result
        return bool(report.rows) and (report.kind.is_result or _has_samples_to_show(report))

    def _show_text(self, report: Report, name: str) -> None:
        if self.quiet:
            if report.kind.is_result:
                print(report.headline)
        elif report.rows and (report.kind is not ResultKind.NOT_ASKED or _has_samples_to_show(report)):
            from bisect_asgi.report import text

            probe = self._probe_text(report) if self.full else ""
            text.render(report, name=name, whole=self.full, plot=self.plot, timings=self.timings, probe=probe)

    def _probe_text(self, report: Report) -> str:
        from bisect_asgi.cli.report_files import probe_text

        return probe_text(report)


def _gates(texts: tuple[str, ...]) -> frozenset[Gate]:
    if not texts:
        return frozenset()
    from bisect_asgi.core.gate import read_gates

    return read_gates(texts)


def _form(options: Options) -> Form | None:
    """Return the form on the standard output; `--json` is one of them."""
    if options.json and options.format not in (None, "json"):
        raise UsageError(f"`--json` conflicts with `--format {options.format}`", hint="drop one of them")
    form = "json" if options.json else options.format
    if form in (None, "text"):
        return None
    from bisect_asgi.report.forms import Form

    return Form(form)


def _files(paths: tuple[str, ...], *, is_suite: bool) -> tuple[ReportFile, ...]:
    if not paths:
        return ()
    from bisect_asgi.cli.report_files import report_files

    return report_files(paths, is_suite=is_suite)


def _is_live() -> bool:
    """Return whether a display can be redrawn: at a terminal that understands control codes."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def _has_samples_to_show(report: Report) -> bool:
    """Return whether a search ended with a usage error after runs of a metric, whose report says which."""
    return report.kind is ResultKind.NOT_ASKED and report.plan.metric is not None


_USUAL_WIDTH = 80


def show_error(message: str, hint: str | None) -> None:
    """Print an error: what happened, unless that is shown already, a blank line, what to do."""
    if message:
        say_sentence(f"error: {message}")
    if hint:
        say_sentence(f"\nhint: {hint}")


def show_json(text: str) -> None:
    """Print a JSON document."""
    print(printable_json(text))


def say_note(text: str) -> None:
    """Write a remark to the standard error."""
    say_sentence(f"note: {text}")


def say_sentence(text: str) -> None:
    """Write prose to the standard error; a terminal gets it broken between words, a pipe gets one line."""
    if sys.stderr.isatty():
        from bisect_asgi.core.text import folded

        text = folded(text, _width())
    say(text)


def _width() -> int:
    """Return the width of the terminal that the standard error is."""
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named):
        return int(named)
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _USUAL_WIDTH
    except (OSError, ValueError):  # no terminal, or one without a size
        return _USUAL_WIDTH


def say(line: str) -> None:
    """Write a line to the standard error."""
    print(line, file=sys.stderr, flush=True)

"""What `check` showed of one release, as Markdown and as JUnit XML."""

from __future__ import annotations

from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.model import UNTESTABLE_EXIT
from bisect_asgi.core.text import duration
from bisect_asgi.report import junit
from bisect_asgi.report.commands import CheckDocument
from bisect_asgi.report.markdown.text import block, details, plain
from bisect_asgi.report.suite import SuiteReport, SuiteRow

_CODES = {0: ExitCode.FOUND, UNTESTABLE_EXIT: ExitCode.INCONCLUSIVE}


def as_markdown(document: CheckDocument) -> str:
    """Return the verdict, why, and the output of the last run if it did not pass."""
    run = document.observations[-1]
    parts = [f"## {plain(_name(document))} on Python {plain(document.python)}: {plain(document.verdict)}"]
    parts += [plain(document.seen)] if document.seen else []
    parts += [f"Run in {duration(run.wall_s)}."] if run.wall_s else []
    if document.exit_code and run.output_tail:
        parts.append(details("Output", block(run.output_tail)))
    return "\n\n".join(parts) + "\n"


def as_junit(document: CheckDocument, probe: str) -> str:
    """Return a suite of one case: it passes if the release is good, and is skipped if it is untestable."""
    elapsed_s = sum(run.wall_s for run in document.observations)
    code = _CODES.get(document.exit_code, ExitCode.NOT_REPRODUCED)
    row = SuiteRow(
        probe=probe,
        package=_name(document),
        python=document.python,
        exit_code=code,
        answer=document.verdict,
        why=document.seen,
        problem="" if code is ExitCode.FOUND else document.seen,
        elapsed_s=elapsed_s,
    )
    return junit.render(SuiteReport(exit_code=code, elapsed_s=elapsed_s, probes=(row,))) + "\n"


def _name(document: CheckDocument) -> str:
    return f"{document.package} {document.version}"

"""The event logs of past runs: which one the user means, and the summary of each in a list.

The summary of a finished run is stored next to its log, so that a list of many runs reads no log twice.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bisect_asgi.core import codec
from bisect_asgi.core.errors import BisectError, UsageError
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.report.document import Report
from bisect_asgi.report.past import PastRun, id_of, past_run

_SCHEMA = "bisect-asgi.past-run/1"
_BY_AN_ERROR = "the log ends before the run does"


class _Kept(Struct, frozen=True, kw_only=True):
    """The cached summary of a run, which is valid as long as the log has the same size."""

    schema: str = _SCHEMA
    size: int
    run: PastRun


def past_runs(logs: Sequence[Path]) -> list[PastRun]:
    """Return what a list says of the runs with these logs, in their order."""
    return [_kept(log) or _read(log) for log in logs]


def keep(report: Report, log: Path) -> None:
    """Store the summary of a run that has ended; a full disk is no reason to fail."""
    run = past_run(report, run_id=id_of(log.stem), log=str(log))
    with suppress(OSError):
        kept = codec.to_json(_Kept(size=log.stat().st_size, run=run))
        new = _place(log).with_suffix(f".{os.getpid()}.new")
        new.write_bytes(kept)
        new.replace(_place(log))


def _place(log: Path) -> Path:
    return log.with_suffix(".summary")


def _kept(log: Path) -> PastRun | None:
    """Return the stored summary of a run; None if there is none, or the log has grown since."""
    try:
        kept = codec.from_json(_place(log).read_bytes(), _Kept)
        is_valid = kept.schema == _SCHEMA and kept.size == log.stat().st_size
    except (OSError, codec.Unreadable):
        return None
    return replace(kept.run, log=str(log)) if is_valid else None


def _read(log: Path) -> PastRun:
    """Return the summary of a run from its log, and store it if the run has ended."""
    run_id = id_of(log.stem)
    try:
        report = read_report(log)
    except BisectError as error:
        return PastRun(id=run_id, log=str(log), problem=str(error))
    if report.headline.startswith(_BY_AN_ERROR) and _is_running(log):
        return replace(past_run(report, run_id=run_id, log=str(log)), kind=None, answer="", headline="")
    keep(report, log)
    return past_run(report, run_id=run_id, log=str(log))


def _is_running(log: Path) -> bool:
    """Return whether the process that writes a log is there; its number is in the name."""
    number = log.stem.split("-")[1:2]
    if not number or not number[0].isdigit():
        return False
    try:
        os.kill(int(number[0]), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def name_of(log: Path, logs: Sequence[Path]) -> str:
    """Return the argument of `report` for a run, quoted for a shell; empty for the newest run."""
    if [*logs[:1]] == [log]:
        return ""
    return id_of(log.stem) if log in logs else shlex.quote(str(log))


def find_log(name: str, logs: Sequence[Path]) -> Path:
    """Return the log that the user means: by its path, or by the beginning of its id or of its name.

    Raises:
        UsageError: no log matches, or several do.
    """
    if Path(name).is_file():
        return Path(name)
    found = [log for log in logs if id_of(log.stem).startswith(name) or log.stem.startswith(name)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"there is no run `{name}`", hint="list them: `bisect-asgi runs`")
    ids = ", ".join(f"`{id_of(log.stem)}`" for log in found[:6])
    raise UsageError(f"several runs begin with `{name}`", hint=f"pass more of the id: {ids}")


def read_report(path: Path) -> Report:
    """Return the report of the events in a log.

    Raises:
        UsageError: the file is no event log, or its events do not belong together.
    """
    from bisect_asgi.report import log as event_log
    from bisect_asgi.report.folding import fold

    try:
        return fold(event_log.read(path))
    except (LookupError, ValueError) as error:
        # An event names a candidate that no earlier event has listed, or has a value that cannot be read.
        raise UsageError(
            f"`{path}` is damaged: its events contradict one another",
            hint="run the same command again; finished runs are cached",
        ) from error

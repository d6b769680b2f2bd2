"""`bisect-asgi doctor`: check that this machine, or each worker of a cluster, can run trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bisect_asgi.cli.output import say_sentence
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.plan.options import Options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bisect_asgi.backend.executors.doctor import Health
    from bisect_asgi.report.commands import Machine


def doctor(options: Options) -> None:
    """Check that this machine, or each worker, can run trials.

    The exit code is 0 if all that trials need is there, and 6 if something is missing.
    """
    from bisect_asgi.backend.executors import doctor as judge
    from bisect_asgi.backend.executors.dask.calls import own_kind
    from bisect_asgi.core.text import listing

    found = _examine(options.executor)
    if options.json:
        raise typer.Exit(_show_json(found))
    healths = {name: health for name, health in found.items() if not isinstance(health, Exception)}
    _show(found)
    faults = 0
    for name, health in found.items():
        if isinstance(health, Exception):
            faults += 1
            _complain(name, str(health), getattr(health, "hint", None))
            continue
        for complaint in judge.complaints(health, own_kind()):
            faults += 1
            _complain(name, complaint.text, complaint.hint)
    for name, health in healths.items():
        for text in health.sandbox.notes():
            typer.echo(f"\nnote: {name}: {text}", err=True)
    for versions, names in judge.missing_interpreters(healths).items():
        where = listing(names, most=9)
        have = "has" if len(names) == 1 else "have"
        told = f"{where} {have} no Python {listing(versions, most=9)}"
        say_sentence(f"\nnote: {told}; trials that need it run on other workers")
    raise typer.Exit(ExitCode.UNAVAILABLE if faults else ExitCode.FOUND)


def _examine(where: str | None) -> Mapping[str, Health | Exception]:
    """Return what each machine or worker has, or why it could not be examined, by name."""
    import platform

    from bisect_asgi.backend.executors import doctor as judge
    from bisect_asgi.backend.executors import open_cluster
    from bisect_asgi.cli.wiring.local import indexes
    from bisect_asgi.cli.wiring.paths import CachePaths

    if where is None:
        return {platform.node(): judge.examine(CachePaths.folder(), indexes())}
    from bisect_asgi.cli.wiring.worker import ExamineWorker

    with open_cluster(where, 1, suitable=False) as cluster:
        answers = cluster.workers.ask(ExamineWorker(indexes=indexes()))
        hosts = cluster.workers.hosts()
    return {f"{hosts.get(address, '')} {address}".strip(): health for address, health in answers.items()}


def _show(found: Mapping[str, Health | Exception]) -> None:
    """Print a table with a line for each machine."""
    from bisect_asgi.core.text import size

    titles = ("machine", "bisect-asgi", "on Python", "platform", "cores", "uv", "git", "free", "index")
    lines: list[tuple[str, ...]] = [(*titles, "sandbox", "interpreters")]
    for name, health in found.items():
        if isinstance(health, Exception):
            lines.append((name, *("?" for _ in titles), "?"))
            continue
        own = (health.kind.version, health.python, health.kind.machine, str(health.cores))
        room = "no" if health.cache_fault else size(health.free_bytes)
        programs = (health.uv or "no", health.git or "no", room)
        index = "off" if health.is_offline else "no response" if health.index_faults else "answers"
        confined = str(health.sandbox.level)
        lines.append((name, *own, *programs, index, confined, " ".join(health.interpreters) or "none"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _complain(name: str, text: str, hint: str | None) -> None:
    say_sentence(f"\nerror: {name}: {text}")
    if hint:
        say_sentence(f"\nhint: {hint}")


def _show_json(found: Mapping[str, Health | Exception]) -> int:
    """Print the document about the machines, and return its exit code."""
    from bisect_asgi.cli.output import show_json
    from bisect_asgi.core import codec
    from bisect_asgi.report.commands import doctor_document

    document = doctor_document([_machine(name, health) for name, health in found.items()])
    show_json(codec.to_json(document).decode())
    return document.exit_code


def _machine(name: str, health: Health | Exception) -> Machine:
    from bisect_asgi.backend.executors import doctor as judge
    from bisect_asgi.backend.executors.dask.calls import own_kind
    from bisect_asgi.report.commands import Fault, Machine

    if isinstance(health, Exception):
        return Machine(name=name, faults=(Fault(text=str(health), hint=getattr(health, "hint", None)),))
    faults = judge.complaints(health, own_kind())
    return Machine(
        name=name,
        version=health.kind.version,
        python=health.python,
        platform=health.kind.machine,
        cores=health.cores,
        uv=health.uv,
        git=health.git,
        interpreters=health.interpreters,
        cache=health.cache,
        free_bytes=health.free_bytes,
        sandbox=str(health.sandbox.level),
        notes=tuple(health.sandbox.notes()),
        faults=tuple(Fault(text=fault.text, hint=fault.hint) for fault in faults),
    )

"""Open one release's environment for a person: for `shell` and `exec`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import typer

from bisect_asgi.cli.output import say, show_error
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unavailable
from bisect_asgi.core.model import UNTESTABLE_EXIT, Observation, Outcome, Phase, TrialRequest
from bisect_asgi.core.records import replace

if TYPE_CHECKING:
    from bisect_asgi.backend.trials.bench import Bench
    from bisect_asgi.backend.trials.runs import Held
    from bisect_asgi.core.plan.options import Options

DECIDED_BY = ("a person", "")


class _CopyOut:
    """In place of a run, copies the environment for as long as `opened` is open."""

    def __init__(self, opened: ExitStack) -> None:
        self._opened = opened
        self.bench: Bench | None = None

    def __call__(self, request: TrialRequest, held: Held, token: CancelToken) -> Observation:  # noqa: ARG002
        self.bench = self._opened.enter_context(held.bench())
        return Observation(outcome=Outcome.PASSED, phase=Phase.CHECK)


@contextmanager
def open_bench(release: str, options: Options) -> Iterator[Bench]:
    """Build a release's environment and open a copy of it; end the command with 125 if it cannot be built.

    Raises:
        UsageError: the release does not exist, or an option is invalid.
        Unavailable: the build has no result.
    """
    from bisect_asgi import session
    from bisect_asgi.cli.probe_files import read_plan
    from bisect_asgi.cli.wiring.paths import CachePaths
    from bisect_asgi.cli.wiring.sessions import open_session
    from bisect_asgi.core.plan import named_release
    from bisect_asgi.report.progress.plain import PlainSink

    name, version = named_release(release)
    plan = read_plan(replace(options, package=name, jobs=1), decided_by=DECIDED_BY)
    with ExitStack() as opened:
        copy_out, places = _CopyOut(opened), CachePaths.configured()
        emit = PlainSink(say, verbose=False)
        with open_session(plan, places, emit, decider=copy_out, keeps_runs=False) as (_, services):
            _, trial = session.check(plan, version, services, emit)
        if copy_out.bench is None:
            raise _no_environment(release, trial.observations[-1])
        yield copy_out.bench


def _no_environment(release: str, seen: Observation) -> Exception:
    """Return what ends the command if a release has no environment."""
    reason = seen.signature.shown if seen.signature else str(seen.outcome)
    if seen.outcome is not Outcome.UNTESTABLE:
        return Unavailable(f"no environment for `{release}`: {reason}", hint="run the same command again")
    show_error(f"`{release}` is untestable: {reason}", "pass another release, `--python` or `--deps`")
    return typer.Exit(UNTESTABLE_EXIT)

"""A function as the probe: it runs in this process, and runs programs in the environment of a candidate."""

from __future__ import annotations

import linecache
import shlex
import subprocess
import traceback
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic, process_time
from types import CodeType

from bisect_asgi.backend.environments import Environment as BuiltFolder
from bisect_asgi.backend.trials.runs import Held
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BisectError, Cancelled, UsageError
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import FailureKind, Observation, Outcome, Phase, Probe, TrialRequest
from bisect_asgi.core.records import replace


class Skip(Exception):
    """Raised by a function that cannot tell whether a release is good or bad: the release is untestable."""


class Completed(subprocess.CompletedProcess[str]):
    """A program that ran in the environment; `stdout` has the end of all that it printed."""

    def __init__(self, args: tuple[str, ...], observation: Observation) -> None:
        super().__init__(args, _exit_code(observation), observation.output_tail, None)
        self.observation = observation
        """The outcome of the run: times, memory, metrics, failure."""


class TimedOut(subprocess.TimeoutExpired):
    """A program that was killed at its time limit."""

    def __init__(self, args: tuple[str, ...], timeout_s: float, observation: Observation) -> None:
        super().__init__(args, timeout_s, observation.output_tail.encode())
        self.observation = observation


class Environment:
    """The environment of a candidate, as a function that is the probe gets it."""

    def __init__(
        self, request: TrialRequest, built: BuiltFolder, run: Callable[[Probe], Observation]
    ) -> None:
        self._probe = request.probe
        self._built = built
        self._run = run
        self.label = request.label
        """The candidate: the release, or the date, the Python, the commit."""

    @property
    def folder(self) -> Path:
        """The directory of the environment, which must not be written to."""
        return self._built.folder

    @property
    def python(self) -> Path:
        """The Python of the environment."""
        return self._built.bin / "python"

    @property
    def versions(self) -> dict[str, str]:
        """The installed version of each distribution, by its normalized name."""
        return {each.name: each.version for each in self._built.distributions}

    def run(self, *args: str | Path, timeout: float | None = None) -> Completed:
        """Run a program of the environment like a probe: supervised, confined, in its own working directory.

        Args:
            args: the program and its arguments; `python` is the environment's.
            timeout: seconds, at most those of the probe.

        Raises:
            subprocess.TimeoutExpired: the program did not end in time, and was killed.
            BisectError: it could not be run.
        """
        words = tuple(map(str, args))
        limit_s = self._probe.timeout_s if timeout is None else min(timeout, self._probe.timeout_s)
        seen = self._run(replace(self._probe, command=shlex.join(words), decided_by="", timeout_s=limit_s))
        if seen.signature is not None and seen.signature.kind is FailureKind.TIMEOUT:
            raise TimedOut(words, limit_s, seen)
        return Completed(words, seen)


def _exit_code(seen: Observation) -> int:
    """Return the exit code of a run; -9 if a limit other than the time limit ended it."""
    return -9 if seen.exit_code is None else seen.exit_code


Check = Callable[[Environment], object]
"""A function as the probe.

It passes if it returns None or True, and fails if it returns False or raises an exception. If it returns the
result of `run`, that run decides. A mapping of numbers is taken as metrics. `Skip` means that the release is
untestable.
"""


class FunctionDecider:
    """Decides by a function, which is called once for each run, from any thread."""

    def __init__(self, function: Check, *, key: str | None) -> None:
        self._function = function
        self._has_key = key is not None
        self.name = f"function {key or uuid.uuid4().hex}"

    @property
    def keeps_runs(self) -> bool:
        """Whether later commands may use runs of the function: only a key identifies it."""
        return self._has_key

    @property
    def shown(self) -> str:
        """The function's name."""
        return getattr(self._function, "__qualname__", repr(self._function))

    def __call__(self, request: TrialRequest, held: Held, token: CancelToken) -> Observation:
        """Call the function once, and return the observation."""
        began_s, cpu_s, runs = monotonic(), process_time(), list[Observation]()

        def observed(probe: Probe) -> Observation:
            token.check()
            runs.append(held.run(probe))
            return runs[-1]

        seen = self._seen(Environment(request, held.environment, observed))
        return replace(
            seen,
            wall_s=monotonic() - began_s,
            cpu_s=sum(each.cpu_s for each in runs) if runs else process_time() - cpu_s,
            peak_bytes=max((each.peak_bytes or 0 for each in runs), default=0) or None,
            output_tail=seen.output_tail or "".join(each.output_tail for each in runs)[-_MOST_OUTPUT:],
            sandbox=runs[-1].sandbox if runs else None,
        )

    def _seen(self, environment: Environment) -> Observation:
        try:
            return _of_value(self._function(environment))
        except (BisectError, Cancelled):
            raise
        except TimedOut as error:
            return error.observation
        except Skip as reason:
            sign = signature.of_environment(Phase.CHECK, str(reason) or "the function skipped it")
            return Observation(outcome=Outcome.UNTESTABLE, phase=Phase.CHECK, signature=sign)
        except Exception as error:
            return _of_exception(error, getattr(self._function, "__code__", None))


_MOST_OUTPUT = 64 * 1024


def _of_value(value: object) -> Observation:
    """Return the observation of a run by the function's value."""
    if isinstance(value, Completed):
        return value.observation
    if isinstance(value, Mapping):
        metrics = {str(name): float(number) for name, number in value.items()}
        return Observation(outcome=Outcome.PASSED, phase=Phase.CHECK, metrics=metrics)
    if value is None or value is True:
        return Observation(outcome=Outcome.PASSED, phase=Phase.CHECK)
    if value is False:
        sign = signature.of_exception("AssertionError", "it returned False", phase=Phase.CHECK)
        return Observation(outcome=Outcome.FAILED, phase=Phase.CHECK, signature=sign)
    raise UsageError(
        f"the function returned `{value!r:.80}`, which is no result",
        hint="return None, True, False, what `run` returned, or a mapping of metrics",
    )


def _of_exception(error: Exception, code: CodeType | None) -> Observation:
    """Return the observation of a run by an uncaught exception of the function."""
    frames = tuple(
        (frame.filename, frame.lineno or 0, frame.name)
        for frame in traceback.extract_tb(error.__traceback__)
        if "/bisect_asgi/library/" not in frame.filename
    )
    own = {} if code is None else {Path(code.co_filename).name: _source(code.co_filename)}
    sign = signature.of_exception(
        type(error).__name__, str(error), phase=Phase.CHECK, frames=frames, probe_files=own
    )
    output = "".join(traceback.format_exception(error))
    return Observation(
        outcome=Outcome.FAILED, phase=Phase.CHECK, signature=sign, frames=frames, output_tail=output
    )


def _source(file: str) -> bytes:
    """Return the source of a file, or of a notebook's cell."""
    return "".join(linecache.getlines(file)).encode()

"""Drive a served probe: a child process with the tool's Python.

    python -P -m bisect_asgi.backend.served.drive REQUEST_FILE

The driver binds the server's socket, and the server inherits it. If only the port number were chosen here,
another process could take the port before the server binds it. The driver starts the server with the
environment's Python, waits for its message that it is ready, calls the probe, and ends the server. It writes
the result into a file of the run's report directory, and the server's log to the standard output.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import SupportsFloat

from bisect_asgi.backend.in_candidate import bisect_asgi_client as client
from bisect_asgi.backend.in_candidate.bisect_asgi_client import NotReady, Skip, end, load_probe, start
from bisect_asgi.backend.served.request import RESULT, UNREADABLE_METRIC, Driven, DriveRequest
from bisect_asgi.backend.served.server import Server
from bisect_asgi.core import codec, metrics
from bisect_asgi.core.judge import tracebacks
from bisect_asgi.core.metrics import Reported
from bisect_asgi.core.metrics.quantities import Number
from bisect_asgi.core.model import UNTESTABLE_EXIT, Outcome, Phase, ReadyMadeLoad
from bisect_asgi.core.records import replace

_INSIDE = Path(__file__).parent.parent / "in_candidate" / "bisect_asgi_serve.py"
_LOG_TAIL = 32 * 1024
_SEARCHED = 1024 * 1024
# uvicorn logs the traceback of a failed lifespan as a message, after the level.
_LEVEL = re.compile(r"^[A-Z]+: +(?=Traceback )", re.MULTILINE)


class StartFailed(Exception):
    """The server did not get ready; `driven` is the result of the run."""

    def __init__(self, driven: Driven) -> None:
        super().__init__(driven.message)
        self.driven = driven


def main() -> None:
    """Run the request of the command line."""
    # httpx imports its own command with click, pygments and rich, and does without it too.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    request = codec.from_json(Path(sys.argv[1]).read_bytes(), DriveRequest)
    driven = replace(run(request), own_cpu_s=time.process_time())
    Path(request.report, RESULT).write_bytes(codec.to_json(driven))


def run(request: DriveRequest) -> Driven:
    """Serve the app, call the probe, and return the result."""
    try:
        probe = ready_made(request.load) if request.load else load_probe(Path(str(request.probe_file)))
    except Exception as error:
        return Driven(outcome=Outcome.ERROR, phase=Phase.DRIVE, type=type(error).__name__, message=str(error))
    log, killed = Path(request.report, "server.log"), list[bool]()
    try:
        with serving(request, log, on_killed=lambda: killed.append(True)) as server:
            driven = drive(server, probe)
    except StartFailed as error:
        driven = error.driven
    finally:
        _print_log(log.read_bytes())
    return replace(driven, server_killed=bool(killed))


def _print_log(log: bytes) -> None:
    """Print the end of the server's log, and before it the lines with metrics of the rest."""
    start = log.rfind(b"\n", 0, max(0, len(log) - _LOG_TAIL)) + 1
    marked = metrics.MarkedLines()
    marked.add(log[:start])
    for line in marked.end():
        print(line)  # noqa: T201
    sys.stdout.write(log[start:].decode("utf-8", errors="replace"))


@contextmanager
def serving(request: DriveRequest, log: Path, *, on_killed: Callable[[], object] = bool) -> Iterator[Server]:
    """Start the server, yield it when it is ready, and end it afterwards, by force if needed.

    `on_killed` is called at the end if something else has killed the server or one of its workers.
    """
    with log.open("wb") as output:
        what = {"file": request.app_file, "name": request.app_name, "options": request.options}
        command = [request.python, str(_INSIDE)]
        process, address, ours = start(command, what, environ=request.environ, output=output)
    server = Server(address, pid=process.pid, control=ours, log=log)
    try:
        for _ in range(workers_of(request)):
            wait_until_ready(server, process, request.startup_s)
        yield server
    finally:
        server.close()
        if end(process):
            on_killed()
        ours.close()


def workers_of(request: DriveRequest) -> int:
    """Return how many processes will report that they are ready."""
    return int(request.options.get("workers") or 1)


def wait_until_ready(server: Server, process: subprocess.Popen[bytes], limit_s: float) -> None:
    """Read the server's messages until it is ready.

    Raises:
        StartFailed: the server failed, ended, or was not ready in time.
    """
    try:
        client.wait_until_ready(server, process, limit_s)
    except NotReady as error:
        phase, is_late = Phase(error.phase), error.kind == "TimeoutError"
        driven = failed(
            phase,
            error.kind,
            str(error),
            frames=codec.convert(error.frames, tuple[tuple[str, int, str], ...]),
            stacks=_server_stacks(server) if is_late and phase is Phase.STARTUP else "",
        )
        has_ended = error.kind == "ServerEnded"
        raise StartFailed(with_server_error(driven, server) if has_ended else driven) from None


def failed(
    phase: Phase,
    kind: str,
    message: str,
    *,
    frames: tuple[tuple[str, int, str], ...] = (),
    stacks: str = "",
) -> Driven:
    """Return the result of a failure."""
    return Driven(
        outcome=Outcome.FAILED,
        phase=phase,
        type=kind,
        message=message.encode("utf-8", "replace").decode(),  # JSON cannot hold lone surrogates
        frames=frames,
        stacks=stacks,
    )


def with_server_error(driven: Driven, server: Server) -> Driven:
    """Return the result with the last exception that the server has logged, if the run failed."""
    if driven.outcome is not Outcome.FAILED:
        return driven
    return replace(driven, server_raised=tracebacks.last(_LEVEL.sub("", server.log[-_SEARCHED:])))


def drive(server: Server, probe: Callable[[Server], object]) -> Driven:
    """Call the probe and return the result; an exception of the probe is a failure."""
    return with_server_error(_drive(server, probe), server)


def _drive(server: Server, probe: Callable[[Server], object]) -> Driven:
    try:
        return passed(reported(call(probe, server)))
    except Skip as error:
        return Driven(outcome=Outcome.UNTESTABLE, phase=Phase.DRIVE, type="skip", message=str(error))
    except SystemExit as error:
        return exited(error.code)
    except Exception as error:
        traceback.print_exc(file=sys.stdout)
        frames = tuple(
            (frame.filename, frame.lineno or 0, frame.name)
            for frame in traceback.extract_tb(error.__traceback__)
        )
        phase = Phase.CHECK if isinstance(error, AssertionError) else Phase.DRIVE
        return failed(phase, type(error).__name__, str(error), frames=frames, stacks=stacks_of(server, error))


def passed(measured: Reported) -> Driven:
    """Return the result of a probe that returned: passed, or untestable if a metric cannot be read."""
    return Driven(
        outcome=Outcome.UNTESTABLE if measured.problem else Outcome.PASSED,
        phase=Phase.CHECK,
        type=UNREADABLE_METRIC if measured.problem else "",
        message=measured.problem.encode("utf-8", "replace").decode(),
        metrics=measured.values,
        units=measured.units,
    )


def exited(code: object) -> Driven:
    """Return the result of `sys.exit` in a probe; the codes are git bisect's, as for scripts."""
    if code in (None, 0):
        return Driven(outcome=Outcome.PASSED, phase=Phase.CHECK)
    if code == UNTESTABLE_EXIT:
        return Driven(outcome=Outcome.UNTESTABLE, phase=Phase.CHECK, type="skip", message="exit code 125")
    return failed(Phase.CHECK, "SystemExit", str(code))


def stacks_of(server: Server, error: Exception) -> str:
    """Return the server's stacks if the probe failed with a time-out, else ""."""
    waited = isinstance(error, TimeoutError) or "Timeout" in type(error).__name__
    return _server_stacks(server) if waited else ""


def _server_stacks(server: Server) -> str:
    """Return the server's stacks, or "" if it does not respond (native code may hold the GIL)."""
    try:
        return server.stacks()
    except (OSError, ValueError):
        return ""


def call(probe: Callable[[Server], object], server: Server) -> object:
    """Call `probe`, in an event loop if it is a coroutine function."""
    if inspect.iscoroutinefunction(probe):

        async def awaited() -> object:
            async with server.async_client:
                return await probe(server)

        return asyncio.run(awaited())
    return probe(server)


def reported(returned: object) -> Reported:
    """Return a probe's return value as metrics; a single number is called `value`."""
    match returned:
        case None:
            return Reported()
        case dict():
            return metrics.of_values({name: _number(value) for name, value in returned.items()})
        case str() | SupportsFloat():
            return metrics.of_values({"value": _number(returned)})
        case _:
            kind = type(returned).__name__
            return Reported(problem=f"a probe returns nothing, a number or a dict of numbers, not {kind}")


def _number(value: object) -> object:
    """Return the value as a float if it can be one, such as a library's own kind of number."""
    if isinstance(value, Number):
        return value
    try:
        return float(value) if isinstance(value, SupportsFloat) else value
    except (OverflowError, TypeError, ValueError):
        return value


def ready_made(load: ReadyMadeLoad) -> Callable[[Server], object]:
    """Return the probe of `--load`, which sends the requests and measures memory and latency."""

    units = {"growth": "B", "rate": "1/s"}

    def probe(server: Server) -> dict[str, Number]:
        done = client.drive_load(
            server,
            request=load.request,
            requests=load.requests,
            concurrency=load.concurrency,
            keep_alive=load.keep_alive,
        )
        return {name: Number(value, units.get(name, "s")) for name, value in done.items()}

    return probe


if __name__ == "__main__":
    main()

"""Reproduce a report's result without bisect-asgi: run the probe as bisect-asgi does, and judge its runs.

`report/standalone.py` makes one script of this file, of the files next to it, and of the constants below.
"""

import asyncio
import http.client
import inspect
import json
import os
import re
import resource
import select
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zlib
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from bisect_asgi.backend.in_candidate.bisect_asgi_client import (
    Handle,
    Load,
    NotReady,
    Skip,
    drive_load,
    end,
    load_probe,
    readings,
    run_in_a_loop,
    start,
    wait_until_ready,
)
from bisect_asgi.backend.in_candidate.bisect_asgi_serve import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

PROBE = ""
COMMAND = ""
APP = ""
APP_NAME = "app"
LOAD: "dict[str, Any]" = {}
UVICORN: "dict[str, Any]" = {}
STARTUP_S = 30.0
TIMEOUT_S = 120.0
FAILURES: "Sequence[str]" = ()
HANGS = False
METRIC = ""
ABOVE: "float | None" = None
BELOW: "float | None" = None
RUNS = 1
GOOD, BAD = "good", "bad"

UNTESTABLE = 125
KILLED = [False]
METHODS = ("get", "options", "head", "post", "put", "patch", "delete")
UNITS = {
    **{"": (1.0, ""), "%": (0.01, "%"), "/s": (1.0, "1/s"), "1/s": (1.0, "1/s")},
    **{"ns": (1e-9, "s"), "us": (1e-6, "s"), "µs": (1e-6, "s"), "ms": (1e-3, "s")},
    **{"s": (1.0, "s"), "min": (60.0, "s"), "h": (3600.0, "s")},
    **{"b": (1.0, "B"), "kb": (1e3, "B"), "mb": (1e6, "B"), "gb": (1e9, "B"), "tb": (1e12, "B")},
    **{"kib": (2.0**10, "B"), "mib": (2.0**20, "B"), "gib": (2.0**30, "B"), "tib": (2.0**40, "B")},
}
NUMBER = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)\s*([^\d\s.,].*|1/s)?", re.IGNORECASE)


def in_base_unit(value: object) -> float:
    """Return a number, or a text such as `250 ms` or `8 MiB`, in seconds, bytes, fractions or times a second."""
    if not isinstance(value, str):
        return float(value)  # type: ignore[arg-type]
    found = NUMBER.fullmatch(value.strip())
    unit = (found.group(2) or "").lower().replace("\u03bc", "\u00b5") if found else ""
    if not found or unit not in UNITS:
        raise ValueError("`%s` is no number with a known unit" % value)
    return float(found.group(1)) * UNITS[unit][0]


class ReadTimeout(TimeoutError):
    """No response came within the limit; the class has httpx's name."""


class RemoteProtocolError(Exception):
    """The server closed the connection, or sent no valid response; the class has httpx's name."""


class Answer:
    """A response with httpx's attributes; upper and lower case in the names of headers do not matter."""

    def __init__(self, response: http.client.HTTPResponse, content: bytes) -> None:
        self.status_code = response.status
        self.reason_phrase = response.reason
        self.headers = response.headers
        self.content = decoded(content, response.headers.get("content-encoding", ""))
        self.is_success = 200 <= response.status < 300

    @property
    def text(self) -> str:
        return self.content.decode(self.headers.get_content_charset() or "utf-8", "replace")

    def json(self) -> "Any":
        return json.loads(self.content.decode())

    def raise_for_status(self) -> "Answer":
        if self.status_code >= 400:
            raise HTTPStatusError("%d %s" % (self.status_code, self.reason_phrase))
        return self


class HTTPStatusError(Exception):
    """The status is that of an error; the class has httpx's name."""


def decoded(content: bytes, encoding: str) -> bytes:
    return zlib.decompress(content, 47) if encoding in ("gzip", "deflate") and content else content


class Client:
    """Those parts of `httpx.Client` that probes use: requests over one persistent connection for each thread."""

    def __init__(self, address: "tuple[str, int]") -> None:
        self._address = address
        self._of_thread = threading.local()

    def __getattr__(self, name: str) -> "Callable[..., Answer]":
        if name not in METHODS:
            raise AttributeError("this client has no `%s`: use bisect-asgi itself" % name)
        return partial(self.request, name.upper())

    def request(
        self,
        method: str,
        url: str,
        *,
        params: "Mapping[str, Any] | None" = None,
        headers: "Mapping[str, str] | None" = None,
        content: "bytes | str | None" = None,
        data: "Mapping[str, Any] | None" = None,
        json: object = None,
        timeout: float = 10.0
    ) -> Answer:
        body, kind = body_of(content, data, json)
        sent = {"host": "%s:%d" % self._address, "accept": "*/*", "accept-encoding": "gzip, deflate"}
        sent.update({"connection": "keep-alive", "user-agent": "python-httpx"})
        if body or method in ("POST", "PUT", "PATCH"):
            sent["content-length"] = str(len(body))
        if kind:
            sent["content-type"] = kind
        sent.update({name.lower(): value for name, value in (headers or {}).items()})
        target = url + ("?" + urlencode(params, doseq=True) if params else "")
        return self._exchange(method, target, sent, body, timeout)

    def _exchange(self, method: str, target: str, headers: "dict[str, str]", body: bytes, timeout: float) -> Answer:
        connection = self._connected(timeout)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body or None)
            response = connection.getresponse()
            return Answer(response, response.read())
        except OSError as error:
            connection.close()
            is_late = type(error).__name__ in ("timeout", "TimeoutError")  # "timeout" before Python 3.10
            raise (ReadTimeout("timed out") if is_late else RemoteProtocolError(str(error))) from None
        except http.client.HTTPException as error:
            connection.close()
            raise RemoteProtocolError(str(error)) from None

    def _connected(self, timeout: float) -> http.client.HTTPConnection:
        """Return this thread's connection; a new one if the server has closed the last one."""
        kept = getattr(self._of_thread, "kept", None)
        if kept is None or kept.sock is None or select.select([kept.sock], [], [], 0)[0]:
            if kept is not None:
                kept.close()
            kept = self._of_thread.kept = http.client.HTTPConnection(*self._address, timeout=timeout)
            kept.connect()
        kept.sock.settimeout(timeout)
        return kept


def body_of(content: "bytes | str | None", data: "Mapping[str, Any] | None", value: object) -> "tuple[bytes, str]":
    """Return the body of a request, and its type."""
    if value is not None:
        compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return compact.encode(), "application/json"
    if data is not None:
        return urlencode(data, doseq=True).encode(), "application/x-www-form-urlencoded"
    return (content or "").encode() if not isinstance(content, bytes) else content, ""


class AsyncClient:
    """The same client for `async def probe`: each request is made in a thread of its own."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> "Callable[..., Any]":
        method = getattr(self._client, name)

        async def requested(*arguments: "Any", **how: "Any") -> "Any":
            loop, done = asyncio.get_event_loop(), asyncio.Event()
            result: "list[Any]" = []

            def work() -> None:
                try:
                    result.append(method(*arguments, **how))
                except BaseException as error:
                    result.append(error)
                loop.call_soon_threadsafe(done.set)

            threading.Thread(target=work, daemon=True).start()
            await done.wait()
            if isinstance(result[0], BaseException):
                raise result[0]
            return result[0]

        return requested


class Server(Handle):
    """The `server` that a probe is called with."""

    @property
    def client(self) -> Client:
        if "_client" not in self.__dict__:
            self._client = Client(self.address)
        return self._client

    @property
    def async_client(self) -> AsyncClient:
        return AsyncClient(self.client)

    def load(
        self,
        request: "Any" = "GET /",
        *,
        requests: int = 1000,
        concurrency: int = 1,
        keep_alive: bool = True,
        timeout_s: float = 10.0,
        duration_s: "float | None" = None
    ) -> Load:
        load = Load()
        how = {"requests": requests, "concurrency": concurrency, "keep_alive": keep_alive}
        self.send_requests(request, load, timeout_s=timeout_s, duration_s=duration_s, **how)
        return load

    def memory(self) -> int:
        return memory_of(self.pid)

    def growth(
        self, drive: "Callable[[int], object]", *, requests: int = 400, warm_up: int = 100, samples: int = 8
    ) -> "Slope":
        return Slope(*readings(drive, self.memory, requests=requests, warm_up=warm_up, samples=samples))


class Slope:
    """Return the slope of the least squares line, per 1000 of x, and the half width of its 95% interval."""

    def __init__(self, x: "Sequence[float]", y: "Sequence[float]") -> None:
        middle, level = statistics.mean(x), statistics.mean(y)
        spread = sum((a - middle) ** 2 for a in x)
        slope = sum((a - middle) * (b - level) for a, b in zip(x, y)) / spread
        rest = sum((b - level - slope * (a - middle)) ** 2 for a, b in zip(x, y))
        freedom = len(x) - 2
        quantiles = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179)
        quantile = quantiles[freedom - 1] if freedom <= len(quantiles) else 1.96
        self.value = 1000 * slope
        self.plus_minus = 1000 * quantile * (rest / freedom / spread) ** 0.5 if freedom else float("inf")


def memory_of(pid: int) -> int:
    """Return the memory of a process and all below it in bytes, with what they share counted once."""
    tree = processes_of(pid)
    return sum(resident(each) if len(tree) == 1 else proportional(each) for each in tree)


def processes_of(pid: int) -> "list[int]":
    if not os.path.isdir("/proc/self"):
        listed = subprocess.check_output(["ps", "-A", "-o", "pid=,ppid="], universal_newlines=True)
        pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
        below = [child for child, parent in pairs if parent == pid]
    else:
        lists = Path("/proc/%d/task" % pid).glob("*/children")
        below = [int(child) for path in lists for child in path.read_text().split()]
    return [pid] + [each for child in below for each in processes_of(child)]


def resident(pid: int) -> int:
    if not os.path.isdir("/proc/self"):
        return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)])) * 1024
    return int(Path("/proc/%d/statm" % pid).read_text().split()[1]) * resource.getpagesize()


def proportional(pid: int) -> int:
    try:
        lines = Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except OSError:
        return resident(pid)


def run_served() -> "dict[str, float]":
    """Serve the app, call the probe, and return its metrics; raise an error if one of these fails."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "server.log")
        request = {"file": os.path.abspath(APP), "name": APP_NAME, "options": UVICORN}
        command = [sys.executable, os.path.abspath(__file__), "--serve"]
        environ = dict(os.environ, PYTHONUNBUFFERED="1")
        with written.open("wb") as stream:
            process, address, control = start(command, request, environ=environ, output=stream)
        server = Server(address, pid=process.pid, control=control, log=written)
        try:
            with limited(process, server):
                for _ in range(int(UVICORN.get("workers") or 1)):
                    wait_until_ready(server, process, STARTUP_S)
                returned = drive_load(server, **LOAD) if LOAD else call_probe(server)
        finally:
            KILLED[0] = end(process)
            control.close()
            output = written.read_text(encoding="utf-8", errors="replace")
            sys.stdout.write(output[-32768:])
        return returned_metrics(returned, printed_metrics(output)) if METRIC else {}


def call_probe(server: Server) -> "Any":
    returned = load_probe(PROBE)(server)
    return run_in_a_loop(returned) if inspect.iscoroutine(returned) else returned


def returned_metrics(returned: "Any", measured: "dict[str, float]") -> "dict[str, float]":
    """Return what the probe returned: a number, which is called `value`, or a dict; and what was printed."""
    if isinstance(returned, dict):
        measured.update((name, in_base_unit(value)) for name, value in returned.items())
    elif returned is not None:
        measured["value"] = in_base_unit(returned)
    return measured


def run_program() -> "dict[str, float]":
    """Run the script or the command, and return its metrics; raise an error if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "metrics.json")
        command = ["/bin/sh", "-c", COMMAND] if COMMAND else [sys.executable, PROBE]
        environ = dict(os.environ, BISECT_ASGI_METRICS=str(file), VIRTUAL_ENV=sys.prefix)
        environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), environ.get("PATH", os.defpath)])
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        with limited(process):
            output = process.communicate()[0].decode("utf-8", "replace")
        sys.stdout.write(output)
        KILLED[0] = process.returncode in (-9, 137)  # 137 is a shell's
        if process.returncode:
            raise Skip("it ended with exit code %d" % process.returncode)
        measured = printed_metrics(output)
        if file.exists():
            measured.update((name, in_base_unit(value)) for name, value in json.loads(file.read_text()).items())
        return measured


def printed_metrics(output: str) -> "dict[str, float]":
    """Return the metrics in lines of the form `@metric NAME VALUE [UNIT]`."""
    found = re.findall(r"^@metric\s+(\S+)\s+(.+)$", output, re.MULTILINE)
    return {name: in_base_unit(value.strip()) for name, value in found}


@contextmanager
def limited(process: "subprocess.Popen[bytes]", server: "Server | None" = None) -> "Iterator[None]":
    """End the program if this takes longer than the time limit."""
    timer = threading.Timer(TIMEOUT_S, give_up, [process, server])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def give_up(process: "subprocess.Popen[bytes]", server: "Server | None") -> None:
    print(stacks_of(server) if HANGS else "")
    process.kill()
    is_known = "time-out" in FAILURES
    print("%s: no result within %g s" % (BAD if is_known else "untestable", TIMEOUT_S), flush=True)
    os._exit(1 if is_known else UNTESTABLE)


def stacks_of(server: "Server | None") -> str:
    """Return the server's stacks, or a text if it does not answer."""
    try:
        return server.stacks() if server is not None and not server._asking.locked() else ""
    except (OSError, ValueError):
        return "the server does not answer"


def run_once() -> "tuple[int, float | None]":
    """Run the probe once, and again if something else kills that run, as a kernel without memory does."""
    seen = run_alone()
    if not KILLED[0]:
        return seen
    print("something else has killed this run, so it is made again", flush=True)
    return run_alone()


def run_alone() -> "tuple[int, float | None]":
    """Run the probe once; return the exit code of a run that does not pass, else 0 and the metric's value."""
    begun, spent_s = time.perf_counter(), children_s()
    try:
        measured = run_served() if APP else run_program()
    except Skip as error:
        print("untestable: %s" % error)
        return UNTESTABLE, None
    except Exception as error:
        return failed(error), None
    wall_s, cpu_s = time.perf_counter() - begun, children_s() - spent_s
    return decisive(measured, wall_s, cpu_s) if METRIC else (0, None)


def children_s() -> float:
    """Return the processor time of the programs that were run so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def decisive(measured: "dict[str, float]", wall_s: float, cpu_s: float) -> "tuple[int, float | None]":
    """Return the value of the metric that decides."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    own = {"wall": wall_s, "cpu": cpu_s, "peak-memory": peak}
    own.update(measured)
    if METRIC not in own:
        print("untestable: it has not reported %s" % METRIC)
        return UNTESTABLE, None
    print("%s = %.6g" % (METRIC, own[METRIC]))
    return 0, own[METRIC]


def failed(error: Exception) -> int:
    """Return the exit code for a failure: bad if it is one that the search counted as bad."""
    kind = error.kind if isinstance(error, NotReady) else type(error).__name__
    if not isinstance(error, NotReady):
        traceback.print_exc(file=sys.stdout)
    is_known = kind in FAILURES
    other = "" if is_known else ", which is not the failure in the report"
    print("%s: %s: %s%s" % (BAD if is_known else "untestable", kind, error, other))
    return 1 if is_known else UNTESTABLE


def judged(values: "Sequence[float]") -> int:
    """Return the exit code for the samples of the metric: their median decides."""
    value = statistics.median(values[1:] or values)  # the first run also fills caches: no sample
    if ABOVE is None and BELOW is None:
        print("%s = %.6g: compare it with that of the other environment" % (METRIC, value))
        return 0
    is_bad = (ABOVE is not None and value > ABOVE) or (BELOW is not None and value < BELOW)
    limits = [("above", ABOVE), ("below", BELOW)]
    limit = ["%s %.6g" % (side, limit) for side, limit in limits if limit is not None]
    print("%s: %s = %.6g (%s: %s)" % (BAD if is_bad else GOOD, METRIC, value, BAD, limit[0]))
    return 1 if is_bad else 0


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    results = [run_once() for _ in range(runs)]
    code = next((code for code, _ in results if code), 0)
    conclude = judged if METRIC else passed
    return code or conclude([value for _, value in results if value is not None])


def passed(_: object) -> int:
    print(GOOD)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(json.loads(sys.argv[2]))
    else:
        sys.exit(main())

"""Serve an app with the environment's own uvicorn: standard-library code for Python 3.6 and later.

    python bisect_asgi_serve.py REQUEST_JSON

REQUEST has `file` and `name` (of the app), `listener` and `control` (descriptors of a bound socket and of a
socket to the driver) and `options` (of uvicorn's Config). Messages go over the control socket, one
JSON object a line: {"phase": "import"}, {"phase": "startup"}, {"phase": "ready"}, or {"failed": …} with the exception.
After that the driver may ask: {"ask": "objects", "number": 1}, {"ask": "stacks", "number": 2},
{"ask": "log", "number": 3}. It answers "log" as soon as the log is complete for all responses so far.
"""

import asyncio
import gc
import importlib.util
import inspect
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections import Counter
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from weakref import WeakSet

SETTLE_S = 1.0
TURNS = 20


class Control:
    """The connection to the driver."""

    def __init__(self, descriptor):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=descriptor)
        self.lock = threading.Lock()
        self.loop = None
        self.server = None
        self.overdue = WeakSet()

    def send(self, **message):
        with self.lock:
            self.socket.sendall(json.dumps(message).encode() + b"\n")

    def send_failure(self, error):
        frames = [[f.filename, f.lineno, f.name] for f in traceback.extract_tb(error.__traceback__)]
        self.send(failed={"type": type(error).__name__, "message": str(error), "frames": frames})

    def answer(self):
        """Answer the driver's questions until it closes the connection."""
        with self.socket.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                asked = json.loads(line)
                self.send(answer=getattr(self, asked["ask"])(), number=asked["number"])

    def objects(self):
        return count_objects()

    def stacks(self):
        return show_stacks(self.loop)

    def log(self):
        """Wait until what follows the responses so far is in the log, or until it takes too long."""
        if self.loop is not None and not self.loop.is_closed():
            waiting = asyncio.run_coroutine_threadsafe(responses_end(self.server, self.overdue), self.loop)
            try:
                waiting.result(SETTLE_S)
            except FutureTimeoutError:
                waiting.cancel()
                self.overdue.update(tasks_of(self.server))  # the next question does not wait for them
        sys.stdout.flush()
        sys.stderr.flush()


async def responses_end(server, overdue):
    """Wait until there are no more tasks than requests without a whole response.

    A request's task goes on after the last byte of its response: it leaves the middleware, and an exception
    that is raised there gets logged.
    """
    for _ in range(TURNS):
        await asyncio.sleep(0)
    while True:
        tasks = [task for task in tasks_of(server) if task not in overdue]
        if len(tasks) <= sum(map(is_busy, getattr(state_of(server), "connections", ()))):
            return
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def tasks_of(server):
    """Return the running tasks of requests."""
    return [task for task in getattr(state_of(server), "tasks", ()) if not task.done()]


def state_of(server):
    return getattr(server, "server_state", server)


def is_busy(connection):
    """Return whether the connection has a request without a whole response; a websocket always does."""
    cycle = getattr(connection, "cycle", connection)
    return cycle is not None and not getattr(cycle, "response_complete", False)


def count_objects():
    """Return the number of live objects by type, after a garbage collection."""
    gc.collect()
    types = Counter(type(found) for found in gc.get_objects())
    return {"%s.%s" % (kind.__module__, kind.__qualname__): count for kind, count in types.items()}


def show_stacks(loop):
    """Return the stacks of all threads and of all tasks of the loop."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident, frame in sys._current_frames().items():
        parts.append("Thread %s:\n%s" % (names.get(ident, ident), "".join(traceback.format_stack(frame))))
    every = getattr(asyncio, "all_tasks", None) or asyncio.Task.all_tasks
    for task in every(loop) if loop else ():
        parts.append("Task %r:\n%s" % (task, "".join(awaiting(task))))
    return "\n".join(parts)


def awaiting(task):
    """Yield the lines of a task's stack, outermost first; get_stack() would end at the first coroutine."""
    waiting = getattr(task, "_coro", None)
    while waiting is not None:
        kind = next((kind for kind in ("cr", "gi", "ag") if hasattr(waiting, kind + "_frame")), None)
        frame = getattr(waiting, "%s_frame" % kind, None) if kind else None
        if frame is not None:
            for line in traceback.format_stack(frame, 1):
                yield line
        waiting = getattr(waiting, "gi_yieldfrom" if kind == "gi" else "%s_await" % kind, None)


def load_app(path, name):
    """Import the file and return its app, calling it if it is a function without parameters."""
    sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    app = getattr(module, name)
    if inspect.isfunction(app) and not inspect.signature(app).parameters:
        app = app()
    return app


def reporting(server_class, control):
    """Return a subclass of uvicorn's Server that reports when it is ready."""

    class ReportingServer(server_class):
        async def startup(self, *args, **kwargs):
            control.loop = asyncio.get_event_loop()
            control.server = self
            await super().startup(*args, **kwargs)
            if getattr(self, "started", True) and not getattr(self, "should_exit", False):
                control.send(phase="ready")

    return ReportingServer


def is_first_of(workers):
    """Fork `workers` processes that share the socket; return in each whether it is the first.

    The parent passes SIGINT on to them and ends when the last one has ended, in the same way as a worker that
    was killed. uvicorn's own workers are not used: each imports the app by its name, but a function may make
    the app of a probe.
    """
    if workers == 1:
        return True
    children = set()
    for number in range(workers):
        child = os.fork()
        if child == 0:
            return number == 0
        children.add(child)
    signal.signal(signal.SIGINT, lambda *_: interrupt(children))
    ends = []
    while children:
        child, status = os.wait()
        children.discard(child)
        ends.append(status)
    if signal.SIGKILL in map(os.WTERMSIG, ends):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(1 if any(ends) else 0)


def interrupt(children):
    for child in children:
        with suppress(ProcessLookupError):  # it may just have ended
            os.kill(child, signal.SIGINT)


def serve(request):
    """Serve the app of a request until the driver ends this process."""
    control = Control(request["control"])
    try:
        control.send(phase="import")
        from uvicorn.config import Config
        from uvicorn.main import Server

        options = dict(request["options"])
        if not is_first_of(options.pop("workers", None) or 1):
            control.answer = lambda: None  # the driver expects one answer, which the first worker gives
        app = load_app(request["file"], request["name"])
        control.send(phase="startup")
        server = reporting(Server, control)(Config(app, **options))
        threading.Thread(target=control.answer, daemon=True).start()
        server.run(sockets=[socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=request["listener"])])
    except Exception as error:
        traceback.print_exc()
        control.send_failure(error)
        sys.exit(1)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))

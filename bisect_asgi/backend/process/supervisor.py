"""Run one command and leave no process of it behind: a program of its own, of standard-library code alone.

    python -I -S supervisor.py CONTROL_FD

The first process of this program forks one supervisor for each run. CONTROL_FD is a socket, over which each
request brings three descriptors: for the supervisor's standard input, for its standard output and error,
and for the result. Further ones, such as those of locks, it only keeps open.

As a *child subreaper* (prctl(2)) a supervisor inherits every orphan of the command, also those that called
setsid. So it can kill all of them, and the processor time that it reports is the whole tree's. Its own memory
is too small to count in the peak. The first process is a subreaper, too: if a supervisor is killed, the first
process inherits its tree and kills it.

The standard input brings the request, one line of JSON. After that it is the *lifeline*: when it closes,
because the run was cancelled or the tool was killed, the supervisor kills the tree. The command writes to
the supervisor's output.

From the package, this program imports only `sandbox_calls`, because it has to start in milliseconds. It runs
with `-S`, without installed packages.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import select
import signal
import socket
import sys
import time

if __name__ == "__main__":  # with -I, Python does not find the package
    sys.path.insert(0, __file__.rpartition("/bisect_asgi/backend/")[0])

from bisect_asgi.backend.process import sandbox_calls

TYPE_CHECKING = False
if TYPE_CHECKING:  # without importing typing, which takes longer than all the rest
    from collections.abc import Iterator
    from typing import Any

PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
STACKS_SIGNAL = signal.SIGUSR2
STACKS_WAIT_S, KILL_WAIT_S = 1.0, 3.0
LIFELINE = 0
MOST_DESCRIPTORS = 8


def main() -> None:
    """Fork a supervisor for each request, until the tool is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    become_subreaper()
    forbid_new_privileges()
    supervisors: set[int] = set()
    # Not SIG_IGN: the processor time of children counts as this process's, and so as the tool's, only if they
    # are waited for.
    signal.signal(signal.SIGCHLD, lambda *_: end_orphans(supervisors))
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(control, 1, MOST_DESCRIPTORS)
        except ConnectionError:  # the tool was killed before it read the last answer
            break
        if not message:
            break
        pid = fork_supervisor(control, descriptors, supervisors)
        for descriptor in descriptors:
            os.close(descriptor)
        try:
            control.send(b"%d" % pid)
        except ConnectionError:
            break
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while supervisors:  # each ends when its own lifeline closes
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        end_orphans(supervisors)


def fork_supervisor(control: socket.socket, descriptors: list[int], supervisors: set[int]) -> int:
    """Fork a supervisor; return its process number, which joins `supervisors`, or the error's negative."""
    # SIGCHLD is blocked: its handler could take the new process for an orphan before it is in `supervisors`.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    try:
        pid = os.fork()
    except OSError as error:
        pid = -(error.errno or errno.EAGAIN)
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        control.close()
        be_supervisor(*descriptors)
    if pid > 0:
        supervisors.add(pid)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    return pid


def end_orphans(supervisors: set[int]) -> None:
    """Forget the supervisors that have ended; kill what one of them has left that was killed itself."""
    for pid, _ in reap():
        supervisors.discard(pid)
    for pid in descendants(os.getpid(), is_deep=False):
        if pid not in supervisors:
            for each in (pid, *descendants(pid)):
                signal_process(each, signal.SIGKILL)


def be_supervisor(standard_input: int, output: int, result_fd: int, *kept: int) -> None:
    """Act as a supervisor in a forked process, and end it."""
    code = 1
    try:
        os.setsid()
        os.dup2(standard_input, LIFELINE)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for descriptor in (standard_input, output):
            if descriptor > 2:  # 0 to 2 are kept: without a standard error of the tool, a pipe may be 2
                os.close(descriptor)
        for descriptor in (result_fd, *kept):
            os.set_inheritable(descriptor, False)
        supervise(result_fd)
        code = 0
    except Exception as error:
        reply(result_fd, {"error": f"its supervisor failed: {error}"})
    finally:
        os._exit(code)


def supervise(result_fd: int) -> None:
    """Read the request, run it, and write the result."""
    request = read_request()
    become_subreaper()
    wakeup, _ = wake_on_child_exit()
    os.chdir(request["cwd"])
    started = time.monotonic()
    try:
        child = start(request["argv"], request["environ"], request["confine"])
    except OSError as error:
        reply(result_fd, {"error": str(error.strerror)})
        return
    deadline = started + request["timeout_s"]
    exit_code, end = wait(child, wakeup, deadline)
    wall_s = time.monotonic() - started
    if end == "time-out":
        ask_for_stacks(request["report"])
    left = kill_everything(child, wakeup)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    reply(
        result_fd,
        {
            "end": end,
            "exit_code": exit_code,
            "left": left,
            "pid": child,
            "wall_s": wall_s,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "own_cpu_s": own.ru_utime + own.ru_stime,
            "peak_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        },
    )


def read_request() -> dict[str, Any]:
    """Read the request and no byte more, because the rest is the lifeline; end if it closes before."""
    line = bytearray()
    while not line.endswith(b"\n"):
        chunk = os.read(LIFELINE, 65536)
        if not chunk:
            os._exit(0)
        line += chunk
    request: dict[str, Any] = json.loads(line)
    return request


def become_subreaper() -> None:
    """Inherit orphans on Linux; elsewhere only the process group can be killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def forbid_new_privileges() -> None:
    """Make programs with a set-user-ID bit start as the user, who can then kill them (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def wake_on_child_exit() -> tuple[int, int]:
    """Return a pipe that becomes readable when a child ends."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.set_blocking(reader, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reader, writer


def start(argv: list[str], environ: dict[str, str], rules: dict[str, Any] | None) -> int:
    """Start the command in a session of its own, with nothing to read; return its process number.

    Raises:
        OSError: it cannot be executed, or cannot be confined by the rules.
    """
    if rules is not None:
        rules["protected"] += [os.getpid(), os.getppid()]
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        be_command(argv, environ, rules, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        problem = stream.read()
    if problem:
        os.waitpid(pid, 0)
        number, _, text = problem.decode(errors="replace").partition(" ")
        raise OSError(int(number), text)
    return pid


def be_command(argv: list[str], environ: dict[str, str], rules: dict[str, Any] | None, writer: int) -> None:
    """Become the command in a forked process; if that fails, write the error's number and text and end."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, LIFELINE)
        # Python ignores these signals. A command that inherits this would not end when its pipe is closed.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        if rules is not None:
            sandbox_calls.enter(rules)
        try:
            os.execvpe(argv[0], argv, environ)  # noqa: S606
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}: {argv[0]}") from error
    except OSError as error:
        os.write(writer, b"%d %s" % (error.errno or errno.EINVAL, (error.strerror or str(error)).encode()))
    finally:
        os._exit(127)


def wait(child: int, wakeup: int, deadline: float) -> tuple[int | None, str]:
    """Wait for the child, the deadline or the lifeline; return the exit code, if any, and what came first."""
    while True:
        for pid, code in reap():
            if pid == child:
                return code, "exit"
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return None, "time-out"
        ready, _, _ = select.select([LIFELINE, wakeup], [], [], remaining)
        if wakeup in ready:
            drain(wakeup)
        if LIFELINE in ready and not os.read(LIFELINE, 1):
            return None, "cancelled"


def drain(reader: int) -> None:
    """Empty the wake-up pipe."""
    try:
        while os.read(reader, 4096):
            pass
    except BlockingIOError:
        return


def reap() -> Iterator[tuple[int, int]]:
    """Yield the process id and exit code (negative: signal) of every child that has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def ask_for_stacks(report: str) -> None:
    """Ask every process with our hook for its stacks; wait until all files stop growing, at most a second."""
    files = {pid: os.path.join(report, f"stacks-{pid}.txt") for pid in descendants(os.getpid())}
    files = {pid: path for pid, path in files.items() if os.path.exists(path)}
    for pid in files:
        signal_process(pid, STACKS_SIGNAL)
    give_up = time.monotonic() + STACKS_WAIT_S
    sizes: list[int] = []
    while time.monotonic() < give_up:
        before, sizes = sizes, [size_of(path) for path in files.values()]
        if sizes == before and all(sizes):
            return
        time.sleep(0.02)


def size_of(path: str) -> int:
    """Return a file's size; 0 if it is gone."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def kill_everything(child: int, wakeup: int) -> list[int]:
    """Kill all processes that are left, again and again, because one may fork while it is killed.

    Return those that run as another user and may not be killed. A killed process may take long to end,
    because the kernel has to free its memory: after `KILL_WAIT_S`, it is left to the first process.
    """
    give_up = time.monotonic() + KILL_WAIT_S
    while has_children():
        left = descendants(os.getpid())
        refused = [pid for pid in left if not signal_process(pid, signal.SIGKILL)]
        if time.monotonic() > give_up or (refused and refused == left):
            return refused
        if sys.platform != "linux":
            kill_group(child)
        select.select([wakeup], [], [], 0.05)
        drain(wakeup)
    return []


def kill_group(leader: int) -> None:
    """Kill the child's process group."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def has_children() -> bool:
    """Reap the children that have ended; return whether others have not."""
    for _ in reap():
        pass
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def descendants(pid: int, *, is_deep: bool = True) -> list[int]:
    """Return all processes below `pid`, parents before their children; if not `is_deep`, its children."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as children:
                for child in map(int, children.read().split()):
                    found += [child, *descendants(child)] if is_deep else [child]
    except (OSError, ValueError):
        return found
    return found


def signal_process(pid: int, number: signal.Signals) -> bool:
    """Send a signal to a process that may be gone; return whether that is allowed."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


def reply(result_fd: int, result: dict[str, object]) -> None:
    """Write the result, one line of JSON, and close."""
    with os.fdopen(result_fd, "w") as stream:
        stream.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
    os._exit(0)  # faster than a regular exit, for which the tool would wait; nothing needs to be cleaned up

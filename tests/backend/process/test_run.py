"""Programs are run to their end, measured, and leave nothing behind, whatever they or the tool do."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from support.processes import PATIENCE_S, eventually, is_running

from bisect_asgi.backend.process import usage
from bisect_asgi.backend.process.helper import run_helper
from bisect_asgi.backend.process.run import TAIL_BYTES, Run, run_supervised
from bisect_asgi.backend.process.usage import is_alive
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Cancelled
from bisect_asgi.core.metrics import MarkedLines

MIB = 1024 * 1024

# Starts a process that wants to outlive it, says that one's number, and goes on to END.
LEAVES_A_SESSION = """
import os, time
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.write(writer, b"%d" % os.getpid())
    time.sleep(20)
    os._exit(0)
print(os.read(reader, 20).decode(), flush=True)
"""
LEAVES_A_DAEMON = """
import os, time
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    number = b"%d" % os.getpid()
    os.closerange(0, 3)
    os.write(writer, number)
    time.sleep(20)
    os._exit(0)
print(os.read(reader, 20).decode(), flush=True)
"""
HANG = "time.sleep(20)"


def python(code: str) -> list[str]:
    """The command that runs some code in a Python that starts quickly."""
    return [sys.executable, "-I", "-S", "-c", code]


def supervise(
    folder: Path,
    argv: list[str],
    *,
    environ: Mapping[str, str] | None = None,
    timeout_s: float = 30.0,
    token: CancelToken | None = None,
    on_output: Callable[[str], None] | None = None,
    on_chunk: Callable[[bytes], None] | None = None,
    is_driver: bool = False,
) -> Run:
    """Run a command with what the tests do not care for filled in."""
    return run_supervised(
        argv,
        cwd=folder,
        report=folder,
        environ={"LC_ALL": "C.UTF-8"} if environ is None else environ,
        timeout_s=timeout_s,
        token=token or CancelToken(),
        on_output=on_output,
        on_chunk=on_chunk,
        is_driver=is_driver,
    )


@contextmanager
def cancelled_after(event: threading.Event, token: CancelToken) -> Iterator[None]:
    """Cancel the token from another thread as soon as `event` is set."""

    def cancel() -> None:
        event.wait()
        token.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        yield
    finally:
        event.set()
        thread.join()


# --- How a run ends


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        pytest.param("pass", 0, id="success"),
        pytest.param("raise SystemExit(1)", 1, id="failure"),
        pytest.param("raise SystemExit(125)", 125, id="git-bisect-skip"),
        pytest.param("raise SystemExit(255)", 255, id="largest"),
        pytest.param("import os; os.kill(os.getpid(), 9)", -9, id="killed"),
        pytest.param("import os; os.kill(os.getpid(), 11)", -11, id="segfault"),
        pytest.param("import os; os.kill(os.getpid(), 15)", -15, id="terminated"),
    ],
)
def test_the_exit_code_is_the_commands_own_or_its_signal_negative(
    tmp_path: Path, code: str, exit_code: int
) -> None:
    run = supervise(tmp_path, python(code))

    assert (run.exit_code, run.timed_out) == (exit_code, False)


def test_a_command_whose_time_is_over_has_no_exit_code(tmp_path: Path) -> None:
    run = supervise(
        tmp_path, python("import time; print('on my way', flush=True); time.sleep(60)"), timeout_s=0.5
    )

    assert (run.exit_code, run.timed_out) == (None, True)
    assert 0.5 <= run.wall_s < 5
    assert run.output_tail == "on my way\n"


def test_a_command_that_ends_itself_is_not_kept_waiting_for_what_it_left_running(tmp_path: Path) -> None:
    run = supervise(tmp_path, python(LEAVES_A_SESSION))

    assert run.exit_code == 0
    assert run.wall_s < 5


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        pytest.param("no-such-program", "No such file or directory: no-such-program", id="not-there"),
        pytest.param("./notes.txt", "Permission denied: ./notes.txt", id="not-executable"),
    ],
)
def test_a_command_that_cannot_be_started_is_an_os_error_that_names_it(
    tmp_path: Path, command: str, reason: str
) -> None:
    (tmp_path / "notes.txt").write_text("not a program")

    with pytest.raises(OSError, match=f"^{re.escape(reason)}$"):
        supervise(tmp_path, [command])


def test_a_command_that_kills_its_supervisor_is_an_os_error_and_no_result(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^its supervisor was killed$"):
        supervise(tmp_path, python("import os; os.kill(os.getppid(), 9)"))


# --- What the command is given


def test_the_command_works_in_its_folder_under_the_number_that_is_told(tmp_path: Path) -> None:
    run = supervise(tmp_path, python("import os; print(os.getcwd(), os.getpid())"))

    assert run.output_tail == f"{tmp_path} {run.pid}\n"


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"LANG": "C"}, id="a-locale-that-python-would-rather-not-have"),
        pytest.param({"LC_ALL": "C.UTF-8", "GREETING": "grüße\nand more"}, id="some"),
    ],
)
def test_the_environment_is_exactly_what_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    program = shutil.which("env")
    assert program is not None

    run = supervise(tmp_path, [program, "-0"], environ=environ)

    assert sorted(run.output_tail.split("\0")[:-1]) == sorted(f"{k}={v}" for k, v in environ.items())


def test_variables_are_on_no_command_line_where_everybody_could_read_them(tmp_path: Path) -> None:
    code = "import os; print(os.environ['TOKEN'] in open('/proc/%d/cmdline' % os.getppid()).read())"

    run = supervise(tmp_path, python(code), environ={"LC_ALL": "C.UTF-8", "TOKEN": "hunter2"})

    assert run.output_tail == "False\n"


def test_variables_may_be_as_many_and_as_long_as_the_system_lets_them(tmp_path: Path) -> None:
    environ = {"LC_ALL": "C.UTF-8", "ONE": "x" * 100_000, "TWO": "y" * 100_000}

    run = supervise(tmp_path, python("import os; print(sum(map(len, os.environ.values())))"), environ=environ)

    assert run.output_tail == "200007\n"


def test_standard_input_is_empty(tmp_path: Path) -> None:
    run = supervise(tmp_path, python("import sys; print(repr(sys.stdin.read()))"))

    assert run.output_tail == "''\n"


def test_the_command_inherits_no_descriptor_but_the_standard_three(tmp_path: Path) -> None:
    listing = "import os; print([n for n in range(3, 256) if os.path.exists('/proc/self/fd/%d' % n)])"
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        run = supervise(tmp_path, python(listing))
    finally:
        os.close(reader)
        os.close(writer)

    assert run.output_tail == "[]\n"


def test_a_pipe_whose_reader_ends_first_is_closed_as_in_any_shell(tmp_path: Path) -> None:
    run = supervise(tmp_path, ["/bin/sh", "-c", "yes | head -n 1"])

    assert run.output_tail == "y\n"


def test_the_command_has_a_session_of_its_own_that_ctrl_c_does_not_reach(tmp_path: Path) -> None:
    run = supervise(tmp_path, python("import os; print(os.getsid(0) == os.getpid())"))

    assert run.output_tail == "True\n"


# --- What is measured


@pytest.mark.parametrize(
    "end",
    [
        pytest.param("os.waitpid(child, 0)", id="waited-for"),
        pytest.param("", id="left-running"),
    ],
)
def test_cpu_time_counts_grandchildren(tmp_path: Path, end: str) -> None:
    code = f"""
import os, time
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.setsid()
    while time.process_time() < 0.3:
        pass
    os.write(writer, b"!")
    time.sleep({0 if end else 20})
    os._exit(0)
os.read(reader, 1)
{end}
"""

    run = supervise(tmp_path, python(code))

    assert 0.3 <= run.cpu_s < 3


def test_waiting_is_wall_time_and_no_cpu_time(tmp_path: Path) -> None:
    run = supervise(tmp_path, python("import time; time.sleep(0.6)"))

    assert 0.6 <= run.wall_s < 6
    assert run.cpu_s < 0.4


def test_peak_memory_is_the_childs_and_not_its_parents(tmp_path: Path) -> None:
    mine = b"\1" * (200 * MIB)

    small = supervise(tmp_path, python("pass"))
    large = supervise(tmp_path, python("held = b'x' * (120 << 20); del held"))

    assert psutil.Process().memory_info().rss > len(mine)
    assert MIB < small.peak_bytes < 60 * MIB
    assert 120 * MIB <= large.peak_bytes < 180 * MIB


def test_peak_memory_is_that_of_all_processes_together(tmp_path: Path) -> None:
    code = """
import os, time
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        held = b"x" * (60 << 20)
        time.sleep(0.8)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""

    run = supervise(tmp_path, python(code))

    assert 120 * MIB <= run.peak_bytes < 200 * MIB


def test_memory_that_forked_processes_share_counts_once(tmp_path: Path) -> None:
    code = """
import os, time
held = b"x" * (100 << 20)
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        time.sleep(0.6)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""

    run = supervise(tmp_path, python(code))

    assert 100 * MIB <= run.peak_bytes < 160 * MIB


def test_a_drivers_own_memory_does_not_count(tmp_path: Path) -> None:
    drives = """
import subprocess, sys
held = b"x" * (200 << 20)
subprocess.run([sys.executable, "-I", "-S", "-c", "import time; held = b'x' * (60 << 20); time.sleep(0.8)"])
"""

    run = supervise(tmp_path, python(drives), is_driver=True)

    assert 60 * MIB <= run.peak_bytes < 120 * MIB


class MadeUpProcessors:
    """A clock and two cores' counters that stand still until they are moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, counts: bool = True) -> None:
        self.now, self.user, self.idle, self.counts = 100.0, 50.0, 150.0, counts
        monkeypatch.setattr(usage.time, "monotonic", lambda: self.now)
        self.own = 0.0
        monkeypatch.setattr(usage, "own_seconds", lambda: self.own)
        monkeypatch.setattr(usage.psutil, "cpu_times", self.times)

    def times(self) -> object:
        """As psutil gives them: a guest's time is in the user's, too, and who waits for a disk is idle."""
        kind = namedtuple("kind", ["user", "system", "idle", "iowait", "guest"])
        return (
            kind(self.user, 7.0, self.idle, self.user, 2 * self.user) if self.counts else kind(0, 0, 0, 0, 0)
        )

    def go_on(self, seconds: float, *, other_load: float) -> None:
        """Let time pass in which other programs keep `other_load` cores at work."""
        self.now += seconds
        self.user += seconds * other_load
        self.idle += seconds * (2 - other_load)


@pytest.mark.parametrize(
    ("other_load", "run_s", "expected"),
    [
        pytest.param(0.0, 0.0, 0.0, id="idle"),
        pytest.param(1.0, 4.0, 0.0, id="only-the-run"),
        pytest.param(1.5, 4.0, 0.5, id="the-run-and-another"),
        pytest.param(2.0, 0.0, 2.0, id="only-others"),
        pytest.param(0.9, 4.0, 0.0, id="ticks-less-exact-than-the-runs-own-time"),
    ],
)
def test_what_keeps_the_processors_busy_beside_the_run_is_others(
    monkeypatch: pytest.MonkeyPatch, other_load: float, run_s: float, expected: float
) -> None:
    machine = MadeUpProcessors(monkeypatch)
    others = usage.OtherLoad()
    machine.go_on(4.0, other_load=other_load)

    assert others.cores(run_s) == pytest.approx(expected)


def test_what_the_tool_builds_beside_the_run_is_not_others(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = MadeUpProcessors(monkeypatch)
    others = usage.OtherLoad()
    machine.go_on(4.0, other_load=1.75)
    machine.own += 2.0

    assert others.cores(4.0) == pytest.approx(0.25)


def test_a_system_that_does_not_count_says_nothing_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = MadeUpProcessors(monkeypatch, counts=False)
    others = usage.OtherLoad()
    machine.go_on(4.0, other_load=1.0)

    assert others.cores(0.0) is None


def test_helpers_are_no_others_while_they_run_and_after() -> None:
    # Both compute as much; then the inner one says so, and they stay until they are ended.
    busily = "import signal, subprocess, sys, time\nwhile time.process_time() < 0.3: pass\n"
    inner = f"{busily}print(file=sys.stderr, flush=True)\nsignal.pause()"
    outer = f"{busily}subprocess.run([sys.executable, '-c', {inner!r}])"
    has_computed, token = threading.Event(), CancelToken()
    before = usage.own_seconds()

    def run() -> None:
        with pytest.raises(Cancelled):
            run_helper(python(outer), environ=os.environ, token=token, on_stderr=lambda _: has_computed.set())

    thread = threading.Thread(target=run)
    thread.start()
    assert has_computed.wait(60)
    while_they_run = usage.own_seconds()
    token.cancel()
    thread.join()

    assert while_they_run - before > 0.55
    assert usage.own_seconds() - before > 0.25  # of what it started, nobody was told the end


def test_a_program_beside_the_run_is_seen(tmp_path: Path) -> None:
    busily = "import time\nwhile time.process_time() < 60:\n    pass"
    with subprocess.Popen(python(busily)) as other:
        try:
            run = supervise(tmp_path, python("import time; time.sleep(1)"))
            other_s = psutil.Process(other.pid).cpu_times().user
        finally:
            other.kill()

    assert run.other_load is not None
    assert run.other_load > 0.25 * min(1.0, other_s)


# --- What the command says


def test_lines_of_metrics_are_kept_from_both_streams_however_long_the_output(tmp_path: Path) -> None:
    code = """
import os
os.write(1, b"@metric startup 0.25 s\\n@met")
os.write(1, b"ric size 3 B\\n")
for _ in range(100):
    os.write(2, b"e" * 10_000)
os.write(2, b"\\n@metric end 1")
"""

    marked = MarkedLines()
    run = supervise(tmp_path, python(code), on_chunk=marked.add)

    assert marked.end() == ("@metric startup 0.25 s", "@metric size 3 B", "@metric end 1")
    assert len(run.output_tail) == TAIL_BYTES


def test_ten_megabytes_on_two_streams_do_not_hang_and_only_the_tail_is_kept(tmp_path: Path) -> None:
    code = """
import os
for _ in range(500):
    os.write(1, b"o" * 10_000)
    os.write(2, b"e" * 10_000)
os.write(1, b"the end")
"""
    seen: list[str] = []

    run = supervise(tmp_path, python(code), on_output=seen.append)

    assert run.exit_code == 0
    assert len(run.output_tail) == TAIL_BYTES
    assert run.output_tail.endswith("eeeethe end")
    assert sum(len(text) for text in seen) == 500 * 20_000 + len("the end")


def test_the_tail_is_the_end_of_what_was_written_to_the_byte(tmp_path: Path) -> None:
    run = supervise(tmp_path, python(f"import os; os.write(1, b'a' * 1_000 + b'b' * {TAIL_BYTES})"))

    assert run.output_tail == "b" * TAIL_BYTES


def test_both_streams_are_one_text_in_the_order_of_writing(tmp_path: Path) -> None:
    run = supervise(tmp_path, python("import os; [os.write(n, b'%d' % n) for n in (1, 2, 2, 1)]"))

    assert run.output_tail == "1221"


def test_bytes_that_are_no_utf_8_are_shown_as_replaced(tmp_path: Path) -> None:
    run = supervise(tmp_path, python(r"import os; os.write(1, b'caf\xe9 caf\xc3\xa9 \xff\n')"))

    assert run.output_tail == "caf� café �\n"


def test_a_character_written_in_two_halves_is_seen_whole(tmp_path: Path) -> None:
    code = r"""
import os, time
os.write(1, b"tea\ncaf\xc3")
while not os.path.exists("seen"):
    time.sleep(0.01)
os.write(1, b"\xa9")
"""
    seen: list[str] = []

    def watch(text: str) -> None:
        seen.append(text)
        (tmp_path / "seen").touch()

    supervise(tmp_path, python(code), on_output=watch)

    assert "".join(seen) == "tea\ncafé"


# --- Nothing stays behind

leaves = pytest.mark.parametrize(
    "leaves",
    [pytest.param(LEAVES_A_SESSION, id="session"), pytest.param(LEAVES_A_DAEMON, id="daemon")],
)


@leaves
def test_what_the_command_left_running_is_gone_when_it_ended(tmp_path: Path, leaves: str) -> None:
    run = supervise(tmp_path, python(leaves))

    assert not psutil.pid_exists(int(run.output_tail))


@leaves
def test_what_the_command_left_running_is_gone_after_a_time_out(tmp_path: Path, leaves: str) -> None:
    run = supervise(tmp_path, python(leaves + HANG), timeout_s=0.7)

    assert run.timed_out
    assert not psutil.pid_exists(run.pid)
    assert not psutil.pid_exists(int(run.output_tail))


@leaves
def test_what_the_command_left_running_is_gone_when_it_is_cancelled(tmp_path: Path, leaves: str) -> None:
    token, started = CancelToken(), threading.Event()
    seen: list[str] = []

    def watch(text: str) -> None:
        seen.append(text)
        started.set()

    begun = time.monotonic()
    with cancelled_after(started, token), pytest.raises(Cancelled):
        supervise(tmp_path, python(f"print({os.getpid()})" + leaves + HANG), token=token, on_output=watch)

    assert time.monotonic() - begun < 10
    assert not psutil.pid_exists(int("".join(seen).split()[-1]))


def test_processes_that_fork_as_fast_as_they_are_killed_are_gone_as_well(tmp_path: Path) -> None:
    code = f"""
import os, sys, time
end = time.monotonic() + 20
if os.fork():
    while not os.path.exists("forking"):
        time.sleep(0.01)
    sys.exit()
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
    open("forking", "w").close()
# {tmp_path}
"""

    begun = time.monotonic()
    supervise(tmp_path, python(code))
    left = [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(tmp_path) in " ".join(process.info["cmdline"] or ())
    ]

    assert time.monotonic() - begun < 10
    assert left == []


@leaves
def test_when_the_tool_is_killed_everything_that_it_ran_goes_with_it(tmp_path: Path, leaves: str) -> None:
    tool = f"""
import sys
from pathlib import Path
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.backend.process.run import run_supervised
here = Path({str(tmp_path)!r})
run_supervised(
    {python("import os; print(os.getpid())" + leaves + HANG)!r}, cwd=here, report=here, environ={{}},
    timeout_s=60, token=CancelToken(), on_output=lambda text: print(text, end="", flush=True),
)
"""
    with subprocess.Popen([sys.executable, "-c", tool], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        numbers = [int(process.stdout.readline()), int(process.stdout.readline())]
        assert all(is_running(number) for number in numbers)
        process.send_signal(signal.SIGKILL)

    eventually(lambda: not any(is_running(number) for number in numbers))


# --- The token


def test_what_was_cancelled_before_it_began_has_no_result(tmp_path: Path) -> None:
    token = CancelToken()
    token.cancel()

    with pytest.raises(Cancelled):
        supervise(tmp_path, python("import time; time.sleep(60)"), token=token)


def test_one_token_holds_everything_that_runs(tmp_path: Path) -> None:
    token, started = CancelToken(), threading.Semaphore(0)
    cancelled: list[str] = []

    def run(name: str) -> None:
        try:
            supervise(
                tmp_path,
                python("import time; print('up', flush=True); time.sleep(60)"),
                token=token,
                on_output=lambda _: started.release(),
            )
        except Cancelled:
            cancelled.append(name)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    have_started = [started.acquire(timeout=10) for _ in threads]
    token.cancel()
    for thread in threads:
        thread.join(timeout=10)

    assert have_started == [True, True]
    assert sorted(cancelled) == ["one", "two"]


def test_cancelling_after_the_end_or_twice_does_no_harm(tmp_path: Path) -> None:
    token = CancelToken()

    run = supervise(tmp_path, python("pass"), token=token)
    token.check()
    token.cancel()
    token.cancel()

    assert run.exit_code == 0
    with pytest.raises(Cancelled):
        token.check()


# --- Helpers


def test_a_helper_tells_what_it_said_and_how_it_ended(tmp_path: Path) -> None:
    code = "import os, sys; print(sys.stdin.read(), os.getcwd()); print('oops', file=sys.stderr); sys.exit(3)"

    done = run_helper(python(code), environ={}, token=CancelToken(), stdin="grüße", cwd=tmp_path)

    assert (done.exit_code, done.stdout, done.stderr) == (3, f"grüße {tmp_path}\n", "oops\n")


def test_a_helper_has_exactly_the_given_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")

    done = run_helper(["/usr/bin/env"], environ={"GREETING": "hello"}, token=CancelToken())

    assert done.stdout == "GREETING=hello\n"


def test_a_helper_may_write_much_and_anything_on_both_streams() -> None:
    code = r"import os; [os.write(n, b'\xff' * 10_000) for _ in range(100) for n in (2, 1)]"

    done = run_helper(python(code), environ={}, token=CancelToken())

    assert done.stdout == done.stderr == "�" * 1_000_000


def test_a_helper_that_is_not_there_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError):
        run_helper(["/no/such/helper"], environ={}, token=CancelToken())


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import os; number = os.getpid()", id="alone"),
        pytest.param(
            "import os, time\nnumber = os.fork()\nif not number:\n    time.sleep(600); os._exit(0)",
            id="with-a-child",
        ),
    ],
)
def test_a_cancelled_helper_is_gone_with_what_it_started(tmp_path: Path, code: str) -> None:
    token, cancelled = CancelToken(), threading.Event()
    written = tmp_path / "number"

    def run() -> None:
        tell = "\nopen('number', 'w').write(str(number))\nimport time; time.sleep(600)"
        with pytest.raises(Cancelled):
            run_helper(python(code + tell), environ={}, token=token, cwd=tmp_path)
        cancelled.set()

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: written.exists() and written.read_text() != "")
    number = int(written.read_text())
    token.cancel()
    try:
        assert cancelled.wait(PATIENCE_S)
        eventually(lambda: not is_running(number))
    finally:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
        thread.join()


def test_a_process_is_alive_until_it_was_waited_for() -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as process:
        before = is_alive(process.pid)
    after = is_alive(process.pid)

    assert (before, after) == (True, False)


def test_who_is_told_lines_may_fail_and_nothing_is_held_up() -> None:
    told: list[str] = []

    def fail(line: str) -> None:
        told.append(line)
        raise ValueError(line)

    code = "import sys; [print('x' * 1000, i, file=sys.stderr) for i in range(200)]"
    done = run_helper([sys.executable, "-c", code], environ={}, token=CancelToken(), on_stderr=fail)

    assert done.exit_code == 0
    assert len(done.stderr.splitlines()) == len(told) == 200


def test_output_is_told_in_whole_lines(tmp_path: Path) -> None:
    told: list[str] = []
    code = (
        "import os, time\n"
        "for piece in (b'it', b' says: \\xc3', b'\\xbc\\nmore\\nand', b' the rest'):\n"
        "    os.write(1, piece)\n"
        "    time.sleep(0.05)\n"
    )
    run_supervised(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        report=tmp_path,
        environ={},
        timeout_s=30.0,
        token=CancelToken(),
        on_output=told.append,
    )

    assert told[0].startswith("it says: ü\n")
    assert all(piece.endswith("\n") for piece in told[:-1])
    assert "".join(told) == "it says: ü\nmore\nand the rest"

"""What a confined run cannot reach, and what it still can: as root and as a user without rights."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.other_user import NOBODY, open_folder, run_as_nobody

from bisect_asgi.backend.process.sandbox_calls import all_but, program

SUPPORT = Path(__file__).parents[2] / "support"
ATTACKS, NEEDS = SUPPORT / "attacks.py", SUPPORT / "needs.py"
TOOL = f"import sys; sys.path.insert(0, {str(SUPPORT.parent)!r}); from support.confined import main; main()"

REFUSED = {
    *("inplace_chmod_rb", "open_wb", "truncate", "mmap_shared", "link_into_run_then_write", "rename_out"),
    *("rename_in", "proc_fd_reopen", "unlink_env", "create_pyc", "via_proc_sup_root"),
    *("uv_cache_write", "write_tmp", "write_home", "secret_read", "secret_via_proc_root", "secret_link"),
    *("store_read", "store_write", "environ_of_tool", "environ_of_supervisor", "signal_sup"),
    *("signal_fork_server", "signal_tool", "pidfd_signal", "pidfd_getfd", "killpg_sup", "kill_everybody"),
    *("ptrace_seize", "mem_of_sup", "prlimit_sup", "setpriority_sup", "affinity_sup", "abstract_socket"),
    *("suid_program", "setuid_other", "mount_tmpfs", "userns_mount", "remount_rw", "chroot_"),
    *("sethostname", "mknod_device"),
}
"""Attacks that fail at both levels."""
REFUSED_BY_STRONG = ["chmod_only", "utime_only", "setxattr", "chown", "chmod_env_folder", "users_terminal"]
"""Attacks that Landlock has no say in."""
LET_THROUGH = ["path_socket", "secret_stat", "tcp_loopback_outside", "write_devshm", "sysv_shm_left"]
"""What SECURITY.md does not promise, at least not at *basic*."""
Outcomes = dict[str, str]


@contextmanager
def a_world() -> Iterator[Path]:
    """Yield a folder with what is attacked; it belongs to nobody."""
    with open_folder() as world, ExitStack() as held:
        for name in ("env/sub", "uvc", "home/.ssh", "cache", "runs"):
            (world / name).mkdir(parents=True)
        for name in (*(f"a{n}" for n in range(1, 10)), *(f"b{n}" for n in range(1, 8))):
            (world / "env" / f"{name}.py").write_text("x = 1\n")
            (world / "env" / f"{name}.py").chmod(0o444)
        (world / "uvc" / "b6.py").write_text("x = 1\n")
        (world / "home/.ssh/token").write_text("hunter2")
        (world / "cache/store.db").write_text("rows")
        shutil.copy(shutil.which("id") or "/usr/bin/id", world / "suid_id")
        _listen(world, held)
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", world], check=True)
            os.chown(world / "suid_id", 0, 0)
            (world / "suid_id").chmod(0o4755)
        yield world


def _listen(world: Path, held: ExitStack) -> None:
    port = held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
    (world / "port").write_text(str(port))
    for terminal in os.openpty():
        held.callback(os.close, terminal)
    (world / "terminal").write_text(os.ttyname(terminal))
    if os.getuid() == 0:
        os.chown(os.ttyname(terminal), NOBODY, NOBODY)
    for address in (f"{world}/path.sock", f"\0{world}"):
        listener = held.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(address)
        listener.listen()


def as_root(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code as whoever runs the tests."""
    argv = [sys.executable, "-c", code, *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def run(user: str, level: str, program: Path, *more: str) -> Outcomes:
    """Run a program at a level as a user; return the outcome of each of its parts."""
    with a_world() as world:
        if user == "root":  # else the files are somebody else's, and refused anyway
            subprocess.run(["chown", "-R", str(os.getuid()), world], check=True)
        start = as_root if user == "root" else run_as_nobody
        done = start(TOOL, level, str(world), str(program), *more)
    if "cannot be had" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert "exit code 0" in done.stdout, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if " worked" in line or " failed" in line]
    return dict(line.split(None, 1) for line in lines)


def failed(outcomes: Outcomes) -> set[str]:
    return {name for name, rest in outcomes.items() if rest.startswith("failed")}


users = pytest.mark.parametrize("user", ["root", "nobody"])
levels = pytest.mark.parametrize("level", ["basic", "strong"])


@users
@levels
def test_what_is_refused(user: str, level: str) -> None:
    outcomes = run(user, level, ATTACKS)

    assert set(outcomes) == {*REFUSED, *REFUSED_BY_STRONG, *LET_THROUGH}
    assert set(REFUSED) - failed(outcomes) == set()
    if level == "strong":
        assert set(REFUSED_BY_STRONG) - failed(outcomes) == set()


def test_without_a_sandbox_the_attacks_work() -> None:
    outcomes = run("nobody", "none", ATTACKS)  # not as root, whose mounts would stay

    for name in ("inplace_chmod_rb", "unlink_env", "signal_sup", "secret_read", "store_write", "chmod_only"):
        assert outcomes[name] == "worked"
    # At every level a program of root's starts as the user.
    assert outcomes["suid_program"].startswith("failed")


@users
@levels
def test_what_probes_do_goes_on_working(user: str, level: str) -> None:
    outcomes = run(user, level, NEEDS)

    assert len(outcomes) > 35
    assert {name: rest for name, rest in outcomes.items() if name in failed(outcomes)} == {}


@users
def test_without_a_network_the_own_loopback_still_works(user: str) -> None:
    needs = run(user, "strong", NEEDS, "no-network")
    attacks = run(user, "strong", ATTACKS, "no-network")

    assert {name: needs[name] for name in ("tcp", "unix_socket", "mp_manager")} == dict.fromkeys(
        ("tcp", "unix_socket", "mp_manager"), "worked"
    )
    assert attacks["tcp_loopback_outside"].startswith("failed")


def test_a_user_whose_home_is_somebody_elses_is_confined_all_the_same() -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from bisect_asgi.backend.process.sandbox import Sandbox\n"
        "found = Sandbox(Path(sys.argv[1])).found()\n"
        "print(found.reasons)\n"
    )
    with open_folder() as folder:
        forbidden = folder / "home"
        forbidden.mkdir(mode=0o700)
        done = run_as_nobody(f"import os; os.environ['HOME'] = {str(forbidden)!r}\n{code}", str(folder))

    assert "Permission denied" not in done.stdout + done.stderr


# --- The parts that are computed


def decide(code: list[tuple[int, int, int, int]], data: dict[int, int]) -> int:
    """Run a filter on the fields of a system call, by offset, as the kernel would."""
    place, accumulator = 0, 0
    while True:
        kind, if_true, if_false, operand = code[place]
        place += 1
        match kind:
            case 0x20:
                accumulator = data.get(operand, 0)
            case 0x15:
                place += if_true if accumulator == operand else if_false
            case 0x35:
                place += if_true if accumulator >= operand else if_false
            case 0x06:
                return operand
            case _:
                raise AssertionError(kind)


ALLOWED, REFUSES, UNKNOWN = 0x7FFF0000, 0x00050001, 0x00050026
X86, ARM = 0xC000003E, 0xC00000B7


@pytest.mark.parametrize(
    ("machine", "architecture", "number", "arguments", "decision"),
    [
        pytest.param("x86_64", X86, 62, (100, 9), REFUSES, id="kill"),
        pytest.param("x86_64", X86, 62, (-100 & 0xFFFFFFFF, 9), REFUSES, id="kill-its-group"),
        pytest.param("x86_64", X86, 62, (0xFFFFFFFF, 9), REFUSES, id="kill-all"),
        pytest.param("x86_64", X86, 62, (101, 9), ALLOWED, id="kill-own"),
        pytest.param("x86_64", X86, 62, (0, 9), ALLOWED, id="kill-own-group"),
        pytest.param("x86_64", X86, 141, (0, 200), REFUSES, id="priority-by-the-second-argument"),
        pytest.param("x86_64", X86, 141, (200, 0), ALLOWED, id="priority-of-itself"),
        pytest.param("x86_64", X86, 101, (16, 200), REFUSES, id="ptrace-of-the-last-call-in-the-list"),
        pytest.param("x86_64", X86, 1, (100,), ALLOWED, id="write"),
        pytest.param("x86_64", X86, 0x40000000 + 62, (100, 9), UNKNOWN, id="x32"),
        pytest.param("x86_64", 0x40000003, 37, (100, 9), UNKNOWN, id="32-bit"),
        pytest.param("aarch64", ARM, 129, (100, 9), REFUSES, id="arm"),
        pytest.param("aarch64", ARM, 62, (100, 9), ALLOWED, id="arm-has-other-numbers"),
    ],
)
def test_system_calls_are_decided_by_whom_they_are_about(
    machine: str, architecture: int, number: int, arguments: tuple[int, ...], decision: int
) -> None:
    data = {0: number, 4: architecture} | {16 + 8 * place: value for place, value in enumerate(arguments)}

    assert decide(list(program(machine, [100, 200])), data) == decision


def test_all_but_secrets_is_named_by_their_siblings(tmp_path: Path) -> None:
    for name in ("home/.ssh/keys", "home/.config/uv", "home/.config/other", "home/code", "etc"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "home/notes").write_text("")
    (tmp_path / "link").symlink_to("home")
    secrets = [str(tmp_path / name) for name in ("home/.ssh", "home/.config/uv")]

    found = {path.removeprefix(f"{tmp_path}/") for path in all_but(secrets, str(tmp_path))}

    assert found == {"etc", "home/.config/other", "home/code", "home/notes"}
    assert all_but([], "/") == ["/"]
    assert all_but(["/"], "/") == []

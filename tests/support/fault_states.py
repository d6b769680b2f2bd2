"""Put a machine into a faulty state before a command is run there, and undo that afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from support import archives
from support.certificates import Certificates
from support.local_index import Answer, LocalIndex
from support.proxies import LocalProxy
from support.shell import PROBE, Shell, publish

DEEPER = """
here = os.open(os.environ["VIRTUAL_ENV"], os.O_RDONLY)
for _ in range(1500):
    os.mkdir("deeper", dir_fd=here)
    inside = os.open("deeper", os.O_RDONLY, dir_fd=here)
    os.close(here)
    here = inside
"""
WRITE = """
import dep
os.chmod(dep.__file__, 0o644)
open(dep.__file__, "a").write("# used")
"""
HOLD = """
import fcntl, os, sys, time
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@contextmanager
def foreign_store(shell: Shell) -> Iterator[None]:
    shell.cache.mkdir(exist_ok=True)
    (shell.cache / "store.db").write_text("dear diary, " * 100)
    yield


@contextmanager
def emptied_module(shell: Shell) -> Iterator[None]:
    for path in _with_an_environment(shell, "demo.py"):
        path.chmod(0o644)
        os.truncate(path, 0)
    yield


@contextmanager
def garbage(shell: Shell) -> Iterator[None]:
    for path in _with_an_environment(shell, "*"):
        if path.is_file() and not path.is_symlink() and path.is_relative_to(shell.cache):
            path.chmod(0o644)
            path.write_bytes(b"\x00\xff garbage {")
    yield


def _with_an_environment(shell: Shell, pattern: str) -> list[Path]:
    """Return the files of a pattern in both caches, once a release was run."""
    shell.run("check", "demo==1.1", "--probe", "leak.py", "--env", "DIARY", "--sandbox", "none")
    return [path for folder in (shell.cache, shell.folder / "uv-cache") for path in folder.rglob(pattern)]


@contextmanager
def files_for_folders(shell: Shell) -> Iterator[None]:
    shell.cache.mkdir(exist_ok=True)
    for name in ("environments", "locks", "logs", "lenders", "runs"):
        (shell.cache / name).write_text("a file in its place")
    yield


@contextmanager
def full_disk(shell: Shell) -> Iterator[None]:
    shell.cache = shell.folder / "small-disk"
    shell.cache.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(shell.cache)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can make a small disk")
    before = shell.environ["BISECT_ASGI_CACHE_DIR"]
    shell.environ["BISECT_ASGI_CACHE_DIR"] = str(shell.cache)
    try:
        yield
    finally:
        subprocess.run(["umount", shell.cache], check=True)
        shell.environ["BISECT_ASGI_CACHE_DIR"] = before
        shell.cache = Path(before)


@contextmanager
def stopped_holder(shell: Shell) -> Iterator[None]:
    shell.cache.mkdir(exist_ok=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, shell.cache / "store.lock"], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        holder.kill()
        holder.communicate()


@contextmanager
def _probe(shell: Shell, text: str) -> Iterator[None]:
    shell.write("leak.py", text)
    yield
    shell.write("leak.py", PROBE)


def writing_probe(shell: Shell) -> object:
    return _probe(shell, PROBE + WRITE)


def nesting_probe(shell: Shell) -> object:
    return _probe(shell, PROBE + DEEPER)


@contextmanager
def fifo_probe(shell: Shell) -> Iterator[None]:
    probe = shell.folder / "leak.py"
    probe.unlink()
    os.mkfifo(probe)
    yield
    probe.unlink()
    shell.write("leak.py", PROBE)


# --- The cache


@contextmanager
def another_programs_store(shell: Shell) -> Iterator[None]:
    shell.cache.mkdir(exist_ok=True)
    with closing(sqlite3.connect(shell.cache / "store.db")) as store:
        store.execute("create table observation (diary text)")
        store.commit()
    yield


@contextmanager
def read_only_cache(shell: Shell) -> Iterator[None]:
    _with_an_environment(shell, "*")
    folders = [shell.cache, *(path for path in shell.cache.iterdir() if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield


@contextmanager
def folders_without_rights(shell: Shell) -> Iterator[None]:
    for path in _with_an_environment(shell, "site-packages"):
        path.chmod(0)
    yield


@contextmanager
def immutable_files(shell: Shell) -> Iterator[None]:
    files = [str(path) for path in _with_an_environment(shell, "demo.py")]
    if (
        os.geteuid() != 0
        or subprocess.run(["chattr", "+i", *files], capture_output=True, check=False).returncode
    ):
        pytest.skip("only root, and not on each file system, can make a file immutable")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-f", "-i", *files], check=False)


@contextmanager
def nested_cache(shell: Shell) -> Iterator[None]:
    shell.cache.mkdir(exist_ok=True)
    code = "import os\n" + DEEPER
    subprocess.run([sys.executable, "-c", code], env={"VIRTUAL_ENV": str(shell.cache)}, check=True)
    yield


@contextmanager
def full_temporary_folder(shell: Shell) -> Iterator[None]:
    small = shell.folder / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can make a small disk")
    (small / "filling").write_bytes(b"x" * 4096)
    before = shell.environ["TMPDIR"]
    shell.environ["TMPDIR"] = str(small)
    try:
        yield
    finally:
        subprocess.run(["umount", small], check=True)
        shell.environ["TMPDIR"] = before


# --- The probe

KILL = "import signal\nos.kill(os.getppid(), signal.SIGKILL)\n"
STOP = "import signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\n"
LEAVE = """
import subprocess, sys
for _ in range(16):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
"""
FLOOD = "print('x' * 50_000_000)\n"
PIPES = """
folder = os.environ["BISECT_ASGI_REPORT"]
for name in [*os.listdir(folder), "junit.xml", "metrics.txt", "error-1.json", f"error-{os.getpid()}.json"]:
    path = os.path.join(folder, name)
    if os.path.isfile(path):
        os.unlink(path)
    if not os.path.exists(path):
        os.mkfifo(path)
"""
DIE = "os.kill(os.getpid(), 9)\n"
DIE_ONCE = "if len(open(os.environ['DIARY']).readlines()) == 2:  # of the first run\n    " + DIE
SPEAK = "print('\\x1b]0;owned\\x07 \\u202e \\x9b2J')\n"


def killing_probe(shell: Shell) -> object:
    return _probe(shell, PROBE + KILL)


def stopping_probe(shell: Shell) -> object:
    return _probe(shell, PROBE + STOP)


def leaving_probe(shell: Shell) -> object:
    return _probe(shell, PROBE + LEAVE)


def flooding_probe(shell: Shell) -> object:
    return _probe(shell, PROBE + FLOOD)


def piping_probe(shell: Shell) -> object:
    return _probe(shell, PROBE + PIPES)


def killed_probe(shell: Shell) -> object:
    return _probe(shell, PROBE + DIE)


def once_killed_probe(shell: Shell) -> object:
    return _probe(shell, PROBE + DIE_ONCE)


def speaking_probe(shell: Shell) -> object:
    return _probe(shell, PROBE + SPEAK)


@contextmanager
def setuid_probe(shell: Shell) -> Iterator[None]:
    """A program that becomes root, or would, and sleeps."""
    program = Path(shutil.which("sleep") or "/bin/sleep")
    own = shell.folder / "sleep"
    shutil.copy(program, own)
    own.chmod(0o4755)
    start = f"import subprocess\nsubprocess.Popen([{str(own)!r}, '600'], start_new_session=True)\n"
    with _probe(shell, PROBE + start):
        yield


# --- Builds

BUILD_SLEEPS = "import time\ntime.sleep(600)\n"
BUILD_STAYS = """
import subprocess, sys
for _ in range(16):
    daemon = [sys.executable, "-c", "import time; time.sleep(600)"]
    subprocess.Popen(daemon, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""


@contextmanager
def _build(shell: Shell, code: str) -> Iterator[None]:
    """A dependency that has to be built runs this while it is; in the end there is a wheel of it."""
    backend = archives.WORKING_BACKEND.replace("def build_wheel", f"{code}\ndef build_wheel")
    shell.index.add_wheel("backend", "1.0", uploaded="2020-01-01", modules={"minibuild.py": backend})
    shell.index.add_wheel("dep", "1.0", uploaded="2020-01-01", requires=["built"])
    shell.index.add_sdist("built", "1.0", uploaded="2020-01-01", build_requires=["backend"])
    yield
    shell.index.add_wheel("built", "1.0", uploaded="2020-01-01")


def sleeping_build(shell: Shell) -> object:
    return _build(shell, BUILD_SLEEPS)


def leaving_build(shell: Shell) -> object:
    return _build(shell, BUILD_STAYS)


# --- More of the probe

HOARD = "hoard = bytearray(600_000_000)\nimport time\ntime.sleep(60)\n"
FORK = """
import subprocess, sys
for _ in range(20):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
import time
time.sleep(60)
"""
FILL = """
import tempfile, time
with tempfile.TemporaryFile() as file:
    for _ in range(100):
        file.write(bytes(1_000_000))
    file.flush()
    time.sleep(60)
"""
SPIN = "while True:\n    pass\n"


def hoarding_probe(shell: Shell) -> object:
    return _probe(shell, PROBE + HOARD)


def forking_probe(shell: Shell) -> object:
    return _probe(shell, PROBE + FORK)


def filling_probe(shell: Shell) -> object:
    return _probe(shell, PROBE + FILL)


def spinning_probe(shell: Shell) -> object:
    return _probe(shell, PROBE + SPIN)


# --- The network


@contextmanager
def another_index_before(shell: Shell) -> Iterator[None]:
    """Another index, whose release of the same name fails, was used with the same caches."""
    with LocalIndex() as index, _environ(shell, UV_DEFAULT_INDEX=index.url):
        publish(index, "----", requires=["dep"])
        index.add_wheel("dep", "1.0", uploaded="2020-01-01")
        done = shell.run("check", "demo==1.1", "--probe", "leak.py", "--env", "DIARY", "--sandbox", "none")
        assert done.returncode == 1, done.stdout + done.stderr
    yield


@contextmanager
def address_that_is_none(shell: Shell) -> Iterator[None]:
    with _environ(shell, UV_DEFAULT_INDEX="http://me:hunter2@127.0.0.1:99999999/simple"):
        yield


@contextmanager
def redirected_with_a_password(shell: Shell) -> Iterator[None]:
    to = {"Location": "http://me:hunter2@127.0.0.1:99999999/simple/demo/"}
    shell.index.faults["/simple/demo/"] = lambda _: Answer(302, headers=to)
    yield
    shell.index.faults.clear()


@contextmanager
def proxy_gone(shell: Shell) -> Iterator[None]:
    with LocalProxy() as proxy:
        address = proxy.host
    with _environ(shell, HTTP_PROXY=f"http://me:hunter2@{address}"):
        yield


@contextmanager
def proxy_without_credentials(shell: Shell) -> Iterator[None]:
    with LocalProxy(credentials=("me", "hunter2")) as proxy, _environ(shell, HTTP_PROXY=proxy.host):
        yield


@contextmanager
def unknown_certificate(shell: Shell) -> Iterator[None]:
    (shell.folder / "certificates").mkdir()
    tls = Certificates(shell.folder / "certificates").server()
    with LocalIndex(tls=tls) as index, _environ(shell, UV_DEFAULT_INDEX=index.url):
        yield


@contextmanager
def network_off(shell: Shell) -> Iterator[None]:
    with _environ(shell, UV_OFFLINE="1"):
        yield


@contextmanager
def _environ(shell: Shell, **variables: str) -> Iterator[None]:
    before = shell.environ
    shell.environ = before | variables
    yield
    shell.environ = before

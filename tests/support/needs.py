# ruff: noqa
"""Do what probes need and a sandbox has to allow: a program that a test runs confined; it prints a line for each."""

import os, shutil, socket, subprocess, sys, tempfile


def need(f):
    try:
        f()
        print(f.__name__, "worked", flush=True)
    except BaseException as e:
        print(f.__name__, "failed", type(e).__name__, str(e)[:150].replace("\n", " "), flush=True)


def mp_lock():
    import multiprocessing as m

    l = m.Lock()
    q = m.Queue()
    q.put(1)
    return q.get()


def sq(x):
    return x * x


def mp_pool():
    import multiprocessing as m

    with m.get_context("fork").Pool(2) as p:
        return p.map(sq, [1, 2])


def mp_spawn():
    import multiprocessing as m

    with m.get_context("spawn").Pool(2) as p:
        return p.map(sq, [1, 2])


def mp_forkserver():
    import multiprocessing as m

    with m.get_context("forkserver").Pool(1) as p:
        return p.map(sq, [1, 2])


def mp_manager():
    import multiprocessing as m

    with m.Manager() as g:
        d = g.dict()
        d[1] = 2
        return dict(d)


def shared_memory():
    from multiprocessing import shared_memory as s

    a = s.SharedMemory(create=True, size=10)
    a.close()
    a.unlink()


def ppe():
    from concurrent.futures import ProcessPoolExecutor as P

    with P(1) as p:
        return p.submit(sq, 3).result()


def sub():
    return subprocess.run("echo hi | cat; exit 3", shell=True, capture_output=True, text=True).returncode


def kill_child():
    p = subprocess.Popen(["sleep", "60"])
    p.terminate()
    return p.wait()


def kill_group_child():
    p = subprocess.Popen(["sleep", "60"], start_new_session=True)
    os.killpg(p.pid, 15)
    return p.wait()


def self_reexec():
    return subprocess.run(
        [sys.executable, "-c", "import json,sys;print(sys.prefix)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def git():
    d = tempfile.mkdtemp()
    subprocess.run(["git", "init", "-q", d], check=True, capture_output=True)
    open(d + "/a", "w").write("x")
    subprocess.run(["git", "-C", d, "add", "a"], check=True, capture_output=True)
    subprocess.run(
        ["git", "-C", d, "-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "x"],
        check=True,
        capture_output=True,
    )
    subprocess.run(["git", "clone", "-q", d, d + "/c"], check=True, capture_output=True)


def tmp_named():
    with tempfile.NamedTemporaryFile() as t:
        return t.name.startswith(os.environ["TMPDIR"])


def home():
    open(os.path.expanduser("~/.cfg"), "w").write("x")


def home_rename_across():
    open("f", "w").write("x")
    os.rename("f", os.path.expanduser("~/f"))


def link_across():
    open("g", "w").write("x")
    os.link("g", os.environ["TMPDIR"] + "/g")


def sqlite():
    import sqlite3

    c = sqlite3.connect("x.db")
    c.execute("pragma journal_mode=wal")
    c.execute("create table t(a)")
    c.commit()


def sqlite_shared_wal():
    import sqlite3

    c = sqlite3.connect(os.environ["TMPDIR"] + "/y.db")
    c.execute("create table t(a)")
    c.commit()


def ptys():
    import pty

    m, s = pty.openpty()
    os.write(m, b"x")
    return os.ttyname(s)


def pty_spawn():
    import pty

    pid, fd = pty.fork()
    if pid == 0:
        os.execvp("true", ["true"])
    os.waitpid(pid, 0)


def unix_socket():
    s = socket.socket(socket.AF_UNIX)
    s.bind("s.sock")
    s.listen()
    c = socket.socket(socket.AF_UNIX)
    c.connect("s.sock")


def abstract_own():
    s = socket.socket(socket.AF_UNIX)
    s.bind("\0own-contain")
    s.listen()
    c = socket.socket(socket.AF_UNIX)
    c.connect("\0own-contain")


def abstract_child():
    s = socket.socket(socket.AF_UNIX)
    s.bind("\0own-contain2")
    s.listen()
    subprocess.run(
        [sys.executable, "-c", "import socket;c=socket.socket(socket.AF_UNIX);c.connect('\\0own-contain2')"],
        check=True,
        capture_output=True,
    )


def tcp():
    l = socket.create_server(("127.0.0.1", 0))
    c = socket.create_connection(l.getsockname())


def dns():
    return socket.getaddrinfo("localhost", 80)[0][4]


def dev_stdout():
    open("/dev/stdout", "w").write("")


def dev_fd():
    return subprocess.run(
        ["bash", "-c", "cat <(echo x)"], capture_output=True, text=True, check=True
    ).stdout.strip()


def heredoc():
    return subprocess.run(
        ["bash", "-c", "cat <<A\nx\nA"], capture_output=True, text=True, check=True
    ).stdout.strip()


def devnull():
    open("/dev/null", "w").write("x")
    open("/dev/null", "a")


def proc_self():
    return open("/proc/self/status").readline().strip()


def psutil_like():
    return len(open("/proc/meminfo").read()) > 0 and os.path.exists("/proc/%d/stat" % os.getppid())


def memfd():
    fd = os.memfd_create("x")
    os.write(fd, b"x")
    open("/proc/self/fd/%d" % fd, "r+b")


def mmap_exec():
    import ctypes

    return ctypes.CDLL("libm.so.6").abs(-3)


def ctypes_closure():
    import ctypes

    return ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 3)()


def chmod_own():
    open("k", "w").write("x")
    os.chmod("k", 0o600)


def rlimit_child():
    import resource

    p = subprocess.Popen(["sleep", "5"])
    resource.prlimit(p.pid, resource.RLIMIT_CORE, (0, 0))
    p.kill()
    p.wait()


def username():
    import getpass, pwd

    return pwd.getpwuid(os.getuid()).pw_name


if __name__ == "__main__":
    for f in list(globals().values()):
        if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in ("need", "sq"):
            need(f)

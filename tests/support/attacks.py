# ruff: noqa
"""Attack everything that a run must not reach: a program that a test runs confined; it prints a line per attack.

    python attacks.py WORLD

Its working directory is the run's box. WORLD has a directory `env` of files, a secret, a socket and a program
that belongs to root.
"""

import ctypes, errno, mmap, os, resource, shutil, signal, socket, stat, subprocess, sys

base, run, sup = sys.argv[1], os.getcwd(), os.getppid()
env = base + "/env"
libc = ctypes.CDLL(None, use_errno=True)


def c(r):
    if r < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return r


def attack(f):
    """Print whether it worked, in a process of its own, which may change its user."""
    if os.fork() == 0:
        try:
            f()
            print(f.__name__, "worked", flush=True)
        except BaseException as e:
            print(
                f.__name__,
                "failed",
                type(e).__name__,
                errno.errorcode.get(getattr(e, "errno", 0) or 0, e),
                flush=True,
            )
        os._exit(0)
    os.wait()


def F(n):
    return env + "/" + n


@attack
def inplace_chmod_rb():
    try:
        os.chmod(F("a1.py"), 0o644)
    except OSError as e:
        pass
    with open(F("a1.py"), "r+b") as s:
        s.write(b"X")


@attack
def open_wb():
    try:
        os.chmod(F("a2.py"), 0o644)
    except OSError:
        pass
    open(F("a2.py"), "wb").close()


@attack
def truncate():
    try:
        os.chmod(F("a3.py"), 0o644)
    except OSError:
        pass
    os.truncate(F("a3.py"), 1)


@attack
def mmap_shared():
    try:
        os.chmod(F("a4.py"), 0o644)
    except OSError:
        pass
    fd = os.open(F("a4.py"), os.O_RDWR)
    m = mmap.mmap(fd, 0)
    m[0:1] = b"X"


@attack
def link_into_run_then_write():
    try:
        os.chmod(F("a5.py"), 0o644)
    except OSError:
        pass
    os.link(F("a5.py"), run + "/l.py")
    open(run + "/l.py", "r+b").write(b"X")


@attack
def rename_out():
    os.rename(F("a6.py"), run + "/r.py")


@attack
def rename_in():
    open(run + "/evil", "w").write("evil")
    os.rename(run + "/evil", F("a7.py"))


@attack
def proc_fd_reopen():
    try:
        os.chmod(F("a8.py"), 0o644)
    except OSError:
        pass
    fd = os.open(F("a8.py"), os.O_RDONLY)
    fd2 = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
    os.write(fd2, b"X")


@attack
def unlink_env():
    os.unlink(F("a9.py"))


@attack
def create_pyc():
    os.makedirs(env + "/__pycache__", exist_ok=True)
    open(env + "/__pycache__/a.cpython.pyc", "w").write("x")


@attack
def chmod_only():
    os.chmod(F("b1.py"), 0o000)


@attack
def utime_only():
    os.utime(F("b2.py"), (1, 1))


@attack
def setxattr():
    os.setxattr(F("b3.py"), "user.x", b"y")


@attack
def chown():
    os.chown(F("b4.py"), 65534, 65534)


@attack
def chmod_env_folder():
    os.chmod(env + "/sub", 0o000)


@attack
def via_proc_sup_root():
    try:
        os.chmod(f"/proc/{sup}/root" + F("b5.py"), 0o644)
    except OSError:
        pass
    open(f"/proc/{sup}/root" + F("b5.py"), "r+b").write(b"X")


@attack
def uv_cache_write():
    try:
        os.chmod(base + "/uvc/b6.py", 0o644)
    except OSError:
        pass
    open(base + "/uvc/b6.py", "r+b").write(b"X")


@attack
def secret_read():
    return open(base + "/home/.ssh/token").read()


@attack
def secret_via_proc_root():
    return open(f"/proc/{sup}/root" + base + "/home/.ssh/token").read()


@attack
def secret_link():
    os.link(base + "/home/.ssh/token", run + "/tok")
    return open(run + "/tok").read()


@attack
def secret_stat():
    return os.stat(base + "/home/.ssh/token").st_size


@attack
def signal_sup():
    os.kill(sup, signal.SIGWINCH)


@attack
def pidfd_signal():
    p = os.pidfd_open(sup)
    signal.pidfd_send_signal(p, signal.SIGWINCH)


@attack
def pidfd_getfd():
    p = os.pidfd_open(sup)
    c(libc.syscall(438, p, 0, 0))


@attack
def killpg_sup():
    os.killpg(os.getpgid(sup), signal.SIGWINCH)


@attack
def ptrace_seize():
    c(libc.ptrace(0x4206, sup, 0, 0))


@attack
def mem_of_sup():
    open(f"/proc/{sup}/mem", "r+b")


@attack
def prlimit_sup():
    old = resource.prlimit(sup, resource.RLIMIT_CORE)
    resource.prlimit(sup, resource.RLIMIT_CORE, (old[0], old[1]))
    return old


@attack
def setpriority_sup():
    os.setpriority(os.PRIO_PROCESS, sup, os.getpriority(os.PRIO_PROCESS, sup))


@attack
def affinity_sup():
    os.sched_setaffinity(sup, os.sched_getaffinity(sup))


@attack
def suid_program():
    o = subprocess.run([base + "/suid_id", "-u"], capture_output=True, text=True).stdout
    if o != "0\n" or os.getuid() == 0:
        raise PermissionError(errno.EPERM, o)


@attack
def setuid_other():
    os.setuid(1234 if os.getuid() != 1234 else 0)


@attack
def mount_tmpfs():
    os.makedirs(run + "/m", exist_ok=True)
    c(libc.mount(b"none", (run + "/m").encode(), b"tmpfs", 0, None))


@attack
def userns_mount():
    c(libc.unshare(0x10000000 | 0x20000))
    os.makedirs(run + "/m", exist_ok=True)
    c(libc.mount(b"none", (run + "/m").encode(), b"tmpfs", 0, None))


@attack
def remount_rw():
    c(libc.mount(None, env.encode(), None, 32 | 4096, None))
    open(F("b7.py"), "r+b").write(b"X")


@attack
def chroot_():
    os.chroot(run)


@attack
def sethostname():
    socket.sethostname(socket.gethostname())


@attack
def abstract_socket():
    s = socket.socket(socket.AF_UNIX)
    s.connect("\0" + base)


@attack
def path_socket():
    s = socket.socket(socket.AF_UNIX)
    s.connect(base + "/path.sock")


@attack
def tcp_loopback_outside():
    s = socket.create_connection(("127.0.0.1", int(open(base + "/port").read())), 2)


@attack
def write_tmp():
    p = "/tmp/bisect-asgi-probe-%d" % os.getpid()
    open(p, "w").write("x")
    os.unlink(p)


@attack
def write_home():
    p = base + "/home/x%d" % os.getpid()
    open(p, "w").write("x")
    os.unlink(p)


@attack
def write_devshm():
    p = "/dev/shm/bisect-asgi-probe-%d" % os.getpid()
    open(p, "w").write("x")
    os.unlink(p)


@attack
def sysv_shm_left():
    i = c(libc.shmget(0x7C0FFEE, 4096, 0o1600))
    return i


@attack
def mknod_device():
    os.mknod(run + "/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))


@attack
def kill_everybody():
    os.kill(-1, signal.SIGWINCH)


@attack
def signal_fork_server():
    os.kill(int(open("/proc/%d/stat" % sup).read().rpartition(")")[2].split()[1]), signal.SIGWINCH)


@attack
def signal_tool():
    os.kill(int(open(base + "/tool").read()), signal.SIGWINCH)


@attack
def store_read():
    if not open(base + "/cache/store.db").read():
        raise PermissionError(errno.EPERM, "something else lies over it")


@attack
def store_write():
    open(base + "/cache/store.db", "a").write("x")
    if os.path.getsize(base + "/cache/store.db") != len("rows") + 1:
        raise PermissionError(errno.EPERM, "something else lies over it")


@attack
def environ_of_tool():
    open("/proc/" + open(base + "/tool").read() + "/environ").read()


@attack
def environ_of_supervisor():
    open("/proc/%d/environ" % sup).read()


@attack
def users_terminal():
    # The test outside of the box holds this terminal open.
    os.write(os.open(open(base + "/terminal").read(), os.O_WRONLY | os.O_NOCTTY), b"hello")

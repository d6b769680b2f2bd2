"""Confine a process, with standard-library code only, because it runs in a child between fork and exec.

Two levels (Linux). *basic* needs no privileges: no capabilities, no new privileges, no system call that
reaches what supervises the run (seccomp(2)), and writing only below the run's box and /dev/shm, without
reading secrets (landlock(7)). *strong* adds mount and IPC namespaces of the run's own: a read-only root,
hidden secrets, no terminals but its own, and a /dev/shm that goes with the run; on request, a network
namespace with a loopback.

Landlock does not cover chmod and utime, so at *basic* these also change the files of other environments that
share them by hard links. Each step that the kernel refuses is an error: a run is never confined by less than
the level that was asked for.

*alone* is no level of a run. It only keeps a program of this tool from starting processes.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import resource
import socket
import stat
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:  # without importing typing, which takes longer than all the rest
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    _Instruction = tuple[int, int, int, int]

BASIC, STRONG, ALONE = "basic", "strong", "alone"

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on all architectures but alpha
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << n for n in range(4))
_FILES_AND_FOLDERS = sum(1 << n for n in (4, 5, 7, 8, 9, 10, 12))
"""Remove both kinds, and make directories, files, sockets, FIFOs and links; no device nodes."""
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE = _WRITE_FILE | _FILES_AND_FOLDERS | _REFER | _TRUNCATE
_DEVICE = _READ_FILE | _READ_DIR | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_SCOPES = 1 | 2
"""Abstract sockets and signals."""
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")
_SHARED_MEMORY, _TERMINALS = "/dev/shm", "/dev/pts"  # noqa: S108

_NO_NEW_PRIVS, _SECCOMP, _CAPBSET_DROP, _CAP_AMBIENT, _CLEAR_ALL = 38, 22, 24, 47, 4
_CAPABILITY_VERSION = 0x20080522

_BIND, _RECURSIVE, _PRIVATE, _NOSUID, _NODEV = 4096, 16384, 1 << 18, 2, 4
_NEW_NS, _NEW_USER, _NEW_IPC, _NEW_NET = 0x20000, 0x10000000, 0x08000000, 0x40000000
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _ATTR_RDONLY, _ATTR_NOSUID = 442, -100, 0x8000, 1, 2
_SIOCSIFFLAGS, _UP_AND_RUNNING = 0x8914, 1 | 64

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def enter(rules: dict[str, Any]) -> None:
    """Confine this process and all that it starts.

    The keys of `rules`: `level`, `writable` (directories), `secrets` (paths without links in them),
    `protected` (process numbers), `network`. The working directory is entered again at the end, because the
    new mounts hide the old one.

    Raises:
        OSError: the kernel refused a step; the process must end, because it is confined only in part.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if rules["level"] == ALONE:
        _check(_libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
        _filter_calls(_alone)
        return
    if rules["level"] == STRONG:
        _enter_namespaces(rules["writable"], rules["secrets"], network=rules["network"])
        os.chdir(os.getcwd())
    _drop_capabilities()
    _check(_libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    if os.uname().machine in _ARCHITECTURES:
        _filter_calls(lambda machine: program(machine, rules["protected"]))
    readable = ["/"] if rules["level"] == STRONG else all_but(rules["secrets"])
    _restrict(readable, [*rules["writable"], _SHARED_MEMORY])


def abi() -> int:
    """Return the version of Landlock that the kernel has, or 0."""
    found = _libc.syscall(ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    return max(0, int(found))


def lacks() -> str:
    """Return what this kernel cannot refuse although it has Landlock, or "" if nothing is missing."""
    version = abi()
    gaps = ["truncating files"] if version < 3 else []
    if version < 6 and os.uname().machine not in _ARCHITECTURES:
        gaps.append("signals")
    return " and ".join(gaps)


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def _call(number: int, what: str, *arguments: object) -> int:
    return _check(int(_libc.syscall(ctypes.c_long(number), *arguments)), what)


# --- Files


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("fd", ctypes.c_int32))


def _restrict(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Allow reading and writing below these paths and nowhere else, and what programs do with devices."""
    version = abi()
    if not version:
        raise OSError(errno.ENOSYS, "the kernel has no Landlock, or it is switched off")
    handled = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    attributes = _RulesetAttributes(handled, 0, _SCOPES if version >= 6 else 0)
    size = ctypes.c_size_t(24 if version >= 6 else 16 if version >= 4 else 8)
    ruleset = _call(_CREATE_RULESET, "landlock", ctypes.byref(attributes), size, ctypes.c_uint32(0))
    devices = [f"/dev/{name}" for name in _DEVICES]
    for access, paths in ((_READ, readable), (_READ | _WRITE, writable), (_DEVICE, devices)):
        for path in paths:
            _allow(ruleset, path, access & handled)
    _call(_RESTRICT_SELF, "landlock", ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # a path that does not exist, or cannot be entered, needs no rule
    try:
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            access &= _OF_A_FILE
        rule = _PathBeneath(access, beneath)
        arguments = (ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule))
        _call(_ADD_RULE, f"landlock {path}", *arguments, ctypes.c_uint32(0))
    finally:
        os.close(beneath)


def all_but(secrets: list[str], top: str = "/") -> list[str]:
    """Return paths that cover all below `top` but the secrets: Landlock can allow only, not forbid."""
    if top in secrets:
        return []
    inside = [path for path in secrets if path.startswith(top.rstrip("/") + "/")]
    if not inside:
        return [top]
    try:
        paths = [os.path.join(top, name) for name in os.listdir(top)]
    except OSError:
        return []
    return [found for path in paths if not os.path.islink(path) for found in all_but(inside, path)]


# --- Namespaces


def _enter_namespaces(writable: list[str], secrets: list[str], *, network: bool) -> None:
    """Enter a view of the file system in which little can be written; without `network`, no network."""
    _unshare(_NEW_NS | _NEW_IPC | (0 if network else _NEW_NET))
    _mount("none", "/", None, _RECURSIVE | _PRIVATE)
    for path in writable:
        _mount(path, path, None, _BIND)
    _set_attributes("/", _ATTR_RDONLY | _ATTR_NOSUID, 0, _AT_RECURSIVE)
    for path in writable:
        _set_attributes(path, 0, _ATTR_RDONLY, 0)
    for path in secrets:
        if os.path.isdir(path):
            _mount("none", path, "tmpfs", _NOSUID | _NODEV, "mode=000,size=4k")
        elif os.path.exists(path):
            _mount("/dev/null", path, None, _BIND)
    _mount("shm", _SHARED_MEMORY, "tmpfs", _NOSUID | _NODEV, "mode=1777")
    if os.path.isdir(_TERMINALS):  # mount an empty one, without the user's terminals
        _mount("devpts", _TERMINALS, "devpts", _NOSUID, "newinstance,ptmxmode=0666,mode=620")
    if not network:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            request = b"lo".ljust(16, b"\0") + _UP_AND_RUNNING.to_bytes(2, "little") + bytes(22)
            fcntl.ioctl(control, _SIOCSIFFLAGS, request)


def _unshare(namespaces: int) -> None:
    """Leave these namespaces; if that needs rights that the user does not have, in a user namespace."""
    user, group = os.geteuid(), os.getegid()
    if _libc.unshare(namespaces) == 0:
        return
    _check(_libc.unshare(namespaces | _NEW_USER), "namespaces cannot be made")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as stream:
            stream.write(text)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    _check(_libc.mount(*texts[:3], ctypes.c_ulong(flags), texts[3]), f"mount {target}")


def _set_attributes(path: str, put: int, clear: int, flags: int) -> None:
    attributes = (ctypes.c_uint64 * 4)(put, clear, 0, 0)
    arguments = (ctypes.c_int(_AT_FDCWD), os.fsencode(path), ctypes.c_uint(flags), ctypes.byref(attributes))
    _call(_MOUNT_SETATTR, f"mount_setattr {path}", *arguments, ctypes.c_size_t(32))


# --- Privileges and system calls


def _drop_capabilities() -> None:
    """Leave root its user id and nothing else."""
    for number in range(64):
        if _libc.prctl(_CAPBSET_DROP, number, 0, 0, 0) < 0:
            break  # there are no more; or it is not permitted, and then no program can give any
    _libc.prctl(_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    header, none = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(none)), "capset")


_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE, _UNKNOWN = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_FORKS = {"x86_64": (57, 58), "aarch64": ()}
"""fork(2) and vfork(2)."""
_CLONE_THREAD = 0x10000
_CALLS = (
    ("kill", (62, 129), 0),
    ("tkill", (200, 130), 0),
    ("tgkill", (234, 131), 0),
    ("rt_sigqueueinfo", (129, 138), 0),
    ("rt_tgsigqueueinfo", (297, 240), 0),
    ("pidfd_open", (434, 434), 0),
    ("prlimit64", (302, 261), 0),
    ("sched_setaffinity", (203, 122), 0),
    ("sched_setscheduler", (144, 119), 0),
    ("sched_setparam", (142, 118), 0),
    ("sched_setattr", (314, 274), 0),
    ("setpriority", (141, 140), 1),
    ("ioprio_set", (251, 30), 1),
    ("ptrace", (101, 117), 1),
)
"""Calls on another process: name, numbers on x86_64 and aarch64, and the index of the argument that names it.

A filter is needed, because Landlock covers signals only since its version 6, and limits and priorities not at
all.
"""


def _filter_calls(program_for: Callable[[str], Iterable[_Instruction]]) -> None:
    """Have the kernel ask this machine's filter about each system call."""
    machine = os.uname().machine
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no filter of system calls is known for {machine}")
    code = [struct.pack("HBBI", *one) for one in program_for(machine)]
    filled = ctypes.create_string_buffer(b"".join(code))
    loaded = struct.pack("HP", len(code), ctypes.addressof(filled))
    _check(_libc.prctl(_SECCOMP, 2, loaded, 0, 0), "seccomp")


def program(machine: str, protected: Iterable[int]) -> Iterator[_Instruction]:
    """Yield the filter that refuses what would be done to these processes, to their groups, or to all.

    An instruction is its code, the jump if true, the jump if false, and the operand.
    """
    _, column = _ARCHITECTURES[machine]
    whom = sorted({number & 0xFFFFFFFF for pid in protected for number in (pid, -pid, -1)})
    yield from _beginning(machine)
    for _, numbers, argument in _CALLS:
        yield (_IF_EQUAL, 0, len(whom) + 3, numbers[column])
        yield (_LOAD, 0, 0, 16 + 8 * argument)
        for place, number in enumerate(whom):
            yield (_IF_EQUAL, len(whom) - place, 0, number)
        yield from ((_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE))
    yield (_RETURN, 0, 0, _ALLOW)


def _alone(machine: str) -> Iterator[_Instruction]:
    """Yield the filter that refuses new processes, but allows new threads and execve(2).

    A filter cannot read the flags of clone3(2), which are behind a pointer. So clone3 fails as on a kernel
    without it, and the C library calls clone(2) instead.
    """
    _, column = _ARCHITECTURES[machine]
    yield from _beginning(machine)
    for number in _FORKS[machine]:
        yield from ((_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE))
    yield from ((_IF_EQUAL, 0, 1, 435), (_RETURN, 0, 0, _UNKNOWN))
    yield from ((_IF_EQUAL, 0, 3, (56, 220)[column]), (_LOAD, 0, 0, 16), (_IF_SET, 1, 0, _CLONE_THREAD))
    yield from ((_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW))


def _beginning(machine: str) -> Iterator[_Instruction]:
    """Yield what refuses the calls of other architectures, and loads the number of the call."""
    architecture, _ = _ARCHITECTURES[machine]
    yield from (
        (_LOAD, 0, 0, 4),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _UNKNOWN),
        (_LOAD, 0, 0, 0),
    )
    if machine == "x86_64":  # x32 calls have other numbers, which would evade the filter
        yield from ((_IF_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _UNKNOWN))

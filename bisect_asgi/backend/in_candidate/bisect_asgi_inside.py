"""The hook in a candidate's environment: standard-library code for Python 3.6 and later.

A line in a `.pth` file imports this at the start of every Python process of a run. In other processes the line
does nothing, because only runs set its variable. The hook changes nothing that a program would notice, and
writes into the report directory:

    stacks-PID.txt      empty until the tool asks for the stacks of a process that hangs
    exception-PID.json  the uncaught exception: type, message, frames
    peak-PID.txt        the peak memory of a process that ended regularly, in bytes
    imported-PID.txt    the files of the imported modules, as long as the environment lacks byte-code

It imports nothing that is slow to import, because many probes take little longer than the start of Python.
"""

import atexit
import faulthandler
import os
import sys
from _signal import SIGUSR2

REPORT = os.environ["BISECT_ASGI_REPORT"]
COMPILED = os.path.join(sys.prefix, "bisect-asgi-compiled")


def watch():
    """Install the hook in this process."""
    pid = os.getpid()
    stacks = open(os.path.join(REPORT, "stacks-%d.txt" % pid), "w")
    faulthandler.register(SIGUSR2, file=stacks, all_threads=True)
    atexit.register(write_peak, pid)
    if not os.path.exists(COMPILED):
        atexit.register(write_imported, pid)
    sys.excepthook = report_exception


def report_exception(kind, error, trace):
    """Write the exception into the report directory, then let Python print it."""
    try:
        write_exception(kind, error, trace)
    finally:
        sys.__excepthook__(kind, error, trace)


def write_exception(kind, error, trace):
    frames = frames_of(trace)
    message = message_of(error)
    found = leaves(error)
    messages = sorted({"%s: %s" % (type(leaf).__name__, message_of(leaf)) for leaf in found})
    is_group = all(leaf is not error for leaf in found)
    if is_group and len(messages) == 1:  # the group adds nothing to its only exception
        kind, message = type(found[0]), message_of(found[0])
        frames += frames_of(found[0].__traceback__)
    elif is_group:
        message += ": " + "; ".join(messages)
    # Except for the script, the top level of a file runs only during an import. Code that is in no file, as
    # that of `exec`, has a name such as `<string>`.
    importing = issubclass(kind, (ImportError, SyntaxError)) or any(
        name == "<module>" and not file.startswith("<") for file, _, name in frames[1:]
    )
    with open(os.path.join(REPORT, "exception-%d.json" % os.getpid()), "w") as stream:
        stream.write(
            '{"type": %s, "message": %s, "importing": %s, "frames": [%s]}'
            % (
                quoted(kind.__name__),
                quoted(message),
                "true" if importing else "false",
                ", ".join("[%s, %d, %s]" % (quoted(file), line, quoted(name)) for file, line, name in frames),
            )
        )


def quoted(text):
    """Return a text as JSON; the module `json` takes as long to import as Python to start."""
    try:
        from _json import encode_basestring_ascii
    except ImportError:  # not CPython
        from json.encoder import encode_basestring_ascii
    return encode_basestring_ascii(text)


def frames_of(trace):
    """Return file, line and function of all frames, without the module `traceback`, which is as slow."""
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append((code.co_filename, trace.tb_lineno or 0, code.co_name))
        trace = trace.tb_next
    return found


def leaves(error):
    """Return the exceptions in a group (PEP 654 or its backport) and its inner groups; else the error itself."""
    if not any(base.__name__ == "BaseExceptionGroup" for base in type(error).__mro__):
        return [error]
    return [leaf for inner in error.exceptions for leaf in leaves(inner)]


def message_of(error):
    try:
        return str(error)
    except Exception:
        return ""


def write_peak(pid):
    """Write VmHWM, which unlike getrusage does not include the parent's peak."""
    if pid != os.getpid():
        return  # in a forked child: it inherited the exit handler, which is for its parent
    try:
        with open("/proc/self/status") as status:
            peaks = [line.split()[1] for line in status if line.startswith("VmHWM:")]
        with open(os.path.join(REPORT, "peak-%d.txt" % pid), "w") as stream:
            stream.write(str(int(peaks[0]) * 1024))
    except (OSError, IndexError):
        return  # only Linux has this file


def write_imported(pid):
    if pid != os.getpid():
        return
    try:
        specs = [spec_of(module) for module in list(sys.modules.values())]
        files = [spec.origin for spec in specs if getattr(spec, "cached", None)]
        with open(os.path.join(REPORT, "imported-%d.txt" % pid), "wb") as stream:
            stream.write(b"\n".join(os.fsencode(file) for file in files))
    except Exception:  # without the list the next run is only slower, because nothing gets compiled
        return


def spec_of(module):
    """Return where a module comes from, without asking the module: it may load itself when it is asked."""
    try:
        return object.__getattribute__(module, "__dict__").get("__spec__")
    except AttributeError:
        return None


try:
    watch()
except Exception:  # a fault of the hook must not stop the program
    sys.__excepthook__(*sys.exc_info())

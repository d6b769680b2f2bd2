"""What the tool puts into a candidate's environment: standard-library code for Python 3.6 and later.

A line in a `.pth` file imports this at the start of every Python process of a run (and of no other: the
variable is set in runs only). It changes nothing that a program can see, and leaves in the run's report folder

    stacks-PID.txt      empty until the tool asks for the stacks of a process that hangs
    exception-PID.json  the exception that nobody caught: type, message, frames
    peak-PID.txt        the peak memory of a process that ended in order, in bytes

What takes long to import is imported where it is needed: to start is most of what many a probe does.
"""

import atexit
import faulthandler
import os
import sys
from _signal import SIGUSR2

REPORT = os.environ["BISECT_ASGI_REPORT"]


def watch():
    """Register everything for this process."""
    pid = os.getpid()
    stacks = open(os.path.join(REPORT, "stacks-%d.txt" % pid), "w")
    faulthandler.register(SIGUSR2, file=stacks, all_threads=True)
    atexit.register(write_peak, pid)
    sys.excepthook = report_exception


def report_exception(kind, error, trace):
    """Write down the exception, then let Python print it as it always does."""
    try:
        write_exception(kind, error, trace)
    finally:
        sys.__excepthook__(kind, error, trace)


def write_exception(kind, error, trace):
    import json
    import traceback

    frames = traceback.extract_tb(trace)
    message = message_of(error)
    found = leaves(error)
    told = sorted({"%s: %s" % (type(leaf).__name__, message_of(leaf)) for leaf in found})
    is_group = all(leaf is not error for leaf in found)
    if is_group and len(told) == 1:  # the group says nothing that its one exception does not
        kind, message = type(found[0]), message_of(found[0])
        frames += traceback.extract_tb(found[0].__traceback__)
    elif is_group:
        message += ": " + "; ".join(told)
    # A module's code below the script's own runs while something is imported; code in no file is no module.
    importing = issubclass(kind, (ImportError, SyntaxError)) or any(
        frame.name == "<module>" and not frame.filename.startswith("<") for frame in frames[1:]
    )
    path = os.path.join(REPORT, "exception-%d.json" % os.getpid())
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(
            {
                "type": kind.__name__,
                "message": message,
                "importing": importing,
                "frames": [[frame.filename, frame.lineno, frame.name] for frame in frames],
            },
            stream,
        )


def leaves(error):
    """The exceptions in a group (PEP 654, or its backport), and in the groups in it; any other is its own."""
    if not any(base.__name__ == "BaseExceptionGroup" for base in type(error).__mro__):
        return [error]
    return [leaf for inner in error.exceptions for leaf in leaves(inner)]


def message_of(error):
    try:
        return str(error)
    except Exception:
        return ""


def write_peak(pid):
    """Write VmHWM: unlike getrusage, it does not carry the parent's peak."""
    if pid != os.getpid():
        return  # a forked child inherits the handler
    try:
        with open("/proc/self/status") as status:
            peaks = [line.split()[1] for line in status if line.startswith("VmHWM:")]
        with open(os.path.join(REPORT, "peak-%d.txt" % pid), "w") as stream:
            stream.write(str(int(peaks[0]) * 1024))
    except (OSError, IndexError):
        return  # not on Linux


try:
    watch()
except Exception:  # the run must go on as it would without this
    sys.__excepthook__(*sys.exc_info())

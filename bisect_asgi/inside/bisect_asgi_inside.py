"""What the tool puts into a candidate's environment: standard-library code for Python 3.6 and later.

A line in a `.pth` file imports this at the start of every Python process of a run (and of no other: the
variable is set in runs only). It changes nothing that a program can see, and leaves in the run's report folder

    stacks-PID.txt      empty until the tool asks for the stacks of a process that hangs
    exception-PID.json  the exception that nobody caught: type, message, frames
    peak-PID.txt        the peak memory of a process that ended in order, in bytes
"""

import atexit
import faulthandler
import json
import os
import signal
import sys
import traceback

REPORT = os.environ["BISECT_ASGI_REPORT"]


def watch():
    """Register everything for this process."""
    pid = os.getpid()
    stacks = open(os.path.join(REPORT, "stacks-%d.txt" % pid), "w")
    faulthandler.register(signal.SIGUSR2, file=stacks, all_threads=True)
    atexit.register(write_peak, pid)
    sys.excepthook = report_exception


def report_exception(kind, error, trace):
    """Write down the exception, then let Python print it as it always does."""
    try:
        write_exception(kind, error, trace)
    finally:
        sys.__excepthook__(kind, error, trace)


def write_exception(kind, error, trace):
    frames = [[frame.filename, frame.lineno, frame.name] for frame in traceback.extract_tb(trace)]
    # Module code below the script's own runs while something is imported.
    importing = issubclass(kind, (ImportError, SyntaxError)) or any(
        name == "<module>" for _, _, name in frames[1:]
    )
    path = os.path.join(REPORT, "exception-%d.json" % os.getpid())
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(
            {"type": kind.__name__, "message": message_of(error), "importing": importing, "frames": frames},
            stream,
        )


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
    traceback.print_exc()

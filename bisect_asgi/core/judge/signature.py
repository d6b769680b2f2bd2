"""The short normal form of a failure: what two failures have in common when they are the same.

Compared are the phase, the exception's type, its message without what differs from run to run (`messages`),
and the last frame outside the standard library. Of that frame,

*in the probe's own files*, file and function: they are the same bytes at every release, so nothing moves.
An assertion without a message says nothing but where it stands; its line is compared, too.

*elsewhere*, the importable name alone: `jinja2`, not `jinja2/filters.py in <module>`. Between releases code
moves while a failure stays what it is: the import of `soft_unicode` that jinja2 2.7 fails at is in
`jinja2/utils.py` and from 2.11 on in `jinja2/filters.py`, that of `url_quote` in `flask/helpers.py` and, from
2.2 on, in `flask/app.py`; a module becomes a package. With the whole frame each such move is a false
"different failure", which leaves a gap in the answer. What the name alone confuses, the same type with the
same message from two places of one package, is rare beside it.

Frames that are in nobody's file (`<string>`), the tool's own, and those of an attribute's look-up, which
stands for whoever asked, are passed over; compiled modules have none, so their caller stands for them.
"""

from __future__ import annotations

import re
import signal as signals
from collections.abc import Collection

from bisect_asgi.core.judge import tracebacks
from bisect_asgi.core.judge.messages import normalise
from bisect_asgi.core.judge.tracebacks import Frames
from bisect_asgi.core.model import FailureKind, Phase, Signature

_SHOWN_WIDTH = 160
_COMPARED_WIDTH = 2000
_PATH = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?…?[\\/][^\s'\"():,]+")
_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError"})
# The second is what pytest raises for `pytest.fail()` and an exception that did not come.
_ASSERTIONS = frozenset({"AssertionError", "Failed"})
_STANDARD_LIBRARY = re.compile(
    r"/(?:lib(?:64)?/(?:python|pypy)|lib-python/)\d[\d.]*t?/(?!(?:site|dist)-packages/)|\bpython\d+\.zip/"
)
_INSTALLED = re.compile(r".*/(?:site|dist)-packages/")
_TOOL = re.compile(r"(?:^|/)bisect_asgi/backend/(?:served|in_candidate)/[^/]+$")
# From Python 3.12 on the first three are no frames of their own (PEP 709).
_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_LOOK_UPS = frozenset({"__getattr__", "__getattribute__"})


def of_exception(
    type_name: str, message: str, *, phase: Phase, frames: Frames = (), own: Collection[str] = ()
) -> Signature:
    """The signature of an exception that nobody caught, and how far the run had got.

    `own` are the names of the probe's files, relative to where it ran.
    """
    first_line = next((line for line in message.splitlines() if line.strip()), "")[:_COMPARED_WIDTH]
    shown = f"{type_name}: {_PATH.sub(_shortened, first_line)}" if first_line else type_name
    return Signature(
        kind=FailureKind.EXCEPTION,
        phase=phase,
        text=normalise(f"{type_name}: {_in_full(type_name, first_line, frames)}"),
        shown=cut(shown),
        frame=_last_frame(frames, own, type_name=type_name, is_bare=not first_line),
    )


def _in_full(type_name: str, message: str, frames: Frames) -> str:
    """The message; a module's own look-up (PEP 562) that raises a bare name is put in Python's words.

    click 8.1 has no `__getattr__` and 8.2 has one: to ask either for what is gone is one failure.
    """
    package, _, file = _name(frames[-1][0], ()).rpartition("/") if frames else ("", "", "")
    is_look_up = type_name == "AttributeError" and file == "__init__.py" and frames[-1][2] == "__getattr__"
    if not is_look_up or not message.isidentifier():
        return message
    return f"module '{package.replace('/', '.')}' has no attribute '{message}'"


def _last_frame(frames: Frames, own: Collection[str], *, type_name: str, is_bare: bool) -> str:
    """The last of `frames` that says where it failed; empty: none does."""
    for file, line, function in reversed(frames):
        name = _name(file, own)
        is_look_up = type_name == "AttributeError" and function in _LOOK_UPS
        if not name or is_look_up or function in _COMPREHENSIONS:
            continue
        is_told_by_line = is_bare and type_name == "AssertionError" and name.startswith("./")
        place = f"{name}:{line}" if is_told_by_line else name
        return f"{place} in {function}" if function else place
    return ""


def _name(file: str, own: Collection[str]) -> str:
    """A frame's file: `./leak.py` of the probe's own, `jinja2/utils.py` of others; empty: it is neither."""
    file = file.replace("\\", "/").removeprefix("./")
    if installed := _INSTALLED.match(file):
        file = file[installed.end() :]
    elif mine := max((name for name in own if _is_at(file, name)), key=len, default=""):
        return f"./{mine}"
    elif _STANDARD_LIBRARY.search(file):
        return ""
    if file.startswith("<") or _TOOL.search(file):
        return ""
    # What is neither installed nor the probe's may lie in another folder at each run.
    return file.rpartition("/")[2] if file.startswith(("/", "../")) else file


def _is_at(file: str, name: str) -> bool:
    return file == name or (file.startswith("/") and file.endswith(f"/{name}"))


def cut(text: str) -> str:
    """As much of `text` as fits into what is shown of a failure."""
    return text if len(text) <= _SHOWN_WIDTH else text[: _SHOWN_WIDTH - 1] + "…"


def _shortened(path: re.Match[str]) -> str:
    """`/home/me/.cache/…/site-packages/jinja2/__init__.py` as `…/jinja2/__init__.py`."""
    parts = re.split(r"[\\/]", path[0])
    return path[0] if len(parts) <= 4 else "…/" + "/".join(parts[-2:])


def of_exit(exit_code: int) -> Signature:
    """The signature of a probe that ended by itself, or by a signal (negative code), without an exception."""
    if exit_code < 0:
        text = f"killed by {_signal_name(-exit_code)}"
        return Signature(kind=FailureKind.SIGNAL, phase=Phase.CHECK, text=text, shown=text)
    text = f"exit code {exit_code}"
    return Signature(kind=FailureKind.EXIT, phase=Phase.CHECK, text=text, shown=text)


def of_timeout(timeout_s: float) -> Signature:
    """The signature of a hang. Where it hung is in the stacks: internals differ from release to release."""
    return Signature(
        kind=FailureKind.TIMEOUT,
        phase=Phase.CHECK,
        text="time-out",
        shown=f"time-out after {timeout_s:g} s",
    )


def of_environment(phase: Phase, reason: str) -> Signature:
    """Why no environment could be had."""
    text = normalise(reason[:_COMPARED_WIDTH])
    return Signature(kind=FailureKind.ENVIRONMENT, phase=phase, text=text, shown=cut(reason))


def from_output(output: str, *, own: Collection[str] = ()) -> Signature | None:
    """The signature of the last traceback that a program printed; None where it printed none.

    For programs whose exceptions cannot be seen from inside: commands, and what they start. `own` as for
    `of_exception`.
    """
    raised = tracebacks.last(output)
    if raised is None:
        return None
    phase = phase_of(raised.type)
    return of_exception(raised.type, raised.message, phase=phase, frames=raised.frames, own=own)


def phase_of(type_name: str) -> Phase:
    """How far a run got that ended with such an exception, when nothing else tells."""
    return Phase.IMPORT if type_name in _IMPORT_ERRORS else Phase.CHECK


def plainness(signature: Signature) -> int:
    """How plainly a failure speaks about what the probe asks, from 0 to 2.

    2: an assertion, an exit code of the probe's own, a hang; 1: another exception or a crash on the
    way; 0: something could not even be imported.
    """
    if signature.phase is Phase.IMPORT:
        return 0
    if signature.kind in (FailureKind.EXIT, FailureKind.TIMEOUT, FailureKind.METRIC):
        return 2
    type_name = signature.text.split(":")[0]
    return 2 if type_name in _ASSERTIONS or "Timeout" in type_name else 1


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"

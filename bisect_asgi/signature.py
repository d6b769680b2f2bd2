"""The short normal form of a failure: what two failures have in common when they are the same.

A message changes from release to release in its numbers, addresses, paths and versions while the
failure stays what it is; those are taken out before two failures are compared. The exception's type and
the phase stay.
"""

from __future__ import annotations

import re
import signal as signals

from bisect_asgi.model import FailureKind, Phase, Signature

_SHOWN_WIDTH = 160
_PATH = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?…?[\\/][^\s'\"():,]+")
_REPLACEMENTS = (
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<address>"),
    (_PATH, "<path>"),
    (re.compile(r"\d+(?:\.\d+)*"), "N"),
    (re.compile(r"\s+"), " "),
)
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):$", re.MULTILINE)
_EXCEPTION_LINE = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?$")
_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError"})


def normalise(message: str) -> str:
    """Return `message` without what may differ between two sights of one failure."""
    for pattern, replacement in _REPLACEMENTS:
        message = pattern.sub(replacement, message)
    return message.strip().rstrip(".!:;, ")


def of_exception(type_name: str, message: str, *, phase: Phase) -> Signature:
    """The signature of an exception that nobody caught, and how far the run had got."""
    first_line = next((line for line in message.splitlines() if line.strip()), "")
    shown = f"{type_name}: {_PATH.sub(_shortened, first_line)}" if first_line else type_name
    return Signature(
        kind=FailureKind.EXCEPTION,
        phase=phase,
        text=normalise(shown),
        shown=_cut(shown),
    )


def _cut(text: str) -> str:
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
    return Signature(kind=FailureKind.ENVIRONMENT, phase=phase, text=normalise(reason), shown=_cut(reason))


def from_output(output: str) -> Signature | None:
    """The signature of the last traceback that a program printed; None where it printed none.

    For programs whose exceptions cannot be seen from inside: commands, and what they start.
    """
    starts = list(_TRACEBACK.finditer(output))
    if not starts:
        return None
    for line in output[starts[-1].end() :].splitlines():
        match = _EXCEPTION_LINE.match(line)
        if match:
            type_name = match["type"].rpartition(".")[2]
            return of_exception(type_name, match["message"] or "", phase=_phase_of(type_name))
    return None


def _phase_of(type_name: str) -> Phase:
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
    return 2 if type_name == "AssertionError" or "Timeout" in type_name else 1


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"

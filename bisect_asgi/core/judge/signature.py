"""Make the signature of a failure: its normal form, by which two failures are compared.

Two failures are the same if they agree in the phase, the type of the exception, its normalized message and
the last frame outside the standard library.

**The message** of one failure differs from run to run in numbers, addresses, paths, versions and times. These
are replaced by placeholders. Words and names stay, because they tell `No module named 'a1'` from `No module
named 'b1'`. A digit belongs to a number if no letter precedes it (`port 8000`, `Thread-3`, `3rc1`), and to a
name if one does (`h11`, `utf8`, `jinja2`, `x86_64`). Six or more digits in a row are always a number, because
nobody gives such a name (`lambda_140234711`). If two different failures become equal, the result is wrong. If
one failure stays two, the result has only a gap. So if it is unclear what a part of the message is, it stays:
a name of letters may be random.

**The frame** counts as far as its file allows. In the probe's files, file and function count: the same bytes
run at every release, so no code moves. An assertion without a message says nothing but its place, so the text
of its statement counts as well. The number of its line does not: two runs of one probe would agree in it, but
not those before and after somebody edits a comment above it. Equal statements of a file are counted, because
two of them may check different things. Elsewhere, only the importable name counts: `jinja2`, not
`jinja2/filters.py in <module>`. Code moves from release to release while the failure stays the same. The
import of `soft_unicode` that fails is in `jinja2/utils.py` in jinja2 2.7 and in `jinja2/filters.py` from 2.11
on; the import of `url_quote` is in `flask/helpers.py`, and in `flask/app.py` from flask 2.2 on; a module
becomes a package. If the whole frame counted, each such move would be a false "different failure", which
leaves a gap in the result. The opposite mistake, one type and message raised at two places of one package, is
rare by comparison.

Three kinds of frames are skipped: those without a file (`<string>`), those of this tool, and those of
`__getattr__`, because the failure is in the code that used the attribute. Compiled modules have no frames, so
that the code that called them stands for them.
"""

from __future__ import annotations

import re
import signal as signals
from collections.abc import Mapping, Sequence

from bisect_asgi.core.judge import tracebacks
from bisect_asgi.core.judge.tracebacks import Frames, LastException
from bisect_asgi.core.model import FailureKind, Phase, Signature
from bisect_asgi.core.patterns import pattern
from bisect_asgi.core.records import Struct, replace
from bisect_asgi.core.text import printable

ProbeFiles = Mapping[str, bytes]
"""The content of each file of a probe, by its name relative to the working directory of the run."""

NO_FILES: ProbeFiles = {}

_SHOWN_WIDTH = 160
_COMPARED_WIDTH = 2000
_PATH = pattern(r"(?<![\w.])(?:[A-Za-z]:)?…?[\\/][^\s'\"():,]+")
_COLOR = pattern(r"\x1b\[[\d;]*m")
_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError"})
# pytest raises `Failed` for `pytest.fail()`, and if `pytest.raises` sees no exception.
_ASSERTIONS = frozenset({"AssertionError", "Failed"})
_STANDARD_LIBRARY = pattern(
    r"/(?:lib(?:64)?/(?:python|pypy)|lib-python/)\d[\d.]*t?/(?!(?:site|dist)-packages/)|\bpython\d+\.zip/"
)
_INSTALLED = pattern(r".*/(?:site|dist)-packages/")
_TOOL = pattern(r"(?:^|/)bisect_asgi/backend/(?:served|in_candidate)/[^/]+$")
# From Python 3.12 on, the first three have no frame (PEP 709). Skipping them makes all Pythons agree.
_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_LOOK_UPS = frozenset({"__getattr__", "__getattribute__"})


def of_exception(
    type_name: str, message: str, *, phase: Phase, frames: Frames = (), probe_files: ProbeFiles = NO_FILES
) -> Signature:
    """Return the signature of an uncaught exception.

    Args:
        phase: how far the run had got.
        frames: the traceback, outermost first.
        probe_files: the probe's files by name, relative to the working directory of the run.
    """
    first_line = next((line for line in message.splitlines() if line.strip()), "")[:_COMPARED_WIDTH]
    shown = f"{type_name}: {_PATH.sub(_shortened, first_line)}" if first_line else type_name
    place = _last_place(frames, probe_files, type_name=type_name)
    if type_name == "AssertionError" and not first_line and place:
        place = _with_statement(place, probe_files)
    return Signature(
        kind=FailureKind.EXCEPTION,
        phase=phase,
        text=normalize(f"{type_name}: {_message(type_name, first_line, frames)}"),
        shown=cut(place.shown if place and place.shown else shown),
        frame=place.frame if place else "",
    )


def with_server_error(
    failure: Signature, raised: LastException, *, probe_files: ProbeFiles = NO_FILES
) -> Signature:
    """Return the failure of a served probe, with the server's last exception as a part of it.

    Without that part, all exceptions of the app would be one failure, because each is the same status 500.
    """
    error = of_exception(
        raised.type, raised.message, phase=Phase.CHECK, frames=raised.frames, probe_files=probe_files
    )
    shown, by_server = failure.shown, f"server: {error.shown}"
    if len(shown) + len(by_server) > _SHOWN_WIDTH:
        shown, by_server = cut(shown, _SHOWN_WIDTH // 2), cut(by_server, _SHOWN_WIDTH // 2)
    place = f" at {error.place}" if error.place else ""
    return replace(
        failure, text=f"{failure.text}; server: {error.text}{place}", shown=f"{shown}; {by_server}"
    )


def with_server_stacks(failure: Signature, stacks: str, *, probe_files: ProbeFiles = NO_FILES) -> Signature:
    """Return the failure of a probe that waited for a server, shown with the server's place in the app.

    As for a hang, the place is not compared.
    """
    threads = [frames for frames in tracebacks.of_server(stacks) if _has_own(frames, probe_files)]
    place = _hanging_place(threads, probe_files)
    return replace(failure, shown=cut(f"{failure.shown}; server{place}")) if place else failure


def _message(type_name: str, message: str, frames: Frames) -> str:
    """Return the message, in Python's words if a module's `__getattr__` (PEP 562) raised a bare name.

    Code that needs a removed attribute fails in the same way whether or not the package has a `__getattr__`,
    as click has from 8.2 on.
    """
    package, _, file = _name(frames[-1][0], NO_FILES).rpartition("/") if frames else ("", "", "")
    is_look_up = type_name == "AttributeError" and file == "__init__.py" and frames[-1][2] == "__getattr__"
    if not is_look_up or not message.isidentifier():
        return message
    return f"module '{package.replace('/', '.')}' has no attribute '{message}'"


class _Place(Struct, frozen=True, kw_only=True):
    """The frame that counts."""

    name: str
    """The file's name, as `_name` returns it."""
    line: int
    function: str
    statement: str = ""
    """The part of the frame that stands for its line, or "" if the line does not count."""
    shown: str = ""
    """The line with its source, or "" if the line does not count or its source is unknown."""

    @property
    def frame(self) -> str:
        """The frame as text to compare."""
        return f"{self.name}{self.function and f' in {self.function}'}{self.statement}"


def _last_place(frames: Frames, probe_files: ProbeFiles, *, type_name: str) -> _Place | None:
    """Return the last frame that counts, or None if none does."""
    for file, line, function in reversed(frames):
        name = _name(file, probe_files)
        is_look_up = type_name == "AttributeError" and function in _LOOK_UPS
        if name and not is_look_up and function not in _COMPREHENSIONS:
            return _Place(name=name, line=line, function=function)
    return None


def _with_statement(place: _Place, probe_files: ProbeFiles) -> _Place:
    """Return the place with the statement of its line, if that is in a file of the probe."""
    if not place.name.startswith("./"):
        return place
    file = place.name.removeprefix("./")
    statement = tracebacks.at_line(probe_files[file], place.line)
    if statement is None:
        return replace(place, statement=f", line {place.line}")
    return replace(place, statement=f": {statement}", shown=f"{file}:{place.line}: {statement.text}")


def _name(file: str, probe_files: ProbeFiles) -> str:
    """Return the name of a frame's file, or "" if the frame does not count.

    It is `./leak.py` for a file of the probe, and `jinja2/utils.py` for a file of an installed package.
    """
    file = file.replace("\\", "/").removeprefix("./")
    if installed := _INSTALLED.match(file):
        file = file[installed.end() :]
    elif probe_file := max((name for name in probe_files if _is_at(file, name)), key=len, default=""):
        return f"./{probe_file}"
    elif _STANDARD_LIBRARY.search(file):
        return ""
    if file.startswith("<") or _TOOL.search(file):
        return ""
    # A file that is neither installed nor the probe's may be in a different directory in every run.
    return file.rpartition("/")[2] if file.startswith(("/", "../")) else file


def _is_at(file: str, name: str) -> bool:
    return file == name or (file.startswith("/") and file.endswith(f"/{name}"))


def cut(text: str, width: int = _SHOWN_WIDTH) -> str:
    """Return `text`, shortened to `width`, by default that at which failures are shown."""
    return text if len(text) <= width else text[: width - 1] + "…"


def _shortened(path: re.Match[str]) -> str:
    """Return a long path as its last two parts: `…/jinja2/__init__.py`."""
    parts = re.split(r"[\\/]", path[0])
    return path[0] if len(parts) <= 4 else "…/" + "/".join(parts[-2:])


def of_exit(exit_code: int, output: str = "") -> Signature:
    """Return the signature of a run that ended without an exception. A negative code is a signal.

    After an exit code, the last line of `output` is shown. It is not compared, because programs end with
    times, counts and paths.
    """
    if exit_code < 0:
        text = f"killed by {_signal_name(-exit_code)}"
        return Signature(kind=FailureKind.SIGNAL, phase=Phase.CHECK, text=text, shown=text)
    text = f"exit code {exit_code}"
    last = next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")
    said = printable(_COLOR.sub("", last))
    shown = cut(f"{text}: {said}" if said else text)
    return Signature(kind=FailureKind.EXIT, phase=Phase.CHECK, text=text, shown=shown)


def of_timeout(timeout_s: float, stacks: str = "", *, probe_files: ProbeFiles = NO_FILES) -> Signature:
    """Return the signature of a hang.

    The place in `stacks` is shown. It is not compared, because it differs from release to release.
    """
    place = _hanging_place(tracebacks.of_threads(stacks), probe_files)
    return Signature(
        kind=FailureKind.TIMEOUT,
        phase=Phase.CHECK,
        text="time-out",
        shown=cut(f"time-out after {timeout_s:g} s{place}"),
    )


def of_limit(what: str) -> Signature:
    """Return the signature of a run that was ended because it used more than a limit allows."""
    return Signature(kind=FailureKind.LIMIT, phase=Phase.CHECK, text=what, shown=cut(what))


def _hanging_place(threads: Sequence[Frames], probe_files: ProbeFiles) -> str:
    """Return where a run hangs: in the last thread with code of the probe, else in the last one of all.

    The main thread comes last.
    """
    owned = [frames for frames in threads if _has_own(frames, probe_files)]
    candidates = owned or threads
    if not candidates:
        return ""
    frames = candidates[-1]
    file, line, function = frames[-1]
    place = f" in {function} ({file.rpartition('/')[2]}:{line})"
    own = next((frame for frame in reversed(frames) if _is_own(frame, probe_files)), frames[-1])
    return place if own == frames[-1] else f"{place}, called from {own[0].rpartition('/')[2]}:{own[1]}"


def _has_own(frames: Frames, probe_files: ProbeFiles) -> bool:
    return any(_is_own(frame, probe_files) for frame in frames)


def _is_own(frame: tuple[str, int, str], probe_files: ProbeFiles) -> bool:
    return _name(frame[0], probe_files).startswith("./")


def of_environment(phase: Phase, reason: str) -> Signature:
    """Return the signature of a run that shows nothing, because of its environment or how it was started."""
    text = normalize(reason[:_COMPARED_WIDTH])
    return Signature(kind=FailureKind.ENVIRONMENT, phase=phase, text=text, shown=cut(reason))


def from_output(output: str, *, probe_files: ProbeFiles = NO_FILES) -> Signature | None:
    """Return the signature of the last traceback in `output`, or None if there is none.

    Commands, and programs that they start, need this: the hook that reports exceptions of a script does not
    see theirs.
    """
    raised = tracebacks.last(output)
    if raised is None:
        return None
    phase = phase_of(raised.type)
    return of_exception(
        raised.type, raised.message, phase=phase, frames=raised.frames, probe_files=probe_files
    )


def phase_of(type_name: str) -> Phase:
    """Return the phase in which such an exception is usually raised, for runs that report no phase."""
    return Phase.IMPORT if type_name in _IMPORT_ERRORS else Phase.CHECK


def plainness(signature: Signature) -> int:
    """Return how directly a failure concerns what the probe checks, from 0 to 2.

    2 is an assertion, an exit code of the probe, a hang or a metric; 1 is another exception or a crash; 0 is
    a failed import.
    """
    if signature.phase is Phase.IMPORT:
        return 0
    if signature.kind in (FailureKind.EXIT, FailureKind.TIMEOUT, FailureKind.METRIC):
        return 2
    type_name = re.split("[:,;]", signature.text)[0]
    return 2 if type_name in _ASSERTIONS or "Timeout" in type_name else 1


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"


_NAMES_OF_TIME = (
    r"(?:ns|us|[µμ]s|ms|msecs?|milliseconds?|s|secs?|seconds?|min|mins|minutes?|h|hrs?|hours?|days?)"
)
_NAMES_OF_SIZE = r"(?:[kKMGT]i?B|bytes?|B)"
_NUMBER = r"\d[\d_]*(?:[.,]\d+)*(?:[eE][-+]?\d+)?"
_QUANTITY = rf"(?<![\w.])[-+]?{_NUMBER}"
_CLOCK = r"\d\d?:\d\d:\d\d(?:[.,]\d+)?"
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
# Versions as in PEP 440, such as 1.2.3rc1 and 2.0.dev5+g1234abc. A bare `v1` is a name: `pydantic.v1`.
_RELEASE = r"(?:\d+(?:\.\d+)*|v\d+(?:\.\d+)+)"
_STAGE = r"(?:[-_.]?(?:alpha|beta|a|b|c|rc|preview|pre|dev|post|rev)[-_.]?\d*)"
_LOCAL = r"(?:\+[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*)"

_REPLACEMENTS = tuple(
    (pattern(text), replacement)
    for text, replacement in (
        (r"(?<!\w)[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>(),]+", "<url>"),
        # In quotes or brackets a path may have blanks, because the closing one ends it.
        (r"(?<=['\"(])(?:[A-Za-z]:[\\/]|…?/|\.\.?/)[^'\"()\n<>]+(?=['\")])", "<path>"),
        (r"(?<![\w.<>/])(?:[A-Za-z]:[\\/]|…?/|\.\.?/)(?=[\w.~@-])[^\s'\"():,;<>]+", "<path>"),
        (r"(?<![\w.<>/])(?:[\w.-]+/)+[\w.-]+\.(?:pyc?|pyd|pyx|so)\b", "<path>"),
        (r"(?<!\w)0x[0-9a-fA-F]+\b", "<address>"),
        (r"(?<![\w-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-])", "<hash>"),
        (rf"(?<!\d)\d{{4}}-\d\d-\d\d(?:[T ]{_CLOCK}(?:Z|[-+]\d\d:?\d\d)?)?(?!\d)", "<time>"),
        (rf"\b(?:[A-Z][a-z]{{2}}, )?\d\d? (?:{_MONTHS}) \d{{4}}(?: {_CLOCK}(?: GMT)?)?", "<time>"),
        (rf"(?<![\w:]){_CLOCK}(?![\w:])", "<time>"),
        (rf"{_QUANTITY} ?{_NAMES_OF_TIME}\b(?: {_QUANTITY} ?{_NAMES_OF_TIME}\b)*", "<time>"),
        (rf"{_QUANTITY} ?{_NAMES_OF_SIZE}\b", "<size>"),
        # Without a digit, it may be a word of such letters: `facade`, `deadbeef`.
        (r"(?<![\w.+])(?=[A-Fa-f]*\d)(?=\d*[A-Fa-f])[0-9A-Fa-f]{7,}(?!\w)", "<hash>"),
        # A name that `tempfile` makes. Without a digit, it may be a word: `tmpdirectory`.
        (r"(?<![\w.])tmp(?=[a-z_]*\d)[a-z0-9_]{8}(?!\w)", "<temporary>"),
        (rf"(?<![\w.]){_RELEASE}(?:{_STAGE}+{_LOCAL}?|{_LOCAL})(?!\w)", "N"),
        (r"(?<![\w.])v\d+(?:\.\d+)+(?!\w)", "N"),
        (_QUANTITY, "N"),
        (rf"(?<!\w){_NUMBER}", "N"),
        (r"\d{6,}", "N"),
        (r"\s+", " "),
    )
)
# Python prints a set in another order in every run. A dictionary, which has colons, keeps its order.
_SET = pattern(r"\{([^{}:]+)\}")


def normalize(message: str) -> str:
    """Return `message` with placeholders for all parts that may differ between two runs of one failure.

    The replacements are repeated until none applies, so that normalizing twice is normalizing once. They come
    to an end, because each removes digits, slashes or blanks and adds none.
    """
    before = None
    while message != before:
        before, message = message, _replaced(message)
    return message


def _replaced(message: str) -> str:
    for replaced, replacement in _REPLACEMENTS:
        message = replaced.sub(replacement, message)
    return _SET.sub(_sorted, message).strip().rstrip(".!:;, ")


def _sorted(set_in_braces: re.Match[str]) -> str:
    return "{" + ", ".join(sorted(set_in_braces[1].split(", "))) + "}"

"""Serialize calls for workers, and run them there.

A call is sent as bytes, and its result comes back as bytes. So the scheduler does not need bisect-asgi. An
exception is a result like any other, which dask neither logs nor treats as a failed task.
"""

from __future__ import annotations

import os
import pickle
import platform
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

from bisect_asgi import __version__
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.records import Struct, field

_MOST_STOPPED = 10_000


class Unsuitable(Exception):
    """This worker cannot run the call, because something is missing here; another one may."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Packed(Struct, frozen=True, kw_only=True):
    """A call as a worker runs it."""

    call: Callable[..., object]
    """The function that the worker calls; it and its result are picklable."""
    need: str = ""
    """A name for what a worker may lack; one that lacked it gets no more calls with this need."""
    fits: Callable[[], object] | None = None
    """If given, all calls with this need go to one host, on which this does not raise `Unsuitable`."""


@runtime_checkable
class Travels(Protocol):
    """A callable that a worker runs in another way than this machine."""

    def pack(self, *arguments: object) -> Packed:
        """Return the call as a worker runs it; an exception becomes that of the call's future."""
        ...

    def unpack(self, result: object, *arguments: object) -> object:
        """Return the call's result from what the worker returned."""
        ...


@runtime_checkable
class Spreads(Protocol):
    """A callable that may be made in parts, which several workers run at the same time."""

    def parts(self, *arguments: object) -> Sequence[tuple[object, ...]]:
        """Return the arguments of each part; of one alone if the call is made as it is."""
        ...

    def join(self, results: Sequence[object]) -> object:
        """Return the call's result from those of its parts."""
        ...


@runtime_checkable
class RemoteExecutor(Protocol):
    """An executor whose calls may run on other machines."""

    @property
    def is_here(self) -> bool:
        """All of its workers are on this machine, and see its files."""
        ...

    @property
    def threads(self) -> int:
        """The number of calls that it runs at a time."""
        ...

    def one_host(self, need: str, fits: Callable[[], object]) -> str:
        """Return the host for the calls with this need, chosen once."""
        ...

    def listening(
        self, topic: str, on_message: Callable[[bytes], None], returned: Callable[[], int]
    ) -> AbstractContextManager[None]:
        """Call `on_message` with each message that a call sends under `topic`.

        `returned` gives the number of calls that have returned after `END_OF_MESSAGES`. Messages and results
        arrive independently, so the last messages may arrive after the calls have returned.
        """
        ...


class WorkerKind(Struct, frozen=True, kw_only=True):
    """The versions that must be the same in a command and in its workers."""

    version: str
    """The version of bisect-asgi."""
    machine: str
    """Operating system and processor, on which depends which files are installed."""


class Facts(Struct, frozen=True, kw_only=True):
    """A worker's report about itself."""

    kind: WorkerKind
    host: str


def own_kind() -> WorkerKind:
    """Return the kind of this process."""
    return WorkerKind(version=__version__, machine=f"{sys.platform} {os.uname().machine}")


def describe() -> Facts:
    """Return what this worker is."""
    return Facts(kind=own_kind(), host=platform.node())


def mismatch(theirs: WorkerKind, ours: WorkerKind) -> str:
    """Return why a worker of kind `theirs` cannot work for a command of kind `ours`, or "" if it can."""
    if theirs.version != ours.version:
        return f"has bisect-asgi {theirs.version}, not {ours.version}"
    if theirs.machine != ours.machine:
        return f"runs on {theirs.machine}, not {ours.machine}"
    return ""


class WorkerCancelToken:
    """Stands in a call's arguments for the token that the worker makes."""


class Returned(Struct, frozen=True, kw_only=True):
    """The call returned."""

    value: object


class Raised(Struct, frozen=True, kw_only=True):
    """The call raised an exception."""

    error: Exception


class Declined(Struct, frozen=True, kw_only=True):
    """The worker did not run the call, because it is not suitable."""

    worker: str
    """The worker's address."""
    reason: str
    hint: str | None
    forever: bool
    """The worker is unsuitable for every call, not only for calls with the same need."""


class Sent:
    """A call as bytes, which runs when it is unpickled.

    The function that dask gets is thus one of the standard library, which any scheduler has.
    """

    def __init__(self, identity: str, kind: WorkerKind, payload: bytes) -> None:
        self._arguments = (identity, kind.version, kind.machine, payload)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str, str, bytes]]:
        return perform, self._arguments


def pack(call: Callable[..., object], arguments: Iterable[object], options: Mapping[str, object]) -> bytes:
    """Return a call as bytes, with stand-ins for its tokens."""
    away = [WorkerCancelToken() if isinstance(value, CancelToken) else value for value in arguments]
    return pickle.dumps((call, away, dict(options)))


def perform(identity: str, version: str, machine: str, payload: bytes) -> bytes:
    """Run a call in a worker, and return its outcome as bytes, whatever it is."""
    if reason := mismatch(own_kind(), WorkerKind(version=version, machine=machine)):
        return _decline(reason, SAME_THERE, forever=True)
    with _TOKENS.token(identity) as token:
        try:
            call, arguments, options = pickle.loads(payload)  # noqa: S301 (a cluster runs what it is sent)
            given = [token if isinstance(value, WorkerCancelToken) else value for value in arguments]
            token.check()
            return pickle.dumps(Returned(value=call(*given, **options)))
        except Unsuitable as error:
            return _decline(str(error), error.hint, forever=False)
        except Exception as error:
            return _pack_error(error)


SAME_THERE = "install the same bisect-asgi there"


def _decline(reason: str, hint: str | None, *, forever: bool) -> bytes:
    from distributed import get_worker

    return pickle.dumps(Declined(worker=get_worker().address, reason=reason, hint=hint, forever=forever))


END_OF_MESSAGES = b""
"""The last message of a call."""


def send_message(topic: str, message: bytes) -> None:
    """Send a message from within a call to the command; it may get lost."""
    from distributed import get_worker

    get_worker().log_event(topic, message)


def _pack_error(error: Exception) -> bytes:
    try:
        packed = pickle.dumps(Raised(error=error))
        pickle.loads(packed)  # noqa: S301 (our own)
    except Exception:  # pickling runs code of the exception's class, which may raise anything
        return pickle.dumps(Raised(error=RuntimeError(f"{type(error).__name__}: {error}")))
    return packed


def stop(identities: Iterable[str]) -> None:
    """Cancel calls in this worker, and those of them that arrive later."""
    for identity in identities:
        _TOKENS.stop(identity)


class _CancelTokens(Struct):
    """The tokens of the calls in this worker."""

    _held: dict[str, CancelToken] = field(default_factory=dict)
    _stopped: dict[str, None] = field(default_factory=dict)
    """Calls that were stopped, because a call may arrive after its stop. The oldest are dropped."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def token(self, identity: str) -> Iterator[CancelToken]:
        """Yield a call's token while it runs."""
        token = CancelToken()
        with self._guard:
            self._held[identity] = token
            is_stopped = identity in self._stopped
        if is_stopped:
            token.cancel()
        try:
            yield token
        finally:
            with self._guard:
                self._held.pop(identity, None)

    def stop(self, identity: str) -> None:
        """Cancel a call's token now, or as soon as the call begins."""
        with self._guard:
            self._stopped[identity] = None
            if len(self._stopped) > _MOST_STOPPED:
                del self._stopped[next(iter(self._stopped))]
            token = self._held.get(identity)
        if token:
            token.cancel()


_TOKENS = _CancelTokens()


CONTINUE_HINT = "no finished trial is lost: run the same command again to continue"

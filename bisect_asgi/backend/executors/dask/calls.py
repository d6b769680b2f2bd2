"""What travels between the command and a worker, and what the worker does with it.

A call goes as bytes and its result comes back as bytes, so that a scheduler
needs nothing of ours installed, and an exception is a result like any other: dask neither logs it nor takes
it for a fault of its own.
"""

from __future__ import annotations

import os
import pickle
import platform
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

from bisect_asgi import __version__
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.records import Struct, field

_MOST_STOPPED = 10_000


class Unsuitable(Exception):
    """This worker cannot do the call and another one may: something is missing here."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Packed(Struct, frozen=True, kw_only=True):
    """How a call is done elsewhere."""

    call: Callable[..., object]
    """What is called there, with the call's own token; it is picklable, and so is what it returns."""
    need: str = ""
    """What a worker may lack, in a word; one that lacks it is not asked for calls with this need again."""
    fits: Callable[[], object] | None = None
    """All such calls go to one and the same host, on which this does not raise `Unsuitable`; None: to any."""


@runtime_checkable
class Travels(Protocol):
    """A callable that is done elsewhere in another way than here."""

    def pack(self, *arguments: object) -> Packed:
        """Say how the call is done there; raises what the call's future is to raise."""
        ...

    def unpack(self, result: object, *arguments: object) -> object:
        """Turn what came back into the call's result."""
        ...


@runtime_checkable
class RemoteExecutor(Protocol):
    """An executor whose calls run on other machines, or may."""

    @property
    def is_here(self) -> bool:
        """Whether all of its workers are on this machine and see its files."""
        ...

    @property
    def threads(self) -> int:
        """How many calls it runs at a time."""
        ...

    def one_host(self, need: str, fits: Callable[[], object]) -> str:
        """Choose the host for calls that all go to one."""
        ...

    def listening(
        self, topic: str, heard: Callable[[bytes], None], came: Callable[[], int]
    ) -> AbstractContextManager[None]:
        """Have `heard` called with what calls tell under `topic`.

        `came` says how many calls are back that have told `LAST_WORD`: what they told comes another way.
        """
        ...


class WorkerKind(Struct, frozen=True, kw_only=True):
    """What has to be the same on both sides."""

    version: str
    """Of bisect-asgi."""
    machine: str
    """Operating system and processor: other ones install other files."""


class Facts(Struct, frozen=True, kw_only=True):
    """Who a worker is."""

    kind: WorkerKind
    host: str


def own_kind() -> WorkerKind:
    """What this process is."""
    return WorkerKind(version=__version__, machine=f"{sys.platform} {os.uname().machine}")


def describe() -> Facts:
    """Say who this worker is."""
    return Facts(kind=own_kind(), host=platform.node())


def mismatch(theirs: WorkerKind, ours: WorkerKind) -> str:
    """Why a worker of kind `theirs` cannot do what a command of kind `ours` asks; empty: it can."""
    if theirs.version != ours.version:
        return f"has bisect-asgi {theirs.version}, not {ours.version}"
    if theirs.machine != ours.machine:
        return f"runs on {theirs.machine}, not {ours.machine}"
    return ""


class WorkerCancelToken:
    """Stands in a call's arguments for the token that the call has there."""


class Returned(Struct, frozen=True, kw_only=True):
    """The call's result."""

    value: object


class Raised(Struct, frozen=True, kw_only=True):
    """The call's exception."""

    error: Exception


class Declined(Struct, frozen=True, kw_only=True):
    """The worker is not suitable."""

    worker: str
    """Its address."""
    reason: str
    hint: str | None
    forever: bool
    """For every call, not only for those with the same need."""


class Sent:
    """A call as bytes; to unpickle it is to do it.

    The task that dask knows is thereby one of the standard library, which any scheduler has.
    """

    def __init__(self, identity: str, kind: WorkerKind, payload: bytes) -> None:
        self._arguments = (identity, kind.version, kind.machine, payload)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str, str, bytes]]:
        return perform, self._arguments


def pack(call: Callable[..., object], arguments: Iterable[object], options: Mapping[str, object]) -> bytes:
    """Write a call as bytes, with stand-ins for tokens."""
    away = [WorkerCancelToken() if isinstance(value, CancelToken) else value for value in arguments]
    return pickle.dumps((call, away, dict(options)))


def perform(identity: str, version: str, machine: str, payload: bytes) -> bytes:
    """Do a call in a worker; whatever happens is the result."""
    if reason := mismatch(own_kind(), WorkerKind(version=version, machine=machine)):
        return _decline(reason, SAME_THERE, forever=True)
    with _LINES.line(identity) as token:
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


LAST_WORD = b""
"""What a call tells when it has no more to tell."""


def tell(topic: str, message: bytes) -> None:
    """Tell the command something from within a call, if that is not too much trouble."""
    from distributed import get_worker

    get_worker().log_event(topic, message)


def _pack_error(error: Exception) -> bytes:
    try:
        packed = pickle.dumps(Raised(error=error))
        pickle.loads(packed)  # noqa: S301 (our own)
    except Exception:  # whatever its class does when it is pickled
        return pickle.dumps(Raised(error=RuntimeError(f"{type(error).__name__}: {error}")))
    return packed


def stop(identities: Iterable[str]) -> None:
    """End calls that run in this worker, and do not begin them any more."""
    for identity in identities:
        _LINES.stop(identity)


class _CancelTokens(Struct):
    """The tokens of the calls in this worker."""

    _held: dict[str, CancelToken] = field(default_factory=dict)
    _stopped: dict[str, None] = field(default_factory=dict)
    """Calls that were stopped; one may come after its own end was told. The oldest are forgotten."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def line(self, identity: str) -> Iterator[CancelToken]:
        """A call's token while it runs."""
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
        """Cancel a call's token, now or as soon as it begins."""
        with self._guard:
            self._stopped[identity] = None
            if len(self._stopped) > _MOST_STOPPED:
                del self._stopped[next(iter(self._stopped))]
            token = self._held.get(identity)
        if token:
            token.cancel()


_LINES = _CancelTokens()


GOES_ON = "nothing that came back is lost: the same command goes on where this one stopped"

"""What specs come to, remembered as long as it holds: a resolution, or why there is no environment.

A past date's resolution does not change any more. Another holds for ten minutes, so that the trials of one
command agree. A failure is remembered only where nothing that is uploaded later can mend it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bisect_asgi.backend.environments.resolve import Resolution, Resolver
from bisect_asgi.backend.trials.store import Store
from bisect_asgi.core import codec
from bisect_asgi.core.cancel import Lifeline
from bisect_asgi.core.errors import BuildFailed, Unresolvable
from bisect_asgi.core.model import EnvironmentSpec

_RECENT = timedelta(days=1)
_KEPT_FOR = timedelta(minutes=10)


def resolve(
    spec: EnvironmentSpec, store: Store, resolver: Resolver, lifeline: Lifeline, *, anew: bool = False
) -> Resolution:
    """Return the resolution from the store, or a new one.

    `anew`: ask whatever the store has.

    Raises:
        Unresolvable, BuildFailed: there is no set that satisfies `spec`.
        Unavailable: the index did not answer.
        Cancelled: the lifeline was cancelled.
    """
    if not anew:
        if failure := known_failure(spec, store):
            raise failure
        if known := known_resolution(spec, store):
            return known
    try:
        resolution = resolver.resolve(spec, lifeline)
    except (Unresolvable, BuildFailed) as error:
        keep_failure(spec, error, store)
        raise
    store.keep_resolution(_resolution_key(spec), resolution)
    return resolution


def known_resolution(spec: EnvironmentSpec, store: Store) -> Resolution | None:
    """A resolution of the store that still holds: a past date's for ever, another for ten minutes."""
    if not (known := store.resolution(_resolution_key(spec))):
        return None
    resolution, made = known
    return resolution if _is_past(spec, made) or made > datetime.now(UTC) - _KEPT_FOR else None


def known_failure(spec: EnvironmentSpec, store: Store) -> Unresolvable | BuildFailed | None:
    """A remembered failure, where nothing that is uploaded later can change it."""
    if not _is_past(spec, datetime.now(UTC)):
        return None
    for kind in (Unresolvable, BuildFailed):
        if reason := store.failure(_failure_key(spec, kind)):
            return kind(reason)
    return None


def keep_failure(spec: EnvironmentSpec, error: Unresolvable | BuildFailed, store: Store) -> None:
    """Remember why there is no environment."""
    store.keep_failure(_failure_key(spec, type(error)), str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What a store has about the environment of a spec."""

    resolution: Resolution | None
    unresolvable: str | None
    """Why there is no set of releases; None: there is one, or nobody knows."""
    unbuildable: str | None


def learnt(spec: EnvironmentSpec, store: Store) -> Learnt:
    """Return what the store has about a spec, for another machine's store."""
    known = store.resolution(_resolution_key(spec))
    return Learnt(
        resolution=known[0] if known else None,
        unresolvable=store.failure(_failure_key(spec, Unresolvable)),
        unbuildable=store.failure(_failure_key(spec, BuildFailed)),
    )


def learn(spec: EnvironmentSpec, known: Learnt, store: Store) -> None:
    """Keep what another machine's store has about a spec."""
    if known.resolution:
        store.keep_resolution(_resolution_key(spec), known.resolution)
    for kind, reason in ((Unresolvable, known.unresolvable), (BuildFailed, known.unbuildable)):
        if reason is not None:
            store.keep_failure(_failure_key(spec, kind), reason)


def _resolution_key(spec: EnvironmentSpec) -> str:
    return codec.digest("resolve", spec)


def _failure_key(spec: EnvironmentSpec, kind: type[Exception]) -> str:
    return codec.digest("failure", Unresolvable.__name__ if issubclass(kind, Unresolvable) else "", spec)


def _is_past(spec: EnvironmentSpec, made: datetime) -> bool:
    return spec.not_after is not None and spec.not_after < made - _RECENT

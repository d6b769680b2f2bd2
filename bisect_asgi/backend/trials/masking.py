"""Keep secrets out of what runs print: store, log and report get its text from here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bisect_asgi.core.model import (
    Observation,
    TrialRequest,
)
from bisect_asgi.core.records import replace
from bisect_asgi.core.text import masked

_SECRET_NAME = re.compile(
    r"pass|secret|token|credential|(?:^|_)(?:key|auth|pwd)(?:_|$)|apikey", re.IGNORECASE
)
_SHORTEST_SECRET = 4
"""Shorter secrets are not masked, because their parts occur by chance in most texts."""


def secrets_of(request: TrialRequest, known: Iterable[str]) -> tuple[str, ...]:
    """Return the secrets that a run's texts may not show: those `known`, and the probe's by their names."""
    own = (value for name, value in request.probe.environ if _SECRET_NAME.search(name))
    return tuple(secret for secret in (*known, *own) if len(secret) >= _SHORTEST_SECRET)


def without_secrets(seen: Observation, secrets: Sequence[str]) -> Observation:
    """Return an observation whose texts show no secret; store, log and report get them from it."""
    if not secrets:
        return seen
    sign = seen.signature
    return replace(
        seen,
        output_tail=masked(seen.output_tail, secrets),
        stacks=masked(seen.stacks, secrets),
        complaint=masked(seen.complaint, secrets),
        signature=sign
        and replace(
            sign,
            text=masked(sign.text, secrets),
            shown=masked(sign.shown, secrets),
            frame=masked(sign.frame, secrets),
        ),
    )

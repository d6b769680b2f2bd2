"""The result of a load, as numbers with units; the clients are in `backend/in_candidate`."""

from __future__ import annotations

from bisect_asgi.backend.in_candidate.bisect_asgi_client import Load
from bisect_asgi.core.metrics.quantities import Number


class LoadResult(Load):
    """The result of a load. Latencies in seconds, of answered requests, in the order of the answers."""

    @property
    def rate(self) -> Number:
        """Answered requests per second."""
        return Number(super().rate, "1/s")

    def percentile(self, share: float) -> Number:
        """Return the latency that `share` (0 to 1) of the answered requests did not exceed, or nan."""
        return Number(super().percentile(share), "s")

    @property
    def p50(self) -> Number:
        """The median latency."""
        return self.percentile(0.50)

    @property
    def p95(self) -> Number:
        """The latency that 95 of 100 answered requests did not exceed."""
        return self.percentile(0.95)

    @property
    def p99(self) -> Number:
        """The latency that 99 of 100 answered requests did not exceed."""
        return self.percentile(0.99)

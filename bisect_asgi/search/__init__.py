"""Searches: pure state machines that say which candidates to look at next."""

from bisect_asgi.search.bisection import Bisection, Found, Searching, State, Stopped, StopReason

__all__ = ["Bisection", "Found", "Searching", "State", "StopReason", "Stopped"]

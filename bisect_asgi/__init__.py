"""Find the release of a package at which a reproduction script's answer changes.

    from bisect_asgi import bisect

    print(bisect("jinja2", probe="escape.py").headline)

The functions are imported when they are first asked for: the command starts without them.
"""

# A checker takes it for typing's, which takes longer to import than Python to start; meanwhile an interrupt
# would be a traceback.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from bisect_asgi.library import BisectError as BisectError
    from bisect_asgi.library import Checked as Checked
    from bisect_asgi.library import Completed as Completed
    from bisect_asgi.library import Environment as Environment
    from bisect_asgi.library import Event as Event
    from bisect_asgi.library import Finding as Finding
    from bisect_asgi.library import Report as Report
    from bisect_asgi.library import Skip as Skip
    from bisect_asgi.library import Unavailable as Unavailable
    from bisect_asgi.library import UsageError as UsageError
    from bisect_asgi.library import abisect as abisect
    from bisect_asgi.library import acheck as acheck
    from bisect_asgi.library import averify as averify
    from bisect_asgi.library import bisect as bisect
    from bisect_asgi.library import check as check
    from bisect_asgi.library import verify as verify

__version__ = "0.1.0"
__all__ = [
    "BisectError",
    "Checked",
    "Completed",
    "Environment",
    "Event",
    "Finding",
    "Report",
    "Skip",
    "Unavailable",
    "UsageError",
    "abisect",
    "acheck",
    "averify",
    "bisect",
    "check",
    "verify",
]


if not TYPE_CHECKING:

    def __getattr__(name):
        """Import the library at the first use of one of its names."""
        if name in __all__:
            from importlib import import_module

            return getattr(import_module("bisect_asgi.library"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

# /// script
# dependencies = ["fastapi"]
#
# [tool.bisect-asgi]
# package = "fastapi"
# ///
"""anyio comes with fastapi.

For whom: code that imports anyio without requiring it. The smallest probe there is: it passes where the
import does. How it is told apart: `ModuleNotFoundError` on one side.
"""

import anyio  # noqa: F401

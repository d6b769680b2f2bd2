# /// script
# requires-python = "==3.11.*"
# dependencies = ["tqdm"]
#
# [tool.bisect-asgi]
# package = "tqdm"
# releases = ">=4.40"
# timeout = 30
# metric = "cpu"
# ///
"""Import time of tqdm: since 4.67.2 its version comes from importlib.metadata. wall and cpu near twice."""

import tqdm  # noqa: F401

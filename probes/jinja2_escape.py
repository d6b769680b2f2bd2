# /// script
# dependencies = ["jinja2"]
#
# [tool.bisect-asgi]
# package = "jinja2"
# ///
"""`escape` can be imported from jinja2.

For whom: applications that did, and broke without having changed anything. Old releases fail to import for
other reasons (dependencies that moved on, a younger Python); counting those as bad names a release years
too early.
"""

from jinja2 import escape  # noqa: F401

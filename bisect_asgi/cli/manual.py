"""Write the manual page: `python -m bisect_asgi.cli.manual`, which `make docs` calls."""

from __future__ import annotations

import typer

from bisect_asgi.cli.app import app, build
from bisect_asgi.cli.help import overview, page_of
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.plan.man_page import man_page
from bisect_asgi.core.plan.option import SUMMARIES

_EXIT_CODES = {
    ExitCode.FOUND: "Found: where the bad end's failure begins, or where the probe stops working.",
    ExitCode.BUG: "A bug of bisect-asgi.",
    ExitCode.USAGE: "Usage: an option, a file, a package or a version is wrong, or the probe never ran.",
    ExitCode.NOT_REPRODUCED: "Not reproduced: the bad end passes, or the verdict never changes.",
    ExitCode.GOOD_END_FAILS: "The good end fails.",
    ExitCode.INCONCLUSIVE: "Inconclusive: untestable releases or noise hide the change.",
    ExitCode.UNAVAILABLE: "Unavailable: the index or the disk failed.",
    ExitCode.INTERRUPTED: "Interrupted.",
}


def render() -> str:
    """Return the page, as docs/bisect-asgi.1 has it."""
    root = typer.main.get_command(app)
    pages = {str(name): page_of(build(name), f"bisect-asgi {name}") for name in SUMMARIES}
    codes = {int(code): meaning for code, meaning in _EXIT_CODES.items()}
    return "\n".join(man_page(overview(root), pages, codes)) + "\n"


if __name__ == "__main__":
    print(render(), end="")

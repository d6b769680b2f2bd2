"""The command without a subcommand."""

from __future__ import annotations

import re

from support.shell import Shell


def test_help_names_every_command_and_the_version_is_ours(shell: Shell) -> None:
    help_text = shell.run("--help").stdout
    version = shell.run("--version").stdout

    assert all(f"\n  {name} " in help_text for name in ("run", "check", "releases", "cache", "report"))
    assert re.fullmatch(r"bisect-asgi \d+\.\d+.*\n", version)

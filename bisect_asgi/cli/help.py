"""The help of the commands: panels at a terminal, lines elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

from bisect_asgi.core.plan.help_pages import HelpPage, HelpPanel, panels_of, plain_lines, variables_of
from bisect_asgi.core.plan.option import SUMMARIES, Command

_WIDEST = 100
_SHORT = "A line that begins with a PACKAGE is short for `bisect-asgi run PACKAGE …`."
_HELP = ("-h, --help", "Show this help and exit.")

EXAMPLES: dict[Command, tuple[tuple[str, str], ...]] = {
    "run": (
        ("bisect-asgi starlette --probe leak.py", "Find where the newest release began to fail."),
        ("bisect-asgi fastapi --probe leak.py --good 0.68 --bad 0.75", "Search between two releases."),
        (
            "bisect-asgi typer --probe import_typer.py --metric wall",
            "Find the release that is slower, without a threshold.",
        ),
    ),
    "check": (("bisect-asgi check fastapi==0.69.0 --probe leak.py", "Run the probe on one release."),),
    "suite": (("bisect-asgi suite probes/ --json", "Run all probes of a directory."),),
    "locks": (("bisect-asgi locks old.txt new.txt --probe leak.py", "Find the upgrade that breaks it."),),
    "verify": (
        ("bisect-asgi verify starlette --probe leak.py --fixed-in 0.15.0", "Check the claim of a changelog."),
    ),
    "shell": (
        (
            "bisect-asgi shell fastapi==0.69.0 --probe leak.py",
            "Open a shell in the environment of a release.",
        ),
    ),
    "exec": (("bisect-asgi exec fastapi==0.69.0 -- python -V", "Run one command there."),),
    "new": (
        ("bisect-asgi new leak.py --kind memory", "Write a probe that measures memory."),
        ("bisect-asgi new leak.py --from issue.md", "Draft a probe from the text of an issue."),
    ),
    "releases": (("bisect-asgi releases fastapi --releases '>=0.60'", "List the releases of a range."),),
    "runs": (("bisect-asgi runs -n 50", "List the last fifty runs."),),
    "report": (
        ("bisect-asgi report --full", "Show the whole report of the newest run."),
        ("bisect-asgi report 3204eed --json", "Show the report of a run in `bisect-asgi runs` as JSON."),
    ),
    "cache": (("bisect-asgi cache --clear", "Clear the cache."),),
    "doctor": (("bisect-asgi doctor", "Check this machine."),),
    "completion": (
        (
            'eval "$(bisect-asgi completion bash)"',
            "Complete in this shell; put it into ~/.bashrc to keep it.",
        ),
        ("bisect-asgi completion fish | source", "The same in fish."),
    ),
}


def show_help(page: HelpPage) -> None:
    """Print a page to the standard output."""
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        from bisect_asgi.report.text.help import render

        render(page, width=width)
    else:
        print("\n".join(plain_lines(page, width)))


def page_of(command: Any, path: str) -> HelpPage:
    """Return the page of a command that typer has built; `path` is how it is called."""
    name: Command = command.name
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    words = [each.metavar if each.required else f"[{each.metavar.strip('[]')}]" for each in arguments]
    given = tuple((each.metavar, each.help) for each in arguments)
    own = (HelpPanel("Arguments", given),) if given else ()
    return HelpPage(
        usage=(" ".join([path, *words, "[OPTIONS]"]),),
        text=_text(command),
        panels=(*own, *panels_of(name), *variables_of(name), HelpPanel("Help", (_HELP,))),
        examples=EXAMPLES.get(name, ()),
    )


def overview(command: Any) -> HelpPage:
    """Return the page of the command line as a whole."""
    return HelpPage(
        usage=(
            "bisect-asgi PACKAGE --probe FILE [OPTIONS]",
            "bisect-asgi COMMAND [ARGUMENTS] [OPTIONS]",
        ),
        text=f"{_text(command)}\n\n{_SHORT}",
        panels=(
            HelpPanel("Commands", tuple(SUMMARIES.items())),
            HelpPanel("Options", (("--version", "Show the version and exit."), _HELP)),
        ),
        examples=(*EXAMPLES["run"][:1], ("bisect-asgi run --help", "Show the options of a search.")),
    )


def _text(command: Any) -> str:
    import inspect

    return inspect.cleandoc(command.help or "")

"""An option: its help, its values, and the places where it may be set."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, get_args, get_origin

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.records import Struct, field

Command = Literal[
    "run",
    "check",
    "suite",
    "locks",
    "verify",
    "shell",
    "exec",
    "new",
    "releases",
    "runs",
    "report",
    "cache",
    "doctor",
    "completion",
]
"""The commands, in the order in which `--help` lists them."""

SUMMARIES: dict[Command, str] = {
    "run": "Find the first bad or first fixed release, and its cause.",
    "check": "Run the probe on one release, with git bisect's exit codes.",
    "suite": "Run many probes from a file or directory into one table.",
    "locks": "Find the smallest set of upgrades that breaks the probe.",
    "verify": 'Check a "fixed in" or "broken in" claim by running releases.',
    "shell": "Open a shell in a release's environment, next to the probe.",
    "exec": "Run one command in a release's environment.",
    "new": "Write a commented probe to start from.",
    "releases": "List the releases of a package, and why some are excluded.",
    "runs": "List past runs with their results.",
    "report": "Show the report of an earlier run.",
    "cache": "Show the size of the cache, or clear it.",
    "doctor": "Check that this machine, or each worker, can run trials.",
    "completion": "Print the script that completes command lines in a shell.",
}
"""The first line of each command's help, which is known without importing the command."""

Setting = str | int | float | bool | None
"""The value of a pair `KEY=VALUE`."""


_KINDS = {str: "text in quotes", int: "a whole number", float: "a number"}


class Place(StrEnum):
    """A file in which an option may stand, besides the command line of the commands that have it."""

    PROBE = "probe"
    """The `[tool.bisect-asgi]` table in the inline metadata of a probe (PEP 723)."""
    SUITE = "suite"
    """A suite file: its `[[probe]]` tables and `[defaults]`."""
    PROJECT = "project"
    """The `[tool.bisect-asgi]` table of the `pyproject.toml` in the current directory."""


class Section(StrEnum):
    """The heading under which help and documentation list an option."""

    PROBE = "What to run"
    SERVED = "Served apps"
    RANGE = "Range"
    ENVIRONMENT = "Environment"
    BAD = "What counts as bad"
    NOISE = "Noise and metrics"
    CAUSE = "Cause"
    CLAIM = "Claim"
    CONFINED = "Limits of a run"
    RUNNING = "How trials run"
    OUTPUT = "Output"
    OTHER = "Other"


class Option(Struct, frozen=True):
    """One option: its purpose, and the places where it is allowed. Its field gives it `name` and `kind`."""

    section: Section
    help: str
    """A verb or a noun phrase of at most 72 characters, without full stop."""
    metavar: str = ""
    """The word for its value; empty for a switch, and if its type lists the values."""
    default: str = ""
    """The value that holds without it, as text; empty if it is off or unset."""
    commands: tuple[Command, ...] = ()
    places: tuple[Place, ...] = tuple(Place)
    least: int | None = None
    """The smallest number that it accepts."""
    letter: str = ""
    """The short form: `j` for `-j`."""
    opposite: str = ""
    """The flag that turns a switch off: `no-culprit` for `--no-culprit`."""
    is_path: bool = False
    """Whether a relative value in a file is relative to the directory of that file."""
    variants: dict[Command, tuple[str, str]] = field(default_factory=dict)
    """Help and default of a command for which they differ."""
    is_habit: bool = False
    """Whether an environment variable gives its default: a user sets it once, for all searches."""
    is_common: bool = False
    """Whether the help of a command with many options lists it first."""
    name: str = ""
    kind: Any = None
    """The type of its value: the field's, without the None of an option that is not given."""

    @property
    def key(self) -> str:
        """The name of the option in a table."""
        return self.name.rstrip("_").replace("_", "-")

    @property
    def flag(self) -> str:
        """The name of the option on a command line."""
        return f"--{self.key}"

    @property
    def variable(self) -> str:
        """The environment variable of a habit: `BISECT_ASGI_JOBS`."""
        return f"BISECT_ASGI_{self.name.strip('_').upper()}"

    @property
    def is_switch(self) -> bool:
        """Whether it takes no value on a command line."""
        return self.kind is bool

    @property
    def is_settings(self) -> bool:
        """Whether its values are pairs `KEY=VALUE`."""
        return get_origin(self.kind) is dict

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be given several times."""
        return get_origin(self.kind) in (dict, tuple)

    @property
    def in_table(self) -> str:
        """The values that a table can give it, and how: "a whole number: `jobs = N`"."""
        if self.is_switch:
            return f"`{self.key} = true` or `{self.key} = false`"
        if self.is_settings:
            key, _, value = self.metavar.partition("=")
            return f'a table: `{self.key} = {{ {key} = "{value}" }}`'
        if self.is_repeatable:
            return f'a list: `{self.key} = ["{self.metavar}"]`'
        if get_origin(self.kind) is Literal:
            return " or ".join(f'`{self.key} = "{value}"`' for value in get_args(self.kind))
        kinds = get_args(self.kind) or (self.kind,)
        value = f'"{self.metavar}"' if str in kinds else self.metavar
        return f"{' or '.join(_KINDS[kind] for kind in kinds)}: `{self.key} = {value}`"

    @property
    def spelling(self) -> str:
        """The option as it is written: `-j, --jobs N`; in tables alone, `source`."""
        if not self.commands:
            return self.key
        letter = f"-{self.letter}, " if self.letter else ""
        opposite = f", --{self.opposite}" if self.opposite else ""
        value = self.metavar or "|".join(map(str, get_args(self.kind)))
        return f"{letter}{self.flag}{opposite} {value}".rstrip()

    def words(self, command: Command | None = None) -> tuple[str, str]:
        """Return the help and the default, as they are for `command`."""
        own = None if command is None else self.variants.get(command)
        return own or (self.help, self.default)

    def summary(self, command: Command) -> str:
        """Return the help text of `command` with default and `Repeatable.`."""
        text, default = self.words(command)
        whole = f"{text} (default: {default})." if default else f"{text}."
        return f"{whole} Repeatable." if self.is_repeatable else whole

    def check(self, value: object) -> None:
        """Raise UsageError if `value` is a number below the smallest one that the option accepts."""
        if self.least is not None and isinstance(value, int) and value < self.least:
            raise UsageError(f"`{self.flag} {value}` is out of range", hint=f"pass {self.least} or more")

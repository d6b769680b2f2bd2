"""Completions of the last word of a command line: the pure half of the shells' completion.

Words that are not declared with the options come from `Sources`, which read this machine. Packages and their
versions are those of cached index pages, so that a completion needs no network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, get_args, get_origin

from bisect_asgi.core.plan.option import SUMMARIES, Command, Option
from bisect_asgi.core.plan.options import OPTIONS
from bisect_asgi.core.records import Struct, replace

_DEFAULT: Command = "run"
_METRICS = ("wall", "cpu", "peak-memory")
_VERSIONS = ("good", "bad", "fixed_in", "broken_in")
_FIXED: Mapping[str, tuple[str, ...]] = {
    "over": ("date", "python", "commits"),
    "deps": ("as-of-release", "latest"),
    "executor": ("dask", "dask://"),
    "history": ("auto", "all", "none"),
    "python": ("all",),
}
_PACKAGES = ("with_", "override", "over")
_FOLDERS = ("repo",)
SHELLS = ("bash", "zsh", "fish")
_ARGUMENTS: Mapping[Command, str] = {
    "run": "package",
    "check": "release",
    "suite": "path",
    "locks": "path",
    "verify": "package",
    "shell": "release",
    "exec": "release",
    "new": "path",
    "releases": "package",
    "report": "path",
    "completion": "shell",
}
Paths = Literal["", "files", "folders"]


class Sources(Struct, frozen=True, kw_only=True):
    """The names on this machine that may complete a word."""

    packages: Callable[[], Iterable[str]]
    versions: Callable[[str], Iterable[tuple[str, str]]]
    """The versions of a package, each with the day of its upload, newest first."""
    named_in: Callable[[str], tuple[str, tuple[str, ...]]]
    """The package that a probe names, and the metrics that it reports."""


class Completion(Struct, frozen=True, kw_only=True):
    """The words that may replace the last word."""

    values: tuple[tuple[str, str], ...] = ()
    """Words, each with its meaning, or ""."""
    paths: Paths = ""
    """The paths that the shell should offer, besides the values."""


def complete(words: Sequence[str], sources: Sources) -> Completion:
    """Return the completions of the last word of a command line, given without the name of the program."""
    *before, last = words or ("",)
    if before == ["help"]:
        return _matching(Completion(values=tuple(SUMMARIES.items())), last)
    named: Command | None = next((command for command in SUMMARIES if before[:1] == [command]), None)
    line = _Line(named or _DEFAULT, before[1:] if named else before, sources)
    found = line.complete(last)
    if not before and not last.startswith("-"):
        found = Completion(values=(*SUMMARIES.items(), *found.values), paths=found.paths)
    return _matching(found, last)


def _matching(found: Completion, last: str) -> Completion:
    values = tuple(each for each in found.values if each[0].startswith(last))
    return Completion(values=values, paths=found.paths)


class _Line:
    """A command line up to the word that is completed."""

    def __init__(self, command: Command, before: Sequence[str], sources: Sources) -> None:
        self._command = command
        self._before = before
        self._sources = sources
        self._options = [option for option in OPTIONS.values() if command in option.commands]

    def complete(self, last: str) -> Completion:
        """Return the completions of the last word: the value of an option, an option, an argument."""
        flag, equals, value = last.partition("=")
        if equals and (option := self.option(flag)):
            found = self.values(option, value)
            return replace(found, values=tuple((f"{flag}={each}", text) for each, text in found.values))
        if self._before and (option := self.option(self._before[-1])) and not option.is_switch:
            return self.values(option, last)
        return Completion(values=tuple(self.flags())) if last.startswith("-") else self.argument(last)

    def option(self, word: str) -> Option | None:
        """Return the option that a word names."""
        found = (
            each for each in self._options if word == each.flag or (each.letter and word == f"-{each.letter}")
        )
        return next(found, None)

    def flags(self) -> Iterator[tuple[str, str]]:
        """Yield the options that may follow, each with its help."""
        given = {word.partition("=")[0] for word in self._before}
        for option in self._options:
            if option.is_repeatable or option.flag not in given:
                yield option.flag, option.summary(self._command)
                if option.opposite:
                    yield f"--{option.opposite}", f"Not {option.flag}."
        yield "--help", "Show this help and exit."

    def values(self, option: Option, last: str) -> Completion:
        """Return the values of an option."""
        if get_origin(option.kind) is Literal:
            return Completion(values=_bare(get_args(option.kind)))
        if option.is_path or option.name in _FOLDERS:
            return Completion(paths="folders" if option.name in _FOLDERS else "files")
        if option.name in _VERSIONS:
            package, _ = self._probe
            latest = (("latest", "the newest release of the range"),) if option.name == "good" else ()
            return Completion(values=(*self._sources.versions(self._package or package), *latest))
        if option.name == "metric":
            _, metrics = self._probe
            return Completion(values=_bare(dict.fromkeys([*metrics, *_METRICS])))
        fixed = _bare(_FIXED.get(option.name, ()))
        packages = tuple(self._requirements(last)) if option.name in _PACKAGES else ()
        return Completion(values=(*fixed, *packages))

    def argument(self, last: str) -> Completion:
        """Return the values of an argument of the command."""
        match _ARGUMENTS.get(self._command, ""):
            case "path":
                return Completion(paths="files")
            case "release":
                return Completion(values=tuple(self._requirements(last, is_pinned=True)))
            case "package" if self._package:
                return Completion()
            case "package":
                paths: Paths = "folders" if self._command == "verify" else ""
                return Completion(values=_bare(self._sources.packages()), paths=paths)
            case "shell":
                return Completion(values=_bare(SHELLS))
            case _:
                return Completion()

    @property
    def _package(self) -> str:
        """The package that is named on the line; "" if none is."""
        takes_value = ("", *self._before)
        for previous, word in zip(takes_value, self._before, strict=False):
            option = self.option(previous)
            if not word.startswith("-") and (option is None or option.is_switch):
                return word.partition("=")[0].partition("[")[0]
        return ""

    @property
    def _probe(self) -> tuple[str, tuple[str, ...]]:
        for previous, word in zip(self._before, self._before[1:], strict=False):
            if previous == "--probe":
                return self._sources.named_in(word)
        return "", ()

    def _requirements(self, last: str, *, is_pinned: bool = False) -> Iterator[tuple[str, str]]:
        """Yield packages, or with `==` behind one its versions."""
        name, equals, _ = last.partition("==")
        if equals:
            yield from ((f"{name}=={version}", day) for version, day in self._sources.versions(name))
        else:
            yield from _bare(f"{each}==" if is_pinned else each for each in self._sources.packages())


def _bare(values: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return tuple((value, "") for value in values)

"""All options of the tool. Each is declared once, as a field of `Options`, and everything else is derived.

Derived are the parameters of the commands (`cli/parameters`), the keys and types in a probe's table and in a
suite file (`core/plan/tables`), the command line that runs something again (`command_line`), and
docs/options.md (`cli/parameters`). A new option is one field here, and the code that uses it.
"""

# There is no `from __future__ import annotations`, because each start reads the types of the fields, and
# would have to evaluate types that are text.

import shlex
from typing import Annotated, Any, Literal, Union, get_args

from bisect_asgi.core.plan.option import Command, Option, Place, Section, Setting
from bisect_asgi.core.records import Struct, field, fields, replace

_SEARCHES: tuple[Command, ...] = ("run", "locks")
_PROBING: tuple[Command, ...] = ("run", "check", "locks")
_BY_HAND: tuple[Command, ...] = ("shell", "exec")
_NOWHERE: tuple[Place, ...] = ()
"""The places of an option of command lines alone."""


class Options(Struct, frozen=True, kw_only=True):
    """The values of all options; None or empty: not given.

    The name of a field is the option's, with underscores; after a Python keyword, with one more at the end.
    """

    package: Annotated[
        str | None, Option(Section.PROBE, "Package on the index: fastapi, or fastapi[all]", "PACKAGE")
    ] = None
    probe: Annotated[
        str | None,
        Option(
            Section.PROBE,
            "Python script that reproduces the bug",
            "FILE",
            commands=(*_PROBING, "verify", *_BY_HAND),
            places=(Place.SUITE,),
            is_path=True,
            is_common=True,
        ),
    ] = None
    command: Annotated[
        str | None,
        Option(
            Section.PROBE,
            "Run this shell command as the probe, with the environment first on PATH",
            "CMD",
            commands=_PROBING,
            is_common=True,
        ),
    ] = None
    include: Annotated[
        tuple[str, ...],
        Option(
            Section.PROBE,
            "Copy this file or directory next to the probe",
            "PATH",
            commands=(*_PROBING, *_BY_HAND),
            is_path=True,
        ),
    ] = ()
    env: Annotated[
        tuple[str, ...],
        Option(
            Section.PROBE,
            "Pass this environment variable to the probe",
            "NAME",
            commands=(*_PROBING, *_BY_HAND),
        ),
    ] = ()
    ask: Annotated[
        str | None,
        Option(
            Section.PROBE,
            "Have a person judge each release, who is asked this at the terminal",
            "QUESTION",
            commands=("run",),
            places=_NOWHERE,
        ),
    ] = None
    timeout: Annotated[
        float | str | None,
        Option(Section.PROBE, "Time limit of one run", "TIME", "2 min", commands=_PROBING, is_habit=True),
    ] = None

    sandbox: Annotated[
        Literal["auto", "strong", "basic", "none"] | None,
        Option(
            Section.CONFINED,
            "How runs are confined",
            default="auto",
            commands=(*_PROBING, *_BY_HAND),
            is_habit=True,
        ),
    ] = None
    no_network: Annotated[
        bool | None,
        Option(
            Section.CONFINED,
            "Run without a network but the run's own loopback",
            commands=(*_PROBING, *_BY_HAND),
            is_habit=True,
        ),
    ] = None
    limit_memory: Annotated[
        str | None,
        Option(
            Section.CONFINED,
            "Most memory of one run, such as 2 GiB",
            "SIZE",
            commands=_PROBING,
            is_habit=True,
        ),
    ] = None
    limit_processes: Annotated[
        int | None,
        Option(
            Section.CONFINED,
            "Most processes of one run at a time",
            "N",
            commands=_PROBING,
            least=1,
            is_habit=True,
        ),
    ] = None
    limit_disk: Annotated[
        str | None,
        Option(
            Section.CONFINED,
            "Most disk space that one run fills, such as 1 GiB",
            "SIZE",
            commands=_PROBING,
            is_habit=True,
        ),
    ] = None
    limit_cpu: Annotated[
        float | str | None,
        Option(
            Section.CONFINED,
            "Most processor time of one run, such as 60 s",
            "TIME",
            commands=_PROBING,
            is_habit=True,
        ),
    ] = None

    app: Annotated[
        str | None,
        Option(
            Section.SERVED,
            "Serve this ASGI app with uvicorn; without NAME, the app is `app`",
            "FILE[:NAME]",
            commands=(*_PROBING, *_BY_HAND),
            is_path=True,
            is_common=True,
        ),
    ] = None
    load: Annotated[
        str | None,
        Option(
            Section.SERVED,
            "Send this request to the served app, again and again: 'GET /'",
            "REQUEST",
            commands=_PROBING,
        ),
    ] = None
    requests: Annotated[
        int | None,
        Option(Section.SERVED, "Number of requests of --load", "N", "1000", commands=_PROBING, least=1),
    ] = None
    concurrency: Annotated[
        int | None,
        Option(Section.SERVED, "Requests of --load at the same time", "N", "1", commands=_PROBING, least=1),
    ] = None
    keep_alive: Annotated[
        bool | None,
        Option(
            Section.SERVED,
            "Reuse connections between the requests of --load",
            default="--keep-alive",
            commands=_PROBING,
            opposite="no-keep-alive",
        ),
    ] = None
    uvicorn: Annotated[
        dict[str, Setting],
        Option(Section.SERVED, "Set an option of uvicorn's Config: http=h11", "KEY=VALUE", commands=_PROBING),
    ] = field(default_factory=dict)

    any_failure: Annotated[
        bool | None,
        Option(Section.BAD, "Count every failure as bad, not only the bad end's", commands=_SEARCHES),
    ] = None
    match: Annotated[
        str | None,
        Option(
            Section.BAD,
            "Bad if the last 64 KiB of output match; other failures are skipped",
            "REGEX",
            commands=_PROBING,
        ),
    ] = None
    metric: Annotated[
        str | None,
        Option(
            Section.NOISE,
            "Metric that decides: wall, cpu, peak-memory, or one the probe reports",
            "NAME",
            commands=_PROBING,
            is_common=True,
        ),
    ] = None
    bad_above: Annotated[
        float | str | None,
        Option(
            Section.NOISE,
            "Bad if the metric is above X: 8 MiB, 250 ms, or 15% over the good end's",
            "X",
            commands=_PROBING,
        ),
    ] = None
    bad_below: Annotated[
        float | str | None,
        Option(
            Section.NOISE,
            "Bad if the metric is below X: 200/s, or 15% under the good end's",
            "X",
            commands=_PROBING,
        ),
    ] = None
    effect: Annotated[
        float | str | None,
        Option(
            Section.NOISE,
            "Without --bad-above or --bad-below, the smallest change that counts",
            "X%",
            "1%",
            commands=_SEARCHES,
        ),
    ] = None
    term_old: Annotated[
        str | None, Option(Section.BAD, "Word for passing", "WORD", "good", commands=("run",))
    ] = None
    term_new: Annotated[
        str | None, Option(Section.BAD, "Word for failing", "WORD", "bad", commands=("run",))
    ] = None

    over: Annotated[
        str | None,
        Option(
            Section.RANGE,
            "Search a dependency's releases (NAME), date, python or commits instead",
            "AXIS",
            commands=("run",),
        ),
    ] = None
    good: Annotated[
        str | None,
        Option(
            Section.RANGE,
            "Release (day, commit) that passes, or latest; older or newer than --bad",
            "VERSION",
            commands=("run",),
            is_common=True,
        ),
    ] = None
    bad: Annotated[
        str | None,
        Option(
            Section.RANGE,
            "Release that fails. Without --good, search backward from it",
            "VERSION",
            commands=("run",),
            is_common=True,
        ),
    ] = None
    releases: Annotated[
        str | None,
        Option(
            Section.RANGE,
            "Search only these releases: '>=0.60,<0.110'",
            "SPEC",
            commands=("run", "verify", "releases"),
            is_common=True,
        ),
    ] = None
    pre: Annotated[
        bool | None, Option(Section.RANGE, "Include pre-releases", commands=("run", "releases"))
    ] = None
    yanked: Annotated[
        bool | None, Option(Section.RANGE, "Include yanked releases", commands=("run", "releases"))
    ] = None
    order: Annotated[
        Literal["version", "upload"] | None,
        Option(Section.RANGE, "Order of the releases", default="version", commands=("run",)),
    ] = None
    history: Annotated[
        float | str | None,
        Option(
            Section.RANGE,
            "How long to look for other changes: auto, all, none, or a time",
            "auto|all|none|TIME",
            "auto",
            commands=_SEARCHES,
            is_common=True,
            is_habit=True,
        ),
    ] = None
    if_newest_fails: Annotated[
        bool | None,
        Option(
            Section.RANGE,
            "Run the newest release first, and search only if it is bad",
            commands=("run", "suite"),
            places=(Place.SUITE,),
        ),
    ] = None
    repo: Annotated[
        str | None,
        Option(Section.RANGE, "Repository for --over commits or --drill", "PATH|URL", commands=("run",)),
    ] = None
    first_parent: Annotated[
        bool | None,
        Option(
            Section.RANGE,
            "Take a merge as one commit, or search the commits that it merged",
            default="--first-parent",
            commands=("run",),
            opposite="every-commit",
        ),
    ] = None

    with_: Annotated[
        tuple[str, ...],
        Option(
            Section.ENVIRONMENT,
            "Install this in every environment: uvicorn==0.17.6, or a project: ./app",
            "REQ",
            commands=(*_PROBING, *_BY_HAND),
            is_common=True,
        ),
    ] = ()
    with_requirements: Annotated[
        tuple[str, ...],
        Option(
            Section.ENVIRONMENT,
            "Install the requirements in this file in every environment",
            "FILE",
            commands=(*_PROBING, *_BY_HAND),
            is_path=True,
        ),
    ] = ()
    constraint: Annotated[
        tuple[str, ...],
        Option(
            Section.ENVIRONMENT,
            "Limit versions by the requirements in this file, installing none",
            "FILE",
            commands=(*_PROBING, *_BY_HAND),
            is_path=True,
        ),
    ] = ()
    group: Annotated[
        tuple[str, ...],
        Option(
            Section.ENVIRONMENT,
            "Install this dependency group of pyproject.toml: dev, or PATH:dev",
            "GROUP",
            commands=(*_PROBING, *_BY_HAND),
        ),
    ] = ()
    override: Annotated[
        tuple[str, ...],
        Option(
            Section.ENVIRONMENT,
            "Install this whatever other packages require: starlette==0.15.0",
            "REQ",
            commands=("run", "check", *_BY_HAND),
        ),
    ] = ()
    deps: Annotated[
        str | None,
        Option(
            Section.ENVIRONMENT,
            "Other packages: as-of-release, latest, or 'as-of 2022-01-10'",
            "POLICY",
            "as-of-release",
            commands=("run", "check", "verify", *_BY_HAND),
            is_habit=True,
        ),
    ] = None
    python: Annotated[
        str | None,
        Option(
            Section.ENVIRONMENT,
            "Python version or path; for a search also several (3.8,3.11) or all",
            "VERSION",
            "the one that suits the range best",
            commands=("run", "check", "locks", "verify", "releases", *_BY_HAND),
            variants={"releases": ("List the releases as this Python could install them", "any Python")},
            is_common=True,
            is_habit=True,
        ),
    ] = None

    confirm: Annotated[
        int | None,
        Option(
            Section.NOISE,
            "Extra runs of each release at the boundary",
            "N",
            "as many as --confidence needs",
            commands=_SEARCHES,
            least=0,
        ),
    ] = None
    confidence: Annotated[
        float | str | None,
        Option(
            Section.NOISE,
            "Confidence of the boundary; also sets the runs that confirm it",
            "P",
            "0.99",
            commands=_SEARCHES,
            is_habit=True,
        ),
    ] = None
    budget: Annotated[
        int | str | None,
        Option(
            Section.NOISE,
            "Most runs, or time, for a flaky probe or noisy metric",
            "N|TIME",
            "400 runs",
            commands=_SEARCHES,
        ),
    ] = None
    culprit: Annotated[
        bool | None,
        Option(
            Section.CAUSE,
            "Find the cause of the change",
            default="--culprit",
            commands=("run", "suite", "verify"),
            opposite="no-culprit",
            variants={"verify": ("Find the cause of the claimed change, too", "--no-culprit")},
        ),
    ] = None
    drill: Annotated[
        bool | None, Option(Section.CAUSE, "Continue into the culprit's commits", commands=("run",))
    ] = None

    fixed_in: Annotated[
        str | None,
        Option(Section.CLAIM, "Release claimed to be the first fixed one", "VERSION", commands=("verify",)),
    ] = None
    broken_in: Annotated[
        str | None,
        Option(Section.CLAIM, "Release claimed to be the first broken one", "VERSION", commands=("verify",)),
    ] = None
    source: Annotated[str | None, Option(Section.CLAIM, "Where the claim was made", "TEXT")] = None

    jobs: Annotated[
        int | None,
        Option(
            Section.RUNNING,
            "Trials in parallel",
            "N",
            "CPU cores; more if trials mostly wait",
            commands=("run", "locks", "suite"),
            least=1,
            letter="j",
            variants={"suite": ("Probes in parallel", "CPU cores")},
            is_habit=True,
        ),
    ] = None
    time_limit: Annotated[
        float | str | None,
        Option(
            Section.RUNNING,
            "End the search after this time, with what is known by then",
            "TIME",
            commands=("run", "locks"),
        ),
    ] = None
    build_timeout: Annotated[
        float | str | None,
        Option(
            Section.RUNNING,
            "Time limit of building source distributions or a commit",
            "TIME",
            "10 min",
            commands=(*_PROBING, *_BY_HAND),
            is_habit=True,
        ),
    ] = None
    offline: Annotated[
        bool | None,
        Option(
            Section.RUNNING,
            "Ask no index and no repository: use what is cached",
            commands=("run", "check", "locks", "verify", "suite", "shell", "exec", "releases", "doctor"),
            places=_NOWHERE,
        ),
    ] = None
    executor: Annotated[
        str | None,
        Option(
            Section.RUNNING,
            "Run trials on a dask cluster: dask://HOST:PORT, or dask to start one",
            "WHERE",
            commands=("run", "check", "locks", "verify", "suite", "doctor"),
            places=_NOWHERE,
            is_habit=True,
        ),
    ] = None
    undo: Annotated[
        tuple[str, ...],
        Option(
            Section.RUNNING,
            "Drop the cached runs of this release, and run it again",
            "VERSION",
            commands=("run",),
            places=_NOWHERE,
        ),
    ] = ()
    fresh: Annotated[
        bool | None,
        Option(
            Section.RUNNING,
            "Run again what earlier commands have cached",
            commands=("run", "check", "locks", "verify", "suite"),
        ),
    ] = None

    dry_run: Annotated[
        bool | None,
        Option(
            Section.RUNNING,
            "Show what the command is going to do, and run nothing",
            commands=("run", "locks", "verify", "suite"),
            places=_NOWHERE,
        ),
    ] = None

    json: Annotated[
        bool | None,
        Option(
            Section.OUTPUT,
            "Write the result as one JSON document",
            commands=(
                *(
                    "run",
                    "locks",
                    "suite",
                    "runs",
                    "report",
                    "check",
                    "verify",
                    "releases",
                    "cache",
                    "doctor",
                ),
            ),
            places=_NOWHERE,
        ),
    ] = None
    format: Annotated[
        Literal["text", "markdown", "html", "json", "svg", "junit", "osv", "github"] | None,
        Option(
            Section.OUTPUT,
            "Form of the report: text, markdown, html, json, svg, junit, osv, github",
            "FORM",
            "text",
            commands=("run", "locks", "suite", "check", "verify", "report"),
            places=_NOWHERE,
        ),
    ] = None
    output: Annotated[
        tuple[str, ...],
        Option(
            Section.OUTPUT,
            "Write the report to this file, too, in the form of its ending",
            "FILE",
            commands=("run", "locks", "suite", "check", "verify", "report"),
            places=_NOWHERE,
            letter="o",
        ),
    ] = ()
    fail_on: Annotated[
        tuple[str, ...],
        Option(
            Section.OUTPUT,
            "Exit with code 7 for this result, and with 0 for any other",
            "found|changed|incomplete",
            commands=("run", "locks", "suite", "verify"),
            places=_NOWHERE,
        ),
    ] = ()
    live: Annotated[
        bool | None,
        Option(
            Section.OUTPUT,
            "Serve the report as a page on this machine, updated as runs end",
            commands=("run", "locks", "suite", "verify"),
            places=_NOWHERE,
        ),
    ] = None
    full: Annotated[
        bool | None,
        Option(
            Section.OUTPUT,
            "Show the whole report, with all releases, combinations and changes",
            commands=("run", "locks", "suite", "report"),
            places=_NOWHERE,
        ),
    ] = None
    plot: Annotated[
        bool | None,
        Option(
            Section.OUTPUT, "Plot the metric over the releases", commands=("run", "report"), places=_NOWHERE
        ),
    ] = None
    timings: Annotated[
        bool | None,
        Option(
            Section.OUTPUT, "Show where the time went", commands=("run", "suite", "report"), places=_NOWHERE
        ),
    ] = None
    quiet: Annotated[
        bool | None,
        Option(
            Section.OUTPUT,
            "Show only the result",
            commands=("run", "locks", "verify", "suite", "report"),
            places=_NOWHERE,
            letter="q",
            is_habit=True,
        ),
    ] = None
    verbose: Annotated[
        bool | None,
        Option(
            Section.OUTPUT,
            "Show the output of the probe",
            commands=_PROBING,
            places=_NOWHERE,
            letter="v",
            is_habit=True,
        ),
    ] = None
    color: Annotated[
        Literal["auto", "always", "never"] | None,
        Option(
            Section.OUTPUT,
            "When to color the output; auto reads NO_COLOR and FORCE_COLOR",
            default="auto",
            commands=("run", "locks", "verify", "suite", "runs", "report"),
            places=_NOWHERE,
            is_habit=True,
        ),
    ] = None
    number: Annotated[
        int | None,
        Option(
            Section.OTHER,
            "Most runs to list",
            "N",
            "20",
            commands=("runs",),
            places=_NOWHERE,
            least=1,
            letter="n",
        ),
    ] = None
    diff: Annotated[
        bool | None,
        Option(
            Section.OTHER,
            "Show instead the whole diff of the culprit's two releases",
            commands=("report",),
            places=_NOWHERE,
        ),
    ] = None
    clear: Annotated[
        bool | None,
        Option(
            Section.OTHER,
            "Remove environments, cached runs, pages and logs",
            commands=("cache",),
            places=_NOWHERE,
        ),
    ] = None
    from_: Annotated[
        str | None,
        Option(
            Section.OTHER,
            "Draft the probe from an issue, as Markdown; - is the standard input",
            "FILE|-",
            commands=("new",),
            places=_NOWHERE,
        ),
    ] = None
    kind: Annotated[
        Literal["memory", "latency", "hang", "status", "script"] | None,
        Option(Section.OTHER, "What the probe checks", default="script", commands=("new",), places=_NOWHERE),
    ] = None


def _declared() -> dict[str, Option]:
    """Return the options by the names of their fields, in their order."""
    found = {}
    for declared in fields(Options):
        (option,) = declared.type.__metadata__
        kinds = [kind for kind in get_args(declared.type.__origin__) if kind is not type(None)]
        is_optional = len(kinds) < len(get_args(declared.type.__origin__))
        kind = Union[tuple(kinds)] if is_optional else declared.type.__origin__  # noqa: UP007 (a tuple of types)
        found[declared.name] = replace(option, name=declared.name, kind=kind)
    return found


OPTIONS = _declared()
"""All options by the names of their fields."""


def merge(first: Options, second: Options) -> Options:
    """Join the options: `first` wins, and those that are repeatable are joined, `second` before `first`.

    A claim of `first` replaces one of `second`, whichever of the two kinds each of them is.
    """
    second = _without_other_claim(first, second)
    merged: dict[str, Any] = {}
    for name, option in OPTIONS.items():
        value, other = getattr(first, name), getattr(second, name)
        if option.is_settings:
            merged[name] = other | value
        elif option.is_repeatable:
            merged[name] = other + value
        else:
            merged[name] = other if value is None else value
    return Options(**merged)


def _without_other_claim(first: Options, second: Options) -> Options:
    """Return `second` without a claim of the other kind than the claim of `first`, and without its source."""
    if first.fixed_in is not None and second.broken_in is not None:
        return replace(second, broken_in=None, source=None)
    if first.broken_in is not None and second.fixed_in is not None:
        return replace(second, fixed_in=None, source=None)
    return second


def beside(options: Options, known: Options, defaults: Options) -> Options:
    """Return the options that have to be given if `known` are given already.

    `defaults` are the values that hold without an option. They are needed for options that `known` may
    change.
    """
    left: dict[str, Any] = {}
    for name, option in OPTIONS.items():
        value, other = getattr(options, name), getattr(known, name)
        if option.is_settings:
            left[name] = {key: setting for key, setting in value.items() if other.get(key) != setting}
        elif option.is_repeatable:
            left[name] = tuple(one for one in value if one not in other)
        elif value != other:
            left[name] = getattr(defaults, name) if value is None else value
    return Options(**left)


def command_line(options: Options, command: Command) -> tuple[str, ...]:
    """Return the words, quoted for a shell, that give `command` those of these options that it has."""
    words: list[str] = []
    for name, option in OPTIONS.items():
        if command in option.commands:
            words += _words(option, getattr(options, name))
    return tuple(map(shlex.quote, words))


def _words(option: Option, value: Any) -> list[str]:
    if value is None:
        return []
    if option.is_switch:
        return [option.flag] if value else [f"--{option.opposite}"] * bool(option.opposite)
    if option.is_settings:
        return [word for key, setting in value.items() for word in (option.flag, f"{key}={setting}")]
    values = value if option.is_repeatable else (value,)
    texts = (f"{one:.12g}" if isinstance(one, float) else str(one) for one in values)
    return [word for text in texts for word in (option.flag, text)]
